"""The options of ``cupl classify`` that fit its decisions to examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli.encoder_options import images_of
from cupl.cli.made_elsewhere import refuse_vector_file
from cupl.cli.output import check_vectors_target, count, progress, say, say_unreadable

if TYPE_CHECKING:
    import torch

    from cupl.bank.labels import ClassLabel
    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.embedding.fitted import FittedCoverage, FittedThreshold
    from cupl.embedding.stored_vectors import Embeddings
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


@dataclass
class Fitting:
    """What is to be fitted, and on what: first its files are read, then it is fitted."""

    keep: float | None
    coverage: float | None
    examples: str | None
    labels: Path | None
    fitted: Path | None
    images: "Embeddings | LabelledImages | None" = None
    """The examples, once they are read."""

    def check(self, threshold: float | None, multi_label: bool) -> None:
        """Accept options that go together."""
        fits = self.keep is not None or self.coverage is not None
        if fits and self.examples is None:
            option = "--coverage" if self.keep is None else "--keep"
            raise typer.BadParameter(f"{option} is fitted to photos: add --examples PHOTOS")
        if not fits and self.examples is not None:
            raise typer.BadParameter(
                "--examples are what a threshold is fitted to: add --keep 0.95 or --coverage 0.9"
            )
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

    def read(self, labels: "Sequence[ClassLabel]", *, all_files: bool) -> None:
        """Find the examples and their labels, before a model is loaded."""
        if self.examples is None:
            return
        if self.fitted is not None:
            check_vectors_target(self.fitted, self.examples)
        if self.coverage is None:
            assert self.keep is not None  # noqa: S101 (one of the two is given)
            self.images = _photos(self.examples, self.keep, all_files)
        else:
            rates = {"keep": self.keep, "coverage": self.coverage}
            self.images = labelled_examples(labels, self.examples, self.labels, rates, all_files)

    def fit(self, classifier: "ZeroShotClassifier", threshold: float | None) -> None:
        """Fit, say what is to be expected, and keep it with the class vectors."""
        from cupl.evaluation.labelled import LabelledImages

        if self.images is None:
            _say_fitted(classifier, threshold)
            return
        if not isinstance(self.images, LabelledImages):
            assert self.keep is not None  # noqa: S101 (for coverage there are labels)
            _say_threshold(classifier.fit_threshold(self.images, self.keep))
        else:
            vectors, targets = encoded_examples(classifier, self.images)
            if self.keep is not None:
                _say_threshold(classifier.fit_threshold(vectors, self.keep))
            if self.coverage is not None:
                _say_coverage(classifier.fit_coverage(vectors, targets, self.coverage))
        if self.fitted is not None:
            classifier.save(self.fitted)
            say(f"wrote {self.fitted}: the class vectors with what was fitted")


def _photos(examples: str, keep: float, all_files: bool) -> "Embeddings | LabelledImages":
    """Examples without labels; where they are no vectors, all as of one class."""
    from cupl.classification.thresholds import check_rate
    from cupl.embedding.image_vectors import stored_images
    from cupl.evaluation.labelled import LabelledImages

    refuse_vector_file(examples)
    if (stored := stored_images([examples])) is not None:
        return stored
    paths, _ = images_of([examples], all_files)
    check_rate("keep", keep, len(paths))  # before they are read
    return LabelledImages(paths, [0] * len(paths))


def labelled_examples(
    classes: "Sequence[ClassLabel]",
    examples: str,
    labels: Path | None,
    rates: Mapping[str, float | None],
    all_files: bool,
) -> "LabelledImages":
    """The examples and the class of each."""
    from cupl.classification.thresholds import check_rate
    from cupl.evaluation.dataset import read_labelled
    from cupl.evaluation.labelled import check_matched

    refuse_vector_file(examples)
    named = read_labelled(examples, classes, labels, all_files=all_files)
    for note in named.notes:
        say(note)
    check_matched(named, classes, skip=False)
    for name, rate in rates.items():
        if rate is not None:
            check_rate(name, rate, len(named.paths))
    return named


def encoded_examples(
    classifier: "ZeroShotClassifier", images: "LabelledImages"
) -> "tuple[torch.Tensor, list[int]]":
    """As :func:`readable_examples`, once they are encoded."""
    from cupl.evaluation.labelled import encode_labelled

    with progress("examples") as update:
        found = encode_labelled(images, classifier.encoder, update, classifier.image_cache)
    return readable_examples(found)


def readable_examples(found: "LabelledImages") -> "tuple[torch.Tensor, list[int]]":
    """Vectors and targets of encoded examples; those that cannot be read are told."""
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
