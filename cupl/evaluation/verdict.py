"""What the figures say about a bank, in one or two sentences, and what they cannot say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from cupl.evaluation.controls import RANDOM_WORDS
from cupl.evaluation.numbers import chance, percent, points, short
from cupl.evaluation.schema import (
    CandidateResult,
    Comparison,
    Evaluation,
    Interval,
    Outcome,
    SampledFrom,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the figures say about one bank."""

    outcome: Outcome
    """``better`` where it beats random words and no control beats it; ``worse`` where a control
    beats it and it beats none; ``open`` where nothing is shown, or both."""
    sentence: str


_PHOTOS: dict[Outcome, str] = {
    "better": "Adapting to the photos, without their labels, helps.",
    "open": "That adapting to the photos helps is not shown.",
    "worse": "Adapting to the photos does harm.",
}


def verdicts(evaluation: Evaluation) -> list[Verdict]:
    """One for each bank, in their order."""
    banks = {bank.name for bank in evaluation.banks}
    return [_verdict(bank, banks, evaluation.sample) for bank in evaluation.banks]


def explain_uncalibrated(evaluation: Evaluation) -> list[str]:
    """A sentence on each reason why candidates have no temperature."""
    without: dict[str, list[str]] = {}
    for one in evaluation.candidates:
        if one.uncalibrated is not None:
            without.setdefault(one.uncalibrated, []).append(_quoted(one.name))
    return [
        "No temperature was fitted"
        + (f" for {_joined(names)}" if len(names) < len(evaluation.candidates) else "")
        + f": {reason}."
        for reason, names in without.items()
    ]


def explain_asked(evaluation: Evaluation) -> list[Verdict]:
    """What a table of accuracies does not say: pairs, remarks, and the spread over parts."""
    remarks = [*evaluation.remarks, *_explain_spread(evaluation.candidates)]
    return [*pair_verdicts(evaluation), *(Verdict("open", sentence) for sentence in remarks)]


def _explain_spread(candidates: Sequence[CandidateResult]) -> list[str]:
    parts = [(one.name, one.spread) for one in candidates if one.spread is not None]
    if not parts:
        return []
    each = _joined(
        [f"{_quoted(name)} {percent(one.mean)} ± {percent(one.sd)}" for name, one in parts]
    )
    return [f"Mean and SD over {len(parts[0][1].values):,} parts of the images, in %: {each}."]


def explain_kept(kept: Mapping[str, str]) -> list[str]:
    """A sentence on each reason why candidates were not adapted, of names and reasons."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in kept.items():
        by_reason.setdefault(reason, []).append(_quoted(name))
    return [
        f"{_joined(names)} {'is' if len(names) == 1 else 'are'} left out: the texts were kept, as "
        f"{reason}."
        for reason, names in by_reason.items()
    ]


def pair_verdicts(evaluation: Evaluation) -> list[Verdict]:
    """One for each two banks that were tested against each other.

    Of what was adapted, the verdict on it says how it compares with what it was.
    """
    names = {bank.name for bank in evaluation.banks}
    return [
        _pair_verdict(bank.name, one)
        for bank in evaluation.banks
        if bank.plain is None
        for one in bank.against
        if one.to in names
    ]


def _pair_verdict(name: str, compared: Comparison) -> Verdict:
    one, other = _quoted(name), _quoted(compared.to)
    said = {
        "better": f"{one} does better than {other}",
        "worse": f"{one} does worse than {other}",
        "open": f"No difference is shown between {one} and {other}",
    }[compared.outcome]
    figures = f"{points(compared.difference.value)} points"
    between = f"({_interval(compared.difference, points)}, {_p(compared)})"
    return Verdict(compared.outcome, f"{said}: {figures} {between}.")


def _verdict(bank: CandidateResult, banks: Collection[str], sample: SampledFrom | None) -> Verdict:
    # Random words first: only they can show that it is the descriptions which help.
    against = sorted(
        (
            one
            for one in bank.against
            if (one.to not in banks if bank.plain is None else one.to == bank.plain)
        ),
        key=lambda one: one.to != RANDOM_WORDS,
    )
    share = (
        f"{_quoted(bank.name)} gets {percent(bank.top1.value)} % of {_images(sample)} right "
        f"({_interval(bank.top1, percent)}{_labelled(sample)})"
    )
    if not against:
        return Verdict(
            "open",
            f"{share}. There is no control to compare it with, so this does not show whether its "
            "descriptions help.",
        )
    better, worse, unshown = (
        [one for one in against if one.outcome == outcome]
        for outcome in ("better", "worse", "open")
    )
    parts = []
    if better:
        parts.append(f"better than {_listed(better)}")
    if worse:
        parts.append(f"worse than {_listed(worse)}")
    if unshown:
        parts.append(f"no difference is shown to {_listed(unshown)}")
    if bank.plain is not None:
        outcome = against[0].outcome
        return Verdict(outcome, f"{share}: {'; '.join(parts)}. {_PHOTOS[outcome]}")
    return Verdict(
        _outcome(better, worse), f"{share}: {'; '.join(parts)}. {_descriptions(against, worse)}"
    )


def _images(sample: SampledFrom | None) -> str:
    """What the accuracy is over."""
    if sample is None:
        return "the images"
    some = f"the {sample.photos:,} photos"
    return some if sample.none_of_these is None else f"those of {some} that are of the classes"


def _labelled(sample: SampledFrom | None) -> str:
    return "" if sample is None else f", from {sample.labelled:,} labelled"


def _outcome(better: Sequence[Comparison], worse: Sequence[Comparison]) -> Outcome:
    if worse:
        return "open" if better else "worse"
    return "better" if any(one.to == RANDOM_WORDS for one in better) else "open"


def _descriptions(against: Sequence[Comparison], worse: Sequence[Comparison]) -> str:
    """Whether the descriptions help, which only the comparison with random words can say."""
    first = against[0]
    if first.to != RANDOM_WORDS:
        return "That its descriptions help is not shown: random words are not among the controls."
    if first.outcome == "worse":
        return "Its descriptions do harm: random words in their place do better."
    if first.outcome == "open":
        return "That its descriptions help is not shown: random words may do as well."
    if worse:
        names = _joined([_quoted(one.to) for one in worse])
        return (
            f"Its descriptions help more than random words, but the bank does worse than {names}."
        )
    return "Its descriptions help: random words in their place do worse."


def _listed(comparisons: Sequence[Comparison]) -> str:
    return _joined(
        [
            f"{_quoted(one.to)} ({points(one.difference.value)} points, {_p(one)})"
            for one in comparisons
        ]
    )


def _joined(texts: Sequence[str]) -> str:
    *most, last = texts
    return f"{', '.join(most)} and {last}" if most else last


def _p(comparison: Comparison) -> str:
    p = chance(comparison.p if comparison.p_holm is None else comparison.p_holm)
    return f"p {p}" if p.startswith("<") else f"p = {p}"


def _interval(interval: Interval, write: Callable[[float], str]) -> str:
    return f"95 % interval {write(interval.low)} to {write(interval.high)}"


def _quoted(name: str) -> str:
    return f"“{short(name, 60)}”"
