"""What commands share: printing safely, options that can be left unsent, progress."""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO, cast

import typer

from cupl.cli.pace import Pace
from cupl.errors import InputError
from cupl.io.command import given_words
from cupl.io.outputs import check_target
from cupl.io.targets import is_stream
from cupl.io.terminal import folded, printable, terminal_width
from cupl.io.words import number_of

count = number_of
_TO_COPY = ("next: ", "  or: ")
_FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
HOW = ("--device", "--precision")
"""Options of how an encoder computes, for the next command."""
MADE = (*HOW, "--revision", "--embedding-cache")
"""The same for a command that is given the encoder, too."""


def show_line(text: str) -> None:
    """A line of a result on standard output, folded between words where that is a terminal."""
    typer.echo(folded(printable(text), terminal_width()))


def say(text: str) -> None:
    """A line for the person at the terminal; standard output is for results.

    Nobody may be there to read it: that stops no run. On a terminal no word is broken at its edge;
    a command that is to be copied stays in one line.
    """
    if sys.stderr is not None:  # print would take standard output for it
        with suppress(OSError, ValueError):
            shown = "\n".join(map(printable, text.split("\n")))
            if not shown.startswith(_TO_COPY):
                shown = folded(shown, terminal_width(sys.stderr))
            print(shown, file=sys.stderr, flush=True)


def say_warning(text: str) -> None:
    """What could do harm and stops nothing."""
    say(f"warning: {text}")


def quoted(*paths: object) -> str:
    """Names of files as a shell takes them, in a command that is to be copied."""
    return " ".join(map(_quoted, paths))


def _quoted(path: object) -> str:
    text = str(path)
    if isinstance(path, Path) and text.startswith("-"):
        text = f"./{text}"  # no option
    if text.isprintable():
        return shlex.quote(text)
    # Bytes that are no text, and what would not be shown as it is.
    plain = frozenset(range(32, 127)) - frozenset(b"'\\")
    spelled = (chr(byte) if byte in plain else f"\\{byte:03o}" for byte in os.fsencode(text))
    return f"$'{''.join(spelled)}'"


def say_next(command: str, *made: Path, carry: Sequence[str] = (), other: bool = False) -> None:
    """A command to copy, unless what it would read was written straight on and is gone.

    Args:
        command: words in capitals stand for what only the person knows.
        made: what it reads.
        carry: options of this command that the next one is given as well, where this one was.
        other: another way on, below the first.

    """
    if not any(map(is_stream, made)):
        say(f"{'  or' if other else 'next'}: {command}{carried(*carry)}")


def carried(*options: str) -> str:
    """Those of some options that this command was given, as the next one is given them."""
    words, found = given_words(), list[str]()
    for number, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in options:
            found += [name, value if equals else "".join(words[number + 1 : number + 2])]
    return f" {quoted(*found)}" if found else ""


def bytes_in_words(size: float) -> str:
    """``2.19 MB``."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} GB"


def say_unreadable(
    number: int,
    total: int,
    examples: Iterable[tuple[str, str]],
    rest: str,
    what: str = "could not be read",
) -> None:
    """Which images could not be read, never a million lines of them.

    Args:
        number: how many.
        total: images in all.
        examples: path and reason of the first few.
        rest: the line on those beyond, with ``{}`` for their number.
        what: is said of them, where it is something else.

    """
    say(f"{count(number, 'image')} of {total:,} {what}:")
    for path, error in examples:
        say(f"  {path}: {error}")
        number -= 1
    if number:
        say(rest.format(f"{number:,}"))


def say_passing(number: int) -> None:
    """That some of these are no fault of the images."""
    them = "it" if number == 1 else "them"
    say(
        f"{count(number, 'image')} may be read another time: the same command with --resume tries "
        f"{them} again"
    )


def written_format(format: str | None, output: Path | None) -> str:
    """In which format a table of images is written: the one named, else by the name of the file."""
    ending = output.suffix.lower() if output else ""
    if output is not None and format is None and ending not in _FORMATS:
        raise typer.BadParameter(
            f"{output} does not say what to write: add --format table, csv, jsonl or parquet"
        )
    return format or _FORMATS.get(ending, "table")


def none_or(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Parser of an option that takes a value or ``none`` for "not sent".

    ``none`` becomes the text itself, because None means that the option was not given.
    """

    def parse(text: str) -> Any:
        return "none" if text.lower() == "none" else kind(text)

    parse.__name__ = f"{kind.__name__}|none"
    return parse


def check_vectors_target(path: Path, *inputs: str | Path | None) -> None:
    """As :func:`check_target`; nothing that lies in a folder of the inputs is lost either.

    Args:
        path: where class vectors are to be written.
        inputs: files, folders and patterns that are read.

    Raises:
        InputError: the same, or something else than class vectors is there.

    """
    from cupl.embedding.class_vectors import ClassVectors

    check_target(path, *inputs)
    given = [Path(source) for source in inputs if source is not None]
    folders = {one if one.is_dir() else one.parent for one in given if not one.is_file()}
    place = Path(os.path.realpath(path))
    if not place.is_file() or not any(
        place.is_relative_to(os.path.realpath(folder)) for folder in folders
    ):
        return
    try:
        ClassVectors.load(path)
    except InputError as error:
        raise InputError(
            f"cannot write {path}: it lies among what is read, and is no class vectors; name "
            "another file"
        ) from error


def files_of_cache(folder: Path | None) -> list[Path]:
    """The files of a cache, which no result may take the place of; of the usual one none."""
    if folder is None:
        return []
    from cupl.io.sqlite import DATABASE

    return [folder / f"{DATABASE}{end}" for end in ("", "-wal", "-shm")]


def write_bank(path: Path, data: bytes) -> None:
    """Write a bank, or a list beside it; other content in its place is kept, and that is said.

    Raises:
        InputError: a file cannot be written.

    """
    from cupl.io.atomic import write_keeping_old

    if aside := write_keeping_old(path, data):
        say(f"{path} held something else: kept as {aside}")


class _Lossy:
    """A terminal that may be closed in mid-run: what nobody can read stops no run."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; elsewhere a line at each tenth, or of what has no known end tenfold.

    The bar shows how long it will still take; without one a line says so, where it is long.
    """
    if sys.stderr is not None and sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        console = Console(file=cast("IO[str]", _Lossy(sys.stderr)))
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
            task = bar.add_task(label, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total or None)
        return
    shown, pace = 0, Pace(label, say)

    def line(done: int, total: int) -> None:
        nonlocal shown
        pace.update(done, total)
        reached = done * 10 // total if total else len(str(done))
        if reached > shown:
            shown = reached
            say(f"{label}: {done} of {total}" if total else f"{label}: {done}")

    yield line
