"""``cupl describe``: photos to a prompt bank, or to captions, by a model that sees them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cupl.cli import describe_options, encoder_options, generate_options
from cupl.cli.output import files_of_cache, say, say_warning
from cupl.cli.spending import prices_of
from cupl.errors import CuplError
from cupl.io.outputs import check_target


def describe_command(
    images: describe_options.ImagesArgument,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Bank to write.")] = None,
    captions: describe_options.CaptionsOption = None,
    write: describe_options.WriteOption = None,
    groups: describe_options.GroupsOption = None,
    per_class: describe_options.PerClassOption = 4,
    questions: describe_options.PictureQuestionsOption = "pictures",
    samples: describe_options.SamplesSeenOption = None,
    image_side: describe_options.SideOption = 512,
    detail: describe_options.DetailOption = None,
    model: describe_options.SeeingModelOption = None,
    base_url: generate_options.BaseUrlOption = None,
    api_key_env: generate_options.ApiKeyEnvOption = None,
    temperature: generate_options.TemperatureOption = None,
    top_p: generate_options.TopPOption = None,
    max_tokens: describe_options.MaxTokensSeenOption = None,
    seed: generate_options.SeedOption = None,
    extra: generate_options.ExtraOption = None,
    n: generate_options.NOption = None,
    preamble: generate_options.PreambleOption = None,
    filters: generate_options.FiltersOption = None,
    no_filters: generate_options.NoFiltersOption = None,
    min_prompts: generate_options.MinPromptsOption = 1,
    similarity: generate_options.SimilarityOption = None,
    drop_shared: generate_options.DropSharedOption = False,
    encoder: encoder_options.UsualEncoderOption = None,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
    embedding_cache: encoder_options.TextCacheOption = None,
    all_files: encoder_options.AllFilesOption = False,
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
    export: describe_options.ExportOption = None,
) -> None:
    """Show a language model your photos, and write what it says of them as a prompt bank.

    Each photo is sent as a small upright JPEG, without EXIF, path and file name; the name of its
    folder is in the question. Answers are cached by what was sent: nothing is asked, or paid for,
    twice, whatever a file is called. A photo that cannot be read is left out; the exit code is 3.
    """
    from cupl.cli.describe_steps import DescribeRun, EncoderSettings, groups_file
    from cupl.description.captions import check_caption_file
    from cupl.description.seeing import MAX_TOKENS, check_can_see
    from cupl.description.sent_photos import SentPhotos
    from cupl.generation.asking import Asking
    from cupl.generation.budget import UsageMeter
    from cupl.generation.cache.store import ResponseCache
    from cupl.generation.plan import DEFAULT_MODEL, make_plan
    from cupl.generation.requester import RequestOptions
    from cupl.generation.run_settings import connect
    from cupl.index.exiv2 import need_exiv2

    model = model or DEFAULT_MODEL
    check_can_see(model)
    captioned = captions is not None or write is not None
    if captioned and (output is not None or groups is not None):
        option = "--write" if captions is None else "--captions"
        raise typer.BadParameter(f"{option} takes the place of a bank: leave -o and --groups out")
    if not (output or captioned or export or dry_run):
        raise typer.BadParameter(
            "name the bank to write with -o BANK.yaml, or --captions FILE, or --write xmp"
        )
    if captions is not None:
        check_caption_file(captions)
    if write is not None:
        need_exiv2()
    prices, began = prices_of(price_in, price_out), time.monotonic()
    read = (
        *images, questions, preamble, *encoder_options.files_of(encoder), *files_of_cache(cache),
        *files_of_cache(embedding_cache or None),
    )  # fmt: skip
    made = (output, captions, export, groups_file(output) if output and groups else None)
    for target in filter(None, made):
        check_target(target, *read)
    sampling = generate_options.sampling_of(
        model, temperature, top_p, MAX_TOKENS if max_tokens is None else max_tokens, None, seed,
        extra,
    )  # fmt: skip
    usual = 1 if captioned else 3
    plan = make_plan(
        ["-"], questions, model=model, base_url=base_url, samples=samples or usual,
        sampling=sampling, preamble=generate_options.preamble_of(preamble),
    )  # fmt: skip
    options = RequestOptions(
        concurrency=concurrency, n=generate_options.most_at_once(n), retry_failed=retry_failed,
        notice=say,
    )  # fmt: skip
    meter = UsageMeter(max_requests, max_tokens_total)
    server = connect(plan, base_url, timeout, api_key_env, say_warning)
    with (
        _without_blind_models(),
        SentPhotos(image_side, detail) as sent,
        ResponseCache(cache) as responses,
    ):
        run = DescribeRun(
            images, all_files, sent, per_class, plan,
            generate_options.filtering_of(
                filters, no_filters, min_prompts, similarity, drop_shared
            ),
            Asking(responses, server, options, meter, offline), prices, dry_run, export,
            began,
        )  # fmt: skip
        if captioned:
            run.write_captions(captions, sidecars=write is not None)
        elif groups is not None:
            how = EncoderSettings(encoder, revision, device, precision, batch_size, embedding_cache)
            run.write_groups(output, groups, how)
        else:
            run.write_bank(output)
    if run.failed:
        raise typer.Exit(3)


@contextmanager
def _without_blind_models() -> Iterator[None]:
    """Let no error lead to a model that cannot see."""
    try:
        yield
    except CuplError as error:
        if error.arguments.get("model") == "mini":
            del error.arguments["model"]
        raise
