"""Banks against controls on the same labelled images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.embedding.bank_encoding import bank_embeddings, encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import unit
from cupl.embedding.pooling import DEFAULT_POOLING
from cupl.embedding.text_cache import TextCache
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.evaluation.ablation import (
    Described,
    accuracy_curve,
    misleading_prompts,
    question_effects,
    widest_losses,
)
from cupl.evaluation.candidates import Candidate, CandidateKind, with_templates
from cupl.evaluation.dataset import LabelledImages
from cupl.evaluation.metrics import (
    Floats,
    ImageRanks,
    calibrate,
    class_accuracies,
    confusions,
    intervals,
    mcnemar,
    rank_images,
)
from cupl.evaluation.schema import (
    Analysis,
    Calibration,
    CandidateResult,
    Comparison,
    Evaluation,
    Interval,
    UnreadableImage,
)
from cupl.io.version import cupl_version
from cupl.progress import Progress, ignore


@dataclass(frozen=True, eq=False)
class JudgedCandidate:
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
    kind: CandidateKind
    banks: list[PromptBank]
    vectors: ClassVectors
    runs: list[ImageRanks]
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
class EvaluationRun:
    """The evaluation, and what it was made of.

    Attributes:
        evaluation: all figures.
        entries: banks, then controls.
        data: the images.
        bank: the first one, without templates.

    """

    evaluation: Evaluation
    entries: list[JudgedCandidate]
    data: LabelledImages
    bank: PromptBank


def evaluate(
    data: LabelledImages,
    candidates: Sequence[Candidate],
    encoder: Encoder,
    *,
    pooling: str = DEFAULT_POOLING,
    text_cache: TextCache = None,
    progress: Progress = ignore,
) -> EvaluationRun:
    """Judge banks and controls on labelled images.

    Args:
        data: encoded images; see :func:`~cupl.evaluation.dataset.encode_labelled`. Their targets
            count in the classes of the first bank.
        candidates: see :func:`~cupl.evaluation.candidates.make_candidates`.
        encoder: embeds the prompts, none that is cached.
        pooling: see :func:`~cupl.embedding.bank_encoding.encode_bank`.
        text_cache: see there.
        progress: told how many prompts are embedded, and of how many in all.

    Raises:
        InputError: the images are not encoded, or there is no such pooling.

    """
    if data.vectors is None:
        raise InputError("the images have no vectors yet: encode_labelled makes them")
    labels = [entry.label for entry in candidates[0].banks[0]]
    images, targets = unit(data.vectors), torch.tensor(data.targets)

    everything = sum(bank.size for candidate in candidates for bank in candidate.banks)
    done = 0

    def encode(bank: PromptBank, templates: Sequence[str]) -> ClassVectors:
        nonlocal done
        vectors = encode_bank(
            bank, encoder, pooling, templates=templates, text_cache=text_cache,
            progress=lambda number, _: progress(done + number, everything),
        )  # fmt: skip
        done += bank.size
        progress(done, everything)
        return vectors

    entries = [_entry(candidate, encode, images, targets) for candidate in candidates]
    contenders = _contenders(entries, data, labels)
    reference = next((one for one in contenders if one.kind == "control"), None)
    analyses = [
        _analysis(entry, contender, reference, images, targets, encoder, text_cache)
        for entry, contender in zip(entries, contenders, strict=True)
        if entry.kind == "bank"
    ]
    evaluation = Evaluation(
        cupl=cupl_version(),
        encoder=encoder.id,
        fingerprint=encoder.fingerprint,
        images=len(data.targets),
        unreadable=[UnreadableImage(path=path, error=error) for path, error in data.unreadable],
        classes=len(labels),
        classes_with_images=len(set(data.targets)),
        reference=reference.name if reference else None,
        contenders=contenders,
        analyses=analyses,
    )
    return EvaluationRun(evaluation, entries, data, candidates[0].banks[0])


def _entry(
    candidate: Candidate,
    encode: Callable[[PromptBank, Sequence[str]], ClassVectors],
    images: torch.Tensor,
    targets: torch.Tensor,
) -> JudgedCandidate:
    runs, first, calibration = [], None, None
    for bank in candidate.banks:
        vectors = encode(bank, candidate.templates)
        scores = images @ vectors.matrix.T
        runs.append(rank_images(scores, targets, vectors.provenance))
        if first is None:
            first = vectors
            calibration = calibrate(scores, targets, vectors.provenance, runs[0])
    assert first is not None  # noqa: S101 (there is one bank at least)
    found, calibrated = calibration or (None, None)
    whole = [with_templates(bank, candidate.templates) for bank in candidate.banks]
    return JudgedCandidate(candidate.name, candidate.kind, whole, first, runs, found, calibrated)


def _contenders(
    entries: list[JudgedCandidate], data: LabelledImages, labels: list[ClassLabel]
) -> list[CandidateResult]:
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
    entry: JudgedCandidate,
    found: list[Interval],
    comparison: Comparison | None,
    targets: npt.NDArray[np.int64],
    labels: list[ClassLabel],
) -> CandidateResult:
    top1, top5, per_class = found
    return CandidateResult(
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
    entry: JudgedCandidate,
    contender: CandidateResult,
    reference: CandidateResult | None,
    images: torch.Tensor,
    targets: torch.Tensor,
    encoder: Encoder,
    text_cache: TextCache,
) -> Analysis:
    bank = entry.banks[0]
    prompts = bank_embeddings(bank, encoder, text_cache=text_cache)
    described = Described(bank, prompts, images, targets, entry.vectors.provenance)
    return Analysis(
        bank=entry.name,
        questions=question_effects(described, entry.runs[0].right),
        curve=accuracy_curve(described, entry.runs[0].right),
        pulls=misleading_prompts(described, entry.runs[0]),
        losses=widest_losses(contender.classes, reference.classes) if reference else [],
    )
