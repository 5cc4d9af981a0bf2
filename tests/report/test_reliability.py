import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.evaluation.schema import CalibrationBin
from cupl.report.reliability import FEWEST_IN_BIN, merged_bins


def bins_of(counts: list[int]) -> list[CalibrationBin]:
    step = 1 / max(1, len(counts))
    return [
        CalibrationBin(low=i * step, high=(i + 1) * step, images=n, accuracy=0.5,
                       confidence=(i + 0.5) * step if n else 0)
        for i, n in enumerate(counts)
    ]  # fmt: skip


@given(st.lists(st.integers(0, 60), max_size=15))
def test_every_image_stands_behind_a_point_and_few_behind_none(counts: list[int]) -> None:
    bins = bins_of(counts)
    merged = merged_bins(bins)
    assert sum(one.images for one in merged) == sum(counts)
    if sum(counts) >= FEWEST_IN_BIN:
        assert all(one.images >= FEWEST_IN_BIN for one in merged)
    else:
        assert len(merged) == bool(sum(counts))
    for mine, theirs in ((merged, bins),):
        mean = [sum(b.images * b.confidence for b in some) for some in (mine, theirs)]
        assert mean[0] == pytest.approx(mean[1])
    assert all(one.low <= one.confidence <= one.high for one in merged)


def test_bins_that_are_full_are_left_as_they_are() -> None:
    bins = bins_of([20, 0, 30, 40])
    assert merged_bins(bins) == [bins[0], bins[2], bins[3]]
    few = merged_bins(bins_of([30, 5, 0, 4]))
    assert [(one.low, one.high, one.images) for one in few] == [(0, 1, 39)]
