"""Where photos are that sorting moved, by its journal."""

from __future__ import annotations

from pathlib import Path

SORTED_FOLDER = "sorted"
"""Of the folders of a sort, in that of all that the app writes."""


def moved_photos(folder: Path) -> dict[str, str]:
    """Where each photo is that was moved, by where it was, without links.

    Args:
        folder: that was sorted into.

    Raises:
        InputError: its journal cannot be read.

    """
    from cupl.classification.sort_journal import JOURNAL_NAME, read_journal

    if not (folder / JOURNAL_NAME).exists():
        return {}
    entries = read_journal(folder)[0]
    return {path: str(folder / one.to) for path, one in entries.items() if one.how == "move"}
