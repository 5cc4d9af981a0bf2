"""What is shown on a terminal: nothing in it can repaint it."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def printable(text: str) -> str:
    """The text with control characters spelled out, so that no name can repaint a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def rendered(*parts: str | Table, width: int) -> str:
    """Lines and tables for standard output: as wide as the terminal, or elsewhere ``width``."""
    from rich.console import Console

    terminal = sys.stdout is not None and sys.stdout.isatty()
    console = Console(
        file=io.StringIO(), force_terminal=terminal, width=None if terminal else width
    )
    with console.capture() as capture:
        for part in parts:
            # Square brackets in a name are not markup.
            console.print(part, highlight=False, markup=False, emoji=False)
    return capture.get()
