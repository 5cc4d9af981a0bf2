import functools
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cupl.bank.labels import ClassLabel
from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.decision import DecisionRule, Decisions, decide
from cupl.classification.prediction import Prediction
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_vectors import load_embeddings
from cupl.embedding.provenance import Provenance
from cupl.embedding.stored_vectors import Embeddings
from cupl.errors import InputError
from tests.classification.colors import BLUE, GREEN, NOTHING, RED, image_of
from tests.models import HandMadeEncoder, bank_of


def test_vectors_encoded_earlier(classifier: ZeroShotClassifier, encoder: HandMadeEncoder) -> None:
    images = [image_of(color) for color in (GREEN, NOTHING, RED)]
    vectors = encoder.encode_images(images)
    expected = list(classifier.predict(images))
    assert classifier.predict_vectors(vectors) == expected
    assert classifier.predict_vectors(vectors.double().numpy() * 4) == expected


@pytest.mark.parametrize("row", [[0.0, 0.0, 0.0], [math.inf, 0.0, 0.0], [math.nan, 1.0, 0.0]])
def test_a_vector_without_direction_is_an_error(
    row: list[float], classifier: ZeroShotClassifier
) -> None:
    wrong, right = classifier.predict_vectors(torch.tensor([row, [0.0, 0.0, 1.0]]))
    assert wrong == Prediction(error="the image vector is zero or not finite")
    assert right.label == "sky"


@pytest.mark.parametrize("shape", [(3,), (2, 4), (1, 2, 3)])
def test_vectors_of_another_shape_are_refused(
    shape: tuple[int, ...], classifier: ZeroShotClassifier
) -> None:
    with pytest.raises(InputError, match=r"do not fit: \[images, 3\]"):
        classifier.predict_vectors(torch.ones(shape))


def test_no_vectors(classifier: ZeroShotClassifier) -> None:
    assert classifier.predict_vectors(torch.ones(0, 3)) == []


def test_stored_vectors_of_a_matrix_of_no_numbers(classifier: ZeroShotClassifier) -> None:
    wrong: list[tuple[Any, str]] = [
        ([[1.0, 0.0, 0.0]], r"an array or a tensor \[images, 3\], not list"),
        (None, "not NoneType"),
        (np.array([["a", "b", "c"]]), "real numbers, not <U1"),
        (torch.ones(1, 3, dtype=torch.complex64), "real numbers, not torch.complex64"),
        (np.float64(1.0), "not float64"),
    ]
    for vectors, message in wrong:
        with pytest.raises(InputError, match=message):
            classifier.predict_vectors(vectors)


def test_vectors_of_every_type_of_number(classifier: ZeroShotClassifier) -> None:
    rows = [[1, 0, 0], [0, 1, 0]]
    expected = classifier.predict_vectors(torch.tensor(rows))
    frozen = np.array(rows, dtype=">f8")
    frozen.flags.writeable = False
    kinds: list[Any] = [
        np.array(rows),
        np.array(rows, dtype=np.float16),
        frozen,
        torch.tensor(rows, dtype=torch.bfloat16),
        torch.tensor(rows, dtype=torch.float32, requires_grad=True),
    ]
    for vectors in kinds:
        assert classifier.predict_vectors(vectors) == expected


def test_progress_of_stored_vectors(classifier: ZeroShotClassifier) -> None:
    told: list[tuple[int, int]] = []
    classifier.predict_vectors(torch.ones(3, 3), progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]


ROWS = st.lists(
    st.tuples(*[st.sampled_from([-1.0, 0.0, 0.5, 1.0]) | st.floats(-2, 2, width=32)] * 4),
    max_size=12,
)
COSINES = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.6, 0.8, 0.0],
           [0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]]  # fmt: skip


@functools.cache
def of_twins(bias: float | None, reject: bool) -> ZeroShotClassifier:
    """Six classes of which some have the same vector, so that their scores are always equal."""
    texts = {f"class {number}": row for number, row in enumerate(COSINES)}
    encoder = HandMadeEncoder({**texts, "wall": [0.5, 0.5, 0.5, 0.5]}, logit_bias=bias)
    none = bank_of({"a wall": ["wall"]}, name="none") if reject else None
    return ZeroShotClassifier.from_bank(
        bank_of({name: [name] for name in texts}), encoder, reject=none
    )


def sorted_whole(scores: torch.Tensor, number: int) -> torch.Tensor:
    return scores.sort(dim=1, descending=True, stable=True).indices[:, :number]


