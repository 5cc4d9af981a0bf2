"""Writing what was reviewed: into folders like ``cupl sort``, or as tags like ``cupl tag``."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from cupl.errors import InputError
from cupl.io.atomic import make_folder
from cupl.progress import Progress
from cupl.web.moved_photos import moved_photos
from cupl.web.review_moves import ReviewMoves
from cupl.web.settings import ViewSettings

if TYPE_CHECKING:
    from cupl.classification.prediction import Prediction
    from cupl.index.holders import WrittenReport
    from cupl.web.workspace import Workspace

TAGS = "tags.csv"
WrittenAs = Literal["copy", "link", "move", "tags", "xmp"]
_SHOWN = 20


class ReviewWriting:
    """What is written of a review, and what takes it back."""

    def __init__(self, space: Workspace, moves: ReviewMoves) -> None:
        self._space, self._moves, self.sorted = space, moves, space.sorted

    def predictions(self, settings: ViewSettings) -> list[Prediction]:
        """One for each photo that was read, the decisions of the person put in; then the others."""
        from cupl.classification.prediction import Prediction

        photos = self._space.photos
        by_hand = self._moves.standing(self._space.labels)
        numbers = photos.readable()
        found = self._space.views.predictions(settings, numbers)[0] if numbers else []
        placed = dict(zip(numbers, found, strict=True))
        self._decide(placed, by_hand, settings)
        errors = dict(photos.errors)
        errors |= {n: "it does not lie in the folder any more" for n in placed if photos.left(n)}
        return [
            *(replace(one, path=photos.paths[n]) for n, one in placed.items() if n not in errors),
            *(Prediction(error=error, path=photos.paths[n]) for n, error in errors.items()),
        ]

    def _decide(
        self, placed: dict[int, Prediction], by_hand: dict[int, str], settings: ViewSettings
    ) -> None:
        from cupl.classification.sort_folders import NONE_OF_THESE_FOLDER

        own = [number for number in by_hand if number in placed]
        if not own:
            return
        labels = self._space.labels
        answers = {label.id or label.name: label for label in labels}
        plain = settings.model_copy(update={"threshold": None})
        whole = self._space.views.predictions(plain, own, len(labels))[0]
        for number, one in zip(own, whole, strict=True):
            wanted = answers.get(by_hand[number])
            if wanted is None:  # none of these
                rejected = f"{NONE_OF_THESE_FOLDER}: by hand"
                placed[number] = replace(placed[number], rejected=rejected, labels=())
                continue
            score = next(s for s in one.top if (s.label, s.id) == (wanted.name, wanted.id))
            placed[number] = replace(one, top=(score,), rejected=None)

    def plan(self, way: WrittenAs, settings: ViewSettings) -> dict[str, Any]:
        """What writing would do: photos by folder or by tag, and what is to be known before."""
        predictions = self.predictions(settings)
        unread = sum(one.error is not None for one in predictions)
        unlabelled = 0
        if way == "tags" or way == "xmp":  # noqa: PLR1714 - as mypy follows it
            counts = Counter(one.label for one in predictions if one.label is not None)
            target = self._space.folder / TAGS if way == "tags" else None
            unlabelled = len(predictions) - unread - counts.total() if way == "tags" else 0
        else:
            from cupl.classification.sorting import sort_images

            report = sort_images(predictions, self.sorted, way, dry_run=True)
            counts, target = report.counts, self.sorted
        waiting = len(self._moves.by_hand) - len(self._moves.standing(self._space.labels))
        return {
            "way": way, "counts": counts.most_common(), "unread": unread, "waiting": waiting,
            "unlabelled": unlabelled,
            "target": None if target is None else str(target), "photos": counts.total(),
            "plan": plan_digest(predictions),
        }  # fmt: skip

    def write(
        self, way: WrittenAs, predictions: list[Prediction], progress: Progress
    ) -> dict[str, Any]:
        """Do it."""
        make_folder(self._space.folder)
        if way == "tags":
            from cupl.classification.writers import write_predictions

            target = self._space.folder / TAGS
            write_predictions(predictions, 1, "csv", target)
            return {"text": f"wrote {target}", "errors": []}
        if way == "xmp":
            return self._keywords(predictions, progress)
        from cupl.classification.sorting import sort_images

        try:
            report = sort_images(predictions, self.sorted, way, progress=progress)
        finally:
            self._follow()
        done = {"copy": "copied", "link": "linked", "move": "moved"}[report.how]
        text = f"{report.placed:,} photos {done} into {report.folder}"
        text += f"; there already: {report.there:,}" if report.there else ""
        if report.elsewhere:
            text += (
                f"; {report.elsewhere:,} got another label before and stayed where they are: take "
                "it back first to sort them anew"
            )
        return {"text": text, "errors": _told(report.errors)}

    def take_back(self, way: WrittenAs, progress: Progress) -> dict[str, Any]:
        """Undo what was sorted, or take away the keywords."""
        if way == "xmp":
            from cupl.index.keywords import remove_keywords

            photos = self._space.photos
            here = [path for n, path in enumerate(photos.paths) if not photos.left(n)]
            removed = remove_keywords(here, progress=progress)
            return _of_keywords(removed, "cleared of keywords")
        from cupl.classification.sort_undo import undo_sort

        try:
            report = undo_sort(self.sorted, progress=progress)
        finally:
            self._follow()
        text = f"{report.restored:,} photos back in place, {report.removed:,} copies or links gone"
        lost = [(path, "not found") for path in report.lost]
        return {"text": text, "errors": _told([*report.left, *lost])}

    def state(self) -> dict[str, Any]:
        """Whether there is something to take back, and whether keywords can be written."""
        from importlib.util import find_spec

        from cupl.classification.sort_journal import JOURNAL_NAME

        return {
            "sorted": str(self.sorted) if (self.sorted / JOURNAL_NAME).exists() else None,
            "keywords": find_spec("pyexiv2") is not None,
        }

    def _keywords(self, predictions: list[Prediction], progress: Progress) -> dict[str, Any]:
        from cupl.index.keywords import write_keywords

        words = {
            one.path: [one.label]
            for one in predictions
            if one.label is not None and one.path is not None
        }
        if not words:
            raise InputError("no photo has a label to write")
        report = write_keywords(words, "xmp", index=self._space.sources.index, progress=progress)
        return _of_keywords(report, "with keywords")

    def _follow(self) -> None:
        """Where the photos are now that some were moved, or moved back."""
        self._space.photos.follow(moved_photos(self.sorted), str(self.sorted))


def plan_digest(predictions: list[Prediction]) -> str:
    """Of which photo gets which label."""
    said = [(one.path, one.label, one.id, one.error) for one in predictions]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


def _of_keywords(report: WrittenReport, done: str) -> dict[str, Any]:
    kept = f"; {report.same:,} were so already" if report.same else ""
    return {"text": f"{report.changed:,} photos {done}{kept}", "errors": _told(report.errors)}


def _told(errors: list[tuple[str, str]]) -> list[str]:
    told = [f"{path}: {why}" for path, why in errors[:_SHOWN]]
    more = len(errors) - len(told)
    return [*told, f"and {more:,} more"] if more else told
