"""Labelled examples to class vectors, on photos whose classes texts hardly know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from cupl.adaptation.few_labels import fit_examples
from cupl.classification.scoring import cosines, scores_of
from cupl.embedding.adapter import Adaptation
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.parts import top_parts
from cupl.errors import InputError
from tests.adaptation.labelled_photos import world

WORLD = world(spread=2.0)
CLASSES = len(WORLD.means)
TEXT = WORLD.accuracy(WORLD.vectors)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shots", [1, 2, 4, 8, 16])
def test_no_number_of_examples_is_worse_than_the_text(shots: int, seed: int) -> None:
    fitted, report = fit_examples(WORLD.vectors, *WORLD.photos([shots] * CLASSES, seed))
    assert report.examples == shots * CLASSES
    assert WORLD.accuracy(fitted) > TEXT - 0.02


def test_covariance_is_chosen_where_it_is_known_and_matters() -> None:
    fitted, report = fit_examples(WORLD.vectors, *WORLD.photos([16] * CLASSES))
    assert report.method == "gda"
    assert WORLD.accuracy(fitted) > TEXT + 0.05
    assert report.gain is not None
    assert report.gain.is_shown
    assert report.accuracy is not None
    assert report.accuracy_of_text is not None
    assert report.accuracy > report.accuracy_of_text
    made = fitted.provenance.adaptation
    assert made is not None
    assert (made.method, made.images) == ("gda", 16 * CLASSES)
    assert made.settings["strength"] == report.strength
    assert torch.equal(fitted.matrix, WORLD.vectors.matrix)


def test_reported_gain_is_the_gain_on_other_photos() -> None:
    gains, true = [], []
    for seed in range(12):
        fitted, report = fit_examples(WORLD.vectors, *WORLD.photos([6] * CLASSES, seed))
        assert report.gain is not None
        gains.append(report.gain.value)
        true.append(WORLD.accuracy(fitted) - TEXT)
    assert sum(gains) / 12 < sum(true) / 12 + 0.02  # never promised too much
    assert sum(gains) / 12 > sum(true) / 12 - 0.06


def test_photos_that_say_nothing_leave_the_bank() -> None:
    for seed in range(8):
        random = torch.Generator().manual_seed(seed)
        noise = torch.randn(48, WORLD.means.shape[1], generator=random)
        _, report = fit_examples(WORLD.vectors, noise, torch.arange(48) % CLASSES)
        assert report.method == "text" or (report.gain is not None and not report.gain.is_shown)


def test_where_the_text_is_right_the_bank_stays() -> None:
    noise = torch.randn(30, 24, generator=torch.Generator().manual_seed(0))
    images = normalize(WORLD.vectors.matrix.repeat(5, 1) + 0.01 * noise)
    fitted, report = fit_examples(WORLD.vectors, images, torch.arange(30) % CLASSES)
    assert (report.method, fitted.adapter) == ("text", None)
    assert fitted.provenance == WORLD.vectors.provenance


def test_of_one_example_a_class_nothing_is_claimed() -> None:
    fitted, report = fit_examples(WORLD.vectors, *WORLD.photos([1] * CLASSES))
    assert (report.method, report.strength, report.judged) == ("blend", 1.0, 0)
    assert (report.gain, report.accuracy, report.accuracy_of_text) == (None, None, None)
    assert fitted.provenance.temperature == 1


@pytest.mark.parametrize("counts", [[8, 0, 8, 8, 0, 8], [1, 0, 1, 1, 1, 1], [2, 2, 0, 0, 0, 0]])
def test_classes_without_examples_keep_every_photo_that_the_text_gives_them(
    counts: list[int],
) -> None:
    fitted, report = fit_examples(WORLD.vectors, *WORLD.photos(counts))
    absent = torch.tensor(counts) == 0
    names = [f"class {k}" for k in absent.nonzero().flatten().tolist()]
    assert list(report.without_examples) == names
    assert fitted.adapter is not None
    images, _ = WORLD.photos([60] * CLASSES, seed=99)
    plain, scores = cosines(images, WORLD.vectors), scores_of(images, fitted)
    torch.testing.assert_close(scores[:, absent], plain[:, absent])
    torch.testing.assert_close(scores[:, ~absent].amax(dim=1), plain[:, ~absent].amax(dim=1))
    before, after = plain.argmax(dim=1), scores.argmax(dim=1)
    assert torch.equal(absent[before], absent[after])


@pytest.mark.parametrize(
    "counts", [[40, 1, 1, 1, 1, 1], [16, 1, 16, 1, 16, 1], [30, 15, 8, 4, 2, 1]]
)
def test_frequent_classes_do_not_swallow_the_others(counts: list[int]) -> None:
    fitted, _ = fit_examples(WORLD.vectors, *WORLD.photos(counts))
    rare = [k for k, number in enumerate(counts) if number == min(counts)]
    assert WORLD.accuracy(fitted, rare) > WORLD.accuracy(WORLD.vectors, rare) - 0.1
    assert WORLD.accuracy(fitted) > TEXT - 0.02


def test_examples_of_one_class_alone_decide_nothing() -> None:
    fitted, report = fit_examples(WORLD.vectors, *WORLD.photos([9, 0, 0, 0, 0, 0]))
    assert (report.method, fitted.adapter) == ("text", None)


def test_an_image_that_is_there_twice_counts_once() -> None:
    images, targets = WORLD.photos([4] * CLASSES)
    once, report = fit_examples(WORLD.vectors, images, targets)
    twice, again = fit_examples(WORLD.vectors, images.repeat(3, 1), targets.repeat(3))
    assert again == replace(report, repeated=2 * len(images))
    assert once.adapter is not None
    assert twice.adapter is not None
    assert torch.equal(once.adapter.weights, twice.adapter.weights)


def test_an_image_of_two_classes_counts_for_none() -> None:
    images, targets = WORLD.photos([4] * CLASSES)
    both = torch.cat([images, images[:2]]), torch.cat([targets, targets[:2] + 1])
    _, report = fit_examples(WORLD.vectors, *both)
    assert (report.contradictory, report.examples) == (4, len(images) - 2)
    equal = images[:1].repeat(6, 1)
    fitted, report = fit_examples(WORLD.vectors, equal, torch.arange(6))
    assert (report.contradictory, report.method, fitted.adapter) == (6, "text", None)


@given(st.integers(0, 2**32), st.integers(1, 14), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=60)
def test_scores_are_numbers_whatever_the_examples_are(
    seed: int, number: int, constant: bool, alike: bool
) -> None:
    random = torch.Generator().manual_seed(seed)
    images = torch.randn(number, 8, generator=random)
    texts = torch.randn(3, 8, generator=random)
    if constant:
        images[:, :5], texts[:, :5] = 0, 0
    if alike:
        images = images[:1] + 1e-5 * images
    vectors = ClassVectors.from_arrays(["a", "b", "c"], texts)
    targets = torch.randint(3, (number,), generator=random)
    fitted, report = fit_examples(vectors, images, targets)
    others = normalize(torch.randn(5, 8, generator=random))
    assert scores_of(others, fitted).isfinite().all()
    assert scores_of(images, fitted).isfinite().all()
    assert (report.gain is None) == (report.accuracy is None)


def test_saved_vectors_give_the_same_scores(tmp_path: Path) -> None:
    images, _ = WORLD.photos([3] * CLASSES, seed=5)
    for counts in ([1] * CLASSES, [2] * CLASSES, [12, 0, 12, 12, 12, 12]):
        fitted, _ = fit_examples(WORLD.vectors, *WORLD.photos(counts))
        fitted.save(tmp_path / "v.safetensors")
        loaded = ClassVectors.load(tmp_path / "v.safetensors")
        assert loaded.provenance == fitted.provenance
        assert torch.equal(scores_of(images, loaded), scores_of(images, fitted))


def test_examples_again_take_the_place_of_those_before() -> None:
    first, _ = fit_examples(WORLD.vectors, *WORLD.photos([4] * CLASSES))
    again, _ = fit_examples(first, *WORLD.photos([8] * CLASSES, seed=1))
    fresh, _ = fit_examples(WORLD.vectors, *WORLD.photos([8] * CLASSES, seed=1))
    assert again.adapter is not None
    assert fresh.adapter is not None
    assert torch.equal(again.adapter.weights, fresh.adapter.weights)


def test_what_cannot_be_fitted_is_refused() -> None:
    images, targets = WORLD.photos([2] * CLASSES)
    with pytest.raises(InputError, match="images with labels: 0, 0"):
        fit_examples(WORLD.vectors, images[:0], targets[:0])
    with pytest.raises(InputError, match="images with labels: 12, 11"):
        fit_examples(WORLD.vectors, images, targets[1:])
    made = Adaptation(method="photos", images=9)
    provenance = WORLD.vectors.provenance.model_copy(update={"adaptation": made})
    with pytest.raises(InputError, match="were adapted to photos"):
        fit_examples(replace(WORLD.vectors, provenance=provenance), images, targets)


def test_parts_of_classes_are_heard_beside_the_examples() -> None:
    random = torch.Generator().manual_seed(0)
    prompts = WORLD.vectors.matrix.repeat_interleave(3, dim=0)
    prompts = prompts + 0.1 * torch.randn(prompts.shape, generator=random)
    parts = top_parts([(prompts, [3] * CLASSES)])
    fitted, report = fit_examples(
        replace(WORLD.vectors, parts=parts), *WORLD.photos([16] * CLASSES)
    )
    assert fitted.parts is parts
    assert report.method != "text"
    assert WORLD.accuracy(fitted) > TEXT + 0.05
