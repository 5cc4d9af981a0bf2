"""Taking back what ``sort_images`` did, and nothing that somebody did since."""

from __future__ import annotations

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
        lost: photos that are neither where they were nor where they were put: somebody took them.

    """

    restored: int = 0
    removed: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def undo_sort(folder: str | os.PathLike[str], *, progress: Progress = ignore) -> UndoReport:
    """Move photos back to where they were, and remove copies and links that nobody changed.

    A copy whose original is gone or changed stays, as does all that somebody put into the folders;
    folders that are then empty go. What could not be taken back can be tried again.

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
        for number, entry in enumerate(reversed(entries.values()), start=1):
            try:
                _undo(entry, place, report)
            except OSError as error:
                report.left.append((str(place / entry.to), reason(error)))
            progress(number, len(entries))
        _tidy(place, folders, listed, report)
    return report


def _undo(entry: SortEntry, folder: Path, report: UndoReport) -> None:
    target, source = folder / entry.to, Path(entry.path)
    there = os.path.lexists(target)
    if entry.how == "link":
        if target.is_symlink() and os.readlink(target) == entry.link:  # noqa: PTH115
            target.unlink()
            report.removed += 1
        elif there:
            report.left.append((str(target), "it is no longer the link that was made"))
    elif entry.how == "copy":
        if there:
            _remove_copy(entry, target, source, report)
    elif not there:
        if os.path.lexists(source):
            report.restored += 1  # or never moved
        else:
            report.lost.append(entry.path)
    elif os.path.lexists(source):
        _remove_copy(entry, target, source, report)
    else:
        source.parent.mkdir(parents=True, exist_ok=True)
        move_new(target, source, lambda _: None, source.parent)
        report.restored += 1


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
    for name in folders:
        remove_unfinished(folder / name)
        with suppress(OSError):  # not empty, or no folder
            (folder / name).rmdir()
    try:
        if report.left:
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
