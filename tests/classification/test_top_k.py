import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from cupl.classification.top_k import best_first

FEW = st.sampled_from([-1.0, -0.0, 0.0, 0.25, 0.5, 1.0, math.inf, -math.inf, math.nan])
"""So few that many are equal."""


@given(
    st.integers(1, 9).flatmap(
        lambda columns: st.lists(
            st.lists(FEW | st.floats(-1, 1, width=32), min_size=columns, max_size=columns),
            max_size=5,
        ).map(lambda rows: torch.tensor(rows).reshape(len(rows), columns))
    ),
    st.integers(1, 10),
)
def test_it_is_the_beginning_of_a_stable_sort(scores: torch.Tensor, number: int) -> None:
    expected = scores.sort(dim=1, descending=True, stable=True).indices[:, :number]
    found = best_first(scores, number)
    assert found.dtype == torch.int64
    assert found.tolist() == expected.tolist()


def test_many_classes_of_which_all_or_some_are_equal() -> None:
    random = torch.Generator().manual_seed(0)
    for values in (1, 2, 30, 10**6):
        scores = torch.randint(values, (50, 5000), generator=random).float()
        expected = scores.sort(dim=1, descending=True, stable=True).indices
        for number in (1, 5, 4999, 5000, 6000):
            assert torch.equal(best_first(scores, number), expected[:, :number])
