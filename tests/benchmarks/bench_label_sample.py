"""Whether the interval of a small sample covers the truth: a table of coverages and widths.

    python -m tests.benchmarks.bench_label_sample [DRAWS [EMBEDDINGS.npz ...]]

Of 2,000 photos all labels are known; 100 are drawn as ``cupl label --sample 100`` draws them and
judged as ``cupl evaluate`` does. Printed are, in percent, how often the 95 % interval holds the
accuracy on all, its mean width, and the same of a simple random sample with Wilson's interval. The
model is right with a probability that differs between photos and classes; what it says of that is
so ("calibrated"), too high ("too sure"), too low ("unsure"), or of no use ("useless").
"other bank" judges another model than the one that the sample was drawn by. "50 of 100" has half of
the rows labelled, from the top down. A file has real embeddings: ``images`` [images, dim],
``texts`` [templates, classes, dim] and ``classes`` [images].

Then the same of differences to another bank that has a few photos otherwise, unsure ones more often
("3 % differ, 90 % won"), whose truth is the difference on all photos.
"""

import itertools
import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from cupl.classification.scoring import scores_of
from cupl.evaluation.label_sample import confidence_strata, drawing_order
from cupl.evaluation.weighted import StratifiedSample, share_interval
from tests.benchmarks.bench_few_labels import SCALE, read

PHOTOS, LABELLED, WORLDS = 2000, 100, 40
ACCURACIES, CLASSES = (0.5, 0.8, 0.95, 0.975, 0.99), (5, 19, 200)
DIFFER, WON = (0.01, 0.03, 0.1, 0.3), (0.0, 0.5, 0.7, 0.9)
SURE = {"calibrated": (1.0, 0.0), "too sure": (2.5, 2.0), "unsure": (0.3, -1.0), "useless": None}


@dataclass(frozen=True)
class World:
    """Photos, how sure a model is of each, and whether it is right."""

    confidence: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]


def simulated(rng: np.random.Generator, accuracy: float, classes: int, sure: str) -> World:
    """Photos of classes that are more or less difficult."""
    difficult = rng.normal(0, 0.7, classes)[rng.integers(classes, size=PHOTOS)]
    logits = rng.normal(0, 2, PHOTOS) + difficult
    low, high = -20.0, 20.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if expit(logits + middle).mean() < accuracy else (low, middle)
    logits += low
    said = SURE[sure]
    confidence = rng.random(PHOTOS) if said is None else expit(said[0] * logits + said[1])
    return World(confidence.clip(1 / classes, 1), rng.random(PHOTOS) < expit(logits))


def real(file: str) -> World:
    """Photos as they are."""
    images, classes, vectors = read(file)
    scores = scores_of(images, vectors)
    return World(
        (SCALE * scores).softmax(dim=1).amax(dim=1).double().numpy(),
        (scores.argmax(dim=1) == classes).numpy(),
    )


def stratified(world: World, rng: np.random.Generator, number: int) -> tuple[float, float, float]:
    """Accuracy and interval of the sample that cupl draws."""
    strata = confidence_strata(world.confidence)
    drawn = drawing_order(strata, rng)[:number]
    sizes = np.bincount(strata)
    looked = np.bincount(strata[drawn], minlength=len(sizes))
    right = np.bincount(strata[drawn], world.right[drawn], minlength=len(sizes))
    found = share_interval(sizes, looked, looked, right)
    return found.value, found.low, found.high


def simple(world: World, rng: np.random.Generator, number: int) -> tuple[float, float, float]:
    """Of a sample without strata, which is one stratum."""
    drawn = rng.permutation(len(world.right))[:number]
    right = world.right[drawn].sum()
    found = share_interval([len(world.right)], [number], [number], [right])
    return found.value, found.low, found.high


