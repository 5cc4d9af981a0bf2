"""What a folder of sorted photos keeps of how each came there: written before it is done.

A line of JSON an action. What became of it is seen on the disk: either name or both are there. So
a run that was killed at any moment can be gone on with, and taken back.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from cupl.classification.sort_folders import LIST_NAME
from cupl.errors import InputError
from cupl.io.atomic import write_atomically, write_keeping_old
from cupl.io.csv import csv_lines
from cupl.io.jsonl import load_line, numbered_lines
from cupl.io.placing import file_digest
from cupl.io.reasons import reason

How = Literal["copy", "link", "move"]
JOURNAL_NAME = ".cupl-sorted.jsonl"
_FORMAT = {"format": "cupl-sorted/1"}
LIST_COLUMNS = ("path", "label", "id", "score", "probability", "error", "to", "done")
"""Of ``sorted.csv``: those of predictions, then where the photo is, and how it came there."""


@dataclass(frozen=True, slots=True)
class SortEntry:
    """One photo that was put into a folder, or is about to be.

    Attributes:
        path: where it was, in full.
        to: where it is put, from the sorted folder; of a class the folder is the first part.
        how: what is done.
        sha256: of its content; of a link none.
        link: what a link says.
        label: of the photo.
        id: of its class.
        score: of its label.
        probability: of its label.
        size: of its content in bytes.

    """

    path: str
    to: str
    how: How
    sha256: str | None
    link: str | None
    label: str | None
    id: str | None
    score: float | None
    probability: float | None
    size: int | None = None

    def is_open(self, folder: Path) -> bool:
        """Whether it is there, or was moved and is no longer at either place."""
        if os.path.lexists(folder / self.to):
            return True
        return self.how == "move" and not os.path.lexists(self.path)


class SortJournal:
    """The journal of a sorted folder, open to write on.

    Args:
        folder: of the sorted photos.

    Raises:
        InputError: cupl did not write what is in its place, or it cannot be used.

    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / JOURNAL_NAME
        there = os.path.lexists(self.file)
        self.entries, self.listed = read_journal(folder) if there else ({}, set())
        try:
            self._out = self.file.open("r+b" if there else "xb")
            end = _whole_lines(self.file)
            self._out.truncate(end)  # what a killed run has begun to write
            self._out.seek(end)
            if not end:
                self._write(_FORMAT)
        except OSError as error:
            if not there:
                with suppress(OSError):
                    self.file.unlink()
            raise InputError(f"cannot write {self.file}: {reason(error, self.file)}") from error

    def add(self, entry: SortEntry) -> None:
        """Write down what is about to be done; it is on the disk when this returns.

        Raises:
            OSError: it cannot be.

        """
        self._write(asdict(entry))
        self.entries[entry.path] = entry

    def write_list(self, errors: Iterable[tuple[str, str]]) -> Path | None:
        """Write ``sorted.csv``: a row a photo, those that could not be sorted among them.

        The journal is written anew, without what never came about; of a photo that somebody took
        away it still says where it came from.

        Returns:
            Where the file is kept that somebody changed or put there.

        Raises:
            InputError: it cannot be written.

        """
        file = self.folder / LIST_NAME
        kept = [one for one in self.entries.values() if one.is_open(self.folder)]
        self.entries = {one.path: one for one in kept}
        text = "".join(csv_lines(_rows(kept, errors))).encode("utf-8", "surrogateescape")
        digest, aside = hashlib.sha256(text).hexdigest(), None
        self._write({"list": digest})  # before it is there, so that it is known as ours
        if is_own_list(self.folder, self.listed):
            write_atomically(file, text)
        else:
            aside = write_keeping_old(file, text)
        lines = [_FORMAT, *map(asdict, kept), {"list": digest}]
        self._out.close()
        write_atomically(self.file, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        return aside

    def _write(self, line: dict[str, Any]) -> None:
        start = self._out.tell()
        try:
            self._out.write(json.dumps(line).encode() + b"\n")
            self._out.flush()
            os.fsync(self._out.fileno())
        except OSError:
            # A half line must not begin the next one; the disk may be full for that, too.
            os.truncate(self.file, start)
            self._out = self.file.open("r+b")
            self._out.seek(start)
            raise

    def __enter__(self) -> SortJournal:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()
        if not self.entries:  # nothing was done
            with suppress(OSError):
                self.file.unlink()


def is_own_list(folder: Path, listed: Collection[str]) -> bool:
    """Whether ``sorted.csv`` is as it was written, by its SHA-256, or not there."""
    file = folder / LIST_NAME
    return not os.path.lexists(file) or (file.is_file() and file_digest(file) in listed)


def read_journal(folder: Path) -> tuple[dict[str, SortEntry], set[str]]:
    """The last entry of each path, and the SHA-256 of each list that was written.

    A last line that is not whole was never acted on.

    Raises:
        MissingFileError: there is none.
        InputError: cupl did not write it.

    """
    file = folder / JOURNAL_NAME
    entries, first, listed = dict[str, SortEntry](), True, set[str]()
    for number, line in numbered_lines(file):
        if not line.endswith(b"\n"):
            break
        try:
            data = load_line(line)
            if first:
                if data != _FORMAT:
                    raise ValueError("cupl sort did not write it")
                first = False
                continue
            if "list" in data:
                listed.add(str(data["list"]))
                continue
            entry = SortEntry(**data)
            _check(entry)
        except (ValueError, TypeError) as error:
            raise InputError(f"{file}: line {number}: no entry of cupl sort ({error})") from error
        entries[entry.path] = entry
    return entries, listed


def moved_before(folder: Path, source: str) -> int:
    """How many photos lie in a sorted folder that an earlier run moved there out of another."""
    if not os.path.isdir(source) or not os.path.lexists(folder / JOURNAL_NAME):  # noqa: PTH112
        return 0
    start = os.path.realpath(source).rstrip(os.sep) + os.sep
    entries = read_journal(folder)[0].values()
    return sum(
        one.how == "move" and one.path.startswith(start) and os.path.lexists(folder / one.to)
        for one in entries
    )


def _check(entry: SortEntry) -> None:
    """Refuse what would have cupl remove files elsewhere."""
    if not isinstance(entry.path, str) or not os.path.isabs(entry.path) or "\0" in entry.path:  # noqa: PTH117
        raise ValueError("no full path")
    parts = Path(entry.to).parts if isinstance(entry.to, str) else ()
    if len(parts) != 2 or {"..", os.sep} & set(parts) or "\0" in entry.to:
        raise ValueError("no place in the folder")
    if entry.how not in ("copy", "link", "move"):
        raise ValueError("no action")


def _whole_lines(file: Path) -> int:
    """Bytes of a file up to the end of its last line."""
    data = file.read_bytes()
    return data.rfind(b"\n") + 1


def _rows(
    entries: Iterable[SortEntry], errors: Iterable[tuple[str, str]]
) -> Iterator[list[str | float | None]]:
    yield list(LIST_COLUMNS)
    done = {"copy": "copied", "link": "linked", "move": "moved"}
    for one in entries:
        yield [one.path, one.label, one.id, one.score, one.probability, None, one.to, done[one.how]]
    for path, error in errors:
        yield [path, None, None, None, None, error, None, "left"]
