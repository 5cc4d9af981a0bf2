import pytest
import torch

from cupl.adaptation.paired_gain import paired_gain


def pair(both: int, won: int, lost: int, neither: int) -> tuple[torch.Tensor, torch.Tensor]:
    right = [True] * both + [True] * won + [False] * lost + [False] * neither
    before = [True] * both + [False] * won + [True] * lost + [False] * neither
    return torch.tensor(right), torch.tensor(before)


def test_gain_is_the_difference_of_accuracies() -> None:
    gain = paired_gain(*pair(50, 20, 5, 25))
    assert gain.value == pytest.approx(0.15)
    assert gain.low < 0.15 < gain.high
    assert gain.is_shown
    assert not paired_gain(*pair(5, 2, 1, 2)).is_shown


def test_interval_has_a_width_where_nothing_differs() -> None:
    gain = paired_gain(*pair(9, 0, 0, 1))
    assert gain.value == 0
    assert gain.low < -0.1
    assert gain.high > 0.1
    everything = paired_gain(*pair(0, 5, 0, 0))
    assert (everything.value, everything.high) == (1.0, 1.0)


def test_interval_covers_the_true_difference_19_times_in_20() -> None:
    random = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(2000):
        before = torch.rand(40, generator=random) < 0.7
        flips = torch.rand(40, generator=random)
        right = torch.where(before, flips > 0.1, flips < 0.6)
        gain = paired_gain(right, before)
        covered += gain.low <= 0.3 * 0.6 - 0.7 * 0.1 <= gain.high
    assert 0.93 < covered / 2000 < 0.98
