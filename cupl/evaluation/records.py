"""An evaluation as flat rows, for data frames and CSV files; columns are only added, at the end."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from cupl.evaluation.calibration_error import halves
from cupl.evaluation.judging import EvaluationRun
from cupl.evaluation.schema import CandidateResult, Evaluation, Interval
from cupl.io.csv import Cell

Record = dict[str, Cell]


def candidate_records(evaluation: Evaluation) -> list[Record]:
    """A row a candidate; shares between 0 and 1, None for what there is not."""
    return [_candidate(one) for one in evaluation.candidates]


def _candidate(one: CandidateResult) -> Record:
    return {
        **_of(one, name="name", kind="kind", seeds="seeds", prompts="prompts"),
        **interval_record("top1", one.top1),
        **interval_record("top5", one.top5),
        **interval_record("per_class", one.per_class),
        **interval_record("difference", one.comparison.difference if one.comparison else None),
        **_of(one.comparison, compared_to="to", won="won", lost="lost", p="p"),
        **_of(
            one.calibration, temperature="temperature", calibration_error_before="before",
            calibration_error_after="after",
        ),
        **_of(one.comparison, p_holm="p_holm"),
        **_of(one, uncalibrated="uncalibrated"),
        **_of(one.spread, spread_mean="mean", spread_sd="sd"),
        "spread_parts": len(one.spread.values) if one.spread else None,
    }  # fmt: skip


def _of(part: BaseModel | None, **columns: str) -> Record:
    """Attributes of a part by the names of their columns; None where there is no such part."""
    return {column: getattr(part, name) if part else None for column, name in columns.items()}


def interval_record(name: str, interval: Interval | None) -> Record:
    """A figure and its interval in three columns; None where there is no figure."""
    return _of(interval, **{name: "value", f"{name}_low": "low", f"{name}_high": "high"})


COMPARISON_COLUMNS = (
    "bank", "control", "difference", "difference_low", "difference_high", "won", "lost", "p",
    "p_holm", "outcome", "other_kind",
)  # fmt: skip
"""Of :func:`comparison_records`, which may have no row."""


def comparison_records(evaluation: Evaluation) -> list[Record]:
    """A row a bank and what it is compared with: how much better it is, whether that is shown.

    The column ``control`` has the name of the other, which ``other_kind`` says is a control or a
    bank: one that it was tested against, or itself before it was adapted.
    """
    banks = {bank.name for bank in evaluation.banks}
    return [
        {
            "bank": bank.name,
            "control": one.to,
            **interval_record("difference", one.difference),
            **_of(one, won="won", lost="lost", p="p", p_holm="p_holm", outcome="outcome"),
            "other_kind": "bank" if one.to in banks else "control",
        }
        for bank in evaluation.banks
        for one in bank.against
    ]


def class_records(evaluation: Evaluation) -> list[Record]:
    """A row a class and candidate: its images and the share of them that is right."""
    return [
        {
            "contender": candidate.name,
            "kind": candidate.kind,
            "class": one.name,
            "id": one.id,
            "images": one.images,
            "accuracy": one.accuracy,
        }
        for candidate in evaluation.candidates
        for one in candidate.classes
    ]


PREDICTION_COLUMNS = (
    "path", "label", "contender", "draw", "predicted", "rank", "probability", "calibrated", "part",
)  # fmt: skip
"""Of :func:`prediction_records`."""


def prediction_records(run: EvaluationRun) -> Iterator[Record]:
    """A row an image, candidate and draw: all that the figures are made of."""
    fitted, data = halves(len(run.data.targets)), run.data
    labels = [str(entry.label) for entry in run.bank]
    for entry in run.entries:
        for draw, ranks in enumerate(entry.runs):
            calibrated = None if draw or entry.calibrated is None else entry.calibrated.tolist()
            ranked = zip(
                ranks.predicted.tolist(), ranks.ranks.tolist(), ranks.confidence.tolist(),
                strict=True,
            )  # fmt: skip
            for image, (predicted, rank, probability) in enumerate(ranked):
                yield {
                    "path": data.paths[image],
                    "label": labels[data.targets[image]],
                    "contender": entry.name,
                    "draw": draw,
                    "predicted": labels[predicted],
                    "rank": rank,
                    "probability": probability,
                    "calibrated": calibrated and calibrated[image],
                    "part": calibrated and ("fit" if fitted[image] else "measure"),
                }
