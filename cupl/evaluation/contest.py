"""Banks against controls on the same labelled images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cupl.bank import PromptBank
from cupl.classes import ClassLabel
from cupl.encoders.base import Encoder
from cupl.errors import InputError
from cupl.evaluation.analysis import (
    Described,
    accuracy_curve,
    misleading_prompts,
    question_effects,
    widest_losses,
)
from cupl.evaluation.data import LabelledImages
from cupl.evaluation.entrants import Entrant, Kind, with_templates
from cupl.evaluation.metrics import (
    Floats,
    Run,
    calibrate,
    class_accuracies,
    confusions,
    intervals,
    judge,
    mcnemar,
)
from cupl.evaluation.results import (
    Analysis,
    Calibration,
    Comparison,
    Contender,
    Evaluation,
    Interval,
    Unreadable,
)
from cupl.explain import bank_embeddings
from cupl.pooling import DEFAULT_POOLING, unit
from cupl.progress import Progress, ignore
from cupl.vectors import ClassVectors, cupl_version, encode_bank


@dataclass(frozen=True, eq=False)
class Entry:
    """A bank or a control with all that was found out about it, raw.

    Attributes:
        name: of the bank or control.
        kind: which of the two it is.
        banks: the prompts with the templates among them; of several seeds several.
        vectors: class vectors of the first seed.
        runs: what each seed says.
        calibration: of the first seed.
        calibrated: its probabilities at the fitted temperature, float64 ``[images]``.

    """

    name: str
    kind: Kind
    banks: list[PromptBank]
    vectors: ClassVectors
    runs: list[Run]
    calibration: Calibration | None = None
    calibrated: Floats | None = None

    @property
    def right(self) -> Floats:
        """Share of the seeds that have each image right."""
        return _mean([run.right for run in self.runs])

    @property
    def right_in_five(self) -> Floats:
        """Share of the seeds that have the true class of each image among their five best."""
        return _mean([run.ranks <= 5 for run in self.runs])


def _mean(rows: Sequence[npt.NDArray[Any]]) -> Floats:
    mean: Floats = np.stack(rows).mean(axis=0, dtype=np.float64)
    return mean


@dataclass(frozen=True, eq=False)
class Outcome:
    """The evaluation, and what it was made of.

    Attributes:
        evaluation: all figures.
        entries: banks, then controls.
        data: the images.
        bank: the first one, without templates.

    """

    evaluation: Evaluation
    entries: list[Entry]
    data: LabelledImages
    bank: PromptBank


def evaluate(
    data: LabelledImages,
    entrants: Sequence[Entrant],
    encoder: Encoder,
    *,
    pooling: str = DEFAULT_POOLING,
    progress: Progress = ignore,
) -> Outcome:
    """Judge banks and controls on labelled images.

    Args:
        data: encoded images; see :func:`~cupl.evaluation.data.encode_labelled`. Their targets
            count in the classes of the first bank.
        entrants: see :func:`enter`.
        encoder: embeds the prompts, none that is cached.
        pooling: see :func:`~cupl.vectors.encode_bank`.
        progress: told how many prompts are embedded, and of how many in all.

    Raises:
        InputError: the images are not encoded, or there is no such pooling.

    """
    if data.vectors is None:
        raise InputError("the images have no vectors yet: encode_labelled makes them")
    labels = [entry.label for entry in entrants[0].banks[0]]
    images, targets = unit(data.vectors), torch.tensor(data.targets)

    everything = sum(bank.size for entrant in entrants for bank in entrant.banks)
    done = 0

    def encode(bank: PromptBank, templates: Sequence[str]) -> ClassVectors:
        nonlocal done
        vectors = encode_bank(
            bank, encoder, pooling, templates=templates,
            progress=lambda number, _: progress(done + number, everything),
        )  # fmt: skip
        done += bank.size
        progress(done, everything)
        return vectors

    entries = [_entry(entrant, encode, images, targets) for entrant in entrants]
    contenders = _contenders(entries, data, labels)
    reference = next((one for one in contenders if one.kind == "control"), None)
    analyses = [
        _analysis(entry, contender, reference, images, targets, encoder)
        for entry, contender in zip(entries, contenders, strict=True)
        if entry.kind == "bank"
    ]
    evaluation = Evaluation(
        cupl=cupl_version(),
        encoder=encoder.id,
        fingerprint=encoder.fingerprint,
        images=len(data.targets),
        unreadable=[Unreadable(path=path, error=error) for path, error in data.unreadable],
        classes=len(labels),
        classes_with_images=len(set(data.targets)),
        reference=reference.name if reference else None,
        contenders=contenders,
        analyses=analyses,
    )
    return Outcome(evaluation, entries, data, entrants[0].banks[0])


def _entry(
    entrant: Entrant,
    encode: Callable[[PromptBank, Sequence[str]], ClassVectors],
    images: torch.Tensor,
    targets: torch.Tensor,
) -> Entry:
    runs, first, calibration = [], None, None
    for bank in entrant.banks:
        vectors = encode(bank, entrant.templates)
        scores = images @ vectors.matrix.T
        runs.append(judge(scores, targets, vectors.provenance))
        if first is None:
            first = vectors
            calibration = calibrate(scores, targets, vectors.provenance, runs[0])
    assert first is not None  # noqa: S101 (there is one bank at least)
    found, calibrated = calibration or (None, None)
    whole = [with_templates(bank, entrant.templates) for bank in entrant.banks]
    return Entry(entrant.name, entrant.kind, whole, first, runs, found, calibrated)


def _contenders(
    entries: list[Entry], data: LabelledImages, labels: list[ClassLabel]
) -> list[Contender]:
    targets = np.asarray(data.targets)
    right = np.stack([entry.right for entry in entries])
    reference = next((i for i, entry in enumerate(entries) if entry.kind == "control"), None)
    against = right - (right[reference] if reference is not None else 0)
    rows = np.concatenate([right, [entry.right_in_five for entry in entries], right, against])
    number = len(entries)
    wide = [False] * number * 2 + [True] * number + [False] * number
    found = intervals(rows, targets, wide)
    contenders = []
    for i, entry in enumerate(entries):
        comparison = None
        if reference is not None and i != reference:
            won, lost, p = mcnemar(entry.runs[0].right, entries[reference].runs[0].right)
            comparison = Comparison(
                to=entries[reference].name, difference=found[3 * number + i], won=won, lost=lost,
                p=p,
            )  # fmt: skip
        contenders.append(
            _contender(entry, found[i : 3 * number : number], comparison, targets, labels)
        )
    return contenders


def _contender(
    entry: Entry,
    found: list[Interval],
    comparison: Comparison | None,
    targets: npt.NDArray[np.int64],
    labels: list[ClassLabel],
) -> Contender:
    top1, top5, per_class = found
    return Contender(
        name=entry.name,
        kind=entry.kind,
        seeds=len(entry.runs),
        prompts=sum(bank.size for bank in entry.banks) / len(entry.banks) / len(labels),
        top1=top1,
        top5=top5,
        per_class=per_class,
        top1_of_seeds=[float(run.right.mean()) for run in entry.runs],
        comparison=comparison,
        calibration=entry.calibration,
        confusions=confusions(entry.runs[0], targets, labels),
        classes=class_accuracies(entry.right, targets, labels),
    )


def _analysis(
    entry: Entry,
    contender: Contender,
    reference: Contender | None,
    images: torch.Tensor,
    targets: torch.Tensor,
    encoder: Encoder,
) -> Analysis:
    bank = entry.banks[0]
    prompts = bank_embeddings(bank, encoder)
    described = Described(bank, prompts, images, targets, entry.vectors.provenance)
    return Analysis(
        bank=entry.name,
        questions=question_effects(described, entry.runs[0].right),
        curve=accuracy_curve(described, entry.runs[0].right),
        pulls=misleading_prompts(described, entry.runs[0]),
        losses=widest_losses(contender.classes, reference.classes) if reference else [],
    )
