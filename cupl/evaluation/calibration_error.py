"""How wrong the probabilities are, before a temperature is fitted and after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from sklearn.calibration import calibration_curve

from cupl.classification.calibration import FEWEST_TO_FIT, fit_temperature
from cupl.embedding.provenance import Provenance
from cupl.errors import InputError
from cupl.evaluation.ranking import Booleans, Floats, ImageRanks, probability_of
from cupl.evaluation.schema import Calibration, CalibrationBin

BINS = 15
FEWEST_TO_CALIBRATE = 2 * FEWEST_TO_FIT
"""Half of them fit the temperature."""


def halves(images: int) -> Booleans:
    """Which images a temperature is fitted on; the error is measured on the others."""
    fitted = np.zeros(images, bool)
    fitted[np.random.default_rng(0).permutation(images)[: images // 2]] = True
    return fitted


def measure_calibration(
    scores: Iterable[torch.Tensor],
    targets: torch.Tensor,
    provenance: Provenance,
    run: ImageRanks,
) -> tuple[Calibration, Floats]:
    """Calibration before and after a temperature, and all images' probabilities after it.

    The expected calibration error is over 15 bins of equal width (Guo et al., arXiv 1706.04599).

    Args:
        scores: cosines, ``[some images, classes]`` each; read twice, so that no more than those
            of the half that is fitted on are in memory.
        targets: int64 ``[images]``.
        provenance: says how scores become probabilities.
        run: what :func:`~cupl.evaluation.ranking.rank_images` made of these.

    Raises:
        InputError: there are too few images, or no temperature fits; see
            :func:`~cupl.classification.calibration.fit_temperature`.

    """
    if len(targets) < FEWEST_TO_CALIBRATE:
        raise InputError(
            f"a temperature is fitted on half of at least {FEWEST_TO_CALIBRATE} images, and there "
            f"are {len(targets)}"
        )
    fitted = halves(len(targets))
    fit = torch.from_numpy(fitted)
    kept, done = list[torch.Tensor](), 0
    for some in scores:
        kept.append(some[fit[done : done + len(some)]])
        done += len(some)
    temperature = fit_temperature(torch.cat(kept), targets[fit], provenance)
    kept.clear()
    warm = provenance.model_copy(update={"temperature": temperature})
    confidence = _confidence(scores, run, warm)
    measured = ~fitted
    before = _bins(run.confidence[measured], run.correct[measured])
    after = _bins(confidence[measured], run.correct[measured])
    calibration = Calibration(
        temperature=temperature,
        before=_calibration_error(before),
        after=_calibration_error(after),
        images_fitted=int(fitted.sum()),
        images_measured=int(measured.sum()),
        bins_before=before,
        bins_after=after,
    )
    return calibration, confidence


def _confidence(scores: Iterable[torch.Tensor], run: ImageRanks, provenance: Provenance) -> Floats:
    """Probability of each image's best class."""
    parts, done = list[Floats](), 0
    for some in scores:
        parts.append(probability_of(run.predicted[done : done + len(some)], some, provenance))
        done += len(some)
    return np.concatenate(parts)


def _bins(confidence: Floats, correct: Booleans) -> list[CalibrationBin]:
    edges = np.linspace(0, 1, BINS + 1)
    confidence = confidence.clip(0, 1)  # a softmax can be above by rounding
    place = np.digitize(confidence, edges[1:-1], right=True)
    counts = np.bincount(place, minlength=BINS)
    accuracies, means = np.zeros(BINS), np.zeros(BINS)
    curve = calibration_curve(correct, confidence, pos_label=True, n_bins=BINS)
    accuracies[counts > 0], means[counts > 0] = curve
    return [
        CalibrationBin(low=edges[i], high=edges[i + 1], images=int(counts[i]), confidence=means[i],
            accuracy=accuracies[i])
        for i in range(BINS)
    ]  # fmt: skip


def _calibration_error(bins: Sequence[CalibrationBin]) -> float:
    gaps = [abs(one.confidence - one.accuracy) for one in bins]
    return float(np.average(gaps, weights=[one.images for one in bins]))
