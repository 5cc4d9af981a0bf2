"""Classifiers that labelled examples were given to, and what goes on working."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.class_vectors import ClassVectors
from cupl.errors import InputError
from tests.adaptation.labelled_photos import world

WORLD = world(spread=4.0)
IMAGES, TARGETS = WORLD.photos([8] * 6)
OTHERS, TRUE = WORLD.photos([30] * 6, seed=7)


def fitted() -> ZeroShotClassifier:
    classifier = ZeroShotClassifier(WORLD.vectors)
    classifier.fit(IMAGES, TARGETS)
    return classifier


def share_right(classifier: ZeroShotClassifier) -> float:
    found = [prediction.label for prediction in classifier.predict_vectors(OTHERS)]
    expected = [f"class {k}" for k in TRUE.tolist()]
    return float(np.mean([one == other for one, other in zip(found, expected, strict=True)]))


def test_a_fitted_classifier_is_better_and_says_so(tmp_path: Path) -> None:
    classifier = ZeroShotClassifier(WORLD.vectors)
    before = share_right(classifier)
    report = classifier.fit(IMAGES, TARGETS)
    assert share_right(classifier) > before + 0.2
    assert report.examples == 48
    assert "48 examples: Gaussian discriminant analysis\neach of 48 left out: " in str(report)
    classifier.save(tmp_path / "v.safetensors")
    again = ZeroShotClassifier(ClassVectors.load(tmp_path / "v.safetensors"))
    assert again.predict_vectors(OTHERS) == classifier.predict_vectors(OTHERS)


def test_labels_are_numbers_or_names() -> None:
    expected = fitted().predict_proba(OTHERS)
    names = [f"class {k}" for k in TARGETS.tolist()]
    for labels in (TARGETS.tolist(), TARGETS.numpy(), names):
        classifier = ZeroShotClassifier(WORLD.vectors)
        classifier.fit(IMAGES.numpy(), labels)
        assert np.array_equal(classifier.predict_proba(OTHERS), expected)


def test_calibration_and_thresholds_go_on_working() -> None:
    classifier = fitted()
    before = [prediction.label for prediction in classifier.predict_vectors(OTHERS)]
    temperature = classifier.calibrate(OTHERS, TRUE)
    assert classifier.vectors.provenance.temperature == temperature
    assert [prediction.label for prediction in classifier.predict_vectors(OTHERS)] == before
    probabilities = classifier.predict_proba(OTHERS)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    sure = [one.rejected is None for one in classifier.predict_vectors(OTHERS, threshold=0.9)]
    assert sure == (probabilities.max(axis=1) >= 0.9).tolist()
    assert 0 < sum(sure) < len(sure)


def test_probabilities_after_fitting_are_about_as_often_right() -> None:
    sure = fitted().predict_proba(OTHERS).max(axis=1)
    assert abs(sure.mean() - share_right(fitted())) < 0.05


def test_what_cannot_be_fitted_is_refused() -> None:
    classifier = ZeroShotClassifier(WORLD.vectors)
    with pytest.raises(InputError, match="image vector 0: the image vector is zero"):
        classifier.fit(torch.zeros(1, IMAGES.shape[1]), [0])
    with pytest.raises(InputError, match="'bird'"):
        classifier.fit(IMAGES[:1], ["bird"])
    with pytest.raises(InputError, match="do not fit"):
        classifier.fit(IMAGES[:, 1:], TARGETS)
    assert classifier.vectors is WORLD.vectors


def test_what_was_fitted_before_goes_or_stays_as_it_has_to() -> None:
    classifier = ZeroShotClassifier(WORLD.vectors)
    threshold = classifier.fit_threshold(OTHERS, keep=0.9)
    classifier.fit_coverage(OTHERS, TRUE, coverage=0.8)
    passing = [one.rejected is None for one in classifier.predict_vectors(OTHERS)]
    classifier.fit(IMAGES, TARGETS)
    made_by = classifier.vectors.provenance
    assert made_by.threshold == threshold  # by the texts alone
    assert made_by.coverage is None  # of other scores
    assert [one.rejected is None for one in classifier.predict_vectors(OTHERS)] == passing
    coverage = classifier.fit_coverage(OTHERS, TRUE, coverage=0.8)
    assert coverage.expected >= 0.8


def test_a_reject_bank_has_the_share_that_it_had() -> None:
    """Examples move classes apart; how near an image is to the classes at all, the texts say."""
    random = torch.Generator().manual_seed(4)
    others = ClassVectors.from_arrays(["other", "another"], torch.randn(2, 24, generator=random))
    plain, changed = ZeroShotClassifier(WORLD.vectors), fitted()
    plain.reject = changed.reject = others
    before, after = (one.predict_vectors(OTHERS) for one in (plain, changed))
    assert [one.rejected for one in before] == [one.rejected for one in after]
    kept = [1 - one.predict_proba(OTHERS).sum(axis=1).mean() for one in (plain, changed)]
    assert kept[1] == pytest.approx(kept[0], abs=0.05)
