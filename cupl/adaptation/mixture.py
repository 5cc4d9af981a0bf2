"""Photos as a mixture of Gaussians, one a class, whose means the texts foretell.

StatA (Zanella et al., "Realistic test-time adaptation of vision-language models", CVPR 2025) fits
such a mixture with means that are drawn to the texts. Here the texts are first brought to where the
photos lie, which CLIP's modality gap keeps apart: class k is expected at

    A_k = a t_k + delta

with the slope a and the shift delta that fit the means m_k of the photos best (least squares,
weighted by the number c_k of photos). How far class means lie from there, tau^2, is estimated with
a and delta (a hierarchical model: the noise of a mean, sigma^2 / c_k, is taken off), and says how
much a class's own photos count against its text:

    mu_k = b_k m_k + (1 - b_k) A_k,     b_k = c_k / (kappa + c_k),     kappa = sigma^2 / tau^2

so that a class of few photos stays near what the text made of it, and one of none is there. The
variances are diagonal, var_k = (c_k emp_k + nu s) / (c_k + nu) (1 + 1 / (kappa + c_k)), with the
variance s within all classes counting as nu photos.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from cupl.embedding.adapter import Adapter

SHARED_COUNTS = 30.0
"""Photos that the variance of all classes counts as, in that of one class."""
_SURE_OF_A_MEAN = 5.0
"""Photos from which on a class's mean counts half in the estimate of tau^2."""
_LEAST_VARIANCE = 1e-3
"""Of the mean one: some encoders have constant dimensions."""
_NO_PHOTOS = 1e-9

Responsibilities = Callable[[torch.Tensor], torch.Tensor]
"""Photos float32 ``[block, dim]`` to the share of each class in each, ``[block, classes]``."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over photos, float64.

    Attributes:
        counts: shares of the classes, ``[classes]``.
        sums: of photos by shares, ``[classes, dim]``.
        squares: of their squares by shares, likewise; or ``[1, dim]``, of all classes together.

    """

    counts: torch.Tensor
    sums: torch.Tensor
    squares: torch.Tensor


def moments_of(
    blocks: Iterable[torch.Tensor],
    shares: Responsibilities,
    texts: torch.Tensor,
    own_squares: bool = True,
    weight: float = 1.0,
) -> Moments:
    """One pass over the photos, by shares of the classes that ``texts`` are of.

    Args:
        blocks: the photos.
        shares: of the classes in them; those of a photo sum to 1.
        texts: class vectors.
        own_squares: whether the squares of each class are wanted, which takes half of the time.
        weight: of each photo.

    """
    sums = torch.zeros_like(texts, dtype=torch.float64)
    squares = torch.zeros_like(sums if own_squares else sums[:1])
    counts = torch.zeros(len(texts), dtype=torch.float64)
    for block in blocks:
        found = shares(block)
        counts += found.sum(dim=0, dtype=torch.float64)
        sums += found.T @ block
        if own_squares:
            squares += found.T @ block.square()
        else:
            squares += block.square().sum(dim=0, dtype=torch.float64)
    return Moments(counts * weight, sums * weight, squares * weight)


@dataclass(frozen=True, slots=True)
class Dependence:
    """How the dimensions of photos depend on each other within the classes.

    Attributes:
        overcount: how many times too much they would say if they were taken for independent; 1
            where they are. With S the covariance within the classes, dim tr(S^2) / tr(S)^2 (the
            participation ratio of its eigenvalues).
        one_variance: whether the axes have most of that among themselves, as after a principal
            component analysis: then those of large variance are the ones that tell classes apart,
            which as long as labels are guessed looks like a spread within.

    """

    overcount: float
    one_variance: bool


_OWN_AXES = 0.5


