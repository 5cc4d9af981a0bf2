"""What an adapter adds, what it refuses, and that files keep it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.adapter import Adaptation, Adapter
from cupl.embedding.class_vectors import ClassVectors
from cupl.errors import InputError

CLASSES, DIM, EXAMPLES = 3, 4, 5


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def whole() -> Adapter:
    return Adapter(
        numbers(CLASSES, DIM), numbers(CLASSES, seed=1), numbers(CLASSES, DIM, seed=2),
        numbers(EXAMPLES, DIM, seed=3), numbers(EXAMPLES, seed=4), torch.tensor([0, 0, 2, 2, 2]),
    )  # fmt: skip


def adapted(adapter: Adapter) -> ClassVectors:
    vectors = ClassVectors.from_arrays(["a", "b", "c"], numbers(CLASSES, DIM, seed=5))
    made = vectors.provenance.model_copy(
        update={"adaptation": Adaptation(method="photos", images=7, settings={"kappa": 0.5})}
    )
    return replace(vectors, adapter=adapter, provenance=made)


def by_hand(adapter: Adapter, image: torch.Tensor) -> torch.Tensor:
    assert adapter.squares is not None
    assert adapter.keys is not None
    assert adapter.key_bias is not None
    assert adapter.key_classes is not None
    result = torch.zeros(CLASSES)
    for k in range(CLASSES):
        result[k] = adapter.weights[k] @ image + adapter.squares[k] @ image**2 + adapter.bias[k]
    for key, bias, k in zip(adapter.keys, adapter.key_bias, adapter.key_classes, strict=True):
        result[k] += torch.exp(key @ image + bias)
    return result


def test_adds_what_the_formula_says() -> None:
    images = torch.nn.functional.normalize(numbers(6, DIM, seed=9))
    expected = torch.stack([by_hand(whole(), image) for image in images])
    torch.testing.assert_close(whole().added(images), expected)


def test_best_score_is_the_best_cosine_and_differences_are_those_of_the_sum() -> None:
    images, vectors = torch.nn.functional.normalize(numbers(6, DIM, seed=9)), adapted(whole())
    scores = torch.from_numpy(ZeroShotClassifier(vectors).scores(images))
    cosines = images @ vectors.matrix.T
    summed = cosines + whole().added(images)
    torch.testing.assert_close(scores.amax(dim=1), cosines.amax(dim=1))
    torch.testing.assert_close(scores - scores[:, :1], summed - summed[:, :1])


@pytest.mark.parametrize("parts", ["weights bias", "weights bias squares", "all"])
def test_a_file_keeps_it_and_classifies_alike(parts: str, tmp_path: Path) -> None:
    kept = {name: one for name, one in whole().tensors().items() if parts == "all" or name in parts}
    vectors = adapted(Adapter(**kept))
    vectors.save(tmp_path / "v.safetensors")
    again = ClassVectors.load(tmp_path / "v.safetensors")
    assert again.provenance == vectors.provenance
    assert {name: one.tolist() for name, one in again.tensors().items()} == {
        name: one.tolist() for name, one in vectors.tensors().items()
    }
    again.save(tmp_path / "again.safetensors")
    written = [tmp_path / name for name in ("v.safetensors", "again.safetensors")]
    assert written[0].read_bytes() == written[1].read_bytes()


@pytest.mark.parametrize("text_only", [[True, False, False], [False, True, True], [False] * 3])
def test_classes_known_by_text_alone_keep_their_cosines(
    text_only: list[bool], tmp_path: Path
) -> None:
    images, mask = torch.nn.functional.normalize(numbers(9, DIM, seed=9)), torch.tensor(text_only)
    adapted(replace(whole(), text_only=mask)).save(tmp_path / "v.safetensors")
    classifier = ZeroShotClassifier(ClassVectors.load(tmp_path / "v.safetensors"))
    scores = torch.from_numpy(classifier.scores(images))
    cosines = images @ classifier.vectors.matrix.T
    torch.testing.assert_close(scores[:, mask], cosines[:, mask])
    rest, summed = scores[:, ~mask], (cosines + whole().added(images))[:, ~mask]
    torch.testing.assert_close(rest - rest[:, :1], summed - summed[:, :1])
    torch.testing.assert_close(rest.amax(dim=1), cosines[:, ~mask].amax(dim=1))
    logits = classifier.to_torch()(images)
    torch.testing.assert_close(
        logits.softmax(dim=1), torch.from_numpy(classifier.predict_proba(images))
    )


def test_a_bit_that_changed_in_it_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    adapted(whole()).save(path)
    data = path.read_bytes()
    at = data.rindex(whole().weights.numpy().tobytes())
    path.write_bytes(data[: at + 2] + bytes([data[at + 2] ^ 1]) + data[at + 3 :])
    with pytest.raises(InputError, match="damaged"):
        ClassVectors.load(path)


def test_the_module_of_pytorch_gives_the_same_probabilities() -> None:
    images, classifier = numbers(6, DIM, seed=9), ZeroShotClassifier(adapted(whole()))
    logits = classifier.to_torch()(images.reshape(2, 3, DIM))
    expected = torch.from_numpy(classifier.predict_proba(images)).reshape(2, 3, CLASSES)
    torch.testing.assert_close(logits.softmax(dim=-1), expected)


def test_a_reject_bank_rejects_as_without_it() -> None:
    images, vectors = numbers(200, DIM, seed=9), adapted(whole())
    plain, changed = ZeroShotClassifier(replace(vectors, adapter=None)), ZeroShotClassifier(vectors)
    others = ClassVectors.from_arrays(["other"], numbers(1, DIM, seed=8))
    plain.reject = changed.reject = others
    before, after = plain.predict_vectors(images), changed.predict_vectors(images)
    assert [one.rejected for one in before] == [one.rejected for one in after]
    assert 0 < sum(one.rejected is None for one in after) < len(after)
    assert [one.label for one in before] != [one.label for one in after]
    logits = changed.to_torch()(images)
    torch.testing.assert_close(
        logits.softmax(dim=1)[:, :CLASSES], torch.from_numpy(changed.predict_proba(images))
    )


@pytest.mark.parametrize(
    "change",
    [
        {"bias": numbers(CLASSES + 1)},
        {"weights": numbers(CLASSES, DIM) * torch.nan},
        {"weights": numbers(CLASSES, DIM) * 1e9},
        {"weights": numbers(CLASSES, DIM).double()},
        {"weights": numbers(DIM)},
        {"squares": numbers(CLASSES, DIM + 1)},
        {"key_bias": None},
        {"key_bias": numbers(EXAMPLES) + 50},
        {"text_only": torch.tensor([True, False])},
        {"text_only": torch.tensor([1, 0, 1])},
        {"key_classes": torch.tensor([0, 0, 2, 2, CLASSES])},
        {"key_classes": torch.tensor([0, 0, 2, 2, -1])},
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, torch.Tensor | None]) -> None:
    with pytest.raises(InputError, match="adapter"):
        replace(whole(), **change)  # type: ignore[arg-type]


def test_class_vectors_of_other_classes_refuse_it() -> None:
    vectors = ClassVectors.from_arrays(["a", "b"], numbers(2, DIM))
    with pytest.raises(InputError, match="adapter"):
        replace(vectors, adapter=whole())
