"""``cupl generate``: class names to a prompt bank."""

import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli import generate_options
from cupl.cli.first_steps import FirstSteps
from cupl.cli.output import count, files_of_cache, progress, say, say_warning, write_bank
from cupl.cli.spending import accounted, prices_of, say_dropped
from cupl.io.outputs import check_target

if TYPE_CHECKING:
    from cupl.bank.model import PromptBank
    from cupl.generation.collect import CollectedPrompts

_MANY = 10_000
"""Classes from which on looking up their answers shows how far it is."""


def _list_filters(wanted: bool) -> None:
    if wanted:
        from cupl.generation.filters import DEFAULT_FILTERS, FILTERS
        from cupl.io.tables import Column, draw_table
        from cupl.io.terminal import terminal_width

        rows = [
            [name, "default" if name in DEFAULT_FILTERS else "optional",
             (filter.__doc__ or "").splitlines()[0]]
            for name, filter in FILTERS.items()
        ]  # fmt: skip
        columns = [Column("", "whole"), Column("", "whole"), Column("")]
        typer.echo(draw_table(columns, rows, terminal_width()), nl=False)
        raise typer.Exit


def generate_command(
    classes: generate_options.ClassesOption = None,
    name: generate_options.NamesOption = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Bank to write.")] = None,
    questions: generate_options.QuestionsOption = "base",
    model: generate_options.ModelOption = None,
    base_url: generate_options.BaseUrlOption = None,
    api_key_env: generate_options.ApiKeyEnvOption = None,
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
    concurrency: generate_options.ConcurrencyOption = 8,
    timeout: generate_options.TimeoutOption = 120,
    max_requests: generate_options.MaxRequestsOption = None,
    max_tokens_total: generate_options.MaxTokensTotalOption = None,
    price_in: generate_options.PriceInOption = None,
    price_out: generate_options.PriceOutOption = None,
    retry_failed: generate_options.RetryFailedOption = False,
    cache: generate_options.CacheOption = None,
    offline: generate_options.OfflineOption = False,
    dry_run: generate_options.DryRunOption = False,
    about: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help='What the data are, such as "photos of pets taken at home": the model writes '
            "the questions for them.",
        ),
    ] = None,
    write_to: Annotated[
        Path | None,
        typer.Option(
            "--write-questions",
            metavar="FILE",
            help="Where the questions of --about go, to be edited and given to --questions; "
            "without -o nothing else is asked.",
        ),
    ] = None,
    contrast: Annotated[
        bool,
        typer.Option(
            "--contrast",
            help="Describe what is easily taken for these classes and is none: look-alikes and "
            "siblings that the model names first. The bank is one for --reject.",
        ),
    ] = False,
    subclasses: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            metavar="N",
            help="For coarse classes: the model names N kinds of each first, and all are "
            "described; an image of a kind has the label of its class.",
        ),
    ] = None,
    list_filters: Annotated[
        bool,
        typer.Option(
            "--list-filters", callback=_list_filters, is_eager=True, help="Name them, and stop."
        ),
    ] = False,
) -> None:
    """Ask a language model to describe classes and write the prompt bank.

    Every answer is cached the moment it arrives: after an interruption the same command
    continues, and nothing is asked, or paid for, twice. Each sampling option takes "none",
    which leaves it to the server. The key comes from $OPENAI_API_KEY and goes to OpenAI only;
    another server's is named by --api-key-env.
    """
    from cupl.generation.asking import Asking
    from cupl.generation.budget import UsageMeter
    from cupl.generation.cache.store import ResponseCache
    from cupl.generation.event_loop import run
    from cupl.generation.pipeline import generate_answers
    from cupl.generation.plan import survey
    from cupl.generation.requester import RequestOptions
    from cupl.generation.run_settings import Run, connect
    from cupl.io.text import name_as_text
    from cupl.progress import ignore

    if output is None and write_to is None and not dry_run:
        raise typer.BadParameter("name the bank to write with -o BANK.yaml")
    if about is None and write_to is not None:
        raise typer.BadParameter("--write-questions goes with --about")
    if about is not None and questions != "base":
        raise typer.BadParameter("--about writes the questions: leave --questions out")
    _check_one_bank(contrast, subclasses)
    for target in filter(None, (output, write_to)):
        check_target(target, classes, questions, preamble, *files_of_cache(cache))
    prices = prices_of(price_in, price_out)
    plan = generate_options.plan_of(
        classes, name, questions, model, base_url, api, samples, temperature, top_p, max_tokens,
        stop, seed, extra, preamble,
    )  # fmt: skip
    filtering = generate_options.filtering_of(
        filters, no_filters, min_prompts, similarity, drop_shared
    )
    meter, began = UsageMeter(max_requests, max_tokens_total), time.monotonic()
    options = RequestOptions(
        concurrency=concurrency, n=generate_options.most_at_once(n), retry_failed=retry_failed,
        notice=say,
    )  # fmt: skip
    server = connect(plan, base_url, timeout, api_key_env, say_warning)
    with ResponseCache(cache) as responses, accounted(meter, prices, began):
        asking = Asking(responses, server, options, meter, offline)
        steps = FirstSteps(plan, asking, prices, dry_run)
        if about is not None:
            steps.write_questions(about, write_to)
            if output is None and not dry_run:
                return
        if contrast:
            steps.name_contrast()
        steps.name_subclasses(subclasses)
        plan = steps.plan
        # A second for 10,000 classes, and no word about it for fewer.
        watched = (
            progress("classes looked up") if len(plan.labels) >= _MANY else nullcontext(ignore)
        )
        with watched as update:
            found = survey(
                plan, responses, n=options.n, tries=options.missing_below(offline), progress=update
            )
        steps.say_descriptions(found)
        if dry_run:
            return
        with progress("answers") as update:
            asking = replace(asking, options=replace(options, progress=update))
            collected = run(generate_answers(Run(plan, filtering, asking), found))
    assert output is not None  # noqa: S101 (checked above)
    bank = steps.bank(collected, name_as_text(output.stem))
    write_bank(output, bank.to_bytes())
    say_result(output, bank, collected)
    steps.say_next(output, classes)
    if min_prompts > 1 and collected.report.short:
        raise typer.Exit(3)


