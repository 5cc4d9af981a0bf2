"""The figure of prompts: accuracy by how many of them each class has."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cupl.evaluation.numbers import percent, short
from cupl.evaluation.schema import Analysis, Evaluation
from cupl.report.figures.drawing import LONGEST_NAME, NARROW, Drawing, Theme, add_legend, new_sheet


def prompts_figure(evaluation: Evaluation) -> Drawing | None:
    """Top-1 accuracy against the prompts per class; the first control as a level line."""
    shown = [one for one in evaluation.analyses if one.curve]
    if not shown:
        return None

    def paint(theme: Theme, narrow: bool) -> Figure:
        figure, axes = new_sheet(*((NARROW, 3.4) if narrow else (7.0, 3.7)))
        for place, analysis in enumerate(shown):
            colour = theme.series[(0, 2, 3, 1)[place % len(theme.series)]]
            _curve(axes, analysis, colour, ("-", "--", ":")[place // len(theme.series) % 3])
        reference = evaluation.control
        if reference:
            top1 = reference.top1
            label = f"{short(reference.name, LONGEST_NAME)} (control)"
            axes.axhline(100 * top1.value, color=theme.muted, lw=1.4, ls=(0, (5, 3)), label=label)
            axes.axhspan(100 * top1.low, 100 * top1.high, color=theme.muted, alpha=0.13, lw=0)
        numbers = sorted({point.prompts for one in shown for point in one.curve})
        if numbers[0] >= 1 and numbers[-1] >= 8 * numbers[0]:
            axes.set_xscale("log", base=2)
        axes.minorticks_off()
        axes.set_xticks(_apart(numbers), [f"{number:,}" for number in _apart(numbers)])
        axes.set(xlabel="prompts per class", ylabel="top-1 accuracy, %")
        axes.grid()
        add_legend(figure, axes)
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
    axes.plot(
        x, values, line, color=colour, marker="o", ms=4, label=short(analysis.bank, LONGEST_NAME)
    )


def _apart(numbers: Sequence[int]) -> list[int]:
    """The largest, and those below it that leave room for their labels."""
    kept: list[int] = []
    for number in reversed(numbers):
        if not kept or number <= 0.8 * kept[-1]:
            kept.append(number)
    return kept[::-1]
