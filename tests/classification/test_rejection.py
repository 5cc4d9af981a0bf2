import numpy as np
import pytest
import torch

from cupl.classification.rejection import RejectionScore, rejection_of
from cupl.classification.thresholds import fit_thresholds
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import unit
from cupl.errors import InputError


def drawn(number: int, seed: int, dim: int = 8) -> torch.Tensor:
    return torch.randn(number, dim, generator=torch.Generator().manual_seed(seed))


def vectors(matrix: torch.Tensor, name: str = "class", scale: float = 10.0) -> ClassVectors:
    return ClassVectors.from_arrays(
        [f"{name} {number}" for number in range(len(matrix))], matrix, logit_scale=scale
    )


def with_gap(images: torch.Tensor) -> torch.Tensor:
    """Far from texts, as photos are to CLIP."""
    return images + torch.tensor([0.0] * 7 + [25.0])


def test_alone_it_is_the_highest_cosine_and_its_class() -> None:
    classes, rows = vectors(drawn(4, 0)), drawn(6, 1)
    scores, nearest = RejectionScore(classes)(rows)
    expected = (unit(rows) @ unit(drawn(4, 0)).T).max(dim=1)
    assert torch.allclose(scores, expected.values)
    assert nearest.tolist() == expected.indices.tolist()


@pytest.mark.parametrize("are_words", [False, True])
def test_against_negatives_it_is_the_log_of_the_odds(are_words: bool) -> None:
    classes, negatives, rows = drawn(3, 0), drawn(12, 1), drawn(5, 2)
    score = RejectionScore(vectors(classes), vectors(negatives, "other"), are_words)
    scores, _ = score(rows)
    known, others = (
        np.exp(10 * (unit(rows) @ unit(matrix).T).double().numpy()).sum(axis=1)
        for matrix in (classes, negatives)
    )
    expected = np.log(known / others) - (np.log(3 / 12) if are_words else 0)
    assert scores.numpy() == pytest.approx(expected, abs=1e-4)


def test_the_number_of_words_alone_decides_nothing() -> None:
    classes, words, rows = vectors(drawn(3, 0)), drawn(5, 1), drawn(9, 2)
    once = RejectionScore(classes, vectors(words, "word"), are_words=True)(rows)[0]
    twice = RejectionScore(classes, vectors(torch.cat([words, words]), "word"), are_words=True)
    assert torch.allclose(once, twice(rows)[0], atol=1e-5)


def test_with_a_gap_it_is_centred_and_an_example_scores_as_if_it_were_new() -> None:
    classes, examples = vectors(drawn(5, 0)), with_gap(drawn(30, 1))
    score = RejectionScore(classes).centred_on(examples)
    assert score.centre is not None
    rows, matrix = unit(examples), unit(drawn(5, 0))
    others = torch.cat([rows[:3], rows[4:]]).mean(dim=0)  # the mean without it
    centred = unit((rows[3] - others)[None]) @ unit(matrix - matrix.mean(dim=0)).T
    assert float(score(examples)[0][3]) == pytest.approx(float(centred.max()), abs=1e-4)


@pytest.mark.parametrize(
    ("classes", "examples"),
    [
        (drawn(5, 0), drawn(30, 1)),  # no gap
        (drawn(2, 0), with_gap(drawn(30, 1))),  # the mean of two classes is theirs alone
        (drawn(1, 0), with_gap(drawn(30, 1))),
        (drawn(5, 0), with_gap(drawn(1, 1).repeat(30, 1))),  # all examples are the same
        (drawn(1, 0).repeat(5, 1), with_gap(drawn(30, 1))),  # all classes are
    ],
)
def test_else_it_is_not_centred(classes: torch.Tensor, examples: torch.Tensor) -> None:
    score = RejectionScore(vectors(classes)).centred_on(examples)
    assert score.centre is None
    assert score(examples)[0].isfinite().all()


def test_why_an_image_is_rejected() -> None:
    classes = vectors(torch.eye(3)[:2])
    other = vectors(torch.eye(3)[2:], "other")
    words = rejection_of(classes, None, other, fitted=True)
    assert words is not None
    assert words.reasons(torch.eye(3)) == [None, None, "none of these: other 0"]
    fitted = fit_thresholds(torch.full((20,), 0.9), torch.zeros(20, dtype=torch.int64), 2, 0.95)
    made_by = classes.provenance.model_copy(update={"threshold": fitted})
    kept = ClassVectors(classes.labels, classes.matrix, made_by)
    rejection = rejection_of(kept, None, None, fitted=True)
    assert rejection is not None
    assert rejection.reasons(torch.tensor([[0.0, 1.0, 0.1], [0.0, 1.0, 1.0]])) == [
        None,
        "less like a class than 95% of the examples: class 1",
    ]
    assert rejection_of(kept, None, None, fitted=False) is None
    assert rejection_of(classes, other, None, fitted=True) is None  # what is closest decides
    with pytest.raises(InputError, match="was fitted without a reject bank or words"):
        rejection_of(kept, other, None, fitted=True)


def test_a_threshold_of_other_classes_is_refused() -> None:
    classes = vectors(torch.eye(3))
    fitted = fit_thresholds(torch.ones(20), torch.zeros(20, dtype=torch.int64), 2, 0.95)
    made_by = classes.provenance.model_copy(update={"threshold": fitted})
    kept = ClassVectors(classes.labels, classes.matrix, made_by)
    with pytest.raises(InputError, match="fitted for other classes"):
        rejection_of(kept, None, None, fitted=True)


def test_the_same_negatives_are_known_by_what_they_were_made_of() -> None:
    classes = vectors(drawn(3, 0))
    one, rounded = vectors(drawn(4, 1), "o"), vectors(drawn(4, 1) * (1 + 1e-7), "o")
    rounded = ClassVectors(one.labels, rounded.matrix, one.provenance)
    assert RejectionScore(classes, one).digest == RejectionScore(classes, rounded).digest
    assert RejectionScore(classes, one).digest != RejectionScore(classes, one, True).digest
    named = vectors(drawn(4, 1), "p")
    named = ClassVectors(named.labels, one.matrix, one.provenance)
    assert RejectionScore(classes, one).digest != RejectionScore(classes, named).digest
    assert RejectionScore(classes).digest is None
