"""``cupl bank contrast``: what tells easily confused classes of a bank apart."""

import math
import time
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
    from cupl.bank.labels import ClassLabel
    from cupl.bank.model import PromptBank
    from cupl.embedding.class_vectors import ClassVectors
    from cupl.embedding.stored_vectors import Embeddings

_SHOWN = 5


def contrast_command(
    bank: Annotated[Path, typer.Argument(help="Prompt bank (.yaml).")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Bank to write.")] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Your photos as cupl embed wrote them: pairs between which they are in doubt, "
            "before or after the class vectors are adapted to them. Without, pairs whose class "
            "vectors are closest."
        ),
    ] = None,
    pairs: Annotated[
        int | None,
        typer.Option(min=1, help="Pairs at most. [default: 5 % of all pairs, 50 at most]"),
    ] = None,
    attributes: Annotated[
        int, typer.Option(min=1, max=20, help="Attributes to ask for about a pair.")
    ] = 4,
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
    top_p: generate_options.TopPOption = None,
    max_tokens: generate_options.MaxTokensOption = None,
    seed: generate_options.SeedOption = None,
    extra: generate_options.ExtraOption = None,
    n: generate_options.NOption = None,
    filters: generate_options.FiltersOption = None,
    no_filters: generate_options.NoFiltersOption = None,
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
    """Ask a language model what tells the most confused classes of a bank apart, and add that.

    One question is about both classes of a pair, so that both answers have the same attributes.
    What comes are ordinary prompts under that question.
    """
    encoder = encoder_options.with_text_encoder(encoder, text_encoder)
    from dataclasses import replace

    from cupl.bank.model import PromptBank
    from cupl.embedding.image_vectors import load_embeddings
    from cupl.generation import pair_contrast
    from cupl.generation.asking import Asking
    from cupl.generation.budget import UsageMeter
    from cupl.generation.cache.store import ResponseCache
    from cupl.generation.event_loop import run
    from cupl.generation.plan import DEFAULT_MODEL, make_plan
    from cupl.generation.requester import RequestOptions
    from cupl.generation.run_settings import connect

    if output is None and not dry_run:
        raise typer.BadParameter("name the bank to write with -o BANK.yaml")
    if output is not None:
        check_target(
            output, bank, *encoder_options.files_of(encoder), *files_of_cache(text_cache or None),
            *files_of_cache(cache),
        )  # fmt: skip
    prices, began = prices_of(price_in, price_out), time.monotonic()
    before, model = PromptBank.load(bank), model or DEFAULT_MODEL
    sampling = generate_options.sampling_of(
        model, temperature, top_p, max_tokens, None, seed, extra
    )
    labels = [entry.label for entry in before]
    plan = make_plan(labels, model=model, base_url=base_url, api=api, sampling=sampling)
    filtering = generate_options.filtering_of(filters, no_filters, 1, None, False)
    options = RequestOptions(
        concurrency=concurrency, n=generate_options.most_at_once(n), retry_failed=retry_failed,
        notice=say,
    )  # fmt: skip
    meter = UsageMeter(max_requests, max_tokens_total)
    embeddings = None if photos is None else load_embeddings(photos)
    vectors = _class_vectors(before, encoder, revision, device, precision, text_cache, embeddings)
    chosen = _pairs(vectors, embeddings, pairs)
    server = connect(plan, base_url, timeout, api_key_env, say_warning)
    with ResponseCache(cache) as responses, accounted(meter, prices, began):
        asking = Asking(responses, server, options, meter, offline)
        asked = pair_contrast.pair_plan(plan, chosen, attributes)
        say_plan(asked, asking.survey(asked), prices, noun="pair")
        if dry_run:
            return
        with progress("answers") as update:
            asking = replace(asking, options=replace(options, progress=update))
            found = run(pair_contrast.ask_pairs(plan, chosen, filtering, asking, attributes))
    assert output is not None  # noqa: S101 (checked above)
    made = pair_contrast.with_pairs(before, plan, found, "photos" if photos else "class vectors")
    write_bank(output, made.to_bytes())
    say(
        f"wrote {output}: {count(made.size - before.size, 'prompt')} more in "
        f"{count(len(found.prompts), 'class', 'classes')}, of {count(len(found.pairs), 'pair')}"
    )
    say_dropped(found.dropped)
    banks = f"--bank {quoted(bank)} --bank {quoted(output)}"
    command = f"cupl evaluate LABELLED {banks} --encoder {quoted(encoder)}"
    say_next(command, bank, output, carry=MADE)


def _class_vectors(
    bank: "PromptBank",
    encoder: str,
    revision: str | None,
    device: str,
    precision: encoder_options.PrecisionOption,
    text_cache: encoder_options.TextCacheOption,
    embeddings: "Embeddings | None",
) -> "ClassVectors":
    """Those of the bank, by the encoder of the photos where there are some."""
    from cupl.encoders.loading import load_encoder
    from cupl.errors import InputError

    if len(bank) < 2:
        raise InputError(f"the bank {bank.name!r:.80} has one class: there is nothing to confuse")
    loaded = load_encoder(encoder, device, precision, revision=revision)
    if embeddings is not None:
        embeddings.check_encoder(loaded)
    return encoder_options.encode_with(bank, loaded, None, (), None, False, text_cache)


def _pairs(
    vectors: "ClassVectors", embeddings: "Embeddings | None", most: int | None
) -> "list[tuple[ClassLabel, ClassLabel]]":
    """The pairs to ask about, most confused first; says which, and why."""
    from cupl.adaptation.photos import adapt_to_photos
    from cupl.classification.confused_pairs import MOST_PAIRS, SHARE, confused_pairs
    from cupl.embedding.close_pairs import close_pairs
    from cupl.errors import InputError

    labels = vectors.labels
    every = len(labels) * (len(labels) - 1) // 2
    most = most or min(MOST_PAIRS, math.ceil(SHARE * every))
    if embeddings is None:
        numbers, why = close_pairs(vectors, most), "closest by their class vectors"
    else:
        with progress("passes over the photos") as update:
            adapted, report = adapt_to_photos(vectors, embeddings, progress=update)
        say(str(report))
        confused = confused_pairs((shard.vectors for shard in embeddings), adapted, most=most)
        if not confused:
            raise InputError(
                "no photo is in doubt between two classes, so there is no pair to ask about; "
                "without photos the class vectors choose pairs",
                arguments={"photos": False},
            )
        numbers = [(pair.first, pair.second) for pair in confused]
        images = sum(pair.images for pair in confused)
        why = f"between which {count(images, 'photo is', 'photos are')} in doubt"
    numbers = [(i, j) for i, j in numbers if labels[i].name != labels[j].name]
    if not numbers:
        raise InputError("the classes of each pair have one name, which no question tells apart")
    say(f"{count(len(numbers), 'pair')} {why}, of {every:,}:")
    for first, second in numbers[:_SHOWN]:
        say(f"  {labels[first]} / {labels[second]}")
    return [(labels[first], labels[second]) for first, second in numbers]
