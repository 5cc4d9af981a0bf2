"""The options of ``cupl classify`` that fit its decisions to examples."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli.encoder_options import images_of
from cupl.cli.output import check_vectors_target, count, progress, say, say_unreadable

if TYPE_CHECKING:
    import torch

    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.embedding.fitted import FittedCoverage, FittedThreshold
    from cupl.embedding.image_vectors import Embeddings
    from cupl.evaluation.labelled import LabelledImages

_SHOWN = 3

KeepOption = Annotated[
    float | None,
    typer.Option(
        help="Fit the threshold that this share of the --examples passes, such as 0.95; what is "
        "below it has no label."
    ),
]
CoverageOption = Annotated[
    float | None,
    typer.Option(
        help="Give each image all labels that cannot be ruled out, so that the true one is among "
        "them in this share of images; fitted to labelled --examples."
    ),
]
ExamplesOption = Annotated[
    str | None,
    typer.Option(
        help="For --keep: photos of the classes, or what cupl embed wrote of them. For --coverage: "
        "the same with labels, as for evaluate."
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        help="For --coverage with vectors of cupl embed: a .csv of path and label. [default: "
        "folder names]"
    ),
]
FittedOption = Annotated[
    Path | None,
    typer.Option(help="Write the class vectors with what was fitted (.safetensors)."),
]


@dataclass(frozen=True)
class Fitting:
    """What is to be fitted, and on what."""

    keep: float | None
    coverage: float | None
    examples: str | None
    labels: Path | None
    fitted: Path | None

    def check(self, threshold: float | None, multi_label: bool) -> None:
        """Accept options that go together."""
        fits = self.keep is not None or self.coverage is not None
        if fits != (self.examples is not None):
            raise typer.BadParameter("--examples and one of --keep and --coverage go together")
        if self.labels is not None and self.coverage is None:
            raise typer.BadParameter("--labels are of the --examples of --coverage")
        if self.fitted is not None and not fits:
            raise typer.BadParameter("--fitted goes with --keep or --coverage")
        if self.keep is not None and threshold is not None:
            raise typer.BadParameter("--keep fits a threshold: leave out --threshold")
        if self.coverage is not None and multi_label:
            raise typer.BadParameter(
                "--coverage is for one label an image and what it may be besides: leave out "
                "--multi-label"
            )

    def fit(
        self, classifier: "ZeroShotClassifier", threshold: float | None, *, all_files: bool
    ) -> None:
        """Fit, say what is to be expected, and keep it with the class vectors."""
        if self.examples is None:
            _say_fitted(classifier, threshold)
            return
        if self.fitted is not None:
            check_vectors_target(self.fitted, self.examples)
        if self.coverage is None:
            assert self.keep is not None  # noqa: S101 (one of the two is given)
            images = _photos(classifier, self.examples, self.keep, all_files)
            _say_threshold(classifier.fit_threshold(images, self.keep))
        else:
            rates = {"keep": self.keep, "coverage": self.coverage}
            vectors, targets = _labelled(classifier, self.examples, self.labels, rates, all_files)
            if self.keep is not None:
                _say_threshold(classifier.fit_threshold(vectors, self.keep))
            _say_coverage(classifier.fit_coverage(vectors, targets, self.coverage))
        if self.fitted is not None:
            classifier.save(self.fitted)
            say(f"wrote {self.fitted}: the class vectors with what was fitted")


def _photos(
    classifier: "ZeroShotClassifier", examples: str, keep: float, all_files: bool
) -> "torch.Tensor | Embeddings":
    """Image vectors of examples without labels."""
    from cupl.classification.thresholds import check_rate
    from cupl.embedding.image_vectors import stored_images
    from cupl.evaluation.labelled import LabelledImages

    if (stored := stored_images([examples])) is not None:
        return stored
    paths, _ = images_of([examples], all_files)
    check_rate("keep", keep, len(paths))  # before they are read
    vectors, _ = _encoded(classifier, LabelledImages(paths, [0] * len(paths)))
    return vectors


def _labelled(
    classifier: "ZeroShotClassifier",
    examples: str,
    labels: Path | None,
    rates: Mapping[str, float | None],
    all_files: bool,
) -> "tuple[torch.Tensor, list[int]]":
    """Image vectors of the examples and the class of each."""
    from cupl.classification.thresholds import check_rate
    from cupl.evaluation.dataset import read_labelled
    from cupl.evaluation.labelled import check_matched

    named = read_labelled(examples, classifier.labels, labels, all_files=all_files)
    for note in named.notes:
        say(note)
    check_matched(named, classifier.labels, skip=False)
    for name, rate in rates.items():
        if rate is not None:
            check_rate(name, rate, len(named.paths))
    return _encoded(classifier, named)


def _encoded(
    classifier: "ZeroShotClassifier", images: "LabelledImages"
) -> "tuple[torch.Tensor, list[int]]":
    """Vectors and targets of those that can be read; the others are told."""
    from cupl.evaluation.labelled import encode_labelled

    with progress("examples") as update:
        found = encode_labelled(images, classifier.encoder, update, classifier.image_cache)
    if found.unreadable:
        total = len(found.paths) + len(found.unreadable)
        say_unreadable(len(found.unreadable), total, found.unreadable[:_SHOWN], "  and {} more")
    assert found.vectors is not None  # noqa: S101 (they are encoded)
    return found.vectors, found.targets


def _say_fitted(classifier: "ZeroShotClassifier", threshold: float | None) -> None:
    """What the class vectors bring along, which no option of this call asks for."""
    made_by = classifier.vectors.provenance
    if made_by.threshold is not None and threshold is None:
        keep = 100 * made_by.threshold.keep
        say(f"the class vectors have a threshold that {keep:.4g}% of photos of the classes pass")
    if made_by.coverage is not None:
        say(f"the class vectors have sets of labels of coverage {made_by.coverage.coverage:g}")


def _say_threshold(fitted: "FittedThreshold") -> None:
    own = f"; {fitted.own} of {len(fitted.by_class)} classes have one of their own"
    say(
        f"threshold fitted on {count(fitted.examples, 'example')}: about {fitted.expected:.1%} of "
        f"photos of the classes pass it{own if fitted.own else ''}"
    )


def _say_coverage(fitted: "FittedCoverage") -> None:
    say(
        f"coverage fitted on {count(fitted.examples, 'example')}: in about {fitted.expected:.1%} "
        "of photos of the classes the true label is among the labels"
    )
    if fitted.unseen:
        say(
            f"{count(fitted.unseen, 'class', 'classes')} had no example: the share is one over "
            "the others"
        )
