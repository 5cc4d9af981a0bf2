import pytest
import torch

from cupl.embedding import close_pairs as finder
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.close_pairs import close_pairs


def vectors_of(*rows: list[float]) -> ClassVectors:
    return ClassVectors.from_arrays([f"c{i}" for i in range(len(rows))], torch.tensor(rows))


FOUR = vectors_of([1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 0.8, 0.1])


def test_the_closest_come_first() -> None:
    assert close_pairs(FOUR, 2) == [(0, 1), (2, 3)]
    assert len(close_pairs(FOUR, 100)) == 6


def test_equally_close_pairs_come_in_their_order() -> None:
    same = vectors_of([1, 0], [1, 0], [1, 0])
    assert close_pairs(same, 2) == [(0, 1), (0, 2)]


@pytest.mark.parametrize("at_once", [1, 4, 9, 1000])
def test_however_many_are_compared_at_once(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = torch.randn(30, 8, generator=torch.Generator().manual_seed(1))
    drawn = ClassVectors.from_arrays(map(str, range(30)), matrix)
    whole = close_pairs(drawn, 17)
    monkeypatch.setattr(finder, "_AT_ONCE", at_once)
    assert close_pairs(drawn, 17) == whole
    cosines = (drawn.matrix @ drawn.matrix.T).triu(1)
    assert whole[0] == tuple(divmod(int(cosines.argmax()), 30))


def test_one_class_has_no_pair() -> None:
    assert close_pairs(vectors_of([1.0, 0.0]), 3) == []
