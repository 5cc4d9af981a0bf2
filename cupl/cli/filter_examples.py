"""What ``cupl filter`` fits to labelled examples, and what it says of that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli.fitting import readable_examples
from cupl.cli.made_elsewhere import refuse_vector_file
from cupl.cli.output import count, progress, say, say_warning
from cupl.errors import InputError
from cupl.evaluation.numbers import percent

if TYPE_CHECKING:
    import torch

    from cupl.classification.content_filter import ContentFilter
    from cupl.classification.filter_thresholds import FilterThresholds, RateFit
    from cupl.evaluation.labelled import LabelledImages

ExamplePhotosOption = Annotated[
    str | None,
    typer.Option(
        "--examples",
        help="Photos to take the thresholds from: a folder with block/ and allow/, a .csv of path "
        "and label, or what cupl embed wrote of such a folder.",
    ),
]
ExampleLabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        help="For --examples that cupl embed wrote: a .csv of path and label. [default: folder "
        "names]",
    ),
]
MissRateOption = Annotated[
    float | None,
    typer.Option(
        help="Share of photos like the examples in block/ that may be allowed; 0.01 needs 99 "
        "examples of either kind. [default: 0.01]"
    ),
]
FalseAlarmRateOption = Annotated[
    float | None,
    typer.Option(
        help="Share of photos like the examples in allow/ that may be blocked. [default: as "
        "--miss-rate]"
    ),
]


@dataclass
class FilterExamples:
    """What thresholds are fitted on: first its files are read, then they are encoded.

    Attributes:
        source: a folder, a table, or a directory of ``cupl embed``.
        labels: a table of labels for the last.
        miss_rate: that is asked for.
        false_alarm_rate: likewise.

    """

    source: str | None
    labels: Path | None
    miss_rate: float | None
    false_alarm_rate: float | None
    images: LabelledImages | None = None

    def check(self, allow_below: float | None, block_above: float | None) -> None:
        """Accept options that go together."""
        if (allow_below is None) != (block_above is None):
            raise typer.BadParameter(
                "--allow-below and --block-above go together: what lies between is for review"
            )
        if self.source is not None and allow_below is not None:
            raise typer.BadParameter(
                "--examples say where the thresholds are: leave out --allow-below and --block-above"
            )
        for option, given in {
            "--labels": self.labels,
            "--miss-rate": self.miss_rate,
            "--false-alarm-rate": self.false_alarm_rate,
        }.items():
            if given is not None and self.source is None:
                raise typer.BadParameter(f"{option} goes with --examples")

    def rates(self) -> dict[str, float]:
        """Both rates by their names."""
        miss_rate = 0.01 if self.miss_rate is None else self.miss_rate
        alarms = miss_rate if self.false_alarm_rate is None else self.false_alarm_rate
        return {"miss_rate": miss_rate, "false_alarm_rate": alarms}

    def read(self, photos: Sequence[str], *, all_files: bool) -> None:
        """Find the examples and their labels, before a model is loaded; too few are refused."""
        from cupl.bank.labels import ClassLabel
        from cupl.classification.filter_thresholds import check_filter_rate
        from cupl.evaluation.dataset import read_labelled
        from cupl.evaluation.labelled import file_identity

        if self.source is None:
            return
        sides = ClassLabel("block", aliases=("blocked",)), ClassLabel("allow", aliases=("allowed",))
        refuse_vector_file(self.source)
        found = read_labelled(self.source, sides, self.labels, all_files=all_files)
        for note in found.notes:
            say(note)
        _check_labels(found, self.source)
        numbers = Counter(found.targets)
        for side, (name, rate) in enumerate(self.rates().items()):
            check_filter_rate(name, rate, numbers[side])
        identity = file_identity()
        also = set(map(identity, photos)) & set(map(identity, found.paths))
        if also:
            say_warning(
                f"{count(len(also), 'of the photos is', 'of the photos are')} among the examples, "
                "too: what becomes of these says nothing of the rates"
            )
        self.images = found

    def fit(self, filter: ContentFilter) -> None:
        """Take the thresholds from the examples, and say what is to be expected."""
        if self.images is None:
            return
        vectors, targets = _encoded(filter, self.images)
        blocked, fine = (
            vectors[[row for row, one in enumerate(targets) if one == side]] for side in (0, 1)
        )
        rates = self.rates()
        _say_fitted(filter.fit(blocked, fine, rates["miss_rate"], rates["false_alarm_rate"]))


def _check_labels(found: LabelledImages, source: str) -> None:
    wrong = next(iter(found.unmatched), None)
    if wrong is None:  # numbers would be taken in the order of the classes
        wrong = next((label for label in found.labels if not label.strip().isalpha()), None)
    if wrong is not None:
        raise InputError(
            f"{source}: examples are labelled 'block' or 'allow', not {wrong!r:.80}"
            if wrong
            else f"{source}: an example has no label: write 'block' or 'allow'"
        )
    for side, name in enumerate(("block", "allow")):
        if side not in found.targets:
            raise InputError(
                f"{source}: no example is labelled {name!r}: photos of both kinds are needed, of "
                "what is to be blocked and of what is fine"
            )


def _encoded(filter: ContentFilter, images: LabelledImages) -> tuple[torch.Tensor, list[int]]:
    from cupl.evaluation.labelled import encode_labelled

    if images.vectors is not None and images.provenance is not None:
        filter.vectors.check_embeddings(images.provenance)
        found = images
    else:
        with progress("examples") as update:
            found = encode_labelled(images, filter.encoder, update, filter.image_cache)
    return readable_examples(found)


def _say_fitted(fitted: FilterThresholds) -> None:
    misses, alarms = fitted.misses, fitted.false_alarms
    if misses is None or alarms is None:
        return
    say(
        f"thresholds fitted on {misses.examples:,} examples of what is to be blocked and "
        f"{alarms.examples:,} of what is fine:"
    )
    say(f"  to be blocked: {_promised(misses, 'allowed')}; {_became(misses)}")
    share, low, high = alarms.share("block", "review")
    say(
        f"  fine: {_promised(alarms, 'blocked')}; {_became(alarms)}: {percent(share)} % held back "
        f"(95 % interval {percent(low)} to {percent(high)})"
    )
    say(
        f"the same without the examples: --allow-below {fitted.allow_below:.6f} --block-above "
        f"{fitted.block_above:.6f}"
    )


def _promised(fit: RateFit, what: str) -> str:
    return (
        f"at most {percent(fit.expected)} % are {what} on average (with 95 of 100 such sets of "
        f"examples at most {percent(fit.likely_most)} %)"
    )


def _became(fit: RateFit) -> str:
    from cupl.classification.filter_decision import decisions_in_words

    return f"of the examples {decisions_in_words(fit.outcomes)}"
