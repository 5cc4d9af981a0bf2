import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from cupl.errors import InputError
from cupl.evaluation.rejection import judge_rejection

SCORES = st.lists(st.integers(0, 6), min_size=1, max_size=40)


@given(SCORES, SCORES)
def test_the_figures_are_those_of_scikit_learn(known: list[int], others: list[int]) -> None:
    truth, scores = [1] * len(known) + [0] * len(others), known + others
    found = judge_rejection(known, others)
    assert found.auroc == pytest.approx(roc_auc_score(truth, scores))
    false_positives, true_positives, _ = roc_curve(truth, scores, drop_intermediate=False)
    assert found.false_positives == pytest.approx(
        false_positives[true_positives >= 0.95 - 1e-9].min()
    )


def test_a_perfect_score_and_a_useless_one() -> None:
    perfect = judge_rejection([2.0, 3.0], [0.0, 1.0])
    assert (perfect.auroc, perfect.false_positives) == (1.0, 0.0)
    useless = judge_rejection([1.0, 1.0], [1.0])
    assert (useless.auroc, useless.false_positives) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("known", "others", "kept"),
    [([], [1.0], 0.9), ([1.0], [], 0.9), ([np.nan], [1.0], 0.9), ([1.0], [1.0], 0.0)],
)
def test_what_cannot_be_judged(known: list[float], others: list[float], kept: float) -> None:
    with pytest.raises(InputError):
        judge_rejection(known, others, kept)
