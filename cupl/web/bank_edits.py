"""A bank that is being edited: versions, undo, and a draft on disk after every step.

An edit names the version that it was made on. Where somebody else was faster it is refused, so that
two tabs or two people never overwrite each other's edits without knowing.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cupl.bank.class_prompts import content_of
from cupl.bank.labels import check_labels
from cupl.bank.model import PromptBank
from cupl.errors import InputError
from cupl.io.atomic import make_folder, write_keeping_old
from cupl.web.answers import ConflictError
from cupl.web.bank_draft import BankDraft, ClassSplice

_STEPS = 200
"""Of undo."""


class FileChangedError(ConflictError):
    """The file of the bank is another one than was read or saved here.

    Args:
        message: one sentence.
        seen: the digest of the file as it is now.

    """

    def __init__(self, message: str, seen: str) -> None:
        super().__init__(message)
        self.seen = seen


@dataclass(frozen=True)
class Saved:
    """What came of saving, which was done.

    Attributes:
        kept: where what the file said before is now; None where there was nothing to keep.
        gone: whether the file had been removed since it was read or saved.
        draft: why the draft is still there, although all that it says is saved; None where it is
            not.

    """

    kept: Path | None
    gone: bool
    draft: str | None


class BankEditor:
    """The bank as it stands, and the way back.

    Attributes:
        path: the file that it is saved to.
        revision: one more with each edit, undone ones too. A page of an earlier run of the server
            names none of this run: it begins with the microseconds of the clock, which no run
            reaches by counting and JavaScript holds exactly.
        restored: whether it began with the draft of an earlier run.

    Args:
        bank: as it was read.
        path: as above.
        draft: the file of the drafts, to whose name more is added for this bank.

    """

    def __init__(self, bank: PromptBank, path: Path, draft: Path) -> None:
        self.path, self._draft = path, BankDraft(draft, path)
        self._lock = threading.RLock()
        self._saved = bank
        self._on_disk = _digest_of_file(path)
        self._before: list[PromptBank] = []
        self._after: list[PromptBank] = []
        kept = self._draft.restored(bank)
        self.restored = self._unsaved = kept is not None
        self._bank = kept or bank
        self.revision = time.time_ns() // 1000

    @property
    def bank(self) -> PromptBank:
        """As it stands; never changed in place."""
        return self._bank

    def snapshot(self) -> tuple[PromptBank, int]:
        """The bank and its revision, of one moment."""
        with self._lock:
            return self._bank, self.revision

    def at(self, revision: int) -> PromptBank:
        """The bank, if it is still the one that was seen.

        Raises:
            ConflictError: somebody else has edited it since.

        """
        with self._lock:
            self._check(revision)
            return self._bank

    @property
    def unsaved(self) -> bool:
        """Whether the file says something else."""
        return self._unsaved

    @property
    def can_undo(self) -> bool:
        """Whether there is a step back."""
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step forward again."""
        return bool(self._after)

    @property
    def aside(self) -> Path | None:
        """Where unsaved edits of an earlier run are kept that this bank cannot take."""
        return self._draft.aside

    def edit(self, revision: int, change: Callable[[PromptBank], PromptBank]) -> int:
        """Make an edit; where it changes nothing, no step is made.

        Args:
            revision: that the editor saw.
            change: a new bank of the old one; classes that stay are the same objects.

        Returns:
            The number of the first class that is another now, or that was looked at.

        Raises:
            ConflictError: somebody else has edited it since.
            InputError: the new bank could not be saved.

        """
        with self._lock:
            self._check(revision)
            old, new = self._bank, change(self._bank)
            if _equal_banks(old, new):
                place = ClassSplice.between(old, new).at
                return place if place < len(old) else 0
            check_labels([entry.label for entry in new.classes])
            if changed := list(ClassSplice.between(old, new).new):  # the others were looked at
                PromptBank(name=new.name, classes=changed).to_bytes()
            place = self._put(new)
            self._before = [*self._before, old][-_STEPS:]
            self._after = []
            return place

    def undo(self, revision: int) -> int:
        """Take the last step back; the number of the first class that is another now.

        Raises:
            ConflictError: somebody else has edited it since.
            InputError: there is none.

        """
        with self._lock:
            self._check(revision)
            if not self._before:
                raise InputError("there is nothing to undo")
            old = self._bank
            place = self._put(self._before[-1])
            self._before.pop()
            self._after.append(old)
            return place

    def redo(self, revision: int) -> int:
        """Make again what was undone; the number of the first class that is another now.

        Raises:
            ConflictError: somebody else has edited it since.
            InputError: nothing was.

        """
        with self._lock:
            self._check(revision)
            if not self._after:
                raise InputError("there is nothing to do again")
            old = self._bank
            place = self._put(self._after[-1])
            self._after.pop()
            self._before.append(old)
            return place

    def discard(self, revision: int) -> int:
        """Go back to what is saved, which is a step as any other.

        Raises:
            ConflictError: somebody else has edited it since.

        """
        return self.edit(revision, lambda bank: self._saved)

    def save(self, revision: int, over: str | None = None) -> Saved:
        """Write the file.

        Args:
            revision: that the editor saw.
            over: the digest of a file that somebody else wrote and that may be set aside.

        Raises:
            ConflictError: somebody else has edited it since, or has written the file.
            InputError: it cannot be written.

        """
        with self._lock:
            self._check(revision)
            data = self._bank.to_bytes()
            gone = self._check_file(data, over)
            make_folder(self.path.parent)
            kept = write_keeping_old(self.path, data)
            self._saved, self._on_disk = self._bank, hashlib.sha256(data).hexdigest()
            self._unsaved = self.restored = False
            try:
                self._draft.clear()
            except InputError as error:
                return Saved(kept, gone, str(error))
            return Saved(kept, gone, None)

    def _check_file(self, data: bytes, over: str | None) -> bool:
        """Whether the file is gone; where it is another one than was seen, it is a conflict."""
        found = _digest_of_file(self.path)
        if found is not None and found not in (
            self._on_disk, over, hashlib.sha256(data).hexdigest()
        ):  # fmt: skip
            raise FileChangedError(
                f"{self.path} was changed elsewhere since it was read or saved here, so it "
                "was not written over",
                found,
            )
        return self._on_disk is not None and not os.path.lexists(self.path)

    def _check(self, revision: int) -> None:
        if revision != self.revision:
            raise ConflictError(
                "the bank was changed meanwhile in another tab or by somebody else: here is how it "
                "stands now; make your change again"
            )

    def _put(self, bank: PromptBank) -> int:
        """Take another bank; first it is on the disk."""
        old = self._bank
        unsaved = not _equal_banks(bank, self._saved)
        if unsaved:
            self._draft.note(self._saved, old, bank)
        else:
            self._draft.clear()
        self._bank, self._unsaved = bank, unsaved
        self.restored = self.restored and unsaved
        self.revision += 1
        return min(ClassSplice.between(old, bank).at, len(bank) - 1)


def _equal_banks(one: PromptBank, other: PromptBank) -> bool:
    """Whether their digests are equal; quick where most classes are the same objects."""
    if len(one) != len(other):
        return False
    pairs = zip(one.classes, other.classes, strict=True)
    return all(a is b or content_of(a) == content_of(b) for a, b in pairs)


def _digest_of_file(path: Path) -> str | None:
    """None where there is none, or it cannot be read; writing it says why."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    except OSError:
        return None
