"""The figure of confusions: which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from cupl.bank.labels import ClassLabel
from cupl.evaluation.numbers import short
from cupl.evaluation.schema import CandidateResult, ClassAccuracy
from cupl.report.figures.drawing import LONGEST_NAME, Drawing, Theme, new_sheet

MOST_CLASSES = 20
"""Classes in a confusion matrix."""


def confusion_figure(candidate: CandidateResult, name: str) -> Drawing | None:
    """A matrix of the classes in the most frequent confusions, at most ``MOST_CLASSES``."""
    classes = confused_classes(candidate)
    if not classes:
        return None

    def paint(theme: Theme, _: bool) -> Figure:
        shares = confusion_shares(candidate, classes)
        side = 2.4 + 0.27 * len(classes)
        figure, axes = new_sheet(max(side, 4.2) + 0.6, max(side, 3.4))
        axes.pcolormesh(_cells(shares, theme), edgecolors=theme.surface, linewidth=1)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        places = np.arange(len(classes)) + 0.5
        names = _names(candidate, classes)
        axes.set_xticks(places, names, rotation=90, fontsize=7.5)
        axes.set_yticks(places, names, fontsize=7.5)
        axes.tick_params(length=0)
        axes.set(xlabel="predicted", ylabel="true class")
        axes.spines[:].set_visible(False)
        for (row, column), share in np.ndenumerate(shares):
            if share > 0:
                strong = share > 0.45
                axes.text(
                    column + 0.5,
                    row + 0.52,
                    f"{100 * share:.0f}",
                    ha="center",
                    va="center",
                    fontsize=6.5,
                    color=theme.surface if strong else theme.ink,
                )
        return figure

    return Drawing(
        name,
        f"Matrix of the most frequent confusions of {short(candidate.name, LONGEST_NAME)}: true "
        "classes in rows, predicted ones in columns, in percent of the true class. The table below "
        "it lists the confusions.",
        paint,
        has_narrow=False,
    )


def confused_classes(candidate: CandidateResult) -> list[str]:
    """Labels of the classes in the most frequent confusions, in the order of the bank."""
    chosen: dict[str, None] = {}
    for one in candidate.confusions:
        pair = dict.fromkeys((one.truth, one.predicted))
        if len(chosen | pair) <= MOST_CLASSES:
            chosen |= pair
    known = list(map(_label, candidate.classes))
    without_images = [label for label in chosen if label not in known]
    return [label for label in known if label in chosen] + without_images


def confusion_shares(candidate: CandidateResult, classes: Sequence[str]) -> npt.NDArray[np.float64]:
    """Shares of the true class: right ones on the diagonal, known confusions beside it.

    Returns:
        ``[true classes, predicted classes]``; 0 where nothing is known.

    """
    index = {label: place for place, label in enumerate(classes)}
    shares = np.zeros((len(classes), len(classes)))
    for one in candidate.classes:
        if (place := index.get(_label(one))) is not None:
            shares[place, place] = one.accuracy
    for confused in candidate.confusions:
        if confused.truth in index and confused.predicted in index:
            shares[index[confused.truth], index[confused.predicted]] = confused.share
    return shares


def _label(one: ClassAccuracy) -> str:
    return str(ClassLabel(one.name, one.id))


def _names(candidate: CandidateResult, labels: Sequence[str]) -> list[str]:
    """What stands beside the matrix: without the id where the name alone tells the class."""
    known = {_label(one): one.name for one in candidate.classes}
    names = [known.get(label, label) for label in labels]
    return [
        short(name if names.count(name) == 1 else label, LONGEST_NAME)
        for name, label in zip(names, labels, strict=True)
    ]


def _cells(shares: npt.NDArray[np.float64], theme: Theme) -> npt.NDArray[np.float64]:
    """Colours, ``[rows, columns, 3]``: right ones in one hue, wrong ones in another."""
    right, wrong = (np.array(to_rgb(colour)) for colour in theme.series[:2])
    empty = 0.35 * np.array(to_rgb(theme.grid)) + 0.65 * np.array(to_rgb(theme.surface))
    full = np.where(np.eye(len(shares), dtype=bool)[..., None], right, wrong)
    weight = np.sqrt(shares.clip(0, 1))[..., None]  # so that a few percent can be seen
    return np.asarray(weight * full + (1 - weight) * empty)
