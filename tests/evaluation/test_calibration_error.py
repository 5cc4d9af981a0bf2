import pytest
import torch

from cupl.embedding.provenance import Provenance
from cupl.errors import InputError
from cupl.evaluation.calibration_error import BINS, halves, measure_calibration
from cupl.evaluation.ranking import rank_images

CLIP = Provenance(encoder="e", fingerprint="f", logit_scale=10.0, pooling="normalized-mean")
SIGLIP = CLIP.model_copy(update={"logit_bias": -3.0})


@pytest.mark.parametrize("provenance", [CLIP, SIGLIP])
@pytest.mark.parametrize("planted", [0.5, 1.0, 3.0])
def test_a_planted_miscalibration_is_found_and_mended(
    planted: float, provenance: Provenance
) -> None:
    random = torch.Generator().manual_seed(0)
    scores = torch.rand(6000, 6, generator=random)
    true = provenance.model_copy(update={"temperature": planted}).probabilities(scores)
    if provenance is SIGLIP:  # images of exactly one class, as drawn from independent coins
        coins = torch.rand(true.shape, generator=random) < true
        alone = coins.sum(dim=1) == 1
        scores, targets = scores[alone], coins[alone].int().argmax(dim=1)
    else:
        targets = torch.multinomial(true, 1, generator=random)[:, 0]
    calibration, confidence = measure_calibration(
        [scores], targets, provenance, rank_images(scores, targets, provenance)
    )
    assert calibration.images_fitted + calibration.images_measured == len(targets)
    if provenance is CLIP:
        assert calibration.temperature == pytest.approx(planted, rel=0.1)
        assert calibration.after < 0.05
        if planted != 1:
            assert calibration.before > calibration.after + 0.05
    assert len(confidence) == len(targets)
    for bins, error in (
        (calibration.bins_before, calibration.before),
        (calibration.bins_after, calibration.after),
    ):
        assert len(bins) == BINS
        assert sum(one.images for one in bins) == calibration.images_measured
        gaps = sum(one.images * abs(one.confidence - one.accuracy) for one in bins)
        assert gaps / calibration.images_measured == pytest.approx(error, abs=1e-3)


def test_too_few_images_are_not_calibrated() -> None:
    random = torch.Generator().manual_seed(0)
    scores = torch.rand(40, 3, generator=random)
    targets = CLIP.probabilities(scores).multinomial(1, generator=random).flatten()
    run = rank_images(scores, targets, CLIP)
    assert measure_calibration([scores], targets, CLIP, run)[0].images_fitted == 20
    with pytest.raises(InputError, match="half of at least 40 images, and there are 39"):
        measure_calibration([scores[:39]], targets[:39], CLIP, run)


def test_what_fits_no_temperature_says_so() -> None:
    one, zeros = torch.rand(40, 1), torch.zeros(40, dtype=torch.int64)
    with pytest.raises(InputError, match="tell no classes apart"):
        measure_calibration([one], zeros, CLIP, rank_images(one, zeros, CLIP))


def test_half_of_the_images_fit_and_half_measure() -> None:
    assert halves(101).sum() == 50
    assert 20 < halves(100)[:50].sum() < 30  # not the first ones
    assert (halves(100) == halves(100)).all()
