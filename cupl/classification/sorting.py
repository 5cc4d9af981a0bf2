"""Photos into folders by their labels: copied, linked or moved, with a list and a way back."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cupl.classification.prediction import Prediction, listed_predictions
from cupl.classification.sort_folders import (
    NONE_OF_THESE_FOLDER,
    UNSURE,
    FolderNames,
    FreeNames,
)
from cupl.classification.sort_journal import (
    JOURNAL_NAME,
    How,
    SortEntry,
    SortJournal,
    is_own_list,
    read_journal,
)
from cupl.embedding.elsewhere import check_on_disk
from cupl.errors import CuplError, InputError
from cupl.io.locks import sole_writer
from cupl.io.placing import Act, SourceError, copy_new, file_digest, move_new
from cupl.io.reasons import reason
from cupl.progress import Progress, ignore

HOWS: tuple[How, ...] = ("copy", "link", "move")


@dataclass(eq=False)
class SortReport:
    """What became of photos that were sorted, or what would.

    Attributes:
        folder: of the sorted photos.
        how: what was done with them.
        counts: photos by folder, those that were there before among them.
        placed: photos that were put there now.
        there: photos that were there before, or whose content was.
        elsewhere: of these, photos that an earlier run put into another folder, where they stay.
        errors: path and reason of photos that were left where they are.
        beside: files of the same name beside the photos, by their ending, which were left.
        aside: where a ``sorted.csv`` is kept that somebody had changed.

    """

    folder: Path
    how: How
    counts: Counter[str] = field(default_factory=Counter)
    placed: int = 0
    there: int = 0
    elsewhere: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    beside: Counter[str] = field(default_factory=Counter)
    aside: Path | None = None


def sort_images(
    predictions: Iterable[Prediction],
    folder: str | os.PathLike[str],
    how: How = "copy",
    *,
    dry_run: bool = False,
    progress: Progress = ignore,
) -> SortReport:
    """Put photos into a folder for each label, never over another file.

    ::

        classifier = cupl.ZeroShotClassifier.load("vectors.safetensors")
        predictions = classifier.predict(sorted(Path("photos").rglob("*.jpg")), threshold=0.6)
        cupl.sort_images(predictions, "sorted/")
        cupl.undo_sort("sorted/")

    Photos without a label go to ``unsure``, and those of a reject bank to ``none of these``.
    Nothing is done before all predictions are there. Each action is in a journal before it is
    begun, so that a run that was killed can be gone on with and taken back. Photos that lie in
    ``folder`` are passed over, and so are those that an earlier run put there.

    Args:
        predictions: each with its path; of one that could not be read the photo stays.
        folder: made where it is missing; ``sorted.csv`` in it says what went where.
        how: ``copy``, ``move``, or ``link`` for symbolic links.
        dry_run: count only.
        progress: told how many photos are placed, and of how many.

    Raises:
        InputError: another run sorts into the folder, or it cannot be written; what was done until
            then stays done.

    """
    if how not in HOWS:
        raise InputError(f"photos are sorted by {', '.join(HOWS)}, not by {how!r:.40}")
    place = Path(folder)
    report = SortReport(place, how)
    with nullcontext() if dry_run else sole_writer(place):
        photos = _photos(predictions, place, report)
        if dry_run:
            known = read_journal(place)[0] if os.path.lexists(place / JOURNAL_NAME) else {}
            report.counts.update(_folders(known.values(), photos))
            report.beside = _beside(photos)
            return report
        if not photos:  # no folder is left behind
            return report
        with SortJournal(place) as journal:
            _check_list(journal)
            try:
                _Sorter(journal, report, photos).run(progress)
            except BaseException:
                with suppress(CuplError, OSError):  # what stopped it is to be told, not this
                    if journal.entries:
                        journal.write_list(report.errors)
                raise
            report.aside = journal.write_list(report.errors)
    report.beside = _beside(photos)
    return report


def outside(paths: Sequence[str], folder: str | os.PathLike[str]) -> list[str]:
    """The paths that do not lie in a folder, by which way soever."""
    real, inside = cache(os.path.realpath), os.path.realpath(folder).rstrip(os.sep) + os.sep
    folders = (f"{real(os.path.dirname(path))}{os.sep}" for path in paths)  # noqa: PTH120
    return [
        path for path, folder in zip(paths, folders, strict=True) if not folder.startswith(inside)
    ]


@dataclass(frozen=True, slots=True)
class _Photo:
    path: str
    given: str
    label: str | None
    id: str | None
    score: float | None
    probability: float | None
    none: bool


def _photos(predictions: Iterable[Prediction], folder: Path, report: SortReport) -> list[_Photo]:
    """What is to be sorted, each photo once; nothing that lies in the folder."""
    real, found = cache(os.path.realpath), dict[str, _Photo]()
    for one in listed_predictions(predictions):
        if one.path is None:
            raise InputError("a photo to sort needs a path, and one of the predictions has none")
        check_on_disk([one.path], "to sort them")
        if not outside([one.path], folder):
            continue
        parent, name = os.path.split(os.path.abspath(one.path))  # noqa: PTH100
        if one.error is not None:
            report.errors.append((one.path, one.error))
            continue
        path = os.path.join(real(parent), name)  # noqa: PTH118
        none = (one.rejected or "").startswith(NONE_OF_THESE_FOLDER)
        found.setdefault(
            path, _Photo(path, one.path, one.label, one.id, one.score, one.probability, none)
        )
    return list(found.values())


def _folders(known: Iterable[SortEntry], photos: Iterable[_Photo]) -> list[str]:
    """The folder of each photo."""
    names = FolderNames((one.label, one.id, Path(one.to).parts[0]) for one in known if one.label)
    return [
        names.of(one.label, one.id)
        if one.label is not None
        else NONE_OF_THESE_FOLDER if one.none else UNSURE
        for one in photos
    ]  # fmt: skip


def _check_list(journal: SortJournal) -> None:
    """Whether what is called like the list can be kept."""
    try:
        is_own_list(journal.folder, journal.listed)
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({reason(error)})") from error


class _Sorter:
    """Places photos one by one."""

    def __init__(self, journal: SortJournal, report: SortReport, photos: list[_Photo]) -> None:
        self._journal, self._report, self._photos = journal, report, photos
        self._names = FreeNames()

    def run(self, progress: Progress) -> None:
        folders = _folders(self._journal.entries.values(), self._photos)
        for number, (photo, folder) in enumerate(zip(self._photos, folders, strict=True), start=1):
            try:
                before = self._before(photo)
                into = folder if before is None else before
                if before is None:
                    self._place(photo, folder)
                else:
                    self._report.elsewhere += before != folder
            except SourceError as error:
                self._report.errors.append((photo.given, reason(error, photo.path)))
            except OSError as error:
                raise InputError(
                    f"cannot write {error.filename or self._report.folder}: {reason(error)}; "
                    f"{self._report.placed:,} of {len(self._photos):,} photos are done: the same "
                    "again goes on, and undo takes it back"
                ) from error
            else:
                self._report.counts[into] += 1
            progress(number, len(self._photos))

    def _before(self, photo: _Photo) -> str | None:
        """The folder where an earlier run put it, and where it still is."""
        entry = self._journal.entries.get(photo.path)
        if entry is None:
            return None
        target, source = self._journal.folder / entry.to, Path(photo.path)
        if not _is_placed(entry, target) or (
            entry.how != "link" and file_digest(source) != entry.sha256
        ):
            return None
        if self._report.how == "move":
            if entry.how != "move":
                raise SourceError(0, f"it was sorted before, by {entry.how}: undo that first")
            _finish_move(source, target)  # killed between its two names
        self._report.there += 1
        return Path(entry.to).parts[0]

    def _place(self, photo: _Photo, folder: str) -> None:
        """Put it under the first name that nothing has, unless its content is there."""
        source, parent = Path(photo.path), self._journal.folder / folder
        parent.mkdir(exist_ok=True)
        for name, free in self._names.of(str(parent), source.name):
            target = parent / name
            if free:
                try:
                    self._act(photo, source, target)
                except FileExistsError:
                    pass  # since the folder was listed
                else:
                    self._names.take(str(parent), name)
                    self._report.placed += 1
                    return
            elif self._report.how != "move" and _same(source, target, self._report.how):
                self._report.there += 1
                return

    def _act(self, photo: _Photo, source: Path, target: Path) -> None:
        folder, how = self._journal.folder, self._report.how

        def note(digest: str | None, link: str | None = None) -> None:
            to = str(target.relative_to(folder))
            self._journal.add(
                SortEntry(
                    photo.path, to, how, digest, link, photo.label, photo.id, photo.score,
                    photo.probability, None if digest is None else source.stat().st_size,
                )
            )  # fmt: skip

        if how == "link":
            link = os.path.relpath(source, os.path.realpath(target.parent))
            if os.path.lexists(target):
                raise FileExistsError
            note(None, link)
            target.symlink_to(link)
            return
        act: Act = copy_new if how == "copy" else move_new
        act(source, target, note, folder)


def _is_placed(entry: SortEntry, target: Path) -> bool:
    """Whether what was put there is there, as it was."""
    if entry.how == "link":
        return target.is_symlink() and os.readlink(target) == entry.link  # noqa: PTH115
    return target.is_file() and not target.is_symlink() and file_digest(target) == entry.sha256


def _finish_move(source: Path, target: Path) -> None:
    try:
        if not source.is_symlink():
            source.unlink()
    except OSError as error:
        raise SourceError(error.errno, error.strerror, str(source)) from error


def _same(source: Path, target: Path, how: How) -> bool:
    """Whether a name that is taken has the photo already."""
    if how == "link":
        return target.is_symlink() and target.exists() and target.samefile(source)
    try:
        same_size = target.is_file() and target.stat().st_size == source.stat().st_size
        return same_size and file_digest(target) == file_digest(source)
    except SourceError:
        return False


def _beside(photos: Iterable[_Photo]) -> Counter[str]:
    """Files beside the photos that are called as they are and are none: by ending, how many."""
    stems: dict[str, set[str]] = {}
    taken = set[str]()
    for one in photos:
        parent, name = os.path.split(one.path)
        taken.add(one.path)
        stems.setdefault(parent, set()).update((os.path.splitext(name)[0], name))  # noqa: PTH122
    found = Counter[str]()
    for parent, names in stems.items():
        try:
            listed = [entry for entry in os.scandir(parent) if entry.is_file()]
        except OSError:
            continue
        for entry in listed:
            stem, ending = os.path.splitext(entry.name)  # noqa: PTH122
            found[ending.lower()] += entry.path not in taken and stem in names
    return +found
