"""Numbers and untrusted texts as a person reads them, and the verdict in plain words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cupl.evaluation.results import Comparison, Contender, Evaluation, Interval
from cupl.tables import printable

Outcome = Literal["better", "worse", "open"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the numbers say about one bank."""

    outcome: Outcome
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


def _verdict(bank: Contender, reference: Contender | None, evaluation: Evaluation) -> Verdict:
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
    outcome: Outcome = "open"
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


def _warning(bank: Contender, reference: Contender, evaluation: Evaluation) -> str:
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
