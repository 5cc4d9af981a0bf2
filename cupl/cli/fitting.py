"""The options of ``cupl classify`` that fit its decisions to examples."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli.encoder_options import images_of
from cupl.cli.output import count, progress, say, say_unreadable

if TYPE_CHECKING:
    import torch

    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.embedding.fitted import FittedCoverage, FittedThreshold

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
    fitted: Path | None

    def check(self, threshold: float | None, multi_label: bool) -> None:
        """Accept options that go together."""
        fits = self.keep is not None or self.coverage is not None
        if fits != (self.examples is not None):
            raise typer.BadParameter("--examples and one of --keep and --coverage go together")
        if self.fitted is not None and not fits:
            raise typer.BadParameter("--fitted goes with --keep or --coverage")
        if self.keep is not None and threshold is not None:
            raise typer.BadParameter("--keep fits a threshold: leave out --threshold")
        if self.coverage is not None and multi_label:
            raise typer.BadParameter(
                "--coverage is for one label an image and what it may be besides: leave out "
                "--multi-label"
            )

    def fit(self, classifier: "ZeroShotClassifier", *, all_files: bool) -> None:
        """Fit, say what is to be expected, and keep it with the class vectors."""
        if self.examples is None:
            _say_fitted(classifier)
            return
        if self.coverage is None:
            assert self.keep is not None  # noqa: S101 (one of the two is given)
            _say_threshold(_fit_threshold(classifier, self.examples, self.keep, all_files))
        else:
            vectors, targets = _labelled(classifier, self.examples, all_files)
            if self.keep is not None:
                _say_threshold(classifier.fit_threshold(vectors, self.keep))
            _say_coverage(classifier.fit_coverage(vectors, targets, self.coverage))
        if self.fitted is not None:
            classifier.save(self.fitted)
            say(f"wrote {self.fitted}: the class vectors with what was fitted")


def _fit_threshold(
    classifier: "ZeroShotClassifier", examples: str, keep: float, all_files: bool
) -> "FittedThreshold":
    from cupl.embedding.image_shards import shard_numbers
    from cupl.embedding.image_vectors import load_embeddings

    with progress("examples") as update:
        folder = Path(examples)
        if folder.is_dir() and shard_numbers(folder, "images"):
            return classifier.fit_threshold(load_embeddings(folder), keep, progress=update)
        paths, _ = images_of([examples], all_files)
        return classifier.fit_threshold(paths, keep, progress=update)


def _labelled(
    classifier: "ZeroShotClassifier", examples: str, all_files: bool
) -> "tuple[torch.Tensor, list[int]]":
    """Image vectors of the examples and the class of each."""
    from cupl.evaluation.dataset import read_labelled
    from cupl.evaluation.labelled import check_matched, encode_labelled

    named = read_labelled(examples, classifier.labels, all_files=all_files)
    for note in named.notes:
        say(note)
    check_matched(named, classifier.labels, skip=False)
    with progress("examples") as update:
        found = encode_labelled(named, classifier.encoder, update)
    if found.unreadable:
        total = len(found.paths) + len(found.unreadable)
        say_unreadable(len(found.unreadable), total, found.unreadable[:_SHOWN], "  and {} more")
    assert found.vectors is not None  # noqa: S101 (they are encoded)
    return found.vectors, found.targets


def _say_fitted(classifier: "ZeroShotClassifier") -> None:
    """What the class vectors bring along, which no option of this call asks for."""
    made_by = classifier.vectors.provenance
    if made_by.threshold is not None:
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
