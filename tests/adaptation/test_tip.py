import math

import torch
from torch.nn.functional import normalize

from cupl.adaptation.class_means import Examples
from cupl.adaptation.tip import cache_scores, left_out_cache_scores

RANDOM = torch.Generator().manual_seed(0)
IMAGES = normalize(torch.randn(6, 4, generator=RANDOM, dtype=torch.float64))
TARGETS = torch.tensor([0, 2, 2, 0, 2, 3])
EXAMPLES = Examples(IMAGES, TARGETS, torch.zeros(4, 4, dtype=torch.float64))


def by_hand(image: torch.Tensor, rows: list[int]) -> list[float]:
    result = []
    for k in range(4):
        own = [row for row in rows if TARGETS[row] == k]
        near = [math.exp(-5.5 * (1 - float(image @ IMAGES[row]))) for row in own]
        result.append(sum(near) / len(near) if near else 0.0)
    return result


def test_an_example_counts_by_how_near_it_is() -> None:
    image = normalize(torch.ones(1, 4, dtype=torch.float64))
    found = cache_scores(image, EXAMPLES, 5.5)[0]
    torch.testing.assert_close(found, torch.tensor(by_hand(image[0], list(range(6)))).double())


def test_left_out_an_example_does_not_count_for_itself() -> None:
    found = left_out_cache_scores(EXAMPLES, 5.5)
    for row in range(6):
        rest = [other for other in range(6) if other != row]
        expected = torch.tensor(by_hand(IMAGES[row], rest)).double()
        torch.testing.assert_close(found[row], expected, atol=1e-12, rtol=1e-6)
