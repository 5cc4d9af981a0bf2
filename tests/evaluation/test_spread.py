import numpy as np
import pytest

from cupl.errors import InputError
from cupl.evaluation.labelled import LabelledImages
from cupl.evaluation.spread import parts_of, spread_of

PATHS = [f"{i:02}.jpg" for i in range(23)]
DATA = LabelledImages(PATHS, [0] * 11 + [1] * 7 + [2] * 5)


def test_folds_have_every_image_once_and_every_class_evenly() -> None:
    folds = parts_of(DATA, folds=4)
    assert sorted(np.concatenate(folds).tolist()) == list(range(23))
    for number, size in enumerate((11, 7, 5)):
        counts = [sum(DATA.targets[i] == number for i in fold) for fold in folds]
        assert sum(counts) == size
        assert max(counts) - min(counts) <= 1


def test_subsamples_are_drawn_without_replacement_and_differ() -> None:
    parts = parts_of(DATA, subsample=9, subsamples=6)
    assert [len(set(part.tolist())) for part in parts] == [9] * 6
    assert len({tuple(sorted(part.tolist())) for part in parts}) > 1
    assert parts_of(DATA) == []


@pytest.mark.parametrize("how", [{"folds": 4}, {"subsample": 9}])
def test_the_same_images_give_the_same_parts_in_any_order(how: dict[str, int]) -> None:
    order = np.random.default_rng(1).permutation(23).tolist()
    mixed = LabelledImages([PATHS[i] for i in order], [DATA.targets[i] for i in order])
    ours = [{PATHS[i] for i in part} for part in parts_of(DATA, **how)]
    assert ours == [{mixed.paths[i] for i in part} for part in parts_of(mixed, **how)]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"subsample": 24}, "10 subsamples of 24 images cannot be drawn of 23: ask"),
        ({"subsample": 0}, "10 subsamples of 0 images"),
        ({"subsample": 5, "subsamples": 1}, "ask for 2 or more"),
        ({"folds": 1}, "23 images make 2 to 23 folds, not 1"),
        ({"folds": 24}, "not 24"),
        ({"folds": 2, "subsample": 5}, "exclude one another"),
    ],
)
def test_parts_that_cannot_be(how: dict[str, int], why: str) -> None:
    with pytest.raises(InputError, match=why):
        parts_of(DATA, **how)


def test_mean_and_deviation_are_over_the_parts_of_the_mean_draw() -> None:
    correct = np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool)
    found = spread_of(correct, [np.array([0, 1]), np.array([2, 3])])
    assert found is not None
    assert found.values == [0.75, 0.0]
    assert found.mean == 0.375
    assert found.sd == pytest.approx(0.75 / 2**0.5)
    assert spread_of(correct, []) is None
