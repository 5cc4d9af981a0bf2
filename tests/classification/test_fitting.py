from pathlib import Path

import pytest
import torch

from cupl import ZeroShotClassifier, embed_images, load_embeddings
from cupl.classification.prediction import Prediction
from cupl.classification.resumable import classify_to_file
from cupl.classification.writers import FORMATS
from cupl.embedding.class_vectors import ClassVectors
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from tests.classification.runs import COLORS, classifier_of, stopping
from tests.models import bank_of, draw

NAMES = ["oak", "elm", "fir", "yew"]


def images(per_class: int, seed: int, noise: float = 0.3) -> tuple[torch.Tensor, list[int]]:
    """Near their class, and far from all texts."""
    random = torch.Generator().manual_seed(seed)
    targets = [number % 4 for number in range(4 * per_class)]
    rows = torch.eye(4, 8)[targets] + noise * torch.randn(len(targets), 8, generator=random)
    return rows + torch.tensor([0.0] * 7 + [3.0]), targets


def classifier() -> ZeroShotClassifier:
    return ZeroShotClassifier(ClassVectors.from_arrays(NAMES, torch.eye(4, 8), logit_scale=20.0))


def foreign(number: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(9)
    rows = torch.eye(8)[[4, 5, 6]].repeat(number, 1)[:number]
    noise = 0.3 * torch.randn(number, 8, generator=random)
    return rows + noise + torch.tensor([0.0] * 7 + [3.0])


def test_a_fitted_threshold_rejects_from_then_on_and_goes_with_the_file(tmp_path: Path) -> None:
    ours = classifier()
    fitted = ours.fit_threshold(images(100, 0)[0], keep=0.9)
    assert fitted.centre is not None
    assert fitted.own == 4
    ours.save(tmp_path / "v.safetensors")
    loaded = ZeroShotClassifier(ClassVectors.load(tmp_path / "v.safetensors"))
    assert loaded.vectors.provenance.threshold == fitted
    new, others = (
        [one.rejected for one in loaded.predict_vectors(rows)]
        for rows in (images(300, 1)[0], foreign(300))
    )
    assert new.count(None) / len(new) == pytest.approx(fitted.expected, abs=0.04)
    assert others.count(None) / len(others) < 0.5
    assert {reason.split(":")[0] for reason in others if reason} == {
        "less like a class than 90% of the examples"
    }
    for prediction, theirs in zip(
        ours.predict_vectors(foreign(20)), loaded.predict_vectors(foreign(20)), strict=True
    ):
        assert prediction == theirs
    # A threshold of the call takes its place.
    assert not any(one.rejected for one in loaded.predict_vectors(foreign(20), threshold=0.0))


def test_a_rejected_image_has_no_labels_with_several_either() -> None:
    ours = classifier()
    ours.fit_threshold(images(100, 0)[0], keep=0.9)
    wanted = dict.fromkeys(NAMES, -1.0)
    found = ours.predict_vectors(foreign(40), multi_label=True, class_thresholds=wanted)
    assert any(one.rejected for one in found)
    assert all((one.rejected is None) == (len(one.labels) == 4) for one in found)


def test_coverage_gives_each_image_all_labels_that_cannot_be_ruled_out(tmp_path: Path) -> None:
    ours = classifier()
    rows, targets = images(60, 0, noise=0.9)
    fitted = ours.fit_coverage(rows, [NAMES[number] for number in targets], coverage=0.9)
    ours.save(tmp_path / "v.safetensors")
    loaded = ZeroShotClassifier(ClassVectors.load(tmp_path / "v.safetensors"))
    new, truth = images(300, 1, noise=0.9)
    found = loaded.predict_vectors(new, top_k=1)
    held = [
        NAMES[number] in {score.label for score in one.labels}
        for one, number in zip(found, truth, strict=True)
    ]
    assert sum(held) / len(held) == pytest.approx(fitted.expected, abs=0.04)
    assert len({len(one.labels) for one in found}) > 1
    assert all(one.labels[0] == one.top[0] for one in found)
    # Several labels are another question, which is asked for.
    several = loaded.predict_vectors(
        new, multi_label=True, class_thresholds=dict.fromkeys(NAMES, 1.0)
    )
    assert not any(one.labels for one in several)


def test_a_temperature_changes_no_set() -> None:
    ours = classifier()
    rows, targets = images(60, 0, noise=0.9)
    ours.fit_coverage(rows, targets, coverage=0.8)
    before = [len(one.labels) for one in ours.predict_vectors(rows)]
    ours.calibrate(rows, targets)
    assert [len(one.labels) for one in ours.predict_vectors(rows)] == before


def test_what_cannot_be_fitted_is_refused_and_changes_nothing() -> None:
    ours = classifier()
    rows, targets = images(2, 0)
    before = ours.vectors
    with pytest.raises(InputError, match="keep=0.95 needs at least 19 examples, and there are 8"):
        ours.fit_threshold(rows)
    with pytest.raises(InputError, match="coverage=0.9 needs at least 9 examples, and there are 8"):
        ours.fit_coverage(rows, targets)
    with pytest.raises(InputError, match="8 images have 1 labels"):
        ours.fit_coverage(rows, targets[:1], coverage=0.5)
    with pytest.raises(InputError, match="image vector 1: .* leave it out"):
        ours.fit_coverage(torch.cat([rows[:1], torch.zeros(1, 8)]), [0, 0], coverage=0.5)
    assert ours.vectors is before


def test_photos_and_stored_vectors_are_examples_too(clip: Encoder, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        draw(20, 20, number).save(folder / f"{number:02}.png")
    (folder / "broken.png").write_bytes(b"no image")
    bank = bank_of({"cat": ["A cat."], "dog": ["A dog."]})
    ours = ZeroShotClassifier.from_bank(bank, clip)
    embed_images(str(folder), clip, tmp_path / "vectors")
    stored = ours.fit_threshold(load_embeddings(tmp_path / "vectors"), keep=0.8)
    with pytest.warns(UserWarning, match="could not be read"):
        told = ours.fit_threshold(sorted(map(str, folder.iterdir())), keep=0.8)
    assert stored.examples == told.examples == 12
    assert stored.common == pytest.approx(told.common, abs=1e-5)


def test_with_a_reject_bank_the_odds_decide(clip: Encoder) -> None:
    bank, none = bank_of({"cat": ["A cat."]}), bank_of({"tree": ["A tree."]}, "none")
    ours = ZeroShotClassifier.from_bank(bank, clip, reject=none)
    rows = torch.randn(30, clip.dim, generator=torch.Generator().manual_seed(0))
    fitted = ours.fit_threshold(rows, keep=0.9)
    assert fitted.centre is None
    passed = [one.rejected is None for one in ours.predict_vectors(rows)]
    assert sum(passed) == 28  # one below s_(3) of 30 would be one too many
    alone = ZeroShotClassifier(ours.vectors, clip)
    with pytest.raises(InputError, match="was fitted with a reject bank or words"):
        alone.predict_vectors(rows)


def fitted_on_colors(keep: float = 0.5) -> ZeroShotClassifier:
    ours = classifier_of()
    shades = torch.tensor(list(COLORS.values()))[:10]
    ours.fit_threshold(shades, keep)
    ours.fit_coverage(shades, [0, 1, 2] * 3 + [0], coverage=0.6)
    return ours


@pytest.mark.parametrize("format", FORMATS)
def test_a_stopped_run_goes_on_with_what_was_fitted_and_with_nothing_else(
    tmp_path: Path, photos: list[Path], format: str
) -> None:
    target = tmp_path / "out"
    classify_to_file(fitted_on_colors(), photos, tmp_path / "whole", format, 1)
    with pytest.raises(KeyboardInterrupt):
        classify_to_file(fitted_on_colors(), photos, target, format, 1, progress=stopping(5))
    for other in (classifier_of(), fitted_on_colors(keep=0.4)):
        with pytest.raises(InputError, match="with class vectors"):
            classify_to_file(other, photos, target, format, 1, resume=True)
    seen: list[Prediction] = []
    classify_to_file(
        fitted_on_colors(), photos, target, format, 1, on_prediction=seen.append, resume=True
    )
    assert target.read_bytes() == (tmp_path / "whole").read_bytes()
    assert seen == list(fitted_on_colors().predict(photos, 1))
    assert any(one.rejected for one in seen)
    assert any(len(one.labels) > 1 for one in seen)
