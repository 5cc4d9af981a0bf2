"""Banks against controls on the same labelled images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.embedding.bank_encoding import bank_embeddings, encode_bank, texts_of_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.known_texts import know_texts
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
    widest_drops,
)
from cupl.evaluation.adapted import adapted_scores_of
from cupl.evaluation.bootstrap import Statistic, intervals
from cupl.evaluation.calibration_error import measure_calibration
from cupl.evaluation.candidates import Candidate, with_templates
from cupl.evaluation.comparing import Pairs, choose_pairs
from cupl.evaluation.judged import JudgedCandidate
from cupl.evaluation.labelled import LabelledImages
from cupl.evaluation.ranking import (
    ImageRanks,
    Integers,
    class_accuracies,
    confusions,
    join_ranks,
    rank_images,
)
from cupl.evaluation.sampled import NOT_CALIBRATED, few_of_a_class, sampled_from
from cupl.evaluation.schema import (
    Analysis,
    CandidateResult,
    Comparison,
    Evaluation,
    Interval,
    Spread,
    UnreadableImage,
)
from cupl.evaluation.spread import spread_of
from cupl.evaluation.verdict import explain_kept
from cupl.evaluation.weighted import StratifiedSample, weights_of
from cupl.io.version import cupl_version
from cupl.progress import Progress, ignore

FEWEST_FOR_TOP5 = 6
"""Classes; of five the true one is always among the best five."""


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


def judge_candidates(
    data: LabelledImages,
    candidates: Sequence[Candidate],
    encoder: Encoder,
    *,
    pooling: str = DEFAULT_POOLING,
    reference: str | None = None,
    every_pair: bool = False,
    parts: Sequence[Integers] = (),
    text_cache: TextCache = None,
    progress: Progress = ignore,
) -> EvaluationRun:
    """Judge banks and controls on labelled images.

    Args:
        data: encoded images; see :func:`~cupl.evaluation.labelled.encode_labelled`. Their targets
            count in the classes of the first bank.
        candidates: see :func:`~cupl.evaluation.candidates.make_candidates`.
        encoder: embeds the prompts, none that is cached.
        pooling: see :func:`~cupl.embedding.bank_encoding.encode_bank`; of candidates that have none
            of their own.
        reference: name of what differences are to; see
            :func:`~cupl.evaluation.comparing.choose_pairs`.
        every_pair: test banks against one another.
        parts: of the images, on each of which accuracy is told, too; see
            :func:`~cupl.evaluation.spread.parts_of`.
        text_cache: where embeddings of prompts are kept, or False for nowhere.
        progress: told how many different prompts of all candidates are embedded, and of how many.

    Raises:
        InputError: the images are not encoded, or there is no such pooling.

    """
    if data.vectors is None:
        raise InputError("the images have no vectors yet: encode_labelled makes them")
    labels = [entry.label for entry in candidates[0].banks[0]]
    images, targets = unit(data.vectors), torch.tensor(data.targets)

    # All at once: what banks and controls have in common is computed once.
    knowing = know_texts(prompts_of(candidates), encoder, text_cache=text_cache, progress=progress)

    def encode(bank: PromptBank, candidate: Candidate) -> ClassVectors:
        return encode_bank(
            bank, knowing, candidate.pooling or pooling, templates=candidate.templates,
            combine=candidate.combine, text_cache=False,
        )  # fmt: skip

    sample = data.design
    every = [
        _judged(candidate, encode, images, targets, sampled=sample is not None)
        for candidate in candidates
    ]
    # What was not adapted is what it was: a row and a test of it would say nothing.
    entries = [entry for entry in every if entry.kept is None]
    pairs = choose_pairs(entries, reference, every_pair=every_pair)
    results = _results(entries, pairs, parts, data, labels)
    base = next((one for one in results if one.name == pairs.reference), None)
    analyses = [
        _analysis(entry, result, base, images, data, knowing, sample)
        for entry, result in zip(entries, results, strict=True)
        if entry.kind == "bank" and entry.plain is None
    ]
    evaluation = Evaluation(
        cupl=cupl_version(),
        encoder=encoder.id,
        fingerprint=encoder.fingerprint,
        images=len(data.targets),
        unreadable=[UnreadableImage(path=path, error=error) for path, error in data.unreadable],
        classes=len(labels),
        classes_with_images=len(set(data.targets)),
        reference=pairs.reference,
        candidates=results,
        analyses=analyses,
        sample=sampled_from(data),
        remarks=explain_kept({one.name: one.kept for one in every if one.kept is not None}),
    )
    return EvaluationRun(evaluation, entries, data, candidates[0].banks[0])


def prompts_of(candidates: Sequence[Candidate]) -> list[str]:
    """The different prompts of all candidates together."""
    texts = (
        text
        for candidate in candidates
        for bank in candidate.banks
        for text in texts_of_bank(bank, candidate.templates)
    )
    return list(dict.fromkeys(texts))


def _judged(
    candidate: Candidate,
    encode: Callable[[PromptBank, Candidate], ClassVectors],
    images: torch.Tensor,
    targets: torch.Tensor,
    *,
    sampled: bool,
) -> JudgedCandidate:
    runs, first, kept = list[ImageRanks](), None, None
    calibration, calibrated, uncalibrated = None, None, None
    for bank in candidate.banks:
        vectors = encode(bank, candidate)
        scores, kept = adapted_scores_of(vectors, images, candidate.adapted)
        parts = zip(scores, scores.split(targets), strict=True)
        runs.append(join_ranks([rank_images(*part, vectors.provenance) for part in parts]))
        if first is None:
            first = vectors
            try:
                if sampled:
                    raise InputError(NOT_CALIBRATED)
                calibration, calibrated = measure_calibration(
                    scores, targets, vectors.provenance, runs[0]
                )
            except InputError as error:
                uncalibrated = str(error)
            first_scores = scores
    assert first is not None  # noqa: S101 (there is one bank at least)
    whole = [with_templates(bank, candidate.templates) for bank in candidate.banks]
    return JudgedCandidate(
        candidate.name, candidate.kind, whole, first, first_scores, runs, calibration, calibrated,
        uncalibrated, None if candidate.adapted is None else candidate.plain, kept,
    )  # fmt: skip


def _results(
    entries: list[JudgedCandidate],
    pairs: Pairs,
    parts: Sequence[Integers],
    data: LabelledImages,
    labels: list[ClassLabel],
) -> list[CandidateResult]:
    targets = np.array(data.targets)
    statistics = [Statistic(entry.correct) for entry in entries]
    statistics += [Statistic(entry.correct, per_class=True) for entry in entries]
    if len(labels) >= FEWEST_FOR_TOP5:
        statistics += [Statistic(entry.in_five) for entry in entries]
    alone, number = len(statistics), len(entries)
    statistics += [Statistic(one.correct, other.correct) for one, other in pairs.all]
    sample = data.design
    figures = intervals(statistics, targets, data.by_name, sample)
    comparisons = pairs.compare(figures[alone:], sample)
    return [
        _result(entry, figures[i:alone:number], comparisons.get(entry.name, []), pairs.reference,
            targets, labels, spread_of(entry.correct, parts), sample)
        for i, entry in enumerate(entries)
    ]  # fmt: skip


def _result(
    entry: JudgedCandidate,
    figures: list[Interval],
    comparisons: list[Comparison],
    reference: str | None,
    targets: Integers,
    labels: list[ClassLabel],
    spread: Spread | None,
    sample: StratifiedSample | None,
) -> CandidateResult:
    top1, per_class, *top5 = figures
    weights = weights_of(sample, len(targets))
    return CandidateResult(
        name=entry.name,
        kind=entry.kind,
        seeds=len(entry.runs),
        prompts=sum(bank.size for bank in entry.banks) / len(entry.banks) / len(labels),
        top1=top1,
        top5=top5[0] if top5 else None,
        per_class=None if sample is not None and few_of_a_class(targets) else per_class,
        top1_of_seeds=[float(np.average(run.correct, weights=weights)) for run in entry.runs],
        comparison=next((one for one in comparisons if one.to == reference), None),
        calibration=entry.calibration,
        confusions=confusions(entry.runs[0], targets, labels, sample),
        classes=class_accuracies(entry.correct.mean(axis=0), targets, labels, sample),
        comparisons=comparisons if entry.kind == "bank" else [],
        uncalibrated=entry.uncalibrated,
        plain=entry.plain,
        spread=spread,
    )


def _analysis(
    entry: JudgedCandidate,
    result: CandidateResult,
    reference: CandidateResult | None,
    images: torch.Tensor,
    data: LabelledImages,
    encoder: Encoder,
    sample: StratifiedSample | None,
) -> Analysis:
    bank = entry.banks[0]
    prompts = bank_embeddings(bank, encoder, text_cache=False)
    described = Described(
        bank, prompts, images, torch.tensor(data.targets), entry.vectors, data.by_name, sample
    )
    return Analysis(
        bank=entry.name,
        questions=question_effects(described, entry.runs[0].correct),
        curve=accuracy_curve(described, entry.runs[0].correct),
        misleading=misleading_prompts(described, entry.runs[0]),
        drops=widest_drops(result.classes, reference.classes) if reference else [],
    )
