"""``OUTPUT.part``: what a run has classified so far, to go on with after whatever has stopped it.

Below a first line that says what the predictions were made with stands a line for each of them
(:mod:`cupl.classification.part_lines`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from cupl.bank.labels import ClassLabel
from cupl.classification.part_lines import parse_line_of_0_1, parse_part_line, part_line
from cupl.classification.prediction import Prediction
from cupl.embedding.image_errors import may_pass
from cupl.embedding.image_files import ImagePaths
from cupl.embedding.image_retries import CanOpen, any_can_be_opened, tried_again
from cupl.errors import InputError
from cupl.io.atomic import open_atomically
from cupl.io.json import parse_json
from cupl.io.locks import is_at, try_lock

_BEGINNING = b'{"format": "cupl-part/'
_OF_0_1 = "cupl-part/1"
"""How 0.1.0 began a file, whose lines are read too."""
_MAX_ROW = 2**28
"""Bytes of a line; 100,000 classes with long names take a tenth of it."""


class PartFile:
    """The file, locked; what another run or program has in its place is not touched.

    Args:
        path: of the file, made where it is missing.
        settings: all that decides a prediction.
        images: that are classified.
        labels: the classes.
        resume: keep the predictions that are there; else there may be none.

    Attributes:
        path: of the file.
        done: images whose predictions are in it.

    Raises:
        InputError: what is there was made with something else or of other images, is not ours, or
            another run writes it; or there are some and ``resume`` is not given.
        OSError: it cannot be written.

    """

    def __init__(
        self,
        path: Path,
        settings: dict[str, Any],
        images: ImagePaths,
        labels: Sequence[ClassLabel],
        *,
        resume: bool,
    ) -> None:
        self.path = path
        self._images, self._labels = images, labels
        self._file = _opened(path)
        self._old = self._passing = False
        try:
            self.done = self._begin(settings, resume)
        except BaseException:
            self._file.close()
            raise
        self._end = self._file.tell()

    def close(self) -> None:
        """Let go of the file, which stays."""
        self._file.close()

    def try_again(
        self,
        size: int,
        predict: Callable[[list[str]], Iterable[Prediction]],
        can_open: CanOpen = any_can_be_opened,
    ) -> None:
        """Make those anew that could not be read for no fault of the images.

        Args:
            size: images a batch.
            predict: the predictions of a batch.
            can_open: whether it is worth trying.

        """
        if not self._passing:
            return
        with open_atomically(self.path) as new:
            rows = tried_again(self._rows(), size, predict, can_open)
            self._file.seek(0)
            new.write(self._file.readline(_MAX_ROW))
            new.writelines(map(part_line, rows))
        old, self._file = self._file, _opened(self.path)
        old.close()
        self._end = self._file.seek(0, os.SEEK_END)

    def append(self, prediction: Prediction) -> None:
        """Add the next one; what a killed process has handed over is not lost."""
        self._check_untouched()
        self._end += self._file.write(part_line(prediction))
        self._file.flush()
        self.done += 1

    def predictions(self) -> Iterator[Prediction]:
        """One of each image; what is counted afterwards is what is there."""
        self._check_untouched()
        number = 0
        for prediction in self._rows():
            if number == len(self._images) or prediction.path != self._path(number):
                raise _changed(self.path, resume=False)
            yield prediction
            number += 1
        if number < len(self._images) or self._file.read(1):
            raise _changed(self.path)

    def remove(self) -> None:
        """Delete the file, unless another is in its place."""
        if is_at(self._file.fileno(), self.path):
            self.path.unlink(missing_ok=True)

    def _begin(self, settings: dict[str, Any], resume: bool) -> int:
        """Leave the file at its end, after the rows that are of use; returns how many these are."""
        file = self._file
        first = file.readline(_MAX_ROW)
        if not _BEGINNING.startswith(first[: len(_BEGINNING)]):
            raise _not_ours(self.path)
        if first and not resume:
            _check_none_kept(self.path, sum(1 for _ in file), len(self._images))
        if not first.endswith(b"\n") or not resume:  # new, or killed at its very beginning
            file.seek(0)
            file.truncate()
            file.write(json.dumps(settings).encode("ascii") + b"\n")
            file.flush()
            return 0
        self._old = _check_settings(self.path, first, settings)
        end, done = file.tell(), 0
        # Whole batches only, so that the rest falls into the batches of a run that was not stopped.
        for number, prediction in enumerate(self._whole_rows(), 1):
            if number > len(self._images) or prediction.path != self._path(number - 1):
                raise InputError(
                    f"{self.path} is of another list of images: its image {number:,} is "
                    f"{prediction.path!r:.200}; give the same images, or delete it to begin again"
                )
            if number % settings["batch size"] == 0 or number == len(self._images):
                end, done = file.tell(), number
            self._passing |= may_pass(prediction.error)
        file.seek(end)
        file.truncate()
        return done

    def _path(self, number: int) -> str:
        return os.fspath(self._images[number])

    def _rows(self) -> Iterator[Prediction]:
        self._file.seek(0)
        self._file.readline(_MAX_ROW)
        yield from self._whole_rows()

    def _whole_rows(self) -> Iterator[Prediction]:
        """Predictions up to the end or the first line that is cut off or damaged."""
        while line := self._file.readline(_MAX_ROW):
            old = self._old and line.startswith(b"{")
            parse = parse_line_of_0_1 if old else parse_part_line
            prediction = parse(line, self._labels)
            if prediction is None:
                self._file.seek(-len(line), os.SEEK_CUR)
                return
            yield prediction

    def _check_untouched(self) -> None:
        """Notice that something else writes into the file, or cuts it; what is not ours goes."""
        found = os.fstat(self._file.fileno()).st_size
        if found > self._end:
            self._file.truncate(self._end)
        if found != self._end:
            raise _changed(self.path)


def check_unfinished(partial: Path, images: int) -> None:
    """Refuse to begin anew where a stopped run has left predictions, before the work.

    Args:
        partial: where they would be.
        images: how many there are now. Of a run that was done the file stays where some may be read
            another time; that is no reason to stop.

    Raises:
        InputError: there are some.

    """
    try:
        if not partial.is_file():
            return
        with partial.open("rb") as file:
            if file.readline(_MAX_ROW).startswith(_BEGINNING):
                _check_none_kept(partial, sum(1 for _ in file), images)
    except OSError:  # told where it is opened
        return


def _check_none_kept(partial: Path, rows: int, images: int) -> None:
    if rows not in (0, images):
        raise InputError(
            f"{partial} holds {rows:,} images that a stopped run has classified: delete {partial} "
            "to begin again, or go on with it",
            arguments={"resume": True},
        )


def _opened(partial: Path) -> BinaryIO:
    """The partial file, locked; what another run or program has there is not touched."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    if partial.is_symlink() or (partial.exists() and not partial.is_file()):
        raise _not_ours(partial)
    file = os.fdopen(os.open(partial, flags | getattr(os, "O_NOFOLLOW", 0), 0o666), "r+b")
    try:
        if not try_lock(file.fileno()) or not is_at(file.fileno(), partial):
            raise InputError(
                f"another run is writing {partial}: wait for its end, or name another output"
            )
    except BaseException:
        file.close()
        raise
    return file


def _not_ours(partial: Path) -> InputError:
    return InputError(f"cannot write {partial}: cupl did not make what is there; move it away")


def _check_settings(partial: Path, line: bytes, settings: dict[str, Any]) -> bool:
    """Whether it is of 0.1.0."""
    try:
        found = parse_json(line)
    except ValueError:
        found = None
    found = found if isinstance(found, dict) else {}
    old = found.get("format") == _OF_0_1
    if old:
        found["format"] = settings["format"]
    for name, value in settings.items():
        if found.get(name) != value:
            raise InputError(
                f"{partial} was made with {name} {str(found.get(name))[:12]!r}, not "
                f"{str(value)[:12]!r}: give the same, or delete it to begin again"
            )
    return old


def _changed(partial: Path, *, resume: bool = True) -> InputError:
    way_out = "the rows that are whole can be gone on with"
    return InputError(
        f"another program has changed {partial} while it was written; "
        f"{way_out if resume else 'delete it to begin again'}",
        arguments={"resume": True} if resume else None,
    )
