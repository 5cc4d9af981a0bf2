"""What adapting to photos without labels is worth: a table of accuracies.

    python -m tests.benchmarks.bench_adaptation DATA [--photos FOLDER...]

DATA is a folder of real embeddings, files as of ``bench_few_labels``. Each FOLDER is an
ImageFolder; its photos are encoded by mini, and the only prompt of a class is "a photo of a {}." of
the folder's name. The photos that classes are adapted to are those that are judged. Which they are,
and which classes are listed, differs:

- all: everything.
- Zipf: of the class of rank r one r-th of its photos; the ranks are drawn.
- a fifth: photos of a fifth of the classes, all classes listed.
- 60 photos.
- foreign: 12 of 19 classes listed, photos of all; judged by those of listed classes.

Printed are the accuracies in %, means over draws, by the texts and after adaptation, the worst
difference, and in how many draws the texts were kept.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from cupl.adaptation.photos import adapt_to_photos
from cupl.bank.labels import ClassLabel
from cupl.classification.scoring import scores_of
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import unit
from cupl.encoders.loading import load_encoder
from cupl.evaluation.dataset import read_labelled
from cupl.evaluation.labelled import encode_labelled
from tests.benchmarks.bench_few_labels import read
from tests.models import bank_of

DRAWS = 8
FEW = 60
PRESENT, LISTED = 1 / 5, 12 / 19
"""Shares of the classes."""


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos that are judged, and the class vectors that are listed.

    Attributes:
        images: ``[images, dim]`` at length 1.
        truth: int64 ``[images]``.
        vectors: of all classes, of which some may be listed only.
        listed: their numbers, ascending.

    """

    images: torch.Tensor
    truth: torch.Tensor
    vectors: ClassVectors
    listed: torch.Tensor

    def of(self, chosen: torch.Tensor) -> "Photos":
        """Some of the photos."""
        return replace(self, images=self.images[chosen], truth=self.truth[chosen])

    @cached_property
    def classes(self) -> ClassVectors:
        """Those that are listed."""
        labels = [self.vectors.labels[int(k)] for k in self.listed]
        return replace(self.vectors, labels=labels, matrix=self.vectors.matrix[self.listed])

    def share_right(self, classes: ClassVectors) -> float:
        """In %, of the photos of listed classes."""
        found = self.listed[scores_of(self.images, classes).argmax(dim=1)]
        counts = torch.isin(self.truth, self.listed)
        return 100 * float((found == self.truth)[counts].double().mean())


def scenarios(photos: Photos, seed: int) -> Iterator[tuple[str, Photos]]:
    """Each with its name."""
    random = torch.Generator().manual_seed(seed)
    number, classes = len(photos.truth), len(photos.vectors.labels)

    def drawn(most: int) -> torch.Tensor:
        return torch.randperm(most, generator=random)

    if not seed:  # nothing in it is drawn
        yield "all", photos
    kept = list[torch.Tensor]()
    for rank, k in enumerate(drawn(classes), start=1):
        own = (photos.truth == k).nonzero()[:, 0]
        kept.append(own[drawn(len(own))[: max(1, round(len(own) / rank))]])
    yield "Zipf", photos.of(torch.cat(kept))
    present = drawn(classes)[: max(2, round(classes * PRESENT))]
    yield "a fifth", photos.of(torch.isin(photos.truth, present))
    yield f"{FEW} photos", photos.of(drawn(number)[:FEW])
    yield "foreign", replace(photos, listed=drawn(classes)[: round(classes * LISTED)].sort()[0])


def encoded(folder: Path) -> Photos:
    """An ImageFolder, by mini."""
    encoder = load_encoder("mini")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    spoken = [re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower() for name in names]
    texts = {name: [f"a photo of a {said}."] for name, said in zip(names, spoken, strict=True)}
    vectors = encode_bank(bank_of(texts), encoder, text_cache=False)
    found = encode_labelled(read_labelled(folder, [ClassLabel(name) for name in names]), encoder)
    assert found.vectors is not None
    everything = torch.arange(len(names))
    return Photos(unit(found.vectors), torch.tensor(found.targets), vectors, everything)


def stored(file: Path) -> Photos:
    """Embeddings as they were made elsewhere."""
    images, classes, vectors = read(str(file))
    return Photos(images, classes.long(), vectors, torch.arange(len(vectors.labels)))


def judge(name: str, photos: Photos) -> None:
    """Print a row for each scenario."""
    rows: dict[str, list[tuple[float, float, bool]]] = {}
    for seed in range(DRAWS):
        for scenario, some in scenarios(photos, seed):
            adapted, report = adapt_to_photos(some.classes, some.images)
            shares = some.share_right(some.classes), some.share_right(adapted)
            rows.setdefault(scenario, []).append((*shares, report.kept is not None))
    for scenario, found in rows.items():
        plain, after, kept = np.array(found).T
        print(
            f"{name:28.28} {scenario:10} {plain.mean():6.1f} {after.mean():8.1f} "
            f"{(after - plain).mean():+6.1f} {(after - plain).min():+6.1f} "
            f"{kept.sum():4.0f} of {len(kept)}",
            flush=True,
        )


def main() -> None:
    """Read what is named, judge and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=Path, nargs="*", default=[])
    given = parser.parse_args()
    print(f"{'':28} {'':10} {'plain':>6} {'adapted':>8} {'gain':>6} {'worst':>6} texts kept")
    for file in sorted(given.data.glob("*.npz")):
        judge(file.stem, stored(file))
    for folder in given.photos:
        judge(f"mini, {folder.name}", encoded(folder))


if __name__ == "__main__":
    main()
