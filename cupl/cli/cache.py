"""``cupl cache``: look after the answers that were paid for."""

import json
import os
import re
import time
from collections import Counter
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cupl.cli.generate_options import CacheOption
from cupl.cli.output import bytes_in_words, count, quoted, say, show_line
from cupl.errors import InputError
from cupl.io.reasons import missing

if TYPE_CHECKING:
    from cupl.generation.cache.answered import AnsweredQuestion
    from cupl.generation.cache.reader import Findings

cache_app = typer.Typer(
    name="cache", help="Look after the answers that were paid for.", no_args_is_help=True
)

_SECONDS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}
_SHOWN = 10


def _age(text: str) -> int:
    """Seconds, from a number with a unit."""
    if not (found := re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text)):
        raise typer.BadParameter(f"{text!r} is no age: write 12h, 90d or 8w (hours, days, weeks)")
    return int(found[1]) * _SECONDS[found[2]]


@cache_app.command("info")
def info_command(cache: CacheOption = None) -> None:
    """Say what the cache holds."""
    from cupl.generation.cache.reader import CacheReader, summarize_cache

    with CacheReader(cache) as reader:
        found = summarize_cache(reader.entries())
        show_line(f"{reader.folder}: {bytes_in_words(reader.size())}")
    typer.echo(count(found.answers.total(), "answer"))
    _echo_most(found.answers)
    typer.echo(count(found.failures.total(), "failure"))
    _echo_most(found.failures)
    if found.oldest is not None and found.newest is not None:
        typer.echo(f"stored from {_date(found.oldest)} to {_date(found.newest)}")
    if found.unreadable.total:
        unreadable = count(found.unreadable.total, "entry", "entries")
        say(f"{unreadable} cannot be read: cupl cache verify{_same(cache)}")