def dependence(blocks: Iterable[torch.Tensor], moments: Moments) -> Dependence:
    """Measured in one pass over the photos.

    The part of tr(S^2) that is due to there being no more than n photos is taken off.

    Args:
        blocks: the photos.
        moments: of the same.

    """
    dim = moments.sums.shape[1]
    products, number = torch.zeros(dim, dim, dtype=torch.float64), 0
    for block in blocks:
        products += block.T @ block
        number += len(block)
    counts = moments.counts * (number / moments.counts.sum())
    means = moments.sums / moments.counts[:, None].clamp(min=_NO_PHOTOS)
    within = (products - means.T @ (counts[:, None] * means)) / number
    trace, square = float(within.trace()), float(within.square().sum())
    free = max(number - float(classes_there(counts)), number / 2)
    noiseless = (square - trace**2 / free) / (1 + 1 / free)
    over = max(1.0, dim * noiseless / trace**2)
    of_axes = dim * float(within.diagonal().square().sum()) / trace**2
    return Dependence(over, of_axes > _OWN_AXES * over)


def classes_there(counts: torch.Tensor) -> torch.Tensor:
    """How many classes have photos: exp(H), with H the entropy of their shares."""
    there: torch.Tensor = torch.special.entr(counts / counts.sum()).sum().exp()
    return there


@dataclass(frozen=True, eq=False)
class Gaussians:
    """One a class, diagonal; float64.

    Attributes:
        means: ``[classes, dim]``.
        variances: ``[classes, dim]``.
        slope: of the texts, a.
        kappa: photos that a text counts as.

    """

    means: torch.Tensor
    variances: torch.Tensor
    slope: float
    kappa: float

    def adapter(self, temper: float, prior: torch.Tensor, logit_scale: float) -> Adapter:
        """What the densities add to cosines: (ln p_k(x) / temper + prior_k) / logit_scale.

        Args:
            temper: dimensions are not independent, so that their densities say too much.
            prior: in logits, ``[classes]``.
            logit_scale: of the cosines.

        """
        precisions = 1 / self.variances
        constant = (self.means.square() * precisions + self.variances.log()).sum(dim=1)
        bias = prior - constant / (2 * temper)
        scale = temper * logit_scale
        return Adapter(
            (self.means * precisions / scale).float(),
            ((bias - bias.max()) / logit_scale).float(),
            (-precisions / (2 * scale)).float(),
        )


def fit_gaussians(
    moments: Moments, texts: torch.Tensor, own_variances: bool, one_variance: bool = False
) -> Gaussians:
    """The mixture of this module's head.

    Args:
        moments: of the photos.
        texts: class vectors, float64 ``[classes, dim]``.
        own_variances: whether each class has variances of its own, or all have those within all.
        one_variance: whether all dimensions have the same.

    """
    counts = moments.counts[:, None].clamp(min=_NO_PHOTOS)
    means = moments.sums / counts
    weights = moments.counts / moments.counts.sum()
    centre, middle = weights @ means, weights @ texts
    spread = (weights[:, None] * (texts - middle).square()).sum()
    along = (weights[:, None] * (texts - middle) * (means - centre)).sum()
    slope = float(along / spread) if spread > 0 else 0.0
    foretold = centre + slope * (texts - middle)

    within = moments.squares.sum(dim=0) / moments.counts.sum() - weights @ means.square()
    within = within.clamp(min=float(within.mean()) * _LEAST_VARIANCE)
    if one_variance:
        within = within.mean().expand_as(within)
    total = within.sum()
    sure = moments.counts / (moments.counts + _SURE_OF_A_MEAN)
    beyond = (means - foretold).square().sum(dim=1) - total / counts[:, 0]
    tau = max(float((beyond * sure).sum() / sure.sum()), float(total) * _LEAST_VARIANCE)
    kappa = float(total) / tau

    counts = moments.counts[:, None]
    drawn = counts / (kappa + counts)
    variances = within.expand_as(means)
    if own_variances:
        own = (moments.squares / counts.clamp(min=_NO_PHOTOS) - means.square()).clamp(min=0.0)
        own = own.mean(dim=1, keepdim=True).expand_as(own) if one_variance else own
        variances = (counts * own + SHARED_COUNTS * within) / (counts + SHARED_COUNTS)
        variances = variances.maximum(within.min())
    variances = variances * (1 + 1 / (kappa + counts))
    return Gaussians(drawn * means + (1 - drawn) * foretold, variances, slope, kappa)
