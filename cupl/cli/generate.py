"""``cupl generate``: class names to a prompt bank."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli import generate_options
from cupl.cli.output import (
    check_target,
    count,
    files_of_cache,
    progress,
    quoted,
    say,
    say_next,
    say_warning,
    write_bank,
)

if TYPE_CHECKING:
    from cupl.generation.budget import Prices, UsageMeter
    from cupl.generation.collect import CollectedPrompts
    from cupl.generation.plan import Plan, PlanSurvey

_MANY = 10_000
"""Classes from which on looking up their answers shows how far it is."""


def _list_filters(wanted: bool) -> None:
    if wanted:
        from cupl.generation.filters import DEFAULT_FILTERS, FILTERS

        for name, filter in FILTERS.items():
            runs = "default" if name in DEFAULT_FILTERS else "optional"
            typer.echo(f"{name:<16} {runs:<9} {(filter.__doc__ or '').splitlines()[0]}")
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
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Requests at once.")] = 8,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds that one request may take.")
    ] = 120,
    max_requests: Annotated[
        int | None, typer.Option(min=1, help="Stop before more are sent, with all tries.")
    ] = None,
    max_tokens_total: Annotated[
        int | None, typer.Option(min=1, help="Stop before more could be charged in this run.")
    ] = None,
    price_in: Annotated[
        float | None, typer.Option(min=0, help="Money for a million tokens of questions.")
    ] = None,
    price_out: Annotated[
        float | None, typer.Option(min=0, help="Money for a million tokens of answers.")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again for what was of no use three times.")
    ] = False,
    cache: generate_options.CacheOption = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nothing; use the cache.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked, and stop.")
    ] = False,
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

    if output is None and not dry_run:
        raise typer.BadParameter("name the bank to write with -o BANK.yaml")
    if output is not None:
        check_target(output, classes, questions, preamble, *files_of_cache(cache))
    prices = _prices(price_in, price_out)
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
    with ResponseCache(cache) as responses:
        # A second for 10,000 classes, and no word about it for fewer.
        watched = (
            progress("classes looked up") if len(plan.labels) >= _MANY else nullcontext(ignore)
        )
        with watched as update:
            found = survey(
                plan, responses, n=options.n, tries=options.missing_below(offline), progress=update
            )
        _say_plan(plan, found, prices)
        if dry_run:
            return
        with progress("answers") as update, _accounted(meter, prices, began):
            server = connect(plan, base_url, timeout, api_key_env, say_warning)
            asking = Asking(responses, server, replace(options, progress=update), meter, offline)
            collected = run(generate_answers(Run(plan, filtering, asking), found))
    assert output is not None  # noqa: S101 (checked above)
    write_bank(output, collected.bank(name_as_text(output.stem)).to_bytes())
    _say_result(output, collected)
    if min_prompts > 1 and collected.report.short:
        raise typer.Exit(3)


def _prices(price_in: float | None, price_out: float | None) -> "Prices | None":
    from cupl.generation.budget import Prices

    if (price_in is None) != (price_out is None):
        raise typer.BadParameter("--price-in and --price-out go together")
    return None if price_in is None or price_out is None else Prices(price_in, price_out)


@contextmanager
def _accounted(meter: "UsageMeter", prices: "Prices | None", began: float) -> Iterator[None]:
    """Say at the end, however it comes, what was asked and what that cost."""
    try:
        yield
    except KeyboardInterrupt:
        say("every answer so far is in the cache; the same command continues")
        raise
    finally:
        if meter.requests:
            _say_spent(meter, prices, time.monotonic() - began)


def _say_plan(plan: "Plan", found: "PlanSurvey", prices: "Prices | None") -> None:
    say(
        f"{count(len(plan.labels), 'class', 'classes')}, "
        f"{count(len(plan.questions.questions), 'question')}, "
        f"{count(plan.samples, 'sample')} each: {count(found.cached, 'answer')} cached, "
        f"{found.answers:,} missing, {count(found.requests, 'request')} to {plan.model}"
    )
    if not found.requests:
        return
    most = found.completion_tokens
    bound = "no limit on those out (--max-tokens none)" if most is None else f"at most {most:,} out"
    money = ""
    if prices is not None:
        spent = prices.of(found.prompt_tokens, most or 0)
        money = f": {'at least' if most is None else 'at most about'} {_money(spent)}"
    say(f"estimate: about {found.prompt_tokens:,} tokens in, {bound}{money}")


def _say_spent(meter: "UsageMeter", prices: "Prices | None", seconds: float) -> None:
    tokens = f"{meter.prompt_tokens:,} tokens in, {meter.completion_tokens:,} out"
    if meter.uncounted:
        tokens += f" (not counted by the server: {count(meter.uncounted, 'request')})"
    money = ""
    if prices is not None:
        money = f", {_money(prices.of(meter.prompt_tokens, meter.completion_tokens))}"
    say(
        f"asked: {count(meter.requests, 'request')}, {meter.retried:,} of them again; {tokens}"
        f"{money}; {timedelta(seconds=round(seconds))}"
    )


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.4f}"


def _say_result(output: Path, collected: "CollectedPrompts") -> None:
    report, classes = collected.report, len(collected.prompts)
    say(
        f"wrote {output}: {count(classes, 'class', 'classes')}, {count(report.kept, 'prompt')} kept"
    )
    for reason, number in report.dropped.most_common():
        say(f"  dropped {number:,}: {reason}")
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
    from cupl.llm.mini import NAME as MINI

    encoder = " --encoder mini" if collected.plan.model == MINI else ""
    bank = quoted(output)
    say_next(f"cupl bank check {bank}, or cupl classify IMAGE... --bank {bank}{encoder}", output)
