"""An evaluation in plain words: figures, the verdict on each bank, and a summary for a terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cupl.evaluation.schema import Analysis, CandidateResult, Comparison, Evaluation, Interval
from cupl.io.terminal import printable, rendered

_SHOWN = 3
VerdictKind = Literal["better", "worse", "open"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the numbers say about one bank."""

    outcome: VerdictKind
    """``open`` where no difference is shown, or there is nothing to compare with."""
    sentence: str


def short(text: str, length: int) -> str:
    """The text in one line, control characters spelled out, cut to so many characters."""
    shown = printable(" ".join(text[: 2 * length].split()))
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def percent(share: float) -> str:
    """``0.7421`` as ``74.2``."""
    return f"{100 * share:.1f}"


def points(difference: float) -> str:
    """A difference of two shares in percentage points, always with its sign."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def chance(p: float) -> str:
    """A p value; what is smaller than a thousandth is only said to be so."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def verdicts(evaluation: Evaluation) -> list[Verdict]:
    """One for each bank, in their order."""
    return [_verdict(bank, evaluation.control, evaluation) for bank in evaluation.banks]


def _verdict(
    bank: CandidateResult, reference: CandidateResult | None, evaluation: Evaluation
) -> Verdict:
    name = _quoted(bank.name)
    if reference is None or bank.comparison is None:
        return Verdict(
            "open",
            f"{name} gets {percent(bank.top1.value)} % of the images right "
            f"({_interval(bank.top1, percent)}). There is no control to compare it with, so "
            "this does not show whether its descriptions help.",
        )
    difference = bank.comparison.difference
    shares = percent(bank.top1.value), percent(reference.top1.value)
    right = f"{shares[0]} % of the images right against {shares[1]} %"
    other = _quoted(reference.name)
    outcome: VerdictKind = "open"
    start = f"No difference is shown between {name} and {other}"
    if difference.low > 0:
        outcome, start = "better", f"{name} does better than {other}"
    elif difference.high < 0:
        outcome, start = "worse", f"{name} does worse than {other}"
    sentence = f"{start}: {right}, {_paired(bank.comparison)}."
    if outcome != "worse":
        sentence += _warning(bank, reference, evaluation)
    return Verdict(outcome, sentence)


def _paired(comparison: Comparison) -> str:
    p = chance(comparison.p)
    return (
        f"a difference of {points(comparison.difference.value)} points "
        f"({_interval(comparison.difference, points)}; McNemar's exact test "
        f"p {p if p.startswith('<') else '= ' + p})"
    )


def _warning(bank: CandidateResult, reference: CandidateResult, evaluation: Evaluation) -> str:
    """Names a control, other than the first, that is as good as the bank."""
    rivals = [
        one
        for one in evaluation.contenders
        if one.kind == "control"
        and one.name != reference.name
        and one.top1.value >= bank.top1.value
    ]
    if not rivals:
        return ""
    best = max(rivals, key=lambda one: one.top1.value)
    return f" But the control {_quoted(best.name)} reaches {percent(best.top1.value)} %."


def _interval(interval: Interval, write: Callable[[float], str]) -> str:
    return f"95 % interval {write(interval.low)} to {write(interval.high)}"


def _quoted(name: str) -> str:
    return f"“{short(name, 60)}”"


def summarize_evaluation(evaluation: Evaluation) -> str:
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
