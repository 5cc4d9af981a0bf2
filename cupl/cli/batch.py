"""``cupl batch``: requests and answers as files, for OpenAI's Batch API or vLLM's ``run-batch``."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli import generate_options
from cupl.cli.output import (
    count,
    files_of_cache,
    progress,
    quoted,
    say,
    say_next,
    say_warning,
    show_line,
)
from cupl.cli.spending import say_first, say_plan
from cupl.io.command import given_words
from cupl.io.outputs import check_target
from cupl.io.targets import is_stream
from cupl.io.terminal import terminal_width

if TYPE_CHECKING:
    from cupl.generation.batch.api import Batch, BatchServer
    from cupl.generation.batch.requests import Export
    from cupl.generation.batch.results import ImportReport
    from cupl.generation.plan import Plan

batch_app = typer.Typer(
    name="batch",
    help="Have many requests answered from files: OpenAI's Batch API, vLLM's run-batch.",
    no_args_is_help=True,
)
_SERVER = ("--base-url", "--api-key-env")
"""Options that the next command on the same batches is given as well."""
Ids = Annotated[list[str], typer.Argument(metavar="BATCH_ID...", help="As submit printed them.")]


@batch_app.command("export")
def export_requests_command(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="First file; more are NAME-2.jsonl and so on."),
    ],
    classes: generate_options.ClassesOption = None,
    name: generate_options.NamesOption = None,
    questions: generate_options.QuestionsOption = "base",
    model: generate_options.ModelOption = None,
    base_url: generate_options.BaseUrlOption = None,
    api: generate_options.ApiOption = None,
    samples: generate_options.SamplesOption = 10,
    temperature: generate_options.TemperatureOption = None,
    top_p: generate_options.TopPOption = None,
    max_tokens: generate_options.MaxTokensOption = None,
    stop: generate_options.StopOption = None,
    seed: generate_options.SeedOption = None,
    extra: generate_options.ExtraOption = None,
    n: generate_options.NOption = None,
    preamble: generate_options.PreambleOption = None,
    filters: generate_options.FiltersOption = None,
    no_filters: generate_options.NoFiltersOption = None,
    min_prompts: generate_options.MinPromptsOption = 1,
    similarity: generate_options.SimilarityOption = None,
    drop_shared: generate_options.DropSharedOption = False,
    per_file: Annotated[
        int,
        typer.Option(min=1, max=50_000, help="Most requests in one file, to run several at once."),
    ] = 50_000,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again for what was of no use three times.")
    ] = False,
    cache: generate_options.CacheOption = None,
    dry_run: generate_options.DryRunOption = False,
) -> None:
    """Write the requests whose answers are missing, with the options of cupl generate.

    Nothing is asked. Once all answers are imported, the same command writes the requests for
    classes that kept too few prompts. The model and --base-url are part of what answers are
    filed under: give the same to cupl generate.
    """
    from cupl.generation.batch.requests import write_requests
    from cupl.generation.cache.store import ResponseCache
    from cupl.generation.plan import survey
    from cupl.generation.retry import RetryPolicy

    check_target(output, classes, questions, preamble, *files_of_cache(cache))
    plan = generate_options.plan_of(
        classes, name, questions, model, base_url, api, samples, temperature, top_p, max_tokens,
        stop, seed, extra, preamble,
    )  # fmt: skip
    filtering = generate_options.filtering_of(
        filters, no_filters, min_prompts, similarity, drop_shared
    )
    with ResponseCache(cache) as responses:
        if dry_run:
            tries = RetryPolicy().missing_below(retry_failed=retry_failed)
            most = generate_options.most_at_once(n)
            say_plan(plan, survey(plan, responses, n=most, tries=tries), None)
            say_first(plan)
            return
        written = write_requests(
            plan, responses, output, filtering=filtering, n=generate_options.most_at_once(n),
            tries=RetryPolicy().missing_below(retry_failed=retry_failed), per_file=per_file,
            notice=say,
        )  # fmt: skip
    say_export(written, output, plan, _as_generate(output))


def say_export(written: "Export", output: Path, plan: "Plan", then: str) -> None:
    """What was written, and what to do with it; where nothing is missing, the command ``then``."""
    from cupl.llm.address import DEFAULT_URL

    _say_kept(written.kept)
    for file in written.files:
        say(
            f"wrote {file.path}: {count(file.requests, 'request')} for "
            f"{count(file.answers, 'answer')}, {file.size / 1e6:,.1f} MB"
        )
    if not written.files:
        left = f"; {output} is from an earlier export" if output.is_file() else ""
        say(f"nothing is missing, so nothing was written{left}")
        say_next(then)
        return
    if is_stream(output):
        return
    files = quoted(*(file.path for file in written.files))
    say_next(f"cupl batch submit {files}", carry=("--base-url",))
    if plan.api == "chat" and plan.endpoint != DEFAULT_URL:  # run-batch knows no completions
        model = quoted(plan.model)
        say(f"  or: vllm run-batch -i {quoted(output)} -o results.jsonl --model {model}")
        say("      and then cupl batch import results.jsonl")


def _as_generate(output: Path) -> str:
    """The command that makes the bank of what this one has found in the cache."""
    words, kept = list(given_words()[2:]), list[str]()
    while words:
        word = words.pop(0)
        if word in ("-o", "--output", "--per-file"):
            del words[:1]
        elif not word.startswith(("-o", "--output=", "--per-file=")):
            kept.append(word)
    bank = output.with_suffix(".yaml")
    return f"cupl generate {quoted(*kept, '--offline', '-o', bank)}"


@batch_app.command("import")
def import_results_command(
    results: Annotated[list[Path], typer.Argument(help="Result files, of any number of batches.")],
    cache: generate_options.CacheOption = None,
) -> None:
    """Put the answers of result files into the cache; exit code 3 where lines have none."""
    from cupl.generation.batch import results as library
    from cupl.generation.cache.store import ResponseCache

    with ResponseCache(cache) as responses, progress("bytes read") as update:
        report = library.import_results(results, responses, progress=update)
    _say_import(report)
    if report.bad:
        raise typer.Exit(3)


def _say_import(report: "ImportReport") -> None:
    say(
        f"{count(report.lines, 'line')}: {count(report.kept, 'answer')} kept, "
        f"{report.known:,} were there"
    )
    for reason, number in report.unusable.most_common():
        say(f"  of no use {number:,}: {reason}")
    if report.absent:
        say(f"  {count(report.absent, 'answer')} fewer than were asked for")
    if report.failed:
        say(f"  {count(report.failed, 'answer')} failed on the server beside others")
    for line in report.shown:
        say(f"  {line}")
    if report.bad:
        say(f"no answers in {count(report.bad.total(), 'line')}:")
        for reason, number in report.bad.most_common():
            say(f"  {number:,}: {reason}")
    say(
        "with the options of the export, cupl generate --offline makes the bank, and cupl batch "
        "export writes what is still missing; of photos cupl describe does both"
    )


@batch_app.command("submit")
def submit_command(
    files: Annotated[list[Path], typer.Argument(help="Files that cupl batch export wrote.")],
    base_url: generate_options.BaseUrlOption = None,
    api_key_env: generate_options.ApiKeyEnvOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also what was submitted before; that pays again.")
    ] = False,
) -> None:
    """Upload request files to the Batch API and print the id of each batch.

    This costs money. A file that was submitted before is not submitted again, so the same command
    can be repeated. The key comes from $OPENAI_API_KEY, which goes to OpenAI only, or from
    where --api-key-env says.
    """
    from cupl.generation.batch.api import BatchServer
    from cupl.generation.batch.requests import check_requests
    from cupl.llm.address import endpoint_of

    checked = [check_requests(path, endpoint_of(base_url)) for path in files]
    server = BatchServer(base_url, api_key_env=api_key_env, notice=say_warning)
    earlier = {} if again else {batch.sha256: batch for batch in server.batches()
                                if not batch.repeatable}  # fmt: skip
    for file in checked:
        batch = earlier.get(file.sha256)
        if batch is None:
            batch = server.submit(file.path, file.sha256, file.url)
            earlier[file.sha256] = batch
            what = f"{count(file.requests, 'request')} to {file.model}"
            say(f"submitted {file.path}: {what}, answered within 24 hours")
        else:
            say(f"{file.path} was submitted before ({_summary(batch)}); --again pays again")
        show_line(batch.id)
    say_next("cupl batch status", carry=_SERVER)


@batch_app.command("status")
def status_command(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BATCH_ID...]",
            help="As submit printed them. [default: all that cupl submitted]",
        ),
    ] = None,
    base_url: generate_options.BaseUrlOption = None,
    api_key_env: generate_options.ApiKeyEnvOption = None,
) -> None:
    """Show how far batches are: id, status, requests done, failed and in all, time, file."""
    from cupl.generation.batch.api import BatchServer

    server = BatchServer(base_url, api_key_env=api_key_env, notice=say_warning)
    batches = [server.batch(id) for id in ids] if ids else server.batches()
    if batches:
        typer.echo(_status_table(batches), nl=False)
    for batch in batches:
        for problem in batch.problems:
            show_line(f"{batch.id}: {problem}")
    if not batches:
        say("no batches that cupl submitted")
    ready = [batch.id for batch in batches if batch.output_file]
    if ready:
        say_next(f"cupl batch fetch {quoted(*ready)}", carry=_SERVER)


@batch_app.command("fetch")
def fetch_command(
    ids: Ids,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="For one batch. [default: BATCH_ID.jsonl]"),
    ] = None,
    base_url: generate_options.BaseUrlOption = None,
    api_key_env: generate_options.ApiKeyEnvOption = None,
) -> None:
    """Download the results of batches; exit code 1 where one is not there yet."""
    from cupl.generation.batch.api import BatchServer

    if output is not None and len(ids) > 1:
        raise typer.BadParameter("-o names the results of one batch; leave it out for several")
    if output is not None:
        check_target(output)
    elif odd := [id for id in ids if not re.fullmatch(r"\w[\w.-]{0,99}", id, re.ASCII)]:
        raise typer.BadParameter(f"{odd[0]!r} is no file name; name the results with -o")
    written: list[Path] = []
    waiting = False
    server = BatchServer(base_url, api_key_env=api_key_env, notice=say_warning)
    for id in ids:
        paths = _fetch(server, server.batch(id), output or Path(f"{id}.jsonl"))
        written += paths
        waiting |= not paths
    if written:
        say_next(f"cupl batch import {quoted(*written)}", *written)
    if waiting:
        raise typer.Exit(1)


def _fetch(server: "BatchServer", batch: "Batch", path: Path) -> list[Path]:
    """Download what there is of a batch; the answers, and the failures in a second file."""
    from cupl.io.atomic import name_beside, settle, staging

    # What is no file has no neighbour; the import reads answers and failures alike.
    errors = path if is_stream(path) else name_beside(path.with_suffix(""), f".errors{path.suffix}")
    parts = [(batch.output_file, path), (batch.error_file, errors)]
    found = [(file, target) for file, target in parts if file is not None]
    if not found:
        say(f"{batch.id} has no results{'' if batch.over else ' yet'}: {_summary(batch)}")
        return []
    with staging(path) as folder:
        staged = [folder / str(number) for number in range(len(found))]
        for (file, _), part in zip(found, staged, strict=True):
            with part.open("wb") as content:
                server.download(file, content)
        sizes = [part.stat().st_size for part in staged]
        kept = settle([(part, target) for part, (_, target) in zip(staged, found, strict=True)])
    _say_kept(kept)
    for (file, target), size in zip(found, sizes, strict=True):
        what = "answers" if file == batch.output_file else "requests that failed"
        say(f"wrote {target}: {what}, {size / 1e6:,.1f} MB")
    return [target for _, target in found]


def _say_kept(kept: list[tuple[Path, Path]]) -> None:
    for old, new in kept:
        say(f"{old} held something else: kept as {new}")


def _summary(batch: "Batch") -> str:
    done = f"{batch.completed:,} of {count(batch.total, 'request')} done"
    return "; ".join([f"{batch.id} is {batch.status}, {done}", *batch.problems])


def _status_table(batches: "list[Batch]") -> str:
    """A line each, without a head: a program can read it where there is no terminal."""
    from cupl.io.tables import Column, draw_table

    columns = [
        Column("", "whole"), Column("", "whole"), Column("", "whole"), Column("", "whole", 1),
        Column("", "whole", 4), Column("", "whole", 3), Column("", "path", 2),
    ]  # fmt: skip
    rows = [
        [
            batch.id, batch.status, f"{batch.completed} done", f"{batch.failed} failed",
            f"{batch.total} requests", _time(batch.created), batch.file or "-",
        ]
        for batch in batches
    ]  # fmt: skip
    return draw_table(columns, rows, terminal_width())


def _time(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return "-"
