"""Photos as of an encoder with a modality gap: they lie in clusters, away from their texts."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cupl.embedding.class_vectors import ClassVectors

DIM = 32


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=-1)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Class vectors, photos and their true classes."""

    vectors: ClassVectors
    photos: torch.Tensor
    targets: torch.Tensor

    def accuracy(self, vectors: ClassVectors) -> float:
        scores = vectors.cosines(self.photos)
        if vectors.adapter is not None:
            scores = vectors.adapter.adapted(scores, self.photos)
        return float((scores.argmax(dim=1) == self.targets).float().mean())


def draw_photos(
    counts: list[int], *, text_noise: float = 0.8, photo_noise: float = 0.35, seed: int = 0
) -> Drawn:
    """So many photos of each class; texts that are off by ``text_noise`` of what tells them apart.

    Args:
        counts: photos of each class; 0 for one that is not there.
        text_noise: length of the error of each text.
        photo_noise: length of the spread of photos around their class.
        seed: of all.

    """
    number = len(counts)
    meant = unit(random(number, DIM, seed=seed))
    gap = unit(random(1, DIM, seed=seed + 1))
    texts = unit(unit(meant + text_noise * unit(random(number, DIM, seed=seed + 2))) + 2 * gap)
    targets = torch.repeat_interleave(torch.arange(number), torch.tensor(counts))
    spread = photo_noise * unit(random(len(targets), DIM, seed=seed + 3))
    photos = unit(0.5 * meant[targets] - 1.5 * gap + spread)
    names = [f"class {number}" for number in range(number)]
    return Drawn(ClassVectors.from_arrays(names, texts, logit_scale=50.0), photos, targets)
