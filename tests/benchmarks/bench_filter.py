"""Whether the rates of a filter hold: run ``python -m tests.benchmarks.bench_filter DATA``.

DATA is a folder with labelled photos in ``scenes`` and ``art``, which ``mini`` encodes, and real
CLIP embeddings of 19 classes of aerial photos in ``clip-vectors/*.npz`` (images, texts, classes).
In each of 500 draws a few classes are unwanted and the others fine, half of the photos of each
class are the examples that the thresholds are fitted on, and the other half is judged. Printed are
means. ``promised`` is the miss rate of the fit, ``missed`` what share of the photos to be blocked
was allowed, ``worst`` the same in the worst draw of 20 (these halves are small: they spread further
than the truth), ``likely`` what the fit says of that. Then what share of these is for review, what
share of the fine ones is blocked (``alarms``) and for review. The row ``none`` is without examples.
``unseen`` is the miss rate of an unwanted class of which the examples have no photo, though the
filter has its name, and ``unnamed`` of one whose name it has not either: nothing is promised there.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cupl.bank.template_banks import template_bank
from cupl.classification.content_filter import ContentFilter
from cupl.classification.filter_thresholds import (
    FilterThresholds,
    fit_filter_thresholds,
    usual_thresholds,
)
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_files import find_images
from cupl.embedding.image_stream import encode_sources
from cupl.embedding.normalize import unit
from cupl.encoders.loading import load_encoder

DRAWS = 500
RATES = (0.02, 0.05, 0.1)


@dataclass(frozen=True)
class Labelled:
    """Vectors of classes and of photos of them."""

    classes: ClassVectors
    images: torch.Tensor
    targets: torch.Tensor
    unwanted: int

    def filter(self, block: list[int], allow: list[int]) -> ContentFilter:
        """The filter of these classes."""
        return ContentFilter(self._some(block), self._some(allow))

    def _some(self, numbers: list[int]) -> ClassVectors:
        made = self.classes
        labels = [made.labels[number] for number in numbers]
        return ClassVectors(labels, made.matrix[numbers], made.provenance)


def photos(*folders: Path) -> Labelled:
    """Photos in folders named after their classes, encoded by ``mini``."""
    encoder = load_encoder("mini")
    names = [one for folder in folders for one in sorted(folder.iterdir())]
    classes = encode_bank(template_bank([f"{one.name}" for one in names]), encoder)
    images, targets = [], []
    for number, folder in enumerate(names):
        for image in encode_sources(find_images([folder]), encoder):
            assert image.vector is not None, image.error
            images.append(image.vector)
            targets.append(number)
    return Labelled(classes, torch.stack(images), torch.tensor(targets), max(2, len(names) // 5))


def aerial(file: Path) -> Labelled:
    """Embeddings that were made elsewhere."""
    data = np.load(file)
    texts = torch.from_numpy(data["texts"].astype(np.float32))
    means = unit(torch.nn.functional.normalize(texts, dim=2).mean(dim=0))
    names = [f"class {number}" for number in range(len(means))]
    images = torch.from_numpy(data["images"].astype(np.float32))
    targets = torch.from_numpy(data["classes"].astype(np.int64))
    return Labelled(ClassVectors.from_arrays(names, means), images, targets, 4)


def shares(margins: torch.Tensor, thresholds: FilterThresholds) -> tuple[float, float, float]:
    """Of such margins the shares that are allowed, blocked and for review."""
    allowed = float((margins < thresholds.allow_below).float().mean())
    blocked = float((margins > thresholds.block_above).float().mean())
    return allowed, blocked, 1 - allowed - blocked


def halves(data: Labelled, random: torch.Generator) -> torch.Tensor:
    """Which photos are examples: half of each class."""
    is_example = torch.zeros(len(data.targets), dtype=torch.bool)
    for number in range(len(data.classes.labels)):
        rows = (data.targets == number).nonzero().flatten()
        is_example[rows[torch.randperm(len(rows), generator=random)[: len(rows) // 2]]] = True
    return is_example


def draws(data: Labelled) -> Iterator[tuple[str, list[float]]]:
    """Name of a row and its figures, of each draw."""
    for seed in range(DRAWS):
        random = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(data.classes.labels), generator=random).tolist()
        block, allow = order[: data.unwanted], order[data.unwanted :]
        made = data.filter(block, allow)
        margins = made.margins(data.images)
        is_example, unwanted = halves(data, random), torch.isin(data.targets, torch.tensor(block))
        left = data.targets == block[0]
        nameless = data.filter(block[1:], allow).margins(data.images)
        test, fit = ~is_example, is_example
        rows = {"none": usual_thresholds(made.vectors.provenance)}
        for rate in RATES:
            if (fit & unwanted & ~left).sum() >= 1 / rate - 1:
                rows[f"{rate:g}"] = fit_filter_thresholds(
                    margins[fit & unwanted], margins[fit & ~unwanted], rate, rate
                )
        for name, thresholds in rows.items():
            missed, _, doubtful = shares(margins[test & unwanted], thresholds)
            _, alarms, held = shares(margins[test & ~unwanted], thresholds)
            figures = [np.nan, missed, np.nan, doubtful, alarms, held, np.nan, np.nan]
            if thresholds.misses is not None:
                rate = thresholds.misses.rate
                figures[0] = thresholds.misses.expected
                figures[2] = thresholds.misses.likely_most
                fine, some = fit & ~unwanted, fit & unwanted & ~left
                for place, known in ((6, margins), (7, nameless)):
                    part = fit_filter_thresholds(known[some], known[fine], rate, rate)
                    figures[place] = shares(known[left], part)[0]
            yield name, figures


def report(title: str, data: Labelled) -> None:
    """Print a table."""
    found: dict[str, list[list[float]]] = defaultdict(list)
    for name, figures in draws(data):
        found[name].append(figures)
    print(f"\n{title}: {data.unwanted} of {len(data.classes.labels)} classes unwanted")
    columns = "promised missed worst likely review alarms review unseen unnamed"
    print(f"{'rate':>6}" + "".join(f"{one:>9}" for one in columns.split()))
    for name, drawn in found.items():
        table = np.array(drawn)
        mean = table.mean(axis=0)
        worst = np.quantile(table[:, 1], 0.95)
        line = [mean[0], mean[1], worst, *mean[2:]]
        shown = ["-" if np.isnan(one) else f"{one:.1%}" for one in line]
        print(f"{name:>6}" + "".join(f"{one:>9}" for one in shown))


def main(data: Path) -> None:
    """Print all tables."""
    for folders in (["scenes"], ["art"], ["art", "scenes"]):
        report(f"mini, {' and '.join(folders)}", photos(*(data / one for one in folders)))
    for file in sorted((data / "clip-vectors").glob("*.npz")):
        report(file.stem, aerial(file))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
