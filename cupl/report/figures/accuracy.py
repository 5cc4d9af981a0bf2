"""The figure of accuracy: every bank and control with its intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cupl.evaluation.numbers import short
from cupl.evaluation.schema import Evaluation, Interval
from cupl.report.figures.drawing import LONGEST_NAME, NARROW, Drawing, Theme, add_legend, new_sheet

_LINE = 14
"""Characters of a line of a name in a narrow figure."""


def accuracy_figure(evaluation: Evaluation) -> Drawing | None:
    """Bars of top-1 accuracy and of its mean per class, with 95 % intervals."""
    rows = evaluation.candidates
    if not rows:
        return None

    def paint(theme: Theme, narrow: bool) -> Figure:
        figure, axes = new_sheet(NARROW if narrow else 7.4, 1.1 + 0.56 * len(rows))
        top1, per_class = [row.top1 for row in rows], [row.per_class for row in rows]
        means = [one for one in per_class if one is not None]  # all, or of a sample none
        _bars(axes, -0.19, top1, "top-1 accuracy", theme.series[0], theme)
        if means:
            _bars(axes, 0.19, means, "mean per class", theme.series[1], theme)
        reference = evaluation.control
        if reference:
            axes.axvline(100 * reference.top1.value, color=theme.muted, lw=1, ls=(0, (4, 3)))
        kinds = {"bank": "", "control": " (control)"}
        names = [short(row.name, LONGEST_NAME) + kinds[row.kind] for row in rows]
        if narrow:
            names = [textwrap.fill(name, _LINE) for name in names]
        axes.set_yticks(range(len(rows)), names)
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        highest = max(one.high for one in (*top1, *means))
        # Beyond the longest interval there is place for the number that stands behind it.
        axes.set_xlim(0, max((1.35 if narrow else 1.12) * 100 * highest, 1))
        axes.set_xticks([tick for tick in axes.get_xticks() if tick <= 100])
        axes.set_xlabel("images with the right class, %")
        axes.grid(axis="x")
        add_legend(figure, axes)
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
