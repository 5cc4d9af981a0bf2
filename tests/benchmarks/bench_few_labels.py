"""What a few labelled photos of each class are worth: a table of accuracies on all other photos.

    python -m tests.benchmarks.bench_few_labels EMBEDDINGS.npz [SEEDS]

The file holds real embeddings: ``images`` [images, dim], ``texts`` [templates, classes, dim] and
``classes`` [images]. A class vector is the mean of its texts, as cupl pools them. Beside what is
chosen by the examples stand the bank alone, the plain blend norm(t + m), Tip-Adapter and Gaussian
discriminant analysis with their strengths as published, or where the papers search them, the
best on the photos that they are judged by, which is more than they can have.
"""

import sys
from collections import defaultdict

import numpy as np
import torch
from torch.nn.functional import normalize, one_hot

from cupl.adaptation.few_labels import fit_examples
from cupl.classification.scoring import scores_of
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.pooling import pool

SHOTS = (1, 2, 4, 8, 16)
SCALE = 100
COLUMNS = ("bank", "blend", "Tip-Adapter", "GDA", "chosen")


def read(path: str) -> tuple[torch.Tensor, torch.Tensor, ClassVectors]:
    """Images, their classes, and the class vectors."""
    with np.load(path) as file:
        images, texts, classes = (
            torch.from_numpy(file[name]) for name in ("images", "texts", "classes")
        )
    templates, number, dim = texts.shape
    prompts = texts.float().transpose(0, 1).reshape(-1, dim)
    matrix = pool(prompts, [templates] * number, "normalized-mean")
    names = [str(k) for k in range(number)]
    return normalize(images.float()), classes, ClassVectors.from_arrays(names, matrix)


def drawn(classes: torch.Tensor, shots: int, seed: int) -> torch.Tensor:
    """Which photos are examples: so many of each class."""
    random = torch.Generator().manual_seed(seed)
    chosen = torch.zeros(len(classes), dtype=torch.bool)
    for k in range(int(classes.max()) + 1):
        own = (classes == k).nonzero().flatten()
        chosen[own[torch.randperm(len(own), generator=random)[:shots]]] = True
    return chosen


def published(
    images: torch.Tensor, targets: torch.Tensor, texts: torch.Tensor, others: torch.Tensor
) -> dict[str, list[torch.Tensor]]:
    """Scores of other images in every way, each with all its strengths."""
    logits, labels = SCALE * others @ texts.T, one_hot(targets, len(texts)).float()
    means = labels.T @ images / labels.sum(dim=0)[:, None].clamp(min=1)
    result = {"bank": [logits], "blend": [others @ normalize(texts + normalize(means)).T]}
    near = others @ images.T
    result["Tip-Adapter"] = [
        logits + alpha * (-beta * (1 - near)).exp() @ labels
        for beta in (1.0, 5.5, 20.0)
        for alpha in (1, 3, 10, 30, 100)
    ]
    deviations = images - means[targets]
    covariance = deviations.T @ deviations / max(len(images) - 1, 1)
    trace, dim = covariance.trace(), images.shape[1]
    if trace > 0:
        shrunken = (len(images) - 1) * covariance + trace * torch.eye(dim)
        weights = dim * torch.linalg.solve(shrunken, means.T)
        added = others @ weights - (means.T * weights).sum(dim=0) / 2
        result["GDA"] = [logits + 10**power * added for power in range(-4, 3)]
    return result


def main(path: str, seeds: int) -> None:
    images, classes, vectors = read(path)
    print(f"{path}, {seeds} draws: accuracy in %, mean (lowest draw)")
    print(
        "shots  "
        + "".join(f"{name:>15}" for name in ("bank", "blend", "Tip-Adapter", "GDA", "chosen"))
    )
    for shots in SHOTS:
        found = defaultdict[str, list[list[float]]](list)
        ways = defaultdict[str, int](int)
        gains = []
        for seed in range(seeds):
            chosen = drawn(classes, shots, seed)
            others, truth = images[~chosen], classes[~chosen]

            def share(scores: torch.Tensor, truth: torch.Tensor = truth) -> float:
                return 100 * float((scores.argmax(dim=1) == truth).float().mean())

            plain = published(images[chosen], classes[chosen], vectors.matrix, others)
            for name, scores in plain.items():
                found[name].append([share(one) for one in scores])
            fitted, report = fit_examples(vectors, images[chosen], classes[chosen])
            ways[report.method] += 1
            found["chosen"].append([share(scores_of(others, fitted))])
            if report.gain is not None:
                gains.append(100 * report.gain.value)
        cells = []
        for name in COLUMNS:
            table = np.array(found.get(name, [[np.nan]]))  # [draws, strengths]
            best = table[:, table.mean(axis=0).argmax()]
            cells.append(f"{best.mean():8.1f} ({best.min():4.1f})")
        by = ", ".join(f"{name} {number}" for name, number in ways.items())
        said = f"; gain as reported {np.mean(gains):+.1f}" if gains else ""
        print(f"{shots:5}  " + "".join(f"{cell:>15}" for cell in cells) + f"  by {by}{said}")


def without_some(path: str, seeds: int) -> None:
    """The same where a quarter of the classes has no example: accuracy on these, and on the rest.

    Of Tip-Adapter and Gaussian discriminant analysis the strength is that which is best on the
    rest, as it is where nothing is known of the others.
    """
    images, classes, vectors = read(path)
    number = len(vectors.labels)
    print(f"{number // 4} of {number} classes without examples: accuracy on those, and on the rest")
    for shots in SHOTS:
        found = defaultdict[str, list[tuple[float, float]]](list)
        for seed in range(seeds):
            random = torch.Generator().manual_seed(seed)
            absent = torch.randperm(number, generator=random)[: number // 4]
            chosen = drawn(classes, shots, seed) & ~torch.isin(classes, absent)
            others, truth = images[~chosen], classes[~chosen]
            away = torch.isin(truth, absent)
            ways = published(images[chosen], classes[chosen], vectors.matrix, others)
            fitted, _ = fit_examples(vectors, images[chosen], classes[chosen])
            ways["chosen"] = [scores_of(others, fitted)]
            for name, tried in ways.items():
                right = [scores.argmax(dim=1) == truth for scores in tried]
                shares = [
                    (100 * float(one[away].float().mean()), 100 * float(one[~away].float().mean()))
                    for one in right
                ]
                found[name].append(max(shares, key=lambda share: share[1]))
        cells = [
            "{:8.1f} {:6.1f}".format(*np.mean(found[name], axis=0)) if name in found else ""
            for name in COLUMNS
        ]
        print(f"{shots:5}  " + "".join(f"{cell:>17}" for cell in cells))


if __name__ == "__main__":
    draws = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    main(sys.argv[1], draws)
    without_some(sys.argv[1], draws)