@cache_app.command("show")
def show_command(
    name: Annotated[
        list[str] | None,
        typer.Option("-c", "--class", help="Only questions that name this class; repeat for more."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Only questions to this model.")] = None,
    format: Annotated[
        Literal["table", "jsonl"], typer.Option(help="jsonl: a question a line, all of them.")
    ] = "table",
    limit: Annotated[int, typer.Option(min=1, help="Questions of a table.")] = 20,
    skip: Annotated[int, typer.Option(min=0, help="Questions to pass over before.")] = 0,
    cache: CacheOption = None,
) -> None:
    """Show the questions that were asked, and the answers to them. Nothing is changed."""
    from cupl.generation.cache.answered import answered_questions
    from cupl.generation.cache.reader import CacheReader

    shown, most = 0, None if format == "jsonl" else skip + limit + 1
    with CacheReader(cache) as reader:
        for found in islice(answered_questions(reader, name or (), model), skip, most):
            if format == "jsonl":
                typer.echo(_as_json(found))
            elif shown == limit:
                say(f"there are more: --skip {skip + limit} shows the next")
                break
            else:
                _show(found)
            shown += 1
    wanted = [f"names {' or '.join(f'{one!r:.80}' for one in name)}"] if name else []
    wanted += [f"was asked of {model!r:.80}"] if model else []
    if not shown and (wanted or skip):
        say(
            " ".join(
                ["no further question" if skip else "no question", " and ".join(wanted)]
            ).strip()
        )
    elif not shown:
        say(
            "no question to show; of answers of earlier versions they are noted when the same "
            "cupl generate runs again, which asks for nothing that is there"
        )


def _show(found: "AnsweredQuestion") -> None:
    show_line(f"{found.asked.question} ({found.asked.model})")
    for answer in found.answers:
        show_line(f"  - {' '.join(answer.text.split())}")
    if found.failures:
        show_line(f"  {count(found.failures, 'answer')} of no use")
    if found.unreadable:
        show_line(f"  {count(found.unreadable, 'answer')} that cannot be read")


def _as_json(found: "AnsweredQuestion") -> str:
    asked = found.asked
    answers = [
        {"text": one.text, "finish_reason": one.finish_reason, "model": one.model}
        for one in found.answers
    ]
    return json.dumps(
        {"question": asked.question, "model": asked.model, "endpoint": asked.endpoint,
         "answers": answers, "of_no_use": found.failures, "unreadable": found.unreadable}
    )  # fmt: skip


@cache_app.command("verify")
def verify_command(cache: CacheOption = None) -> None:
    """Check that all of the cache can be read; exit code 1 if not. Nothing is changed."""
    from cupl.generation.cache.reader import CacheReader, summarize_cache

    with CacheReader(cache) as reader:
        damage = reader.damage()
        found = summarize_cache(reader.entries())
    for message in damage[:_SHOWN]:
        show_line(f"database: {message}")
    for text in found.unreadable.first:
        show_line(text)
    if (more := found.unreadable.total - len(found.unreadable.first)) > 0:
        typer.echo(f"... {more:,} more")
    good = found.answers.total() + found.failures.total()
    if damage or found.unreadable.total:
        raise InputError(
            f"{reader.folder}: {'the database is damaged, ' if damage else ''}"
            f"{count(found.unreadable.total, 'entry', 'entries')} cannot be read and {good:,} can: "
            f"'cupl cache export FILE.jsonl.gz{_same(cache)}' saves those, and 'cupl cache import "
            "FILE.jsonl.gz --cache NEW_FOLDER' makes a sound cache of them"
        )
    say(f"{reader.folder}: {count(good, 'entry', 'entries')}, all of them sound")


@cache_app.command("prune")
def prune_cache_command(
    older_than: Annotated[
        int, typer.Option(parser=_age, metavar="AGE", help="Such as 12h, 90d or 8w.")
    ],
    cache: CacheOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many, and remove nothing.")
    ] = False,
) -> None:
    """Remove what was stored longer ago; to have it again it must be asked, and paid, for again."""
    from cupl.generation.cache.reader import CacheReader, keys_before
    from cupl.generation.cache.store import ResponseCache

    before = int(time.time()) - older_than
    with CacheReader(cache) as reader:
        if reader.damage():
            raise InputError(
                f"{reader.folder} is damaged, nothing is removed: cupl cache verify{_same(cache)}"
            )
        old = keys_before(reader.entries(), before)
    if dry_run:
        say(f"would remove {count(len(old), 'entry', 'entries')} stored before {_date(before)}")
        return
    with ResponseCache(cache) as responses:
        removed = responses.remove(old, before)
        left = len(responses)
    say(
        f"removed {count(removed, 'entry', 'entries')} stored before {_date(before)}, {left:,} "
        "remain; what was removed has to be paid for if it is asked again"
    )


@cache_app.command("export")
def export_cache_command(
    file: Annotated[Path, typer.Argument(help="New file (.jsonl.gz, or .jsonl).")],
    cache: CacheOption = None,
) -> None:
    """Write all answers to a file, to keep a copy or to give them to others."""
    from cupl.generation.cache.reader import CacheReader
    from cupl.generation.cache.transfer import export_entries

    with CacheReader(cache) as reader:
        result = export_entries(reader, file)
    say(f"wrote {file}: {count(result.entries, 'entry', 'entries')}")
    if result.unreadable.total:
        _say_findings("cannot be read and left out", result.unreadable)
        raise typer.Exit(3)


@cache_app.command("import")
def import_cache_command(
    file: Annotated[Path, typer.Argument(help="What cupl cache export wrote.")],
    cache: CacheOption = None,
) -> None:
    """Take over answers from a file; what is in the cache stays as it is."""
    from cupl.generation.cache.store import ResponseCache
    from cupl.generation.cache.transfer import import_entries

    if not os.path.exists(file):  # noqa: PTH110
        raise missing(file, f"there is no file {file}")  # before a folder is made
    with ResponseCache(cache) as responses:
        result = import_entries(file, responses)
        folder = responses.folder
    found = result.entries
    say(
        f"{folder}: {count(found['new'], 'new entry', 'new entries')}, {found['same']:,} already "
        f"there, {found['different']:,} different from what is there and left out"
    )
    if result.bad.total:
        _say_findings("lines left out", result.bad)
    if result.broken_off:
        say(f"{file} was not read to its end: {result.broken_off}; what came before is kept")
    if result.bad.total or result.broken_off:
        raise typer.Exit(3)


def _same(cache: Path | None) -> str:
    """The option of a command to copy that works on the same cache."""
    return f" --cache {quoted(cache)}" if cache else ""


def _say_findings(what: str, findings: "Findings") -> None:
    say(f"{findings.total:,} {what}:")
    for text in findings.first:
        say(f"  {text}")
    if (more := findings.total - len(findings.first)) > 0:
        say(f"  and {more:,} more")


def _echo_most(numbers: "Counter[str | None] | Counter[str]") -> None:
    for name, number in numbers.most_common(_SHOWN):
        show_line(f"  {number:,} {name or 'by a model that was not named'}")
    if (more := len(numbers) - _SHOWN) > 0:
        typer.echo(f"  and {more:,} more kinds")


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