def _check_one_bank(contrast: bool, subclasses: int | None) -> None:
    if contrast and subclasses is not None:
        raise typer.BadParameter("--contrast and --subclasses make two banks: give one of them")


def say_result(output: Path, bank: "PromptBank", collected: "CollectedPrompts") -> None:
    """What was written, and what became of the answers."""
    report, kinds = collected.report, sum(len(entry.subclasses) for entry in bank)
    classes = count(len(bank), "class", "classes") + (
        f" with {count(kinds, 'sub-class', 'sub-classes')}" if kinds else ""
    )
    say(
        f"wrote {output}: {classes}, {count(report.kept, 'prompt')} kept of "
        f"{count(collected.answers, 'answer')}"
    )
    say_dropped(report.dropped)
    if given_up := report.failed - report.withdrawn:
        say(
            f"  {count(given_up, 'answer')} of these of no use at every try; "
            "--retry-failed asks again"
        )
    if report.withdrawn:
        say(
            f"  {count(report.withdrawn, 'answer')} of a batch said the question again; the same "
            "command without --offline asks for them"
        )
    if report.shared and not collected.filtering.drop_shared:
        say(
            f"  {count(len(report.shared), 'sentence')} under several classes, such as "
            f"{report.shared[0]!r}; --drop-shared drops them"
        )
    for name, kept in list(report.short.items())[:10]:
        say(f"  {name}: {count(kept, 'prompt')} only")
    if len(report.short) > 10:
        say(f"  ... and {len(report.short) - 10:,} more classes with too few")
