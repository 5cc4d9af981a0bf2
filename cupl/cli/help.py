"""The pages of ``--help``: whole sentences at any width, and no option broken at its hyphens.

So are usage errors.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from cupl.io.terminal import folded, terminal_width

_HYPHEN = "\N{NON-BREAKING HYPHEN}"


def with_whole_help(command: Any) -> Any:
    """A command of typer, and those below it, whose pages cut no sentence and break no word.

    By itself typer cuts the line on each command at the width, and folds ``--api-key-env`` at any
    of its hyphens.
    """
    command.context_class = _context_of(command.context_class)
    for one in getattr(command, "commands", {}).values():
        one.short_help = one.short_help or " ".join((one.help or "").split("\n\n")[0].split())
        with_whole_help(one)
    return command


def _context_of(context: Any) -> Any:
    class Formatter(context.formatter_class):  # type: ignore[misc]
        def write_usage(self, program: str, args: str = "", prefix: str | None = None) -> None:
            super().write_usage(program, _held(args), prefix)

        def write_text(self, text: str) -> None:
            super().write_text(_held(text))

        def write_dl(self, rows: Sequence[tuple[str, str]], *args: Any, **settings: Any) -> None:
            super().write_dl([(_held(a), _held(b)) for a, b in rows], *args, **settings)

        def getvalue(self) -> str:
            return str(super().getvalue()).replace(_HYPHEN, "-")

    class Context(context):  # type: ignore[misc]
        formatter_class = Formatter

        def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
            fold_usage_error(error)
            super().__exit__(kind, error, trace)

    return Context


def fold_usage_error(error: Any) -> None:
    """Have what is wrong with the arguments said in lines no wider than the terminal."""
    told = getattr(error, "format_message", None)
    if told is None or "format_message" in vars(error):  # none of these; an outer context's turn
        return
    before = "Error: "  # what stands in front of it
    text = folded(f"{before}{told()}", terminal_width(sys.stderr)).removeprefix(before)
    error.format_message = lambda: text


def _held(text: str) -> str:
    return text.replace("-", _HYPHEN)
