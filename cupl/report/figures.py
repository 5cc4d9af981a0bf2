"""The figures of a report, drawn by matplotlib without its global state.

Every text in them may come from others: names are cut, control characters spelled out, and
dollar signs are no formulas.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from cupl.bank.labels import ClassLabel
from cupl.evaluation.schema import Analysis, CandidateResult, ClassAccuracy, Evaluation, Interval
from cupl.evaluation.text import percent, short

MOST_CLASSES = 20
"""Classes in a confusion matrix."""
MOST_PANELS = 6
"""Contenders in a reliability diagram."""
MOST_MATRICES = 4
"""Banks that get a confusion matrix."""
_NAME = 26
_DPI = 160
_STYLE = {
    "text.parse_math": False,
    "svg.fonttype": "none",  # a browser has glyphs for more scripts than matplotlib's fonts
    "svg.hashsalt": "cupl",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 9,
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours for one background."""

    surface: str
    ink: str
    muted: str
    grid: str
    series: tuple[str, ...]
    """Told apart also by those who confuse red and green."""


LIGHT = Theme(
    "#ffffff", "#1c2126", "#59626b", "#dde2e7", ("#2565ae", "#b9540b", "#0d7a6f", "#7c4dba")
)
DARK = Theme(
    "#15181c", "#e4e7ea", "#9ea7b0", "#31373e", ("#69a8ea", "#eb995b", "#45bfae", "#b898ec")
)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure before it has colours and a file format."""

    name: str
    """Of its files, without an ending."""
    alt: str
    """What it shows, for those who cannot see it."""
    paint: Callable[[Theme], Figure]

    def render(self, kind: Literal["svg", "png"], theme: Theme = LIGHT) -> bytes:
        """The file; the same evaluation and matplotlib give the same bytes."""
        buffer = io.BytesIO()
        with themed(theme):
            figure = self.paint(theme)
            metadata = {"Date": None} if kind == "svg" else None
            figure.savefig(buffer, format=kind, dpi=_DPI, metadata=metadata)
        return buffer.getvalue()


@contextmanager
def themed(theme: Theme) -> Iterator[None]:
    """Draw in these colours, whatever settings the user of matplotlib has."""
    # A box stands for a glyph that matplotlib's fonts do not have; it would warn of each.
    quiet = warnings.catch_warnings(action="ignore", category=UserWarning)
    with matplotlib.style.context(["default", _STYLE, _colours(theme)]), quiet:
        yield


def _colours(theme: Theme) -> dict[str, str]:
    names = {
        "text.color axes.labelcolor axes.titlecolor": theme.ink,
        "xtick.labelcolor ytick.labelcolor": theme.ink,
        "axes.edgecolor xtick.color ytick.color": theme.muted,
        "figure.facecolor axes.facecolor savefig.facecolor": theme.surface,
        "grid.color": theme.grid,
    }
    return {key: colour for keys, colour in names.items() for key in keys.split()}


def accuracy(evaluation: Evaluation) -> Drawing | None:
    """Bars of top-1 accuracy and of its mean per class, with 95 % intervals."""
    rows = evaluation.contenders
    if not rows:
        return None

    def paint(theme: Theme) -> Figure:
        figure, axes = _sheet(7.4, 1.1 + 0.56 * len(rows))
        top1, per_class = [row.top1 for row in rows], [row.per_class for row in rows]
        _bars(axes, -0.19, top1, "top-1 accuracy", theme.series[0], theme)
        _bars(axes, 0.19, per_class, "mean per class", theme.series[1], theme)
        reference = evaluation.control
        if reference:
            axes.axvline(100 * reference.top1.value, color=theme.muted, lw=1, ls=(0, (4, 3)))
        names = [
            short(row.name, _NAME) + (" (control)" if row.kind == "control" else "") for row in rows
        ]
        axes.set_yticks(range(len(rows)), names)
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        highest = max(max(row.top1.high, row.per_class.high) for row in rows)
        axes.set_xlim(0, max(112 * highest, 1))
        axes.set_xlabel("images with the right class, %")
        axes.grid(axis="x")
        _legend(figure, axes)
        return figure

    return Drawing(
        "accuracy",
        "Bars of the top-1 accuracy and of its mean per class of every bank and control, with "
        "95 % intervals. The table of the section has the same numbers.",
        paint,
    )


def _bars(
    axes: Axes,
    shift: float,
    intervals: Sequence[Interval],
    label: str,
    colour: str,
    theme: Theme,
) -> None:
    places = [place + shift for place in range(len(intervals))]
    axes.barh(places, [100 * one.value for one in intervals], 0.34, color=colour, label=label)
    for place, interval in zip(places, intervals, strict=True):
        value, low, high = (100 * one for one in (interval.value, interval.low, interval.high))
        axes.plot([low, high], [place, place], color=theme.ink, lw=1.2, marker="|", ms=5)
        axes.annotate(
            f"{value:.1f}",
            (max(high, value), place),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            bbox={"facecolor": theme.surface, "edgecolor": "none", "pad": 0.6},
        )


def reliability(evaluation: Evaluation) -> Drawing | None:
    """How often predictions of a probability are right, before and after temperature scaling.

    The diagram of Guo et al. (arXiv 1706.04599), of each bank and of the first control.
    """
    shown = [
        one
        for one in evaluation.contenders
        if one.calibration and (one.kind == "bank" or one.name == evaluation.reference)
    ][:MOST_PANELS]
    if not shown:
        return None

    def paint(theme: Theme) -> Figure:
        columns = min(3, len(shown))
        lines = math.ceil(len(shown) / columns)
        figure = Figure(figsize=(max(3.9, 2.75 * columns), 2.9 * lines + 0.7), layout="constrained")
        grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        for axes, contender in zip(grid.flat, shown, strict=False):
            _reliability_panel(axes, contender, theme)
        figure.supxlabel("probability of the predicted class", fontsize=9)
        figure.supylabel("share of them that is right", fontsize=9)
        _legend(figure, grid.flat[0])
        return figure

    names = ", ".join(short(one.name, _NAME) for one in shown)
    return Drawing(
        "reliability",
        f"Reliability diagrams of {names}: share of right predictions against their probability, "
        "before and after temperature scaling; on the diagonal they are equal.",
        paint,
    )


def _reliability_panel(axes: Axes, contender: CandidateResult, theme: Theme) -> None:
    calibration = contender.calibration
    assert calibration is not None  # noqa: S101 (chosen for it)
    axes.plot([0, 1], [0, 1], color=theme.muted, lw=1, ls=(0, (4, 3)), label="as sure as right")
    parts = (
        ("before", calibration.bins_before, theme.series[1], theme.surface),
        ("after", calibration.bins_after, theme.series[0], theme.series[0]),
    )
    for label, bins, colour, fill in parts:
        filled = [one for one in bins if one.images]
        total = max(sum(one.images for one in filled), 1)
        x, y = [one.confidence for one in filled], [one.accuracy for one in filled]
        sizes = [12 + 120 * one.images / total for one in filled]
        axes.plot(x, y, color=colour, lw=1.2)
        axes.scatter(x, y, sizes, facecolor=fill, edgecolor=colour, label=label, zorder=3, lw=1.2)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set_xticks(ticks, ["0", "0.25", "0.5", "0.75", "1"])
    axes.set_yticks(ticks, ["0", "0.25", "0.5", "0.75", "1"])
    axes.grid()
    axes.set_title(
        f"{short(contender.name, _NAME)}\n"
        f"error {calibration.before:.3f} before, {calibration.after:.3f} after"
    )


def confusion(contender: CandidateResult, name: str) -> Drawing | None:
    """A matrix of the classes in the most frequent confusions, at most ``MOST_CLASSES``."""
    classes = confused_classes(contender)
    if not classes:
        return None

    def paint(theme: Theme) -> Figure:
        shares = confusion_shares(contender, classes)
        side = 2.4 + 0.27 * len(classes)
        figure, axes = _sheet(max(side, 4.2) + 0.6, max(side, 3.4))
        axes.pcolormesh(_cells(shares, theme), edgecolors=theme.surface, linewidth=1)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        places = np.arange(len(classes)) + 0.5
        names = _names(contender, classes)
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
        f"Matrix of the most frequent confusions of {short(contender.name, _NAME)}: true classes "
        "in rows, predicted ones in columns, in percent of the true class. The table below it "
        "lists the confusions.",
        paint,
    )


def confused_classes(contender: CandidateResult) -> list[str]:
    """Labels of the classes in the most frequent confusions, in the order of the bank."""
    chosen: dict[str, None] = {}
    for one in contender.confusions:
        pair = dict.fromkeys((one.truth, one.predicted))
        if len(chosen | pair) <= MOST_CLASSES:
            chosen |= pair
    known = list(map(_label, contender.classes))
    without_images = [label for label in chosen if label not in known]
    return [label for label in known if label in chosen] + without_images


def confusion_shares(contender: CandidateResult, classes: Sequence[str]) -> npt.NDArray[np.float64]:
    """Shares of the true class: right ones on the diagonal, known confusions beside it.

    Returns:
        ``[true classes, predicted classes]``; 0 where nothing is known.

    """
    index = {label: place for place, label in enumerate(classes)}
    shares = np.zeros((len(classes), len(classes)))
    for one in contender.classes:
        if (place := index.get(_label(one))) is not None:
            shares[place, place] = one.accuracy
    for confused in contender.confusions:
        if confused.truth in index and confused.predicted in index:
            shares[index[confused.truth], index[confused.predicted]] = confused.share
    return shares


def _label(one: ClassAccuracy) -> str:
    return str(ClassLabel(one.name, one.id))


def _names(contender: CandidateResult, labels: Sequence[str]) -> list[str]:
    """What stands beside the matrix: without the id where the name alone tells the class."""
    known = {_label(one): one.name for one in contender.classes}
    names = [known.get(label, label) for label in labels]
    return [
        short(name if names.count(name) == 1 else label, _NAME)
        for name, label in zip(names, labels, strict=True)
    ]


def _cells(shares: npt.NDArray[np.float64], theme: Theme) -> npt.NDArray[np.float64]:
    """Colours, ``[rows, columns, 3]``: right ones in one hue, wrong ones in another."""
    right, wrong = (np.array(to_rgb(colour)) for colour in theme.series[:2])
    empty = 0.35 * np.array(to_rgb(theme.grid)) + 0.65 * np.array(to_rgb(theme.surface))
    full = np.where(np.eye(len(shares), dtype=bool)[..., None], right, wrong)
    weight = np.sqrt(shares.clip(0, 1))[..., None]  # so that a few percent can be seen
    return np.asarray(weight * full + (1 - weight) * empty)


def prompts(evaluation: Evaluation) -> Drawing | None:
    """Top-1 accuracy against the prompts per class; the first control as a level line."""
    shown = [one for one in evaluation.analyses if one.curve]
    if not shown:
        return None

    def paint(theme: Theme) -> Figure:
        figure, axes = _sheet(7.0, 3.7)
        for place, analysis in enumerate(shown):
            colour = theme.series[(0, 2, 3, 1)[place % len(theme.series)]]
            _curve(axes, analysis, colour, ("-", "--", ":")[place // len(theme.series) % 3])
        reference = evaluation.control
        if reference:
            top1 = reference.top1
            label = f"{short(reference.name, _NAME)} (control)"
            axes.axhline(100 * top1.value, color=theme.muted, lw=1.4, ls=(0, (5, 3)), label=label)
            axes.axhspan(100 * top1.low, 100 * top1.high, color=theme.muted, alpha=0.13, lw=0)
        numbers = sorted({point.prompts for one in shown for point in one.curve})
        if numbers[0] >= 1 and numbers[-1] >= 8 * numbers[0]:
            axes.set_xscale("log", base=2)
        axes.minorticks_off()
        axes.set_xticks(_apart(numbers), [f"{number:,}" for number in _apart(numbers)])
        axes.set(xlabel="prompts per class", ylabel="top-1 accuracy, %")
        axes.grid()
        _legend(figure, axes)
        return figure

    reference = evaluation.control
    level = (
        f"; the control as a level line at {percent(reference.top1.value)} %" if reference else ""
    )
    return Drawing(
        "prompts",
        "Top-1 accuracy against the number of prompts per class, with the lowest and the highest "
        f"of the draws{level}.",
        paint,
    )


def _curve(axes: Axes, analysis: Analysis, colour: str, line: str) -> None:
    points = sorted(analysis.curve, key=lambda point: point.prompts)
    x = [point.prompts for point in points]
    low, high = [100 * one.low for one in points], [100 * one.high for one in points]
    axes.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
    values = [100 * one.value for one in points]
    axes.plot(x, values, line, color=colour, marker="o", ms=4, label=short(analysis.bank, _NAME))


def _apart(numbers: Sequence[int]) -> list[int]:
    """The largest, and those below it that leave room for their labels."""
    kept: list[int] = []
    for number in reversed(numbers):
        if not kept or number <= 0.8 * kept[-1]:
            kept.append(number)
    return kept[::-1]


def _sheet(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=8)
