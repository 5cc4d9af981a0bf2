"""The options of a command that stand for the arguments which an error of the library names."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any


def way_out(group: Any, words: Sequence[str], arguments: Mapping[str, object]) -> str:
    """What to add to an error: `` (--max-tokens none, --samples 20)``, or nothing.

    Args:
        group: all commands, as Typer makes them (of click's classes, which it brings along).
        words: the command line, without the program's name.
        arguments: see :class:`~cupl.errors.CuplError`; what the command has no option for is left
            out.

    """
    options = {option.name: option for option in _command(group, words).params}
    hints = [
        _hint(options[name].opts[0], value) for name, value in arguments.items() if name in options
    ]
    return f" ({', '.join(hints)})" if hints else ""


def _command(command: Any, words: Sequence[str]) -> Any:
    """The command that the first words name."""
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    return command


def _hint(option: str, value: object) -> str:
    if value is ... or value is True:
        return option
    if value is False:
        return f"without {option}"
    if isinstance(value, Mapping):
        return f"{option} {shlex.quote(json.dumps(value))}"
    return f"{option} {'none' if value is None else shlex.quote(str(value))}"
