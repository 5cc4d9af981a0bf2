"""``cupl filter``: photos split by what is unwanted and what is explicitly fine."""

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cupl.cli import encoder_options
from cupl.cli.class_sources import encoder_of_images, encoder_of_vectors
from cupl.cli.classify_checks import check_page, check_written
from cupl.cli.encoder_choice import EncoderChoice
from cupl.cli.filter_examples import (
    ExampleLabelsOption,
    ExamplePhotosOption,
    FalseAlarmRateOption,
    FilterExamples,
    MissRateOption,
)
from cupl.cli.made_elsewhere import image_vectors_of
from cupl.cli.output import count, progress, say, say_unreadable, written_format
from cupl.cli.predicting import Photos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cupl.classification.content_filter import ContentFilter
    from cupl.classification.filter_classes import FilterSides
    from cupl.classification.filter_decision import FilterDecision
    from cupl.classification.filter_thresholds import FilterVerdict
    from cupl.classification.writers import FailedImages
    from cupl.evaluation.made_by import MadeBy
    from cupl.report.review_page import ReviewPage

_CLOSING = "nothing was moved; this is no safety system, so look at some of what is allowed"


def filter_command(
    images: Annotated[
        list[str],
        typer.Argument(
            help="Image files, folders (recursive) or glob patterns; or a directory of cupl embed."
        ),
    ],
    block: Annotated[
        Path | None,
        typer.Option(help="What is unwanted: a bank (.yaml) or class vectors (.safetensors)."),
    ] = None,
    allow: Annotated[Path | None, typer.Option(help="What is explicitly fine: likewise.")] = None,
    block_name: Annotated[
        list[str] | None,
        typer.Option(help="A name of what is unwanted, in place of --block; repeat for more."),
    ] = None,
    allow_name: Annotated[
        list[str] | None,
        typer.Option(help="A name of what is fine, in place of --allow; repeat for more."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write. [default: print]")
    ] = None,
    format: Annotated[
        Literal["table", "csv", "jsonl", "parquet"] | None,
        typer.Option(help="How to write it. [default: by the name of -o, else table]"),
    ] = None,
    review: Annotated[
        Path | None,
        typer.Option(help="Page to write (.html) of the doubtful photos, and of others."),
    ] = None,
    examples: ExamplePhotosOption = None,
    labels: ExampleLabelsOption = None,
    miss_rate: MissRateOption = None,
    false_alarm_rate: FalseAlarmRateOption = None,
    allow_below: Annotated[
        float | None,
        typer.Option(
            help="Allow a photo whose margin is lower: its cosine with the nearest class to block "
            "less that with the nearest to allow (0 for what is not given)."
        ),
    ] = None,
    block_above: Annotated[
        float | None,
        typer.Option(
            help="Block a photo whose margin is higher. [default of both: odds below 2 to 1 are "
            "for review]"
        ),
    ] = None,
    encoder: encoder_options.UsualEncoderOption = None,
    text_encoder: encoder_options.TextEncoderOption = None,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
    templates: encoder_options.TemplatesOption = None,
    text_cache: encoder_options.TextCacheOption = None,
    all_files: encoder_options.AllFilesOption = False,
) -> None:
    """Say of each photo whether to block it, to allow it, or to review it; nothing is moved.

    It goes by which description a photo is closest to, of what is unwanted or of what is fine. With
    --examples the thresholds keep stated rates. An image that cannot be read is never allowed: it
    is for review, with the error, and the exit code is 3.
    """
    encoder = encoder_options.joined_encoder(encoder, text_encoder, images)
    from cupl.classification.filter_classes import FilterSides
    from cupl.classification.filter_thresholds import FilterThresholds
    from cupl.classification.filter_writers import write_decisions
    from cupl.classification.writers import check_format

    for option, file, names in (("block", block, block_name), ("allow", allow, allow_name)):
        if file is not None and names:
            raise typer.BadParameter(f"give --{option} or --{option}-name, not both")
    to_fit = FilterExamples(examples, labels, miss_rate, false_alarm_rate)
    to_fit.check(allow_below, block_above)
    output = None if output == Path("-") else output  # as without it
    written = written_format(format, output)
    check_format(written, output)
    check_page("--review", review)
    choice = EncoderChoice(encoder, revision, device, precision, batch_size)
    photos = Photos.of(images, all_files, partial(image_vectors_of, choice=choice, made=None))
    inputs = [block, allow, templates, labels, examples, *encoder_options.files_of(encoder)]
    check_written((output, review), inputs, photos.paths, photos.stored)
    texts = encoder_options.templates_of(templates, None)
    sides = FilterSides.of(block or block_name, allow or allow_name, texts)
    sides.check_thresholds(examples is not None or allow_below is not None)
    to_fit.read(photos.paths, all_files=all_files)
    made = _filter(sides, choice, photos, texts, text_cache)
    if allow_below is not None and block_above is not None:
        made.thresholds = FilterThresholds(allow_below, block_above)
    to_fit.fit(made)
    told = _Told(made, review)
    found = told.watched(photos.watched(made.predict(photos.stored or photos.paths)))
    with closing(found):
        failures = write_decisions(found, written, output)
    if output is not None:
        say(f"wrote {output}: {count(len(photos.paths), 'image')}")
    told.say_end(failures)
    if failures.count or not photos.complete:
        raise typer.Exit(3)


def _filter(
    sides: "FilterSides",
    choice: EncoderChoice,
    photos: Photos,
    templates: Sequence[str],
    text_cache: encoder_options.TextCacheOption,
) -> "ContentFilter":
    """The filter that the options name."""
    from cupl.classification.content_filter import ContentFilter
    from cupl.embedding.image_cache import beside_texts

    if sides.vectors:
        encoder = encoder_of_vectors(
            sides.vectors[0], choice, photos.stored, needs_encoder=bool(sides.banks)
        )
    else:
        encoder = encoder_of_images(choice, photos.stored)
    with progress("prompts") as update:
        made = ContentFilter(
            sides.block, sides.allow, encoder, templates=templates, text_cache=text_cache,
            image_cache=beside_texts(text_cache), progress=update,
        )  # fmt: skip
    if encoder is not None:
        for one in made.encoded.values():
            encoder_options.say_truncated(one, encoder)
    encoder_options.say_twins(made.vectors)
    return made


class _Told:
    """What is told of the decisions beside what is written."""

    def __init__(self, made: "ContentFilter", review: Path | None) -> None:
        self._made, self._review = made, review
        self._counts: Counter[FilterVerdict] = Counter()
        self._page: ReviewPage | None = None
        if review is not None and made.thresholds is not None:
            from cupl.report.review_page import ReviewPage as Page

            self._page = Page(made.thresholds)

    def watched(
        self, decisions: "Iterator[FilterDecision]"
    ) -> "Generator[FilterDecision, None, None]":
        """The decisions as they are, noted."""
        for one in decisions:
            self._counts[one.decision] += 1
            if self._page is not None:
                self._page.add(one)
            yield one

    def say_end(self, failures: "FailedImages") -> None:
        """Write the page, and say how many images got which decision."""
        from cupl.classification.filter_decision import decisions_in_words

        total = self._counts.total()
        if self._page is not None and self._review is not None:
            with progress("photos of the page") as update:
                shown = self._page.save(self._review, _made_by(self._made, total), update)
            some = f"{shown:,} of " if shown < total else ""
            say(f"wrote {self._review}: {some}{count(total, 'image')}")
        if failures.count:
            examples = [(str(one.path), str(one.error)) for one in failures.first]
            rest = "  and {} more; their rows say why"
            say_unreadable(failures.count, total, examples, rest, "could not be read: for review")
        say(decisions_in_words(self._counts))
        if self._counts["review"] and self._page is None:
            say("--review PAGE.html makes a page of those for review")
        say(_CLOSING)


def _made_by(made: "ContentFilter", images: int) -> "MadeBy":
    from cupl.bank.model import PromptBank
    from cupl.evaluation.made_by import BankFacts, DataFacts, EncoderFacts, made_now

    by, thresholds = made.vectors.provenance, made.thresholds
    banks = [
        BankFacts.of(side) if isinstance(side, PromptBank) else BankFacts(
            name=side.provenance.bank or "no bank", digest=side.provenance.bank_digest,
            classes=len(side.labels),
        )
        for side in made.sides.given.values()
    ]  # fmt: skip
    return made_now(
        encoders=[
            EncoderFacts(name=by.encoder, revision=by.revision, fingerprint=by.fingerprint)
        ],
        banks=banks, data=[DataFacts(images=images)], templates=by.templates,
        pooling=(by.pooling,), combine=by.combine,
        allow_below=thresholds and f"{thresholds.allow_below:.4f}",
        block_above=thresholds and f"{thresholds.block_above:.4f}",
    )  # fmt: skip
