"""From where on each class is a tag: of a file, or fitted to labelled examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cupl.cli.fitting import encoded_examples, labelled_examples
from cupl.cli.output import count, say

if TYPE_CHECKING:
    from cupl.bank.labels import ClassLabel
    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.evaluation.labelled import LabelledImages

_KEEP = 0.9


@dataclass
class TagThresholds:
    """Where the thresholds come from: first the files are read, then they are fitted."""

    file: Path | None
    examples: str | None
    labels: Path | None
    keep: float | None
    fitted: Path | None
    images: "LabelledImages | None" = None
    """The examples, once they are read."""

    @property
    def files(self) -> list[str | Path | None]:
        """What is read."""
        return [self.file, self.examples, self.labels]

    def check(self) -> None:
        """Accept options that go together, and a file of thresholds."""
        if self.file is not None and self.examples is not None:
            raise typer.BadParameter("--class-thresholds are fitted already: leave out --examples")
        given = [self.keep, self.labels, self.fitted]
        if self.examples is None and any(one is not None for one in given):
            raise typer.BadParameter(
                "--keep, --labels and --fitted are for thresholds that are fitted to --examples"
            )
        if self.fitted is not None and self.fitted.suffix.lower() != ".csv":
            raise typer.BadParameter(f"--fitted writes a table: name it .csv, not {self.fitted}")

    def read(self, labels: "Sequence[ClassLabel]", *, all_files: bool) -> None:
        """Find the examples and their classes, before a model is loaded."""
        if self.examples is not None:
            rates = {"keep": self._kept}
            self.images = labelled_examples(labels, self.examples, self.labels, rates, all_files)

    @property
    def _kept(self) -> float:
        """The share of a class's photos that are to get its tag."""
        return _KEEP if self.keep is None else self.keep

    def fit(self, classifier: "ZeroShotClassifier") -> dict[str, float] | None:
        """The cosine of each class, or None where nothing was given."""
        from cupl.classification.decision import read_class_thresholds, save_class_thresholds

        if self.images is None:
            return None if self.file is None else read_class_thresholds(self.file)
        keep = self._kept
        rows, targets = encoded_examples(classifier, self.images)
        found = classifier.fit_class_thresholds(rows, targets, keep)
        say(
            f"thresholds of {count(len(found), 'class', 'classes')} fitted on "
            f"{count(len(targets), 'example')}: about {keep:.4g} of a class's photos get its tag"
        )
        if self.fitted is not None:
            save_class_thresholds(found, self.fitted)
            say(f"wrote {self.fitted}: for --class-thresholds")
        return found
