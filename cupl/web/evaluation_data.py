"""The labelled photos that the page Evaluate judges banks on, with the vectors that are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from cupl.errors import InputError, MissingFileError
from cupl.io.words import number_of
from cupl.progress import Progress
from cupl.web.label_routes import LABELS_FILE

if TYPE_CHECKING:
    from cupl.bank.labels import ClassLabel
    from cupl.evaluation.labelled import LabelledImages
    from cupl.web.jobs import Job
    from cupl.web.workspace import Workspace

LabelsFrom = Literal["folders", "labels"]
"""The names of the folders that the photos lie in, or what was said on the page Label."""
_LOOK_EVERY = 0.1
"""Seconds, while photos are read by another job."""


def labelled_photos(
    space: Workspace, labels: LabelsFrom, classes: Sequence[ClassLabel]
) -> LabelledImages:
    """The photos that have a label; of a folder only those that the app shows.

    Raises:
        MissingFileError: nothing was labelled on the page Label.
        InputError: there are no photos, or no labels, or they cannot be read.

    """
    from cupl.evaluation.dataset import read_labelled

    photos = space.sources.photos
    if photos is None:
        raise InputError("there are no photos: start cupl serve with a folder of them")
    if labels == "folders":
        found = read_labelled(photos, classes)
    else:
        file = space.folder / LABELS_FILE
        if not file.is_file():
            raise MissingFileError("nothing is labelled yet: label some photos on the page Label")
        embedded = space.photos.stored is not None
        found = read_labelled(photos, classes, file) if embedded else read_labelled(file, classes)
    return found if space.photos.stored is not None else _shown_only(found, space)


def photos_with_vectors(
    labelled: LabelledImages, space: Workspace, progress: Progress
) -> LabelledImages:
    """The same with the vectors that the app has; waits for those that are still being made.

    Raises:
        JobStopped: by ``progress``.
        InputError: the photos are not read to the end, or none can be read.

    """
    if labelled.vectors is not None:
        return labelled
    photos, place = space.photos, _places(space)
    numbers = [place(path) for path in labelled.paths]
    _wait(space, max(numbers), progress)
    rows = [row for row, number in enumerate(numbers) if number not in photos.errors]
    bad = [
        (path, photos.errors[number])
        for path, number in zip(labelled.paths, numbers, strict=True)
        if number in photos.errors
    ]
    if not rows:
        raise InputError(f"no photo could be read; the first was {bad[0][0]}: {bad[0][1]}")
    vectors = photos.vectors([numbers[row] for row in rows])
    return replace(_rows_of(labelled, rows), vectors=vectors, unreadable=bad)


def _shown_only(labelled: LabelledImages, space: Workspace) -> LabelledImages:
    """Without files that the app was not opened with, and links that lead out of the folder."""
    place = _places(space)
    rows = [row for row, path in enumerate(labelled.paths) if place(path) >= 0]
    left = len(labelled.paths) - len(rows)
    if not left:
        return labelled
    if not rows:
        raise InputError("no labelled photo is one of those that cupl serve was opened with")
    note = f"{number_of(left, 'labelled file')} left out: none of the photos here"
    return replace(_rows_of(labelled, rows), notes=[*labelled.notes, note])


def _rows_of(labelled: LabelledImages, rows: Sequence[int]) -> LabelledImages:
    return replace(
        labelled,
        paths=[labelled.paths[row] for row in rows],
        targets=[labelled.targets[row] for row in rows],
        labels=[labelled.labels[row] for row in rows] if labelled.labels else [],
    )


class _Places:
    """The number of a photo by any path to it, -1 where it is none of ours."""

    def __init__(self, *lists: Sequence[str]) -> None:
        from cupl.evaluation.labelled import file_identity

        self._identify = file_identity()
        self._numbers = {
            self._identify(path): number for paths in lists for number, path in enumerate(paths)
        }

    def __call__(self, path: str) -> int:
        return self._numbers.get(self._identify(path), -1)


def _places(space: Workspace) -> _Places:
    return _Places(space.photos.originals, space.photos.paths)


def _wait(space: Workspace, last: int, progress: Progress) -> None:
    """Until the photos are read as far as the one of this number, by whoever reads them."""
    photos = space.photos
    if photos.encoded > last:
        return
    job = _reading(space) or space.start_encoding()
    while photos.encoded <= last and not job.wait(_LOOK_EVERY):
        progress(photos.encoded, len(photos))
    if photos.encoded <= last:
        raise InputError(job.error or "the photos are not read to the end: read on, then evaluate")


def _reading(space: Workspace) -> Job | None:
    running = (one for one in space.jobs.listed() if one.state == "running")
    return next((one for one in running if one.kind == "encode"), None)
