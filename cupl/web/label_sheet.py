"""The sample that is being labelled: the file of ``cupl label``, written after each label."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cupl.errors import InputError
from cupl.io.atomic import keep_old, make_folder, write_atomically
from cupl.io.csv import csv_lines, is_blank, read_rows
from cupl.web.answers import ConflictError

if TYPE_CHECKING:
    from cupl.evaluation.label_sample import LabelSample, SavedSample

_HELD_FOR = 90.0
"""Seconds that a photo is one person's to label before another one gets it."""


@dataclass(frozen=True)
class SheetRow:
    """A photo of the sample.

    Attributes:
        key: what a page calls it, whatever becomes of the order of rows.
        path: in full.
        label: empty where it has none.

    """

    key: str
    path: str
    label: str


class LabelSheet:
    """The rows of the file, in the order in which to label them.

    A person may have the file open in a spreadsheet, too: it is read anew before each label.

    Args:
        path: of the file, which need not be there yet.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._read: tuple[Any, list[dict[str, str | None]]] | None = None
        self._held: dict[str, tuple[str, float]] = {}

    @property
    def version(self) -> Any:
        """Equal for the same content of the file; None where there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def rows(self) -> list[SheetRow]:
        """All rows; none where there is no file.

        Raises:
            InputError: it is no sample.

        """
        folder = os.path.realpath(self.path.parent)
        return [
            SheetRow(_key(row), os.path.join(folder, _path(row)), _label(row))  # noqa: PTH118
            for row in self._rows()
        ]

    @property
    def drawn(self) -> str:
        """What tells this sample from another one, whatever its labels; empty where none is."""
        keys = sorted(map(_key, self._rows()))
        return hashlib.sha256("".join(keys).encode()).hexdigest()[:16] if keys else ""

    @property
    def collection(self) -> int:
        """Photos that the sample was drawn from."""
        from cupl.evaluation.sample_file import design_of

        return next((design_of(row)[2] or 0 for row in self._rows()), 0)

    def begin(self, sample: LabelSample, *, anew: bool, seen: str | None = None) -> SavedSample:
        """Write a sample, or make the one that is there larger.

        Args:
            sample: the photos to label.
            anew: put it in the place of another one, which is kept beside it.
            seen: ``drawn`` as whoever wants it saw it.

        Raises:
            ConflictError: somebody else has begun another one meanwhile.
            InputError: another sample is there, or the file cannot be written.

        """
        with self._lock:
            if seen is not None and seen != self._now():
                raise ConflictError("somebody else has begun another sample meanwhile: here it is")
            make_folder(self.path.parent)
            self._held.clear()
            if not anew or not self.path.exists():
                return sample.save(self.path)
            kept = keep_old(self.path, b"")
            self.path.unlink()
            try:
                return replace(sample.save(self.path), aside=kept)
            except BaseException:
                if kept is not None and not self.path.exists():
                    kept.rename(self.path)
                raise

    def put(self, key: str, seen: str, label: str) -> None:
        """Label a photo.

        Args:
            key: of the row.
            seen: the label that it had for whoever labels it; empty for none.
            label: empty to take it away.

        Raises:
            ConflictError: somebody else has given it another one meanwhile, or has begun a sample
                that it is not in.

        """
        with self._lock:
            rows = self._rows()
            number = next((n for n, row in enumerate(rows) if _key(row) == key), None)
            if number is None:
                raise ConflictError("this photo is not in the sample any more: here is how it is")
            now = _label(rows[number])
            if now not in (seen, label):
                what = f"labelled it {now!r:.100}" if now else "taken its label away"
                raise ConflictError(f"somebody else has {what} meanwhile")
            if now != label:
                changed = [*rows]
                changed[number] = rows[number] | {"label": label}
                self._write(changed)
            self._held.pop(key, None)

    def take(self, person: str, avoid: Collection[str] = (), most: int = 1) -> list[str]:
        """The next photos without a label that nobody else has in front of them.

        Args:
            person: who asks, as a tab calls itself; photos that they held before are free again.
            avoid: keys of rows that they do not want.
            most: photos.

        """
        with self._lock:
            now, unwanted = time.monotonic(), frozenset(avoid)
            self._held = {
                key: (who, since)
                for key, (who, since) in self._held.items()
                if who != person and now - since < _HELD_FOR
            }
            free = [_key(row) for row in self._rows() if not _label(row)]
            wanted = [key for key in free if key not in unwanted]
            # At the end two may look at one photo, rather than one at none.
            found = ([key for key in wanted if key not in self._held] or wanted)[:most]
            self._held.update({key: (person, now) for key in found if key not in self._held})
            return found

    def _now(self) -> str:
        """``drawn``, and nothing of a file that is no sample, which only another one can mend."""
        try:
            return self.drawn
        except InputError:
            return ""

    def _rows(self) -> list[dict[str, str | None]]:
        with self._lock:
            version = self.version
            if version is None:
                return []
            if self._read is None or self._read[0] != version:
                found = read_rows(self.path, _is_sheet, "this is no sample to label", own=True)
                self._read = version, [row for _, row in found if not is_blank(row)]
            return self._read[1]

    def _write(self, rows: Sequence[dict[str, str | None]]) -> None:
        columns = [name for name in rows[0] if name is not None]
        cells = ([row.get(name) for name in columns] for row in rows)
        lines = csv_lines([columns, *cells])
        write_atomically(self.path, "".join(lines).encode("utf-8", "surrogateescape"))


def _is_sheet(columns: list[str]) -> bool:
    from cupl.evaluation.sample_file import is_sample

    return is_sample(columns) and {"path", "label"} <= set(columns)


def _label(row: dict[str, str | None]) -> str:
    return (row.get("label") or "").strip()


def _path(row: dict[str, str | None]) -> str:
    return (row.get("path") or "").strip()


def _key(row: dict[str, str | None]) -> str:
    return hashlib.sha256(_path(row).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def check_whole_photos(encoded: int, total: int) -> None:
    """Accept photos that are all read, of which alone a sample can be drawn.

    Raises:
        InputError: some are not.

    """
    if encoded < total:
        raise InputError(
            f"{total - encoded:,} photos are not read yet: a sample is drawn from all of them, so "
            "wait until they are"
        )
