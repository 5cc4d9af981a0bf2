import copy
import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.labels import ClassLabel
from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.prediction import Prediction, Score
from cupl.classification.ranked import RankedClasses, Ranking, ranked
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.provenance import Provenance

LABELS = [ClassLabel("frog", "n1"), ClassLabel("toad"), ClassLabel("newt", "n3")]
ORDER = np.array([[2, 0, 1], [0, 1, 2]])
NUMBERS = np.array([[0.5, 0.25, 0.125], [1, 0.5, 0]], dtype=np.float32)
RANKING = Ranking(LABELS, ORDER, NUMBERS, NUMBERS / 2)
NEWT, FROG = Score("newt", "n3", 0.5, 0.25), Score("frog", "n1", 0.25, 0.125)


def classifier_of(classes: int, width: int = 8) -> ZeroShotClassifier:
    matrix = torch.randn(classes, width, generator=torch.Generator().manual_seed(0))
    provenance = Provenance(encoder="none", fingerprint="", logit_scale=100.0, pooling="mean")
    labels = [ClassLabel(f"class {number}") for number in range(classes)]
    matrix = torch.nn.functional.normalize(matrix)
    return ZeroShotClassifier(ClassVectors(labels, matrix, provenance))


def test_equal_to_the_tuple_of_its_scores() -> None:
    best = RankedClasses(RANKING, 0, 2)
    assert best == (NEWT, FROG)
    assert best == (NEWT, FROG)
    assert best not in [(NEWT,), (FROG, NEWT), [NEWT, FROG]]
    assert hash(best) == hash((NEWT, FROG))
    assert repr(best) == repr((NEWT, FROG))
    assert Prediction(best, "a.jpg") == Prediction((NEWT, FROG), "a.jpg")
    assert not RankedClasses(RANKING, 0, 0)


@given(st.integers(0, 3), st.sampled_from([0, 1]), st.slices(5), st.integers(-5, 5))
def test_places_and_slices_as_of_a_tuple(number: int, row: int, part: slice, place: int) -> None:
    best = RankedClasses(RANKING, row, number)
    whole = tuple(best)
    assert best[part] == whole[part]
    if -number <= place < number:
        assert best[place] == whole[place]
    else:
        with pytest.raises(IndexError):
            best[place]


def test_copies_have_nothing_of_other_images() -> None:
    best = RankedClasses(RANKING, 0, 2)
    for one in (pickle.loads(pickle.dumps(best)), copy.deepcopy(best)):  # noqa: S301
        assert type(one) is tuple
        assert one == best


def test_scores_of_others_keep_their_digits() -> None:
    best = (Score("frog", None, 0.31234567, 1 / 3),)
    assert ranked(best) == best
    assert ranked(ranked(best)) == best
    assert ranked(()) == ()


def test_numbers_are_plain() -> None:
    [first, *_] = RankedClasses(RANKING, 1, 3)
    assert (type(first.score), type(first.probability)) == (float, float)
    assert type(RankedClasses(RANKING, 1, 3)[0].score) is float


def test_an_object_is_made_only_of_a_class_that_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    def counted(label: str, id: str | None, score: float, probability: float) -> Score:
        made.append(label)
        return Score(label, id, score, probability)

    monkeypatch.setattr("cupl.classification.ranked.Score", counted)
    found = classifier_of(50).predict_vectors(torch.randn(20, 8), 50)
    assert made == []
    assert found[0].label == made.pop()
    assert made == []


def test_predictions_take_the_memory_of_their_cells() -> None:
    classes, images = 300, 200
    classifier, vectors = classifier_of(classes), torch.randn(images, 8)
    classifier.predict_vectors(vectors[:1], classes)
    tracemalloc.start()
    try:
        found = classifier.predict_vectors(vectors, classes)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == images
    assert held < 20 * classes * images  # objects took 200 bytes a cell
