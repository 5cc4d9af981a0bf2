"""How many images got which label, in a line or a few."""

from __future__ import annotations

from collections import Counter

from cupl.classification.prediction import Prediction
from cupl.io.terminal import folded, printable

_LONGEST_NAME = 30
_LINES = 3


class LabelCounts:
    """Counts predictions by label.

    Args:
        multi_label: count each image under all its labels, not under the best one.

    """

    def __init__(self, *, multi_label: bool = False) -> None:
        self._multi_label = multi_label
        self._labels: Counter[tuple[str, str | None]] = Counter()
        self.images = self.unlabelled = self.unreadable = 0

    def add(self, prediction: Prediction) -> None:
        """Count one more."""
        self.images += 1
        if prediction.error is not None:
            self.unreadable += 1
        elif prediction.label is None:
            self.unlabelled += 1
        else:
            scores = prediction.labels if self._multi_label else prediction.top[:1]
            self._labels.update((score.label, score.id) for score in scores)

    def in_words(self, width: int = 80) -> str:
        """``cat 12, dog 9, 3 more classes 5, no label 2, unreadable 1``; the most frequent first.

        Args:
            width: columns of a line; at least one label is named.

        Returns:
            All labels where they fit into ``_LINES`` lines, else what fits into one.

        """
        ends = {"no label": self.unlabelled, "unreadable": self.unreadable}
        end = [f"{what} {number:,}" for what, number in ends.items() if number]
        ranked = sorted(self._labels.items(), key=lambda item: (-item[1], item[0][0]))
        named = [f"{_short(name)} {number:,}" for (name, _), number in ranked]
        whole = ", ".join([*named, *end])
        if folded(whole, width).count("\n") < _LINES:
            return whole
        best = ", ".join([*named[:1], *end])
        for shown in range(1, len(named) + 1):
            line = ", ".join(
                [*named[:shown], *_rest([number for _, number in ranked[shown:]]), *end]
            )
            if _width(line) <= width:
                best = line
            elif _width(", ".join(named[:shown])) > width:
                break
        return best


def _rest(numbers: list[int]) -> list[str]:
    if not numbers:
        return []
    classes = "class" if len(numbers) == 1 else "classes"
    return [f"{len(numbers):,} more {classes} {sum(numbers):,}"]


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
