"""Taking back what ``sort_images`` did, and nothing that somebody did since."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cupl.classification.sort_folders import LIST_NAME
from cupl.classification.sort_journal import (
    JOURNAL_NAME,
    SortEntry,
    SortJournal,
    is_own_list,
    read_journal,
)
from cupl.errors import InputError
from cupl.io.atomic import remove_unfinished
from cupl.io.locks import sole_writer
from cupl.io.placing import file_digest, move_new
from cupl.io.reasons import missing, reason
from cupl.progress import Progress, ignore


@dataclass(eq=False)
class UndoReport:
    """What was taken back.

    Attributes:
        restored: photos that are where they were.
        removed: copies and links that are gone.
        left: what is still there, and why.
        lost: photos that are neither where they were nor in the folder: somebody took them.

    """

    restored: int = 0
    removed: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def undo_sort(folder: str | os.PathLike[str], *, progress: Progress = ignore) -> UndoReport:
    """Move photos back to where they were, and remove copies and links that nobody changed.

    A photo that somebody moved to another place in the folder is found there by its content. A copy
    whose original is gone or changed stays, as does all that somebody put into the folders;
    folders that are then empty go. Of what could not be taken back the journal and the list stay,
    so that it can be tried again.

    Args:
        folder: of the sorted photos.
        progress: told how many photos are looked at, and of how many.

    Raises:
        MissingFileError: there is no journal of ``sort_images``.
        InputError: it is damaged, or another run is writing into the folder.

    """
    place = Path(folder)
    if not os.path.lexists(place / JOURNAL_NAME):
        raise missing(
            place, f"{place}: cupl sort has not sorted into it, or all of that was taken back"
        )
    report = UndoReport()
    with sole_writer(place):
        entries, listed = read_journal(place)
        folders = {Path(one.to).parts[0] for one in entries.values()}
        # A copy that came back from another disk was half written there first.
        for came_from in {Path(one.path).parent for one in entries.values() if one.how == "move"}:
            remove_unfinished(came_from)
        remove_unfinished(place)
        undoing = _Undoing(place, entries.values(), report)
        for number, entry in enumerate(reversed(entries.values()), start=1):
            undoing.undo(entry)
            progress(number, len(entries))
        folders |= undoing.find()
        if not is_own_list(place, listed) and (unknown := _unknown(place, entries)):
            report.left += unknown  # the list alone says where they came from: it stays as it is
        else:
            _tidy(place, folders, listed, report)
    return report


def _unknown(folder: Path, known: Collection[str]) -> list[tuple[str, str]]:
    """Photos in the folder that only the list names: a part of the journal is gone."""
    found = list[tuple[str, str]]()
    with (
        suppress(csv.Error),  # somebody else's list
        (folder / LIST_NAME).open(encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        for row in csv.DictReader(file):
            came, to = row.get("path"), row.get("to")
            moved = row.get("done") == "moved" and came and to and came not in known
            if moved and os.path.lexists(folder / str(to)):
                found.append((str(folder / str(to)), f"{JOURNAL_NAME} has lost it; it was {came}"))
    return found


class _AnotherPhotoError(Exception):
    """What has the place of a photo is another one that was sorted."""


class _Undoing:
    """Takes back one by one, and then looks for what is not where it was put."""

    def __init__(self, folder: Path, entries: Iterable[SortEntry], report: UndoReport) -> None:
        self._folder, self._report = folder, report
        self._moved = {one.sha256 for one in entries if one.how == "move"}
        self._missing: list[SortEntry] = []

    def undo(self, entry: SortEntry) -> None:
        """Take back one photo, or note that it is to be looked for."""
        target, source = self._folder / entry.to, Path(entry.path)
        try:
            if entry.how == "link":
                self._remove_link(entry, target)
            elif entry.how == "copy":
                if os.path.lexists(target):
                    _remove_copy(entry, target, source, self._report)
            elif not os.path.lexists(target):
                if os.path.lexists(source):
                    self._report.restored += 1  # or never moved
                else:
                    self._missing.append(entry)
            elif os.path.lexists(source):
                _remove_copy(entry, target, source, self._report)
            else:
                self._move_back(entry, target)
        except _AnotherPhotoError:
            self._missing.append(entry)
        except OSError as error:
            self._report.left.append((str(target), reason(error)))

    def _remove_link(self, entry: SortEntry, target: Path) -> None:
        if target.is_symlink() and os.readlink(target) == entry.link:  # noqa: PTH115
            target.unlink()
            self._report.removed += 1
        elif os.path.lexists(target):
            self._report.left.append((str(target), "it is no longer the link that was made"))

    def _move_back(self, entry: SortEntry, target: Path) -> None:
        def check(digest: str) -> None:
            if digest != entry.sha256 and digest in self._moved:
                raise _AnotherPhotoError

        source = Path(entry.path)
        source.parent.mkdir(parents=True, exist_ok=True)
        move_new(target, source, check, source.parent)
        self._report.restored += 1

    def find(self) -> set[str]:
        """Look in the whole folder for photos that are missing, and put them back.

        Returns:
            The folders in it where one was found.

        """
        wanted: dict[str | None, list[SortEntry]] = {}
        for entry in self._missing:
            wanted.setdefault(entry.sha256, []).append(entry)
        found, left = set[str](), dict(self._report.left)
        sizes = {one.size for one in self._missing}
        for path in _files_in(self._folder) if wanted else ():
            if str(path) in left:
                continue
            try:
                known = None in sizes or path.stat().st_size in sizes
                entries = wanted.get(file_digest(path)) if known else None
                if not entries:
                    continue
                self._move_back(entries[-1], path)
            except OSError as error:
                self._report.left.append((str(path), reason(error)))
                continue
            entries.pop()
            inside = path.relative_to(self._folder).parent
            found |= {str(one) for one in (inside, *inside.parents) if one.parts}
        self._report.lost += [one.path for some in wanted.values() for one in some]
        return found


def _files_in(folder: Path) -> list[Path]:
    """The ordinary files in a folder and those below, as they are now."""
    paths = (Path(root, name) for root, _, names in os.walk(folder) for name in names)
    ours = {folder / JOURNAL_NAME, folder / LIST_NAME}
    return sorted(path for path in paths if path not in ours and not path.is_symlink()
                  and path.is_file())  # fmt: skip


def _remove_copy(entry: SortEntry, target: Path, source: Path, report: UndoReport) -> None:
    """Remove a file that stands a second time where it came from."""
    if target.is_symlink() or not target.is_file() or file_digest(target) != entry.sha256:
        report.left.append((str(target), "it was changed since"))
    elif not source.is_file() or file_digest(source) != entry.sha256:
        report.left.append((str(target), f"it is the only one: {entry.path} is gone or changed"))
    else:
        target.unlink()
        report.removed += 1


def _tidy(
    folder: Path, folders: Iterable[str], listed: Collection[str], report: UndoReport
) -> None:
    """Remove folders that are empty, and where nothing is left list and journal."""
    for name in sorted(folders, key=len, reverse=True):  # the inner ones first
        remove_unfinished(folder / name)
        with suppress(OSError):  # not empty, or no folder
            (folder / name).rmdir()
    try:
        if report.left or report.lost:
            with SortJournal(folder) as journal:
                journal.write_list(())
            return
        if is_own_list(folder, listed):
            (folder / LIST_NAME).unlink(missing_ok=True)
        (folder / JOURNAL_NAME).unlink()
    except OSError as error:
        raise InputError(f"cannot tidy {folder}: {reason(error)}") from error
    with suppress(OSError):
        folder.rmdir()
