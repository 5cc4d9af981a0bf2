"""Which way of using labelled examples, and how strongly: by leaving out one after the other.

To leave out an example puts its class at a disadvantage, of two examples by half: what is found
is rather too little.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cupl.adaptation.class_means import Examples, left_out_scores
from cupl.adaptation.gda import whitening_of
from cupl.adaptation.paired_gain import PairedGain, paired_gain
from cupl.adaptation.tip import left_out_cache_scores
from cupl.embedding.adapter import adapted_scores

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
"""How many times as far apart as by their cosines classes are moved by the examples."""
_TEMPERATURES = torch.logspace(-1, 3, 41, dtype=torch.float64)
_LEAST_SPREAD = 1e-3
"""Of cosines: texts that are all alike do not silence the examples."""
FEWEST_TO_JUDGE = 10
"""Examples with another of their class: fewer than that choose by accident."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of scoring classes by examples.

    Attributes:
        method: ``blend`` (nearest mean, of the examples of a class and its text), ``gda`` (the
            same with a covariance), or ``tip`` (the cache of examples).
        sharpness: of ``tip``.

    """

    method: str
    sharpness: float = 0.0

    def left_out(self, examples: Examples) -> torch.Tensor | None:
        """Scores of each example by the others; None where there are too few for it."""
        if self.method == "tip":
            return left_out_cache_scores(examples, self.sharpness)
        whitening = whitening_of(examples) if self.method == "gda" else None
        if whitening is None and self.method == "gda":
            return None
        return left_out_scores(examples, whitening)


WAYS = (Way("blend"), Way("gda"))
WAYS_OF_FEW = (*WAYS, Way("tip", 5.5))
FEW = 4
"""Examples a class below which a choice among all would be an accident."""


@dataclass(frozen=True, eq=False)
class Choice:
    """What the examples say about the ways of using them.

    Attributes:
        way: the chosen one; None where the text alone is as good.
        scale: what its scores are multiplied by before they are added to cosines.
        strength: how many times as far as the cosines they then move classes apart.
        judged: examples that could be judged, those with another one of their class.
        text: share of them that the text alone has right.
        chosen: share that the best way has right, each left out; it was chosen by them, and
            so looks better than it is.
        gain: of choosing, over the text alone: each example is judged by what was chosen without
            it. Of fewer examples a class than there are, so rather low. None where nothing
            could be judged.
        temperature: at which the left out are likeliest, of the chosen; None where not judged.

    """

    way: Way | None
    scale: float
    strength: float
    judged: int
    text: float | None = None
    chosen: float | None = None
    gain: PairedGain | None = None
    temperature: float | None = None


def choose(examples: Examples, cosines: torch.Tensor, logit_scale: float) -> Choice:
    """Choose by the likelihood of the left out examples, at the best temperature.

    Below four examples a class, each way is tried at strength 1 only, the examples as much as the
    text, and is taken where it is no worse: the fewer there are, the more the left out lack. From
    four on it has to be better. Of one example a class nothing can be judged, and the blend is
    taken; also where most classes have one.

    Args:
        examples: of two classes at least, of which none is there twice.
        cosines: of the examples with the class vectors, ``[examples, classes]``.
        logit_scale: of the model.

    """
    seen = examples.counts > 0
    few = float(examples.counts[seen].mean()) < FEW
    rows = examples.counts[examples.targets] > 1
    judged = int(rows.sum())
    if judged < FEWEST_TO_JUDGE or 2 * (examples.counts > 1).sum() < seen.sum():
        scale = _scale(WAYS[0].left_out(examples), cosines, seen)
        return Choice(WAYS[0] if scale else None, scale, 1.0, judged)
    known, targets = cosines[rows], examples.targets[rows]
    candidates: list[tuple[Way | None, float, float]] = [(None, 0.0, 0.0)]
    judgements = [_judge(known, targets, logit_scale)]
    for way in WAYS_OF_FEW if few else WAYS:
        scores = way.left_out(examples)
        scale = _scale(scores, cosines, seen)
        if scores is None or not scale:
            continue
        for strength in (1.0,) if few else STRENGTHS:
            candidates.append((way, scale * strength, strength))
            decided = adapted_scores(known, scores[rows] * (scale * strength), ~seen)
            judgements.append(_judge(decided, targets, logit_scale))
    # Each class counts the same, however many examples it has.
    losses = torch.stack([one.losses for one in judgements]) / examples.counts[targets]
    right = torch.stack([one.right for one in judgements])
    total = losses.sum(dim=1)
    best, without = int(total.argmin()), (total[:, None] - losses).argmin(dim=0)
    gain = paired_gain(right.gather(0, without[None])[0], right[0])
    text, chosen = (float(right[which].double().mean()) for which in (0, best))
    taken = gain.value >= 0 if few else gain.value > 0
    found = candidates[best if taken else 0]
    return Choice(*found, judged, text, chosen, gain, judgements[best].temperature)


def _scale(scores: torch.Tensor | None, cosines: torch.Tensor, seen: torch.Tensor) -> float:
    """What brings scores to the spread among classes that cosines have; 0 of scores without any."""
    if scores is None:
        return 0.0
    own, wanted = (float(values[:, seen].std(dim=1).mean()) for values in (scores, cosines))
    return max(wanted, _LEAST_SPREAD) / own if own > 0 else 0.0


@dataclass(frozen=True, eq=False)
class _Judgement:
    """Minus the log-likelihood of each label, at which temperature, and which are right."""

    losses: torch.Tensor
    temperature: float
    right: torch.Tensor


def _judge(scores: torch.Tensor, targets: torch.Tensor, logit_scale: float) -> _Judgement:
    """Judge at the temperature that is best for all of them."""
    logits = scores * logit_scale

    def losses(number: int) -> torch.Tensor:
        scaled = logits / float(_TEMPERATURES[number])
        return torch.nn.functional.cross_entropy(scaled, targets, reduction="none")

    low, high = 0, len(_TEMPERATURES) - 1
    while low < high:  # the loss is convex in the inverse of the temperature
        middle = (low + high) // 2
        if losses(middle).sum() <= losses(middle + 1).sum():
            high = middle
        else:
            low = middle + 1
    return _Judgement(losses(low), float(_TEMPERATURES[low]), scores.argmax(dim=1) == targets)
