"""Class vectors adapted to a person's own photos, of which no label is known.

Photos of a class lie together. Where the texts have most photos of a class right, these show where
the class is, and the others follow. Expectation maximisation over the mixture of
:mod:`cupl.adaptation.mixture`, anchored in the texts: with y the softmax of the logits, class k has
in photo i the share

    z_ik ~ y_ik exp(ln p_k(x_i) / temper + prior_k)

Dimensions are not independent, so that their densities together say too much: the temper takes that
back. It runs twice from the texts. The first run finds out which classes are there: it has the same
variances for all classes, a higher temper, and as prior the logarithm of the shares themselves, so
that a class without photos of its own fades. The second sharpens those: its prior is 0 for all
classes that have a fair share, ``FAIR_SHARE`` of that of a typical class that is there, and falls
for those below. So nothing is assumed on how many photos a class has, or whether it has any.

Only sums over photos are kept, so that memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from cupl.adaptation.mixture import (
    Gaussians,
    Moments,
    classes_there,
    dependence,
    fit_gaussians,
    moments_of,
)
from cupl.adaptation.photo_blocks import PhotoBlocks, distinct_share
from cupl.adaptation.photos_report import PhotosReport
from cupl.embedding.adapter import Adaptation, Adapter
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.modality_gap import has_gap
from cupl.embedding.stored_vectors import Embeddings
from cupl.errors import InputError
from cupl.progress import Progress, ignore

FINDING, SHARPENING = 8, 10
"""Passes over the photos of the two runs, after one of the texts alone in each."""
USUAL_TEMPER, LEAST_TEMPER, MOST_TEMPER = 100.0, 3.0, 6.0
"""Of the first run, and its bounds in multiples of the overcount; see :func:`finding_temper`."""
SHARPER = 0.65
"""Temper of the second run, in that of the first."""
FAIR_SHARE = 0.15
_STEEPNESS = 4.0
FEWEST = 10
"""Photos, below which nothing can be told."""
FEWEST_A_CLASS = 2
"""Photos for each class that the texts find among them."""
MOST_FOR_TRUST = 20_000
"""Photos of which two halves are compared."""
_ALIKE = 1e-6
_NEAR = 0.05
"""Squared distance of photos that are nearly the same, in that of two of one class."""


def adapt_to_photos(
    vectors: ClassVectors, photos: torch.Tensor | Embeddings, *, progress: Progress = ignore
) -> tuple[ClassVectors, PhotosReport]:
    """Class vectors that know where the classes lie among photos.

    Args:
        vectors: made of texts alone.
        photos: image vectors ``[images, dim]`` of any length, of the same encoder, or what
            ``cupl embed`` wrote. Rows without a direction do not count.
        progress: told how many passes over the photos are done, and of how many.

    Returns:
        The class vectors with an adapter, or as they were where photos cannot help; and what
        became of the labels, or why the texts were kept.

    Raises:
        InputError: the class vectors were adapted before, or the photos have another width or
            encoder.

    """
    check_not_adapted(vectors)
    if isinstance(photos, Embeddings):
        vectors.check_embeddings(photos.provenance)
    elif photos.ndim != 2 or photos.shape[1] != vectors.matrix.shape[1]:
        wanted = f"[images, {vectors.matrix.shape[1]}]"
        raise InputError(f"photos of shape {list(photos.shape)} do not fit: {wanted}")
    blocks = PhotoBlocks(photos, vectors.compared)
    anchor = _Anchor(vectors, blocks, _Passes(progress))
    first = anchor.moments(None, shared=True)
    number = round(float(first.counts.sum()))
    if why := _why_not(vectors, first, number):
        return vectors, PhotosReport(number, kept=why)
    different = distinct_share(blocks, _NEAR * 2 * _within(first))
    if different * number < max(FEWEST, FEWEST_A_CLASS * float(classes_there(first.counts))):
        why = f"of {number:,} photos only {different * number:,.0f} are not nearly the same"
        return vectors, PhotosReport(number, kept=why)
    measured = dependence(blocks, first)
    temper = finding_temper(measured.overcount)
    anchor = replace(anchor, weight=different, one_variance=measured.one_variance)
    try:
        adapter, mixture = anchor.adapt(first, temper)
        report = _report(anchor, adapter, temper, number)
    except InputError:  # numbers beyond those of an adapter
        return vectors, PhotosReport(number, kept="the photos are nearly alike")
    settings = {"slope": mixture.slope, "kappa": mixture.kappa, "temper": SHARPER * temper}
    made = Adaptation(method="photos", images=number, settings=settings)
    made_by = vectors.provenance.model_copy(update={"adaptation": made, "coverage": None})
    return replace(vectors, adapter=adapter, provenance=made_by), report


def check_not_adapted(vectors: ClassVectors) -> None:
    """Accept class vectors that were made of texts alone.

    Raises:
        InputError: they were adapted before.

    """
    if vectors.adapter is not None:
        raise InputError(
            "these class vectors were adapted already: adapt those that the bank was encoded to"
        )


@dataclass(frozen=True, eq=False)
class _Anchor:
    """The texts, and the photos that are read again and again."""

    vectors: ClassVectors
    blocks: PhotoBlocks
    passed: Callable[[], None]
    weight: float = 1.0
    """Of a photo: those that are nearly the same count as one."""
    one_variance: bool = False

    def scores(
        self, block: torch.Tensor, adapter: Adapter | None, *, shared: bool = False
    ) -> torch.Tensor:
        """What classes are ordered by; ``shared`` where the adapter has the same variances for all.

        Such an adapter's squares are one row, times a number of each class.
        """
        if adapter is None:
            return self.vectors.cosines(block)
        if self.vectors.parts is None:  # one product in place of two
            found = torch.addmm(adapter.bias, block, (self.vectors.matrix + adapter.weights).T)
        else:
            found = self.vectors.cosines(block) + torch.addmm(
                adapter.bias, block, adapter.weights.T
            )
        if (squares := adapter.squares) is None:
            return found
        if shared:
            return found.addr_(block.square() @ squares[0], squares[:, 0] / squares[0, 0])
        return found.addmm_(block.square(), squares.T)

    def moments(self, adapter: Adapter | None, *, shared: bool = False) -> Moments:
        """Of the photos by the shares that texts and adapter give them."""
        scale = self.vectors.provenance.logit_scale
        found = moments_of(
            self.blocks,
            lambda block: (self.scores(block, adapter, shared=shared) * scale).softmax(dim=1),
            self.vectors.matrix,
            own_squares=not shared,
            weight=self.weight,
        )
        self.passed()
        return found

    def adapt(self, first: Moments, temper: float) -> tuple[Adapter, Gaussians]:
        """Both runs of this module's head.

        Args:
            first: moments by the texts alone.
            temper: of the first run.

        """
        texts, scale = self.vectors.matrix.double(), self.vectors.provenance.logit_scale
        found = first
        for _ in range(FINDING):
            counts = found.counts + 1
            mixture = fit_gaussians(found, texts, False, self.one_variance)
            prior = (counts / counts.sum()).log()
            found = self.moments(mixture.adapter(temper, prior, scale), shared=True)
        prior = fair_prior(found.counts)
        nowhere = torch.zeros_like(self.vectors.matrix)
        found = self.moments(Adapter(nowhere, (prior / scale).float()))
        for _ in range(SHARPENING):
            mixture = fit_gaussians(found, texts, True, self.one_variance)
            found = self.moments(mixture.adapter(SHARPER * temper, prior, scale))
        mixture = fit_gaussians(found, texts, True, self.one_variance)
        return mixture.adapter(SHARPER * temper, prior, scale), mixture


def finding_temper(over: float) -> float:
    """What the log densities are divided by in the first run.

    100, which was best for encoders whose densities say 20 to 35 times too much; kept between three
    times the overcount, where it would not take back enough, and six times, beyond which photos
    say next to nothing beside the shares of the classes.

    Args:
        over: see :class:`~cupl.adaptation.mixture.Dependence`.

    """
    return min(max(USUAL_TEMPER, LEAST_TEMPER * over), MOST_TEMPER * over)


def fair_prior(counts: torch.Tensor) -> torch.Tensor:
    """What each class is behind at the start for want of photos, in logits, ``[classes]``.

    A typical class has n photos / :func:`classes_there`. The prior is 0 from ``FAIR_SHARE`` of that
    on.

    Args:
        counts: photos of each class.

    """
    fair = FAIR_SHARE * counts.sum() / classes_there(counts)
    prior: torch.Tensor = _STEEPNESS * ((counts + 1) / (fair + 1)).clamp(max=1).log()
    return prior


class _Passes:
    """Tells how many passes over the photos are done."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._done = progress, 0

    def __call__(self) -> None:
        self._done += 1
        self._progress(self._done, 3 * (2 + FINDING + SHARPENING))


