"""An evaluation as a terminal shows it: the table, a verdict on each bank, the parts of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cupl.evaluation.numbers import chance, percent, points, short
from cupl.evaluation.schema import Analysis, CandidateResult, Evaluation, Interval, QuestionEffect
from cupl.evaluation.verdict import explain_uncalibrated, verdicts
from cupl.io.terminal import printable, rendered

if TYPE_CHECKING:
    from rich.table import Table

_SHOWN = 3


def summarize_evaluation(evaluation: Evaluation) -> str:
    """The table of candidates, a verdict on each bank, and what its parts are worth.

    On a terminal lines are folded to its width; elsewhere a sentence is one line.
    """
    head = [
        f"{short(evaluation.encoder, 60)} on {evaluation.images:,} images of "
        f"{evaluation.classes_with_images:,} classes, {evaluation.classes:,} to choose from.",
        "Below each figure its 95 % interval; below the calibration error (ECE) what a fitted "
        "temperature leaves of it. Every p is corrected for their number (Holm).",
    ]
    lines = [verdict.sentence for verdict in verdicts(evaluation)]
    lines += explain_uncalibrated(evaluation)
    for analysis in evaluation.analyses:
        lines += ["", *_analysis(analysis, evaluation.reference)]
    return rendered(*head, "", _table(evaluation), "", *map(printable, lines), width=10_000)


def _shares(interval: Interval) -> str:
    return f"{percent(interval.value)}\n{percent(interval.low)}–{percent(interval.high)}"


def _gain(interval: Interval, between: str = " ") -> str:
    return f"{points(interval.value)}{between}[{points(interval.low)}, {points(interval.high)}]"


def _table(evaluation: Evaluation) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    columns = ["prompts", "top-1 %", "per\nclass %", "ECE"]
    if any(one.top5 for one in evaluation.candidates):
        columns.insert(2, "top-5 %")
    if evaluation.reference:
        columns.insert(-1, f"less {short(evaluation.reference, 20)}")
    # Narrow enough for 80 columns: a name is folded rather than a number.
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    grid.add_column("", overflow="fold")
    for column in columns:
        grid.add_column(Text(column), justify="right", no_wrap=True)
    for one in evaluation.candidates:
        grid.add_row(*map(Text, _cells(one, columns)))
    return grid


def _cells(one: CandidateResult, columns: list[str]) -> list[str]:
    """Of a row of the table, the name first."""
    fitted, compared = one.calibration, one.comparison
    cells = {
        "prompts": f"{one.prompts:.3g}",
        "top-1 %": _shares(one.top1),
        "top-5 %": _shares(one.top5) if one.top5 else "",
        "per\nclass %": _shares(one.per_class),
        "ECE": f"{fitted.before:.3f}\n→ {fitted.after:.3f}" if fitted else "",
    }
    difference = _gain(compared.difference, "\n") if compared else ""
    name = short(one.name, 40) + (f"\n{one.seeds} draws" if one.seeds > 1 else "")
    return [name, *(cells.get(column, difference) for column in columns)]


def _analysis(analysis: Analysis, reference: str | None) -> list[str]:
    lines = [f"In {analysis.bank}:"]
    effects = (*analysis.questions[:_SHOWN], *analysis.questions[_SHOWN:][-_SHOWN:])
    lines += [f"  {_effect(effect)}" for effect in effects]
    if len(analysis.curve) > 1:
        curve = ", ".join(
            f"{percent(point.value)} with {point.prompts}" for point in analysis.curve
        )
        lines.append(f"  top-1 % by prompts per class: {curve}")
    for prompt in analysis.misleading[:_SHOWN]:
        lines.append(
            f"  draws images of other classes ({prompt.images:,}) to {prompt.name}: "
            f"{short(prompt.prompt, 100)}"
        )
    for drop in analysis.drops[:_SHOWN]:
        lines.append(
            f"  loses on {short(drop.name, 60)}: {drop.bank:.0%}, {reference} {drop.control:.0%} "
            f"(of {drop.images:,})"
        )
    return lines


def _effect(effect: QuestionEffect) -> str:
    """What a question is worth, and whether that is shown for all that were tried."""
    compared = effect.comparison
    p = chance(compared.p if compared.p_holm is None else compared.p_holm)
    shown = "not shown, " if compared.outcome == "open" else ""
    return (
        f"{_gain(compared.difference)} points by "
        f"{short(effect.question, 80) or 'prompts of no question'} "
        f"({effect.prompts:,} prompts; {shown}p {p})"
    )