@pytest.mark.parametrize("bias", [None, -4.0])
@pytest.mark.parametrize("reject", [False, True])
@given(
    rows=ROWS,
    top_k=st.integers(1, 7),
    rule=st.sampled_from([DecisionRule(), DecisionRule(0.4), DecisionRule(multi_label=True)]),
    at_once=st.integers(1, 40),
)
@settings(max_examples=60)
def test_it_is_the_same_as_if_all_classes_were_sorted(
    bias: float | None,
    reject: bool,
    rows: list[tuple[float, ...]],
    top_k: int,
    rule: DecisionRule,
    at_once: int,
) -> None:
    made = of_twins(bias, reject)
    if rule.multi_label and bias is None and not reject:
        rule = DecisionRule(0.2)
    vectors = torch.tensor(rows).reshape(-1, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cupl.classification.scoring.AT_ONCE", at_once)
        found = made.predict_vectors(vectors, top_k, **asdict(rule))
        patch.setattr("cupl.classification.decision.best_first", sorted_whole)
        assert made.predict_vectors(vectors, top_k, **asdict(rule)) == found
    at_once_found = made.predict_vectors(vectors, top_k, **asdict(rule))
    for one, other in zip(found, at_once_found, strict=True):
        assert one.error == other.error
        assert [s.score for s in one.top] == pytest.approx([s.score for s in other.top], abs=1e-6)


def test_memory_does_not_grow_with_a_matrix_of_all_images(
    monkeypatch: pytest.MonkeyPatch, classifier: ZeroShotClassifier
) -> None:
    seen: list[int] = []

    def noted(scores: torch.Tensor, *arguments: Any) -> Decisions:
        seen.append(scores.numel())
        return decide(scores, *arguments)

    monkeypatch.setattr("cupl.classification.scoring.AT_ONCE", 30)
    monkeypatch.setattr("cupl.classification.scoring.decide", noted)
    classifier.predict_vectors(torch.ones(100, 3))
    assert sum(seen) == 300
    assert max(seen) == 30


@pytest.fixture
def stored(encoder: HandMadeEncoder, tmp_path: Path) -> Embeddings:
    """Three shards of two images; the second and the last cannot be read."""
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path, color in zip(paths, (RED, GREEN, BLUE, RED, GREEN, BLUE), strict=True):
        image_of(color).save(path)
    paths[1].write_bytes(b"no image")
    paths[5].unlink()
    encoder.image_batch = 2
    embed_images(paths, encoder, tmp_path / "v", shard_size=2)
    return load_embeddings(tmp_path / "v")


def test_stored_images_have_their_paths_and_errors(
    classifier: ZeroShotClassifier, stored: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [path for shard in stored for path in shard.paths]
    told: list[tuple[int, int]] = []
    monkeypatch.setattr("cupl.classification.scoring.AT_ONCE", 3)  # an image at a time
    found = classifier.predict_vectors(
        stored, 2, explain=1, progress=lambda *done: told.append(done)
    )
    assert found == list(classifier.predict(paths, 2, explain=1))
    assert [one.label for one in found] == ["rose", None, "sky", "rose", "leaf", None]
    assert found[5].error == "there is no such file"
    assert [done for done, _ in told] == [1, 2, 3, 4, 5, 6]


def test_stored_images_of_another_encoder_are_refused(stored: Embeddings) -> None:
    other = HandMadeEncoder({"red": [1.0, 0.0, 0.0]}, fingerprint="another")
    made = ZeroShotClassifier.from_bank(bank_of({"rose": ["red"]}), other)
    for use in (made.predict_vectors, made.predict_proba, made.scores):
        with pytest.raises(InputError, match="were made by the encoder 'hand-made'.*'another'"):
            use(stored)


def alone(bias: float | None = None) -> ZeroShotClassifier:
    """Class vectors that no encoder of ours made."""
    provenance = Provenance(
        encoder="elsewhere", fingerprint="f", logit_scale=10.0, logit_bias=bias, pooling="mean"
    )
    labels = [ClassLabel("rose"), ClassLabel("leaf", "n2")]
    matrix = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    return ZeroShotClassifier(ClassVectors(labels, matrix, provenance))


def test_class_vectors_alone_classify_stored_vectors(tmp_path: Path) -> None:
    made = alone()
    rows = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    assert [one.label for one in made.predict_vectors(rows)] == ["leaf", "rose"]
    assert made.predict_vectors(rows)[0].id == "n2"
    assert made.scores(rows) == pytest.approx(np.array([[0.6, 0.8], [1.0, 0.0]]))
    before = made.predict_proba(rows)
    logits = made.to_torch()(rows)
    assert logits.softmax(dim=1).detach().numpy() == pytest.approx(before, abs=1e-6)
    random = torch.Generator().manual_seed(0)
    images = torch.randn(200, 2, generator=random)
    flat = torch.from_numpy(made.scores(images) * 3).softmax(dim=1)  # a temperature of 3.3
    temperature = made.calibrate(images, flat.multinomial(1, generator=random).flatten())
    assert 2 < temperature < 5
    assert (made.predict_proba(rows) != before).any()
    made.save(tmp_path / "v")
    again = ZeroShotClassifier(ClassVectors.load(tmp_path / "v"))
    assert again.vectors.provenance.temperature == temperature
    assert again.predict_vectors(rows) == made.predict_vectors(rows)
    several = alone(bias=-5.0).predict_vectors(rows, multi_label=True)
    assert [len(one.labels) for one in several] == [2, 1]


def test_class_vectors_alone_say_that_images_need_an_encoder(tmp_path: Path) -> None:
    made = alone()
    sentence = r"class vectors alone: give the encoder .* load_encoder\('elsewhere'\)"
    image = Image.new("RGB", (2, 2))
    for given_images in (image, [image], "a.png", np.zeros((4, 4), dtype=np.uint8), iter([image])):
        for use in (made.predict, made.predict_proba, made.scores):
            with pytest.raises(InputError, match=sentence):
                use(given_images)
    with pytest.raises(InputError, match=sentence):
        _ = made.encoder
    bank_of({"a wall": ["wall"]}).save(tmp_path / "none.yaml")
    with pytest.raises(InputError, match=sentence):
        ZeroShotClassifier(made.vectors, reject=tmp_path / "none.yaml")
    with pytest.raises(InputError, match="to explain, the bank"):
        made.predict_vectors(torch.ones(1, 2), explain=1)


def test_a_bank_explains_only_where_there_is_an_encoder(classifier: ZeroShotClassifier) -> None:
    with pytest.raises(InputError, match="class vectors alone"):
        ZeroShotClassifier(classifier.vectors, bank=classifier.bank)


def test_a_number_of_prompts_below_zero(classifier: ZeroShotClassifier) -> None:
    with pytest.raises(InputError, match="explain is -1"):
        classifier.predict_vectors(torch.ones(1, 3), explain=-1)
