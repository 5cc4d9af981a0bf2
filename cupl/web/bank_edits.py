"""A bank that is being edited: versions, undo, and a draft on disk after every step.

An edit names the version that it was made on. Where somebody else was faster it is refused, so that
two tabs or two people never overwrite each other's edits without knowing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from cupl.bank.model import PromptBank
from cupl.errors import CuplError, InputError
from cupl.io.atomic import make_folder, write_atomically, write_keeping_old
from cupl.web.answers import ConflictError

_STEPS = 200
"""Of undo."""


class BankEditor:
    """The bank as it stands, and the way back.

    Attributes:
        path: the file that it is saved to.
        revision: counts edits, undone ones too.
        restored: whether it began with the draft of an earlier run.

    """

    def __init__(self, bank: PromptBank, path: Path, draft: Path) -> None:
        self.path, self._draft = path, draft
        self._lock = threading.RLock()
        self._saved = bank
        self._before: list[PromptBank] = []
        self._after: list[PromptBank] = []
        kept = _draft_of(draft, bank)
        self.restored = kept is not None
        self._bank = kept or bank
        self.revision = 1

    @property
    def bank(self) -> PromptBank:
        """As it stands; never changed in place."""
        return self._bank

    def snapshot(self) -> tuple[PromptBank, int]:
        """The bank and its revision, of one moment."""
        with self._lock:
            return self._bank, self.revision

    @property
    def unsaved(self) -> bool:
        """Whether the file says something else."""
        return self._bank.digest != self._saved.digest

    @property
    def can_undo(self) -> bool:
        """Whether there is a step back."""
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step forward again."""
        return bool(self._after)

    def edit(self, revision: int, change: Callable[[PromptBank], PromptBank]) -> None:
        """Make an edit.

        Args:
            revision: that the editor saw.
            change: a new bank of the old one.

        Raises:
            ConflictError: somebody else has edited it since.
            InputError: the new bank could not be saved.

        """
        with self._lock:
            self._check(revision)
            new = change(self._bank)
            new.to_bytes()
            self._before = [*self._before, self._bank][-_STEPS:]
            self._after = []
            self._put(new)

    def undo(self, revision: int) -> None:
        """Take the last step back.

        Raises:
            ConflictError: somebody else has edited it since.
            InputError: there is none.

        """
        with self._lock:
            self._check(revision)
            if not self._before:
                raise InputError("there is nothing to undo")
            self._after.append(self._bank)
            self._put(self._before.pop())

    def redo(self, revision: int) -> None:
        """Make again what was undone.

        Raises:
            ConflictError: somebody else has edited it since.
            InputError: nothing was.

        """
        with self._lock:
            self._check(revision)
            if not self._after:
                raise InputError("there is nothing to do again")
            self._before.append(self._bank)
            self._put(self._after.pop())

    def save(self, revision: int) -> Path | None:
        """Write the file; where the one before it was set aside.

        Raises:
            ConflictError: somebody else has edited it since.
            InputError: it cannot be written.

        """
        with self._lock:
            self._check(revision)
            make_folder(self.path.parent)
            aside = write_keeping_old(self.path, self._bank.to_bytes())
            self._saved = self._bank
            self._draft.unlink(missing_ok=True)
            return aside

    def _check(self, revision: int) -> None:
        if revision != self.revision:
            raise ConflictError(
                "the bank was changed meanwhile in another tab or by somebody else: here is how it "
                "stands now; make your change again"
            )

    def _put(self, bank: PromptBank) -> None:
        self._bank = bank
        self.revision += 1
        make_folder(self._draft.parent)
        if self.unsaved:
            head = f"# of {self._saved.digest}\n".encode()
            write_atomically(self._draft, head + bank.to_bytes())
        else:
            self._draft.unlink(missing_ok=True)


def _draft_of(draft: Path, bank: PromptBank) -> PromptBank | None:
    """What an earlier run has edited and not saved, if it was of this very bank."""
    if not os.path.lexists(draft):
        return None
    try:
        with draft.open("rb") as file:
            if file.readline(100) != f"# of {bank.digest}\n".encode():
                return None
        return PromptBank.load(draft)
    except (CuplError, OSError):
        return None
