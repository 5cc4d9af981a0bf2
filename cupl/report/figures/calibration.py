"""The figure of calibration: how often predictions of a probability are right."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cupl.evaluation.numbers import short
from cupl.evaluation.schema import CandidateResult, Evaluation
from cupl.report.figures.drawing import LONGEST_NAME, NARROW, Drawing, Theme, add_legend
from cupl.report.reliability import calibrated_candidates, merged_bins


def calibration_figure(evaluation: Evaluation) -> Drawing | None:
    """How often predictions of a probability are right, before and after temperature scaling.

    The diagram of Guo et al. (arXiv 1706.04599), of each bank and of the first control.
    """
    shown = calibrated_candidates(evaluation)
    if not shown:
        return None

    def paint(theme: Theme, narrow: bool) -> Figure:
        columns = 1 if narrow else min(3, len(shown))
        lines = math.ceil(len(shown) / columns)
        width = NARROW if narrow else max(3.9, 3.1 * columns)
        figure = Figure(figsize=(width, 3.3 * lines + 0.7), layout="constrained")
        grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        for axes, candidate in zip(grid.flat, shown, strict=False):
            _reliability_panel(axes, candidate, theme)
        figure.supxlabel("probability of the predicted class", fontsize=9)
        figure.supylabel("share of them that is right", fontsize=9)
        add_legend(figure, grid.flat[0])
        return figure

    names = ", ".join(short(one.name, LONGEST_NAME) for one in shown)
    return Drawing(
        "reliability",
        f"Reliability diagrams of {names}: share of right predictions against their probability, "
        "before and after temperature scaling; on the diagonal they are equal.",
        paint,
    )


def _reliability_panel(axes: Axes, candidate: CandidateResult, theme: Theme) -> None:
    calibration = candidate.calibration
    assert calibration is not None  # noqa: S101 (chosen for it)
    axes.plot([0, 1], [0, 1], color=theme.muted, lw=1, ls=(0, (4, 3)), label="as sure as right")
    parts = (
        ("before", calibration.bins_before, theme.series[1], theme.surface, -9),
        ("after", calibration.bins_after, theme.series[0], theme.series[0], 9),
    )
    for label, bins, colour, fill, above in parts:
        filled = merged_bins(bins)
        total = max(sum(one.images for one in filled), 1)
        x, y = [one.confidence for one in filled], [one.accuracy for one in filled]
        sizes = [12 + 120 * one.images / total for one in filled]
        axes.plot(x, y, color=colour, lw=1.2)
        axes.scatter(x, y, sizes, facecolor=fill, edgecolor=colour, label=label, zorder=3, lw=1.2)
        for one in filled:
            axes.annotate(
                f"{one.images:,}", (one.confidence, one.accuracy), (0, above), color=colour,
                textcoords="offset points", ha="center", va="center", fontsize=6,
            )  # fmt: skip
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set_xticks(ticks, ["0", "0.25", "0.5", "0.75", "1"])
    axes.set_yticks(ticks, ["0", "0.25", "0.5", "0.75", "1"])
    axes.grid()
    axes.set_title(
        f"{short(candidate.name, LONGEST_NAME)}\n"
        f"error {calibration.before:.3f} before, {calibration.after:.3f} after"
    )
