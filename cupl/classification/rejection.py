"""How far an image is from being none of the classes, and from where on it is.

Without anything to compare with, the score is the highest cosine of the image with a class. Where
the mean of photos of the classes is known (a fitted threshold has it) and the encoder has a gap
between photos and texts, it is the highest centred cosine, of x - mean x with t_c - mean t: what
all photos and all texts have in common says nothing of a class. There is a gap (Liang et al., "Mind
the gap", NeurIPS 2022, arXiv 2203.02053) where the two means lie further apart than the vectors
spread around them, |mean x - mean t|^2 > E|x - mean x|^2 + E|t - mean t|^2: so with CLIP. Without
one, how near a photo is to the texts at all tells what it is of.

With negatives, the vectors of a reject bank or of words, it is the log of the odds that the
softmax gives to all classes together against all negatives together (NegLabel: Jiang et al., ICLR
2024, arXiv 2403.20078):

    score = ln sum_c exp(s x.t_c) - ln (w sum_j exp(s x.n_j)),   s = logit_scale

w is 1 for a bank, whose classes somebody has named, and classes / words for words drawn from a
list, so that their number alone decides nothing. NegLabel averages over groups of words in place of
that, which orders images alike.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass

import torch

from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.fitted import FittedThreshold
from cupl.embedding.modality_gap import has_gap
from cupl.embedding.normalize import directions
from cupl.errors import InputError

FEWEST_TO_CENTRE = 3
"""The mean of the texts of one or two classes is about these, not about texts."""
_SPREAD = 1e-3
"""Photos or texts that lie closer to their mean have no direction from there."""


@dataclass(frozen=True, eq=False)
class RejectionScore:
    """Image vectors to a number that is higher for photos of the classes.

    Attributes:
        classes: the classes, as the texts made them: an adaptation to photos makes this worse.
        negatives: what is none of them, encoded in the same way; None where nothing is known.
        are_words: whether the negatives were drawn, and count as many as there are classes.
        centre: mean of photos of the classes at length 1, ``[dim]``, for centred cosines.

    """

    classes: ClassVectors
    negatives: ClassVectors | None = None
    are_words: bool = False
    centre: torch.Tensor | None = None

    def __call__(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores ``[images]`` and the class, int64 ``[images]``, that each is about.

        Args:
            rows: float32 ``[images, dim]``, of any length.

        """
        found, matrix = directions(rows), self.classes.matrix
        if self.centre is not None:
            found, matrix = directions(found - self.centre), directions(matrix - matrix.mean(dim=0))
        best, nearest = (found @ matrix.T).max(dim=1)
        if self.negatives is None:
            return best, nearest
        known, others = (
            self._log_sum(found @ vectors.matrix.T) for vectors in (self.classes, self.negatives)
        )
        weight = len(self.classes.labels) / len(self.negatives.labels) if self.are_words else 1.0
        return known - others - math.log(weight), nearest

    def _log_sum(self, cosines: torch.Tensor) -> torch.Tensor:
        # Without the temperature, which is about probabilities: a threshold outlives a new one.
        return (cosines * self.classes.provenance.logit_scale).logsumexp(dim=1)

    def negative_names(self, rows: torch.Tensor) -> list[str]:
        """For each image the negative that it is closest to."""
        if self.negatives is None:
            return [""] * len(rows)
        nearest = (directions(rows) @ self.negatives.matrix.T).argmax(dim=1)
        return [self.negatives.labels[number].name for number in nearest.tolist()]

    def centred_on(self, rows: torch.Tensor) -> RejectionScore:
        """The same by centred cosines, where examples ``[examples, dim]`` and classes allow it.

        The direction of x - mean is the same whether x is among those that the mean is of or not,
        so that the scores of examples are those of new photos.
        """
        found, matrix = directions(rows), self.classes.matrix
        if self.negatives is not None or len(matrix) < FEWEST_TO_CENTRE:
            return self
        centre = found.double().mean(dim=0).float()
        photos, texts = (found - centre).norm(dim=1), (matrix - matrix.mean(dim=0)).norm(dim=1)
        apart = has_gap(centre, float(photos.square().mean()), matrix)
        if not apart or min(float(photos.min()), float(texts.min())) < _SPREAD:
            return self
        return RejectionScore(self.classes, centre=centre)

    @property
    def digest(self) -> str | None:
        """Of the negatives: a threshold holds for these alone."""
        if self.negatives is None:
            return None
        made_by = self.negatives.provenance
        # Not of the vectors: another machine rounds their last digits otherwise.
        names = [] if self.are_words else [str(label) for label in self.negatives.labels]
        said = [self.are_words, names, made_by.bank_digest, made_by.templates, made_by.fingerprint]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Rejection:
    """A score and from where on an image is one of the classes.

    Attributes:
        score: of images.
        fitted: on photos of the classes; else an image is none of them where its odds against the
            negatives are below one.

    Raises:
        InputError: the threshold was fitted with other negatives or classes.

    """

    score: RejectionScore
    fitted: FittedThreshold | None = None

    def __post_init__(self) -> None:
        if self.fitted is None:
            return
        classes, dim = self.score.classes.matrix.shape
        centre = self.fitted.centre
        if len(self.fitted.by_class) != classes or (centre is not None and len(centre) != dim):
            raise InputError("the threshold was fitted for other classes: fit it again")
        if self.fitted.negatives != self.score.digest:
            which = "with" if self.fitted.negatives else "without"
            raise InputError(
                f"the threshold of these class vectors was fitted {which} a reject bank or words, "
                "and not with what is given now: give the same, or fit it again",
                arguments={"reject": ..., "keep": ...},
            )

    def reasons(self, rows: torch.Tensor) -> list[str | None]:
        """Why each image has no label; None for those that are of the classes.

        Args:
            rows: float32 ``[images, dim]``, of any length.

        """
        scores, nearest = self.score(rows)
        limits = scores.new_zeros(len(self.score.classes.labels))
        if self.fitted is not None:
            common = self.fitted.common
            limits = torch.tensor([common if one is None else one for one in self.fitted.by_class])
        passed = (scores >= limits[nearest]).tolist()
        return [
            None if is_of_the_classes else self._why(name, number)
            for is_of_the_classes, name, number in zip(
                passed, self.score.negative_names(rows), nearest.tolist(), strict=True
            )
        ]

    def _why(self, negative: str, nearest: int) -> str:
        if negative:
            return f"none of these: {negative}"
        keep = 100 * self.fitted.keep if self.fitted else 0.0
        name = self.score.classes.labels[nearest].name
        return f"less like a class than {keep:.4g}% of the examples: {name}"


def rejection_of(
    vectors: ClassVectors, reject: ClassVectors | None, words: ClassVectors | None, *, fitted: bool
) -> Rejection | None:
    """What says that an image is none of the classes, where it is not what is closest.

    Args:
        vectors: the classes.
        reject: those of a reject bank.
        words: negatives that were drawn from a list.
        fitted: whether a fitted threshold of the class vectors counts.

    Raises:
        InputError: the threshold was fitted with other negatives.

    """
    threshold = vectors.provenance.threshold if fitted else None
    if threshold is None and words is None:
        return None
    centre = None
    if threshold is not None and threshold.centre is not None:
        centre = torch.tensor(threshold.centre)
    return Rejection(rejection_score(vectors, reject, words, centre), threshold)


def rejection_score(
    vectors: ClassVectors,
    reject: ClassVectors | None,
    words: ClassVectors | None,
    centre: torch.Tensor | None = None,
) -> RejectionScore:
    """The score by the negatives that there are; words in place of a reject bank."""
    negatives = reject if words is None else words
    return RejectionScore(vectors, negatives, are_words=words is not None, centre=centre)
