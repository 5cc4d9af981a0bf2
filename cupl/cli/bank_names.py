"""``cupl bank names``: other names for the classes of a bank, judged by photos without labels."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli import encoder_options, generate_options
from cupl.cli.output import (
    MADE,
    count,
    files_of_cache,
    progress,
    quoted,
    say,
    say_next,
    say_warning,
    write_bank,
)
from cupl.cli.spending import accounted, prices_of, say_dropped, say_plan
from cupl.encoders.loading import DEFAULT_ENCODER
from cupl.io.outputs import check_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cupl.adaptation.names import JudgedName
    from cupl.bank.model import PromptBank
    from cupl.encoders.protocol import Encoder
    from cupl.generation.asking import Asking
    from cupl.generation.budget import Prices
    from cupl.generation.plan import Plan


def names_command(
    bank: Annotated[Path, typer.Argument(help="Prompt bank (.yaml).")],
    photos: Annotated[
        Path, typer.Option(help="Your photos, as cupl embed wrote them; no labels are needed.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Bank to write, with the proposed names. [none]"),
    ] = None,
    synonyms: Annotated[
        int,
        typer.Option(
            min=0, max=100, help="Names to ask for about each class; 0 tries its aliases alone."
        ),
    ] = 5,
    encoder: encoder_options.EncoderOption = DEFAULT_ENCODER,
    text_encoder: encoder_options.TextEncoderOption = None,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    text_cache: encoder_options.TextCacheOption = None,
    model: generate_options.ModelOption = None,
    base_url: generate_options.BaseUrlOption = None,
    api_key_env: generate_options.ApiKeyEnvOption = None,
    api: generate_options.ApiOption = None,
    temperature: generate_options.TemperatureOption = None,
    max_tokens: generate_options.MaxTokensOption = None,
    seed: generate_options.SeedOption = None,
    extra: generate_options.ExtraOption = None,
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
) -> None:
    """Propose better names for classes: those by which your photos are found.

    A language model is asked for other names of each class. Which of them, or of the aliases in
    the bank, is better is judged by adaptation to the photos. The bank is not changed; with -o
    a copy has the proposed names, in its prompts too.
    """
    encoder = encoder_options.with_text_encoder(encoder, text_encoder)
    from cupl.bank.model import PromptBank
    from cupl.embedding.image_vectors import load_embeddings
    from cupl.encoders.loading import load_encoder
    from cupl.generation.asking import Asking
    from cupl.generation.budget import UsageMeter
    from cupl.generation.cache.store import ResponseCache
    from cupl.generation.plan import DEFAULT_MODEL, make_plan
    from cupl.generation.requester import RequestOptions
    from cupl.generation.run_settings import connect

    if output is not None:
        check_target(
            output, bank, *encoder_options.files_of(encoder), *files_of_cache(text_cache or None),
            *files_of_cache(cache),
        )  # fmt: skip
    prices, began = prices_of(price_in, price_out), time.monotonic()
    before, model = PromptBank.load(bank), model or DEFAULT_MODEL
    sampling = generate_options.sampling_of(model, temperature, None, max_tokens, None, seed, extra)
    labels = [entry.label for entry in before]
    plan = make_plan(labels, model=model, base_url=base_url, api=api, sampling=sampling)
    images = load_embeddings(photos)
    loaded = load_encoder(encoder, device, precision, revision=revision)
    images.check_encoder(loaded)
    names = {number: list(entry.aliases) for number, entry in enumerate(before)}
    if synonyms:
        options = RequestOptions(concurrency=concurrency, retry_failed=retry_failed, notice=say)
        meter = UsageMeter(max_requests, max_tokens_total)
        server = connect(plan, base_url, timeout, api_key_env, say_warning)
        with ResponseCache(cache) as responses, accounted(meter, prices, began):
            asking = Asking(responses, server, options, meter, offline)
            found = _ask(plan, asking, synonyms, prices, dry_run)
        for number, label in enumerate(labels):
            names[number] += found.get(label.name, ())
    if dry_run:
        return
    proposed = _propose(before, names, photos, loaded, text_cache)
    if output is not None:
        _write(output, bank, before, proposed, encoder)


def _ask(
    plan: "Plan", asking: "Asking", most: int, prices: "Prices | None", dry_run: bool
) -> "dict[str, tuple[str, ...]]":
    """Other names of each class, by its name."""
    from cupl.generation.event_loop import run
    from cupl.generation.synonyms import find_synonyms, synonym_plan

    asked = synonym_plan(plan, most)
    say_plan(asked, asking.survey(asked), prices, "other names: ")
    if dry_run:
        return {}
    with progress("answers") as update:
        watched = replace(asking, options=replace(asking.options, progress=update))
        found = run(find_synonyms(plan, watched, most))
    number = sum(map(len, found.of.values()))
    say(f"{count(number, 'other name')} of {count(len(found.of), 'class', 'classes')}")
    say_dropped(found.dropped)
    return dict(found.of)


def _propose(
    bank: "PromptBank",
    names: "dict[int, list[str]]",
    photos: Path,
    encoder: "Encoder",
    text_cache: encoder_options.TextCacheOption,
) -> "list[JudgedName]":
    """The names that are better, printed as a table."""
    from cupl.adaptation.names import better_names

    with progress("prompts") as update:
        judged = better_names(bank, names, photos, encoder, text_cache=text_cache, progress=update)
    proposed = [one for one in judged if one.sure]
    if proposed:
        typer.echo(_table(bank, proposed), nl=False)
    say(
        f"{count(len(proposed), 'better name')} for {count(len(bank), 'class', 'classes')}; of "
        f"{count(len(judged), 'class', 'classes')} there were others to try"
    )
    return proposed


def _table(bank: "PromptBank", proposed: "Sequence[JudgedName]") -> str:
    """A line for each proposal under a head."""
    from cupl.io.tables import Column, draw_table
    from cupl.io.terminal import terminal_width

    columns = [
        Column("class"), Column("better name"), Column("photos", "number", rank=2),
        Column("found", "number"), Column("right", "number", rank=1),
    ]  # fmt: skip
    rows = [
        (
            str(bank.classes[one.index].label),
            one.name,
            f"{one.photos:,}",
            f"{one.was_found:.0%} → {one.found:.0%}",
            f"{one.was_right:.0%} → {one.right:.0%}",
        )
        for one in proposed
    ]
    return draw_table(columns, rows, terminal_width())


def _write(
    output: Path, path: Path, bank: "PromptBank", proposed: "Sequence[JudgedName]", encoder: str
) -> None:
    from cupl.bank.renaming import with_names

    if not proposed:
        say(f"wrote nothing: the bank {path} has the best names that were tried")
        return
    renamed = with_names(bank, {one.index: one.name for one in proposed})
    write_bank(output, renamed.to_bytes())
    say(f"wrote {output}: {count(len(proposed), 'class', 'classes')} renamed")
    banks = f"--bank {quoted(path)} --bank {quoted(output)}"
    command = f"cupl evaluate LABELLED {banks} --encoder {quoted(encoder)}"
    say_next(command, path, output, carry=MADE)
