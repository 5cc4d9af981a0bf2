"""What an evaluation on a sample says of the collection it was drawn from, and what it cannot."""

from __future__ import annotations

import numpy as np

from cupl.evaluation.labelled import LabelledImages, LabelledSample, images_in_words
from cupl.evaluation.numbers import percent
from cupl.evaluation.ranking import Integers
from cupl.evaluation.schema import Interval, SampledFrom
from cupl.evaluation.weighted import StratifiedSample, share_interval

FEWEST_OF_A_CLASS = 10
"""Images, for a mean over classes in which each counts as much as any other."""
NOT_CALIBRATED = (
    "the labelled images are a sample drawn by confidence, and temperatures are fitted to images "
    "that are as common as they are"
)


def few_of_a_class(targets: Integers) -> bool:
    """Whether a class has too few images in a sample to say how accurate it is."""
    counts = np.bincount(targets)
    return bool(counts[counts > 0].min() < FEWEST_OF_A_CLASS)


def sampled_from(data: LabelledImages) -> SampledFrom | None:
    """The collection that the images are a sample of."""
    sample, design = data.sample, data.design
    if sample is None or design is None:
        return None
    none = _none_of_these(design) if any(sample.outside.values()) else None
    return SampledFrom(
        photos=sample.photos, labelled=len(data.paths), none_of_these=none, missing=sample.missing
    )


def _none_of_these(design: StratifiedSample) -> Interval:
    """The share of the collection that is of none of the classes."""
    inside = np.bincount(design.strata, minlength=len(design.sizes))
    return share_interval(design.sizes, design.looked, design.looked, design.looked - inside)


def _share(interval: Interval, of: str = "") -> str:
    """``4.2 % (2.0 to 8.1)``, or ``4.2 % of the photos (2.0 to 8.1)``."""
    return f"{percent(interval.value)} %{of} ({percent(interval.low)} to {percent(interval.high)})"


def without_class(sample: LabelledSample) -> str:
    """What is known where no photo of a sample has a class."""
    said, outside = list[str](), sum(sample.outside.values())
    if outside:
        none = _none_of_these(sample.of(()))
        said.append(f"{outside:,} are none of these, in all of the photos {_share(none)}")
    if sample.unsure:
        said.append(f"{sample.unsure:,} nobody could tell")
    return (
        f"no photo of the sample has a class: {', '.join(said)}; an accuracy needs photos of the "
        "classes: label more, or take the bank of what the photos show"
    )


def sample_note(sample: SampledFrom) -> str:
    """What the figures are over, and which there are not."""
    note = (
        f"Shares and intervals are those of the {sample.photos:,} photos that the "
        f"{sample.labelled:,} labelled ones were drawn from; counts are of the labelled ones."
    )
    if none := sample.none_of_these:
        note += f" Of none of the classes are {_share(none)}, which are in no other share."
    if sample.missing:
        note += (
            f" Missing from the file are {sample.missing:,} of the photos that were drawn; the "
            "others are judged as if chance had left these out."
        )
    return note


def explain_sample(data: LabelledImages) -> list[str]:
    """A sentence on each thing to know of a sample, before anything is judged; else none."""
    sample = data.sample
    if not data.paths:  # labels that mean no class are told elsewhere
        return []
    found = sampled_from(data)
    if sample is None or found is None:
        return []
    drawn = len(sample.strata) + sum(sample.outside.values()) + sample.unsure + sample.unlabelled
    lines = [
        f"a sample of {found.photos:,} photos: every share is over these, from "
        f"{found.labelled:,} with the label of a class"
    ]
    if sample.missing:
        lines.append(
            f"{sample.missing:,} of the {drawn + sample.missing:,} that were drawn are missing "
            "from the file: judged as if chance had left them out; the same cupl label command "
            "puts them back"
        )
    if sample.unlabelled:
        lines.append(
            f"{sample.unlabelled:,} of the sample's {drawn:,} photos have no label yet: judged as "
            "if chance had left them out, as it has where the file was labelled from the top down"
        )
    if sample.unsure:
        lines.append(
            f"{images_in_words(sample.unsure)} nobody could tell: left out, as if by chance; if "
            "they are the hard ones, the accuracy is lower than it looks"
        )
    if none := found.none_of_these:
        lines.append(
            f"{_share(none, ' of the photos')} are of none of the classes, by these labels: "
            "accuracies are over the others, and whatever label those get is wrong"
        )
    return lines
