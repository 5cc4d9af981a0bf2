"""What ``cupl classify`` tells beside what it writes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cupl.cli.output import count, progress, say, say_passing, say_unreadable

if TYPE_CHECKING:
    from cupl.classification.label_counts import LabelCounts
    from cupl.classification.prediction import Prediction
    from cupl.classification.writers import FailedImages
    from cupl.evaluation.made_by import MadeBy
    from cupl.progress import Progress


@dataclass
class Told:
    """What is told of the predictions beside what is written."""

    most: int
    counts: "LabelCounts"
    first: "list[Prediction]" = field(default_factory=list)

    def keep(self, prediction: "Prediction") -> None:
        """Note one more."""
        if len(self.first) < self.most:
            self.first.append(prediction)
        self.counts.add(prediction)

    def say_end(self, failures: "FailedImages", total: int, *, kept: bool) -> None:
        """Say what could not be read, and how many images got which label.

        Args:
            failures: what could not be read.
            total: images in all.
            kept: whether a run with --resume can try these again.

        """
        if failures.count:
            examples = [(str(one.path), str(one.error)) for one in failures.first]
            say_unreadable(failures.count, total, examples, "  and {} more; their rows say why")
            if failures.may_pass and kept:
                say_passing(failures.may_pass)
        if self.counts.images > 1:  # one is seen
            say(self.counts.in_words())


def watched(label: "Callable[[Progress], FailedImages]", total: int) -> "FailedImages":
    """Label with a bar, and say how far it came where it is interrupted."""
    done = 0
    try:
        with progress("images") as update:

            def note(number: int, total: int) -> None:
                nonlocal done
                done = number
                update(number, total)

            return label(note)
    except KeyboardInterrupt:
        say(f"{done:,} of {count(total, 'image')} done; the same command with --resume goes on")
        raise


def most_shown(report: Path | None) -> int:
    """Predictions that the page has place for."""
    if report is None:
        return 0
    from cupl.report.page import MOST_IMAGES

    return MOST_IMAGES


def write_page(report: Path, shown: "list[Prediction]", total: int, made_by: "MadeBy") -> None:
    """Write the page of the first images, and say so."""
    from cupl.report.files import write_predictions_page

    write_predictions_page(report, shown, total, made_by)
    some = f"the first {len(shown):,} of " if len(shown) < total else ""
    say(f"wrote {report}: {some}{count(total, 'image')}")
