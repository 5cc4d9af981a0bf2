"""Photos whose classes differ in ways that texts hardly know, as of a CLIP model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from cupl.embedding.class_vectors import ClassVectors


@dataclass(frozen=True)
class World:
    """Class vectors, and photos far from them, with a covariance that all classes share."""

    vectors: ClassVectors
    means: torch.Tensor
    noise: torch.Tensor

    def photos(self, counts: list[int], seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        """Image vectors, float32 ``[images, dim]``, and the class of each."""
        random = torch.Generator().manual_seed(seed)
        targets = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
        drawn = torch.randn(len(targets), self.means.shape[1], generator=random)
        return normalize(self.means[targets] + drawn @ self.noise), targets

    def accuracy(self, vectors: ClassVectors, classes: list[int] | None = None) -> float:
        """On other photos, 60 a class."""
        from cupl.classification.scoring import scores_of

        images, targets = self.photos([60] * len(self.means), seed=99)
        right = scores_of(images, vectors).argmax(dim=1) == targets
        return float(
            right[torch.isin(targets, torch.tensor(classes))].float().mean()
            if classes is not None
            else right.float().mean()
        )


def world(classes: int = 6, dim: int = 24, spread: float = 1.0, seed: int = 0) -> World:
    """``spread``: of photos within a class, along some directions much more than along others."""
    random = torch.Generator().manual_seed(seed)
    texts = torch.randn(classes, dim, generator=random)
    gap = 4 * torch.randn(dim, generator=random)
    gap -= torch.linalg.pinv(texts) @ (texts @ gap)  # no text is nearer to all photos than others
    means = gap + 0.7 * texts + torch.randn(classes, dim, generator=random)
    noise = torch.randn(dim, dim, generator=random)
    scales = spread * torch.logspace(0.3, -1.2, dim)
    noise = torch.linalg.qr(noise).Q * scales[:, None]
    names = [f"class {k}" for k in range(classes)]
    vectors = ClassVectors.from_arrays(names, texts, logit_scale=20)
    return World(vectors, means, noise)
