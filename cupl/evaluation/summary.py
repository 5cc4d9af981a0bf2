"""An evaluation as a terminal shows it: the table, a verdict on each bank, the parts of each."""

from __future__ import annotations

from cupl.evaluation.numbers import chance, percent, points, short
from cupl.evaluation.sampled import sample_note
from cupl.evaluation.schema import Analysis, CandidateResult, Evaluation, Interval, QuestionEffect
from cupl.evaluation.verdict import explain_uncalibrated, pair_verdicts, verdicts
from cupl.io.tables import Column, TableCell, draw_table
from cupl.io.terminal import folded, printable, terminal_width
from cupl.io.words import number_of

_SHOWN = 3


def summarize_evaluation(evaluation: Evaluation) -> str:
    """The table of candidates, a verdict on each bank, and what its parts are worth.

    On a terminal lines are folded to its width; elsewhere a sentence is one line.
    """
    sample = evaluation.sample
    head = [
        f"{short(evaluation.encoder, 60)} on "
        f"{number_of(evaluation.images, 'image')} of "
        f"{number_of(evaluation.classes_with_images, 'class', 'classes')}, "
        f"{evaluation.classes:,} to choose from.",
        *([] if sample is None else [sample_note(sample)]),
        "Below each figure its 95 % interval; below the calibration error (ECE) what a fitted "
        "temperature leaves of it." + _corrected(evaluation),
    ]
    lines = [one.sentence for one in (*verdicts(evaluation), *pair_verdicts(evaluation))]
    lines += [*evaluation.remarks, *explain_uncalibrated(evaluation)]
    for analysis in evaluation.analyses:
        lines += ["", *_analysis(analysis, evaluation.reference)]
    width = terminal_width()
    above, below = ("\n".join(map(printable, part)) for part in (head, lines))
    return f"{folded(above, width)}\n\n{_table(evaluation, width)}\n{folded(below, width)}\n"


def _corrected(evaluation: Evaluation) -> str:
    """How p is corrected, where one is told."""
    tested = [one for bank in evaluation.banks for one in bank.against]
    tested += [effect.comparison for one in evaluation.analyses for effect in one.questions]
    told = any(one.p_holm is not None for one in tested)
    return " Every p is corrected for their number (Holm)." if told else ""


def _shares(interval: Interval) -> tuple[str, str]:
    return percent(interval.value), f"{percent(interval.low)}–{percent(interval.high)}"


def _gain(interval: Interval) -> tuple[str, str]:
    return points(interval.value), f"[{points(interval.low)}, {points(interval.high)}]"


def _table(evaluation: Evaluation, width: int | None) -> str:
    reference = evaluation.reference
    columns = [
        Column(""),
        Column("prompts", "number", rank=3),
        Column("top-1 %", "number"),
        Column("top-5 %", "number", rank=4),
        Column("per class %", "number", rank=1),
        Column(f"less {short(reference or '', 20)}", "number"),
        Column("ECE", "number", rank=2),
    ]
    left_out, spread = set[int](), evaluation.candidates and evaluation.candidates[0].spread
    if spread:
        columns.append(Column(f"mean of {len(spread.values)} parts", "number"))
    if not any(one.per_class for one in evaluation.candidates):
        left_out.add(4)
    if evaluation.sample is not None:  # which cannot say how wrong probabilities are
        left_out.add(6)
    if not any(one.top5 for one in evaluation.candidates):
        left_out.add(3)
    if not reference:
        left_out.add(5)
    shown = [place for place in range(len(columns)) if place not in left_out]
    rows = [[cells[i] for i in shown] for cells in map(_cells, evaluation.candidates)]
    return draw_table([columns[i] for i in shown], rows, width)


def _cells(one: CandidateResult) -> list[TableCell]:
    """Of a row of the table, the name first."""
    fitted, compared = one.calibration, one.comparison
    name = short(one.name, 80)
    return [
        (name, f"{one.seeds} draws") if one.seeds > 1 else name,
        f"{one.prompts:.3g}",
        _shares(one.top1),
        _shares(one.top5) if one.top5 else "",
        _shares(one.per_class) if one.per_class else "",
        _gain(compared.difference) if compared else "",
        (f"{fitted.before:.3f}", f"→ {fitted.after:.3f}") if fitted else "",
        (percent(one.spread.mean), f"± {percent(one.spread.sd)}") if one.spread else "",
    ]


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
        f"{' '.join(_gain(compared.difference))} points by "
        f"{short(effect.question, 80) or 'prompts of no question'} "
        f"({number_of(effect.prompts, 'prompt')}; {shown}p {p})"
    )
