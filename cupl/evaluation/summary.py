"""An evaluation in a table and a few sentences, for a terminal."""

from __future__ import annotations

from cupl.evaluation.results import Analysis, Evaluation, Interval
from cupl.evaluation.wording import chance, percent, points, short, verdicts
from cupl.tables import printable, rendered

_SHOWN = 3


def summarize(evaluation: Evaluation) -> str:
    """The table of contenders, a verdict on each bank, and what in it did it."""
    lines = [verdict.sentence for verdict in verdicts(evaluation)]
    for analysis in evaluation.analyses:
        lines += ["", *_analysis(analysis, evaluation.reference)]
    return _table(evaluation) + "".join(f"{printable(line)}\n" for line in lines)


def _shares(interval: Interval) -> str:
    return f"{percent(interval.value)}\n{percent(interval.low)}–{percent(interval.high)}"


def _gain(interval: Interval, between: str = " ") -> str:
    return f"{points(interval.value)}{between}[{points(interval.low)}, {points(interval.high)}]"


def _table(evaluation: Evaluation) -> str:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    against = f"less {short(evaluation.reference, 20)}" if evaluation.reference else ""
    grid = Table(box=box.SIMPLE_HEAD)
    grid.add_column("")
    for column in (
        "prompts",
        "top-1 %",
        "top-5 %",
        "per class %",
        against,
        "p",
        "ECE",
        "calibrated",
    ):
        grid.add_column(Text(column), justify="right")
    for one in evaluation.contenders:
        fitted = one.calibration
        cells = [
            short(one.name, 40) + (f"\n{one.seeds} draws" if one.seeds > 1 else ""),
            f"{one.prompts:.3g}",
            *map(_shares, (one.top1, one.top5, one.per_class)),
            _gain(one.comparison.difference, "\n") if one.comparison else "",
            chance(one.comparison.p) if one.comparison else "",
            f"{fitted.before:.3f}" if fitted else "",
            f"{fitted.after:.3f}\nT = {fitted.temperature:.2f}" if fitted else "",
        ]
        grid.add_row(*map(Text, cells))
    head = (
        f"{short(evaluation.encoder, 60)} on {evaluation.images:,} images of "
        f"{evaluation.classes_with_images:,} classes, {evaluation.classes:,} to choose from; "
        "below each figure its 95 % bootstrap interval"
    )
    return rendered(head, grid, width=160)


def _analysis(analysis: Analysis, reference: str | None) -> list[str]:
    lines = [f"In {analysis.bank}:"]
    for effect in (*analysis.questions[:_SHOWN], *analysis.questions[_SHOWN:][-_SHOWN:]):
        lines.append(
            f"  {_gain(effect.comparison.difference)} points by "
            f"{short(effect.question, 80) or 'prompts of no question'} "
            f"({effect.prompts:,} prompts)"
        )
    if len(analysis.curve) > 1:
        curve = ", ".join(
            f"{percent(point.value)} with {point.prompts}" for point in analysis.curve
        )
        lines.append(f"  top-1 % by prompts per class: {curve}")
    for pull in analysis.pulls[:_SHOWN]:
        lines.append(
            f"  draws images of other classes ({pull.images:,}) to {pull.name}: "
            f"{short(pull.prompt, 100)}"
        )
    for loss in analysis.losses[:_SHOWN]:
        lines.append(
            f"  loses on {short(loss.name, 60)}: {loss.bank:.0%}, {reference} {loss.control:.0%} "
            f"(of {loss.images:,})"
        )
    return lines