def difference_row(differ: float, won: float, sure: str, draws: int, seed: int) -> float:
    """Print coverage and width of the interval of a difference; return the coverage."""
    rng = np.random.default_rng(seed)
    covered, widths = 0, list[float]()
    for _ in range(WORLDS):
        world = simulated(rng, 0.8, 19, sure)
        odds = 1.05 - world.confidence
        gains = (rng.random(PHOTOS) < differ * odds / odds.mean()).astype(np.float64)
        gains[rng.random(PHOTOS) >= won] *= -1
        strata = confidence_strata(world.confidence)
        sizes = np.bincount(strata).astype(np.float64)
        for _ in range(draws // WORLDS):
            drawn = drawing_order(strata, rng)[:LABELLED]
            looked = np.bincount(strata[drawn], minlength=len(sizes))
            sample = StratifiedSample(strata[drawn], sizes, looked)
            found = sample.difference(gains[drawn])
            covered += found.low <= gains.mean() <= found.high
            widths.append(found.high - found.low)
    coverage = 100 * covered / len(widths)
    name = f"{differ:.0%} differ, {won:.0%} won, {sure}"
    print(f"{name:34}{coverage:9.1f}{100 * np.mean(widths):7.1f}")
    return coverage


def differences(draws: int) -> None:
    """Print a row for each kind of another bank."""
    kinds = itertools.product(DIFFER, WON, SURE)
    found = [difference_row(*kind, draws, number) for number, kind in enumerate(kinds)]
    print(f"differences: covers {min(found):.1f} to {max(found):.1f} %, mean {np.mean(found):.1f}")


def row(name: str, worlds: list[World], draws: int, number: int, seed: int) -> tuple[float, float]:
    """Print coverage, width and error of both ways; return the coverage and how much narrower."""
    rng = np.random.default_rng(seed)
    cells = []
    for way in (stratified, simple):
        found = np.array([way(worlds[i % len(worlds)], rng, number) for i in range(draws)])
        truth = np.array([worlds[i % len(worlds)].right.mean() for i in range(draws)])
        covered = (found[:, 1] <= truth) & (truth <= found[:, 2])
        width = (found[:, 2] - found[:, 1]).mean()
        error = np.sqrt(np.square(found[:, 0] - truth).mean())
        cells.append((100 * covered.mean(), 100 * width, 100 * error))
    print(f"{name:34}" + "".join("{:9.1f}{:7.1f}{:7.2f}".format(*cell) for cell in cells))
    return cells[0][0], cells[0][1] / cells[1][1]


def main(draws: int, files: list[str]) -> None:
    """Print a row for each world."""
    print(f"{'':34}{'covers':>9}{'width':>7}{'error':>7}{'(simple)':>9}{'width':>7}{'error':>7}")
    found = list[tuple[float, float]]()
    for accuracy in ACCURACIES:
        for classes in CLASSES:
            for sure in SURE:
                rng = np.random.default_rng(0)
                worlds = [simulated(rng, accuracy, classes, sure) for _ in range(WORLDS)]
                name = f"{accuracy:.1%}, {classes} classes, {sure}"
                found.append(row(name, worlds, draws, LABELLED, len(found)))
    rng = np.random.default_rng(0)
    worlds = [simulated(rng, 0.8, 19, "calibrated") for _ in range(WORLDS)]
    found.append(row("80%, 50 of 100", worlds, draws, LABELLED // 2, len(found)))
    others = [World(one.confidence, rng.permutation(one.right)) for one in worlds]
    found.append(row("80%, other bank", others, draws, LABELLED, len(found)))
    for file in files:
        found.append(row(file.rsplit("/", 1)[-1][:33], [real(file)], draws, LABELLED, len(found)))
    covers, narrower = zip(*found, strict=True)
    print(
        f"covers {min(covers):.1f} to {max(covers):.1f} %, mean {np.mean(covers):.1f}; "
        f"width {min(narrower):.2f} to {max(narrower):.2f} of a simple sample's, mean "
        f"{np.mean(narrower):.2f}"
    )


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    main(number, sys.argv[2:])
    differences(number)
