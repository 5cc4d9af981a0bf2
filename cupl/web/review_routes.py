"""Sorting and reviewing: photos by label, moved by hand, then written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from starlette.routing import Route

from cupl.errors import InputError
from cupl.web.answers import Body, ConflictError, command, query
from cupl.web.review_moves import ReviewMoves
from cupl.web.review_writing import ReviewWriting, WrittenAs, plan_digest
from cupl.web.settings import ViewSettings
from cupl.web.workspace import Workspace

_TITLES = {
    "copy": "Copying photos", "link": "Linking photos", "move": "Moving photos",
    "tags": "Writing tags", "xmp": "Writing keywords",
}  # fmt: skip


class ReviewBody(Body):
    """What is looked at: under which settings, of which folder."""

    settings: ViewSettings = ViewSettings()
    folder: int | None = None


class MoveBody(Body):
    """Photos to another label; ``""`` is none of the classes, null what the classifier says."""

    photos: Annotated[list[int], Field(min_length=1, max_length=100_000)]
    label: Annotated[str, Field(max_length=500)] | None
    revision: int


class WriteBody(Body):
    """What to write, and the plan of it which was shown."""

    way: WrittenAs
    settings: ViewSettings = ViewSettings()
    plan: str = ""


class UndoBody(Body):
    """A step back of what was seen."""

    revision: int


class TakeBackBody(Body):
    """What to take back."""

    way: WrittenAs


def review_routes(space: Workspace) -> list[Route]:
    """The routes of the page."""
    page = _ReviewPage(space)
    return [
        command("/api/review", ReviewBody, page.view),
        command("/api/review/move", MoveBody, page.move),
        command("/api/review/undo", UndoBody, page.undo),
        command("/api/review/plan", WriteBody, page.plan),
        command("/api/review/write", WriteBody, page.write),
        command("/api/review/back", TakeBackBody, page.take_back),
        query("/api/review/state", page.state),
    ]


class _ReviewPage:
    def __init__(self, space: Workspace) -> None:
        self.space = space
        self.moves = ReviewMoves(space.folder / "review.csv", space.photos.originals)
        self.writing = ReviewWriting(space, self.moves)

    def view(self, body: ReviewBody) -> dict[str, Any]:
        photos = self.space.photos
        numbers = photos.readable(body.folder)
        found = self.space.views.predictions(body.settings, numbers)[0] if numbers else []
        return {
            "revision": self.moves.revision, "can_undo": self.moves.can_undo,
            "classes": [
                {"name": label.name, "answer": label.id or label.name}
                for label in self.space.labels
            ],
            "photos": numbers,
            "labels": [None if one.label is None else one.id or one.label for one in found],
            "probabilities": [round(one.probability or 0.0, 4) for one in found],
            "by_hand": self._by_hand(),
            "errors": {str(number): error for number, error in photos.errors.items()},
            "unread": len(photos) - photos.encoded,
        }  # fmt: skip

    def state(self, asked: Mapping[str, str]) -> dict[str, Any]:
        return self.writing.state()

    def move(self, body: MoveBody) -> dict[str, Any]:
        known = {"", *(label.id or label.name for label in self.space.labels)}
        if body.label is not None and body.label not in known:
            raise InputError(f"{body.label!r:.100} is no class: add it to the bank first")
        if not all(0 <= one < len(self.space.photos) for one in body.photos):
            raise InputError("there is no such photo")
        self.moves.move(body.photos, body.label, body.revision)
        return self._stands()

    def undo(self, body: UndoBody) -> dict[str, Any]:
        return {"undone": self.moves.undo(body.revision), **self._stands()}

    def _stands(self) -> dict[str, Any]:
        return {
            "revision": self.moves.revision, "can_undo": self.moves.can_undo,
            "by_hand": self._by_hand(),
        }  # fmt: skip

    def _by_hand(self) -> dict[str, str]:
        standing = self.moves.standing(self.space.labels)
        return {str(number): label for number, label in standing.items()}

    def plan(self, body: WriteBody) -> dict[str, Any]:
        self._check_read()
        return self.writing.plan(body.way, body.settings)

    def write(self, body: WriteBody) -> dict[str, Any]:
        self._check_read()
        predictions = self.writing.predictions(body.settings)
        if body.plan != plan_digest(predictions):
            raise ConflictError(
                "labels of photos have changed since this plan was made: look at it anew"
            )
        return self.space.jobs.start(
            "write", _TITLES[body.way],
            lambda progress: self.writing.write(body.way, predictions, progress),
        ).to_dict()  # fmt: skip

    def take_back(self, body: TakeBackBody) -> dict[str, Any]:
        return self.space.jobs.start(
            "write", "Taking it back", lambda progress: self.writing.take_back(body.way, progress)
        ).to_dict()

    def _check_read(self) -> None:
        photos = self.space.photos
        if photos.encoded < len(photos):
            left = len(photos) - photos.encoded
            raise InputError(f"{left:,} photos are not read yet: wait until they are")
