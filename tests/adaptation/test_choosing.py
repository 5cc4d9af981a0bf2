import pytest
import torch

from cupl.adaptation import choosing as module
from cupl.adaptation.choosing import FEW, FEWEST_TO_JUDGE, STRENGTHS, Choice, choose
from cupl.adaptation.class_means import Examples
from tests.adaptation.labelled_photos import world

WORLD = world(spread=2.0)
SCALE = WORLD.vectors.provenance.logit_scale


def chosen(counts: list[int], seed: int = 0) -> Choice:
    images, targets = WORLD.photos(counts, seed)
    texts = WORLD.vectors.matrix.double()
    return choose(Examples(images.double(), targets, texts), images.double() @ texts.T, SCALE)


def test_of_few_examples_only_the_ways_are_chosen_among() -> None:
    assert {chosen([FEW - 1] * 6, seed).strength for seed in range(6)} <= {0.0, 1.0}
    many = {chosen([FEW + 4] * 6, seed).strength for seed in range(6)}
    assert many <= set(STRENGTHS)
    assert many - {1.0}


@pytest.mark.parametrize("counts", [[1] * 6, [9, 1, 1, 1, 1, 1], [2, 2, 2, 1, 1, 0]])
def test_where_most_cannot_be_judged_the_blend_is_taken(counts: list[int]) -> None:
    found = chosen(counts)
    judged = sum(number for number in counts if number > 1)
    assert judged < FEWEST_TO_JUDGE
    assert (found.way, found.strength, found.judged) == (module.WAYS[0], 1.0, judged)
    assert (found.gain, found.temperature) == (None, None)


def test_texts_that_are_all_alike_do_not_silence_the_examples() -> None:
    images, targets = WORLD.photos([4] * 6)
    texts = torch.ones(6, images.shape[1], dtype=torch.float64) / images.shape[1] ** 0.5
    examples = Examples(images.double(), targets, texts)
    found = choose(examples, examples.images @ texts.T, SCALE)
    assert found.way is not None
    assert 1e-4 < found.scale * found.way.left_out(examples).std() < 1  # type: ignore[union-attr]


def test_the_gain_of_a_choice_is_no_more_than_that_of_the_best_in_hindsight() -> None:
    for seed in range(10):
        found = chosen([FEW] * 6, seed)
        assert found.gain is not None
        assert found.text is not None
        assert found.chosen is not None
        assert found.gain.value <= found.chosen - found.text + 0.1
        assert (found.way is None) == (found.gain.value <= 0 or found.strength == 0)


def test_scores_are_judged_at_the_best_temperature() -> None:
    random = torch.Generator().manual_seed(0)
    for spread in (0.01, 0.1, 1.0, 10.0):
        scores = spread * torch.randn(50, 4, generator=random, dtype=torch.float64)
        targets = torch.randint(4, (50,), generator=random)
        scores[torch.arange(50), targets] += spread
        found = module._judge(scores, targets, 30.0)
        losses = [
            torch.nn.functional.cross_entropy(30 * scores / float(value), targets)
            for value in module._TEMPERATURES
        ]
        assert float(found.losses.mean()) == pytest.approx(float(min(losses)))
        assert torch.equal(found.right, scores.argmax(dim=1) == targets)
