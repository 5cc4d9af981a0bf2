"""Edits on disk as they are made: after each step a line, however large the bank is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.errors import InputError
from cupl.io.atomic import keep_old, make_folder, write_atomically
from cupl.io.reasons import reason

_MOST_LINES = 1000
"""Until the steps are written as one."""


@dataclass(frozen=True)
class ClassSplice:
    """What a step did to the list of classes: those from ``at`` on were replaced."""

    at: int
    out: int
    new: Sequence[ClassPrompts]

    @classmethod
    def between(cls, old: PromptBank, new: PromptBank) -> ClassSplice:
        """The least that makes one of the other; classes are the same where the objects are."""
        one, other = old.classes, new.classes
        least = min(len(one), len(other))
        start = next((i for i in range(least) if one[i] is not other[i]), least)
        rest = least - start
        end = next((i for i in range(rest) if one[-1 - i] is not other[-1 - i]), rest)
        return cls(start, len(one) - end - start, other[start : len(other) - end])

    def applied(self, classes: Sequence[ClassPrompts]) -> list[ClassPrompts]:
        """The list with the step made."""
        return [*classes[: self.at], *self.new, *classes[self.at + self.out :]]

    def to_line(self) -> bytes:
        """As the draft holds it."""
        entries = [entry.to_yaml() for entry in self.new]
        return json.dumps({"at": self.at, "out": self.out, "in": entries}).encode() + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> ClassSplice:
        """Read a line; ValueError, TypeError or KeyError where it is none."""
        data: dict[str, Any] = json.loads(line)
        at, out = int(data["at"]), int(data["out"])
        if min(at, out) < 0 or not line.endswith(b"\n"):
            raise ValueError
        return cls(at, out, [ClassPrompts(**entry) for entry in data["in"]])


class BankDraft:
    """The file of the steps since a bank was read or saved; there is none where there are none.

    Each bank has its own. Steps that were not made of the bank as it is read are never written
    over: they are kept beside.

    Args:
        path: of all drafts of a folder; that of a bank has more in its name.
        bank_path: the file of the bank.

    Attributes:
        aside: where steps of an earlier run are that this bank cannot take; None for none.

    """

    def __init__(self, path: Path, bank_path: Path) -> None:
        self._path = path.with_name(f"{path.stem}-{_place_of(bank_path, path)}{path.suffix}")
        self._lines = 0
        self._to_keep = False
        self.aside: Path | None = None

    def restored(self, saved: PromptBank) -> PromptBank | None:
        """What an earlier run has made of this very bank and not saved."""
        if not os.path.lexists(self._path):
            return None
        found = self._read(saved)
        if found is None:
            self._to_keep, self.aside = True, self._path
            with contextlib.suppress(InputError):  # before the first step it is tried again
                self._keep()
            return None
        return None if found.digest == saved.digest else found

    def note(self, saved: PromptBank, old: PromptBank, new: PromptBank) -> None:
        """Note a step.

        Raises:
            InputError: it cannot be written, or what is to be kept cannot be set aside.

        """
        self._keep()
        if not 0 < self._lines < _MOST_LINES:
            make_folder(self._path.parent)
            write_atomically(self._path, _head(saved) + ClassSplice.between(saved, new).to_line())
            self._lines = 1
            return
        lines, self._lines = self._lines, 0  # unless all goes well: then all is written anew
        try:
            with self._path.open("ab") as file:
                file.write(ClassSplice.between(old, new).to_line())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(f"cannot write {self._path}: {reason(error, self._path)}") from error
        self._lines = lines + 1

    def clear(self) -> None:
        """There is nothing that is not saved.

        Raises:
            InputError: the file cannot be removed, or what is to be kept cannot be set aside.

        """
        self._keep()
        self._lines = 0
        try:
            self._path.unlink(missing_ok=True)
        except NotADirectoryError:
            return  # where its folder should be is a file, so there is none
        except OSError as error:
            raise InputError(f"cannot remove {self._path}: {reason(error, self._path)}") from error

    def _read(self, saved: PromptBank) -> PromptBank | None:
        """The bank with the steps of the file; None where they are of another, or of none."""
        classes = list(saved.classes)
        try:
            with self._path.open("rb") as file:
                if file.readline() != _head(saved):
                    return None
                for line in file:
                    classes = ClassSplice.of_line(line).applied(classes)
        except (ValueError, TypeError, KeyError):
            pass  # the last step of a run that was killed
        except OSError:
            return None
        try:
            PromptBank(name=saved.name, classes=classes)
        except ValidationError:
            return None
        return saved.model_copy(update={"classes": classes})

    def _keep(self) -> None:
        """Copy what is not of this bank to beside it, once; its own file may still fit one day."""
        if self._to_keep:
            self.aside = keep_old(self._path, b"") or self._path
            self._to_keep = False


def _place_of(bank_path: Path, path: Path) -> str:
    """A bank's file as seen from the drafts: the same where both are moved together."""
    place = os.path.realpath(bank_path)
    with contextlib.suppress(ValueError):  # on another drive of Windows
        place = os.path.relpath(place, os.path.realpath(path.parent))
    return hashlib.sha256(os.fsencode(place)).hexdigest()[:12]


def _head(saved: PromptBank) -> bytes:
    return f"# of {saved.digest}\n".encode()
