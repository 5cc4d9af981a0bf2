"""The command line: each command parses, calls the library and prints; there is no logic here."""

import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from cupl.cli import (
    adapt,
    bank,
    bank_contrast,
    bank_names,
    batch,
    cache,
    cache_embeddings,
    classify,
    demo,
    describe,
    duplicates,
    embed,
    encode,
    encoders,
    evaluate,
    filter,
    generate,
    index,
    index_upkeep,
    label,
    search,
    serve,
    similar,
    sort,
    tag,
)
from cupl.cli.flags import way_out
from cupl.cli.help import with_whole_help
from cupl.cli.output import quoted, say, say_warning
from cupl.errors import CuplError, is_out_of_memory
from cupl.io.command import running
from cupl.io.reasons import reason
from cupl.llm.redaction import without_secrets, without_url_keys

app = typer.Typer(
    name="cupl",
    help="Class names in, zero-shot image classifier out: a language model describes each "
    "class, the descriptions become one vector a class, images get the nearest.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo_command)
app.command("generate")(generate.generate_command)
app.command("describe")(describe.describe_command)
app.command("encode")(encode.encode_command)
app.command("encoders")(encoders.encoders_command)
app.command("embed")(embed.embed_command)
app.command("adapt")(adapt.adapt_command)
app.command("classify")(classify.classify_command)
app.command("sort")(sort.sort_command)
app.command("serve")(serve.serve_command)
app.command("search", cls=search.QueryCommand)(search.search_command)
app.command("filter")(filter.filter_command)
app.command("similar")(similar.similar_command)
app.command("duplicates")(duplicates.duplicates_command)
app.command("tag")(tag.tag_command)
app.command("label")(label.label_command)
app.command("evaluate")(evaluate.evaluate_command)
bank.bank_app.command("contrast")(bank_contrast.contrast_command)
bank.bank_app.command("names")(bank_names.names_command)
app.add_typer(bank.bank_app)
app.add_typer(batch.batch_app)
cache.cache_app.command("embeddings")(cache_embeddings.embeddings_command)
app.add_typer(cache.cache_app)
index.index_app.command("remove")(index_upkeep.index_remove_command)
index.index_app.command("compact")(index_upkeep.index_compact_command)
index.index_app.command("info")(index_upkeep.index_info_command)
app.add_typer(index.index_app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"cupl {version('cupl')}")
        except PackageNotFoundError:
            typer.echo("cupl, run from a checkout that is not installed")
        raise typer.Exit


@app.callback()
def shared_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command; ``main`` takes ``--debug`` out, wherever it stands."""


@contextmanager
def _signals_as_ctrl_c() -> Iterator[list[int]]:
    """What ends a session or a job keeps what was done, as Ctrl-C does; which one came is noted.

    What whoever started us has told us to ignore (``nohup``) stays ignored.
    """
    caught: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        pressed = signal.getsignal(signal.SIGINT)  # asyncio has its own while it runs
        (pressed if callable(pressed) else signal.default_int_handler)(signal.SIGINT, frame)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    taken = []
    if threading.current_thread() is threading.main_thread():
        taken = [n for n in map(signal.Signals.__getitem__, names)
                 if signal.getsignal(n) is signal.SIG_DFL]  # fmt: skip
    for number in taken:
        signal.signal(number, handle)
    try:
        yield caught
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _occupy_closed_descriptors() -> None:
    """Where a standard stream is closed, the next file that is opened would get its number.

    What a library prints would land in that file. Nothing can be read or written here instead.
    """
    for number, access in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, access)  # takes the lowest number that is free


def _of_the_system(error: OSError) -> str:
    """Files bring errors of our own; what is left is standard output, or no file can be opened."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return reason(error)
    what = "cannot write the output" if error.filename is None else os.fsdecode(error.filename)
    return f"{what}: {reason(error)}"


def main() -> None:
    """Run the command line.

    Exits with 0 done, 1 something the user can mend, 2 usage, 3 done but some items failed, 130
    interrupted, 143 and 129 ended by SIGTERM and SIGHUP.
    """
    debug = "--debug" in sys.argv
    # Python's own form of it shows a line of our code.
    warnings.showwarning = lambda message, *_, **__: say_warning(str(message))
    _occupy_closed_descriptors()
    for stream in (sys.stdout, sys.stderr):
        # File names need not be valid text; a terminal need not speak Unicode.
        if stream is not None:  # closed by whoever started us
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    command = with_whole_help(typer.main.get_command(app))
    words = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        with (
            _signals_as_ctrl_c() as caught,
            running(without_secrets(quoted("cupl", *words), os.environ), words),
        ):
            command(words, prog_name="cupl")
    except CuplError as error:
        if debug:
            raise
        say(f"error: {without_url_keys(str(error))}{way_out(command, words, error.arguments)}")
        if error.arguments.get("resume") is True and "--resume" not in words:
            say(f"next: {quoted('cupl', *words, '--resume')}")
        sys.exit(1)
    except (OSError, MemoryError, RuntimeError) as error:
        if debug:
            raise
        if is_out_of_memory(error):
            hint = way_out(command, words, {"batch_size": 1})
            say(f"error: there is not enough free memory for this; free some of it{hint}")
        elif isinstance(error, OSError):
            say(f"error: {_of_the_system(error)}")
        else:
            raise
        sys.exit(1)
    except SystemExit as stop:
        if stop.code == 130:
            say("interrupted")
            sys.exit(128 + caught[0] if caught else 130)
        raise
