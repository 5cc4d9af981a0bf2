"""What ``cupl classify`` tells beside what it writes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cupl.cli.output import count, progress, say, say_passing, say_unreadable

if TYPE_CHECKING:
    from cupl.classification.label_counts import LabelCounts
    from cupl.classification.prediction import Prediction
    from cupl.classification.writers import FailedImages
    from cupl.evaluation.made_by import MadeBy
    from cupl.progress import Progress
    from cupl.report.photo_page import PhotoPage


@dataclass
class Told:
    """What is told of the predictions beside what is written."""

    page: "PhotoPage | None"
    counts: "LabelCounts"

    def keep(self, prediction: "Prediction") -> None:
        """Note one more."""
        if self.page is not None:
            self.page.add(prediction)
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


def new_page(report: Path | None) -> "PhotoPage | None":
    """What keeps the predictions of a page, where there is to be one."""
    if report is None:
        return None
    from cupl.report.photo_page import PhotoPage

    return PhotoPage()


def write_page(report: Path, shown: "PhotoPage", total: int, made_by: "MadeBy") -> None:
    """Write the page of the first images, and say so."""
    with progress("photos of the page") as update:
        shown.save(report, total, made_by, update)
    some = f"the first {len(shown):,} of " if len(shown) < total else ""
    say(f"wrote {report}: {some}{count(total, 'image')}")