def _why_not(vectors: ClassVectors, first: Moments, number: int) -> str | None:
    """Why the photos cannot help, or None."""
    if len(vectors.labels) < 2:
        return "there is one class"
    if number < FEWEST:
        return f"{FEWEST} photos are needed, and {number} can be read"
    classes = float(classes_there(first.counts))
    if number < FEWEST_A_CLASS * classes:
        return f"{number:,} photos of about {classes:,.0f} classes are too few"
    if _within(first) < _ALIKE:
        return "the photos are alike"
    centre = first.sums.sum(dim=0) / number
    if not has_gap(centre, 1 - float(centre.square().sum()), vectors.matrix.double()):
        return "this encoder puts photos among their texts, and adapting such was not found to help"
    return None


def _within(moments: Moments) -> float:
    """Mean squared distance of photos at length 1 from the mean of their class."""
    shares = moments.counts / moments.counts.sum()
    means = moments.sums / moments.counts.clamp(min=_ALIKE)[:, None]
    return 1 - float(shares @ means.square().sum(dim=1))


def _report(anchor: _Anchor, adapter: Adapter, temper: float, number: int) -> PhotosReport:
    """What becomes of the labels, and whether each half of the photos would say the same."""
    half = torch.randperm(number, generator=torch.Generator().manual_seed(0))[:MOST_FOR_TRUST]
    adapters = [None, adapter]
    for part in half.tensor_split(2):
        keep = torch.zeros(number, dtype=torch.bool)
        keep[part] = True
        photos = torch.cat(list(replace(anchor.blocks, keep=keep)))
        one = replace(anchor, blocks=PhotoBlocks(photos, anchor.blocks.classes))
        adapters.append(one.adapt(one.moments(None, shared=True), temper)[0])
    labels = [
        torch.stack([anchor.scores(block, one).argmax(dim=1) for one in adapters])
        for block in anchor.blocks
    ]
    plain, adapted, one, other = torch.cat(labels, dim=1)
    classes = len(anchor.vectors.labels)
    before, after = plain.bincount(minlength=classes), adapted.bincount(minlength=classes)
    moved = plain != adapted
    changes = plain[moved].bincount(minlength=classes) + adapted[moved].bincount(minlength=classes)
    order = changes.argsort(descending=True, stable=True).tolist()
    return PhotosReport(
        number,
        changed=int(moved.sum()),
        agreement=float((one == other).double().mean()),
        classes=tuple(
            (str(anchor.vectors.labels[k]), int(before[k]), int(after[k])) for k in order
        ),
    )
