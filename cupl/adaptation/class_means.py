"""The mean photo of each class, from few examples and the text.

A class vector is a text's and lies elsewhere than photos do. Moved by the mean difference between
the photos of a class and its text, it counts as one more example: with n examples of mean m, text t
and the move o,

    mu = (n m + t + o) / (n + 1),    o = mean over the classes of (m - t)

So one odd example does not place a class alone, and classes of few examples stay near their text
(prompts as samples: TIMO, Li et al., arXiv 2406.11252).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch


@dataclass(frozen=True, eq=False)
class Examples:
    """Photos of known class, and the texts of the classes.

    Attributes:
        images: float64 ``[examples, dim]`` at length 1.
        targets: int64 ``[examples]``.
        texts: float64 ``[classes, dim]``.

    """

    images: torch.Tensor
    targets: torch.Tensor
    texts: torch.Tensor

    @cached_property
    def counts(self) -> torch.Tensor:
        """Examples of each class, float64 ``[classes]``."""
        return self.targets.bincount(minlength=len(self.texts)).to(torch.float64)

    @cached_property
    def means(self) -> torch.Tensor:
        """Of the examples alone, ``[classes, dim]``; zero where there are none."""
        sums = torch.zeros_like(self.texts).index_add_(0, self.targets, self.images)
        return sums / self.counts.clamp(min=1)[:, None]

    @cached_property
    def deviations(self) -> torch.Tensor:
        """Of each example from the mean of its class, ``[examples, dim]``."""
        return self.images - self.means[self.targets]

    @cached_property
    def moved_texts(self) -> torch.Tensor:
        """Where the photos of each class are to be expected by its text, ``[classes, dim]``."""
        seen = self.counts > 0
        return self.texts + (self.means - self.texts)[seen].mean(dim=0)

    @cached_property
    def anchored_means(self) -> torch.Tensor:
        """Mu of each class, ``[classes, dim]``; without examples the moved text."""
        number = self.counts[:, None]
        return (number * self.means + self.moved_texts) / (number + 1)


def chance_in_squares(
    examples: Examples, counts: torch.Tensor, whitening: torch.Tensor | None = None
) -> torch.Tensor:
    """By how much mu' P mu is too large for the chance in n examples, of the shape of ``counts``.

    The covariance of mu is Sigma n / (n + 1)^2, and so tr(P Sigma) n / (n + 1)^2 is expected of
    it: more of one example than of sixteen. Taken off, classes of few examples are not at a
    disadvantage beside those of many (as Moran & Murphy, Applied Statistics 28, 1979).
    """
    deviations = examples.deviations
    freedom = max(len(deviations) - int((examples.counts > 0).sum()), 1)
    whole = deviations if whitening is None else deviations @ whitening
    return whole.square().sum() / freedom * counts / (counts + 1).square()


def left_out_scores(examples: Examples, whitening: torch.Tensor | None = None) -> torch.Tensor:
    """X' P mu - 1/2 mu' P mu of each example x, with the means mu and the P of all others.

    That is what log densities of Gaussians differ by between classes, P the inverse covariance.

    In closed form: leaving out x of class c, of n examples with mean m, moves m by -u / (n - 1)
    with u = x - m, takes u u' n / (n - 1) from the scatter, and so, by Sherman and Morrison, adds
    b P u u' P to P. The ridge within P is left as it is: it is one number of all.

    Args:
        examples: of two classes or more. Without a single example its class has its text's mean.
        whitening: W with W W' = P, ``[dim, dim]``; None where P is the identity, which does not
            depend on the examples.

    Returns:
        float64 ``[examples, classes]``.

    """
    own, number = examples.targets, examples.counts[examples.targets]
    rest, alone = (number - 1).clamp(min=1), (number == 1)[:, None]
    x, u, mu, moved = (
        values if whitening is None else values @ whitening
        for values in (
            examples.images, examples.deviations, examples.anchored_means, examples.moved_texts,
        )
    )  # fmt: skip
    seen = (examples.counts > 0).sum()
    # Of the texts, as the mean of its class moves; that of a single example goes altogether.
    move = torch.where(
        alone, (moved[own] - x) / (seen - 1).clamp(min=1), -u / (rest * seen)[:, None]
    )
    share = 1 / (examples.counts + 1)  # of the text in each mean
    products = x @ mu.T + share * (x * move).sum(dim=1, keepdim=True)
    squares = (
        mu.square().sum(dim=1)
        + 2 * share * (move @ mu.T)
        + share.square() * move.square().sum(dim=1, keepdim=True)
    )
    mean = ((number + 1)[:, None] * mu[own] - x + move) / number[:, None]  # without itself
    rows = torch.arange(len(own))
    products[rows, own] = (x * mean).sum(dim=1)
    squares[rows, own] = mean.square().sum(dim=1)
    counts = examples.counts.repeat(len(own), 1)
    counts[rows, own] -= 1
    squares -= chance_in_squares(examples, counts, whitening)
    if whitening is None:
        return products - squares / 2
    across = u @ mu.T + share * (u * move).sum(dim=1, keepdim=True)
    across[rows, own] = (u * mean).sum(dim=1)
    less = number / rest / len(own)
    more = (less / (1 - less * u.square().sum(dim=1)).clamp(min=1e-9))[:, None]
    products += more * (x * u).sum(dim=1, keepdim=True) * across
    return products - (squares + more * across.square()) / 2
