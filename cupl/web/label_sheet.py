"""The sample that is being labelled: the file of ``cupl label``, written after each label."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cupl.errors import InputError, MissingFileError
from cupl.io.atomic import keep_old, make_folder, write_atomically
from cupl.io.csv import csv_lines, is_blank, read_rows
from cupl.web.answers import ConflictError

if TYPE_CHECKING:
    from cupl.evaluation.label_sample import LabelSample, SavedSample

_HELD_FOR = 90.0
"""Seconds that a photo is one person's to label before another one gets it."""


@dataclass(frozen=True)
class SheetRow:
    """A photo of the sample: its ``path`` in full, and its ``label``, empty where it has none."""

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
        self._held: dict[int, tuple[str, float]] = {}

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
            SheetRow(os.path.join(folder, row["path"] or ""), _label(row))  # noqa: PTH118
            for row in self._rows()
        ]

    def begin(self, sample: LabelSample, *, anew: bool) -> SavedSample:
        """Write a sample, or make the one that is there larger.

        Args:
            sample: the photos to label.
            anew: put it in the place of another one, which is kept beside it.

        Raises:
            InputError: another sample is there, or the file cannot be written.

        """
        with self._lock:
            make_folder(self.path.parent)
            if anew and self.path.exists():
                keep_old(self.path, b"")
                self.path.unlink()
            self._held.clear()
            return sample.save(self.path)

    def put(self, number: int, seen: str, label: str) -> None:
        """Label a photo.

        Args:
            number: of the row.
            seen: the label that it had for whoever labels it; empty for none.
            label: empty to take it away.

        Raises:
            ConflictError: somebody else has given it another one meanwhile.
            MissingFileError: there is no such row.

        """
        with self._lock:
            rows = self._rows()
            if not 0 <= number < len(rows):
                raise MissingFileError(f"the sample has no photo {number}")
            now = _label(rows[number])
            if now not in (seen, label):
                raise ConflictError(f"somebody else has labelled it meanwhile: {now!r:.100}")
            if now != label:
                changed = [*rows]
                changed[number] = rows[number] | {"label": label}
                self._write(changed)
            self._held.pop(number, None)

    def take(self, person: str, avoid: Collection[int] = ()) -> int | None:
        """The next photo without a label that nobody else has in front of them; None at the end.

        Args:
            person: who asks, as a tab calls itself.
            avoid: rows that they have skipped.

        """
        with self._lock:
            now = time.monotonic()
            self._held = {
                row: (who, since)
                for row, (who, since) in self._held.items()
                if who != person and now - since < _HELD_FOR
            }
            free = [n for n, row in enumerate(self._rows()) if not _label(row)]
            mine = [n for n in free if n not in self._held and n not in avoid]
            # At the end two may look at one photo, rather than one at none.
            found = next(iter(mine or [n for n in free if n not in avoid]), None)
            if found is not None:
                self._held[found] = person, now
            return found

    def _rows(self) -> list[dict[str, str | None]]:
        with self._lock:
            version = self.version
            if version is None:
                return []
            if self._read is None or self._read[0] != version:
                found = read_rows(self.path, _is_sheet, "this is no sample to label")
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
