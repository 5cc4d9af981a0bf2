"""What tells "none of these": run ``python -m tests.benchmarks.bench_rejection DATA``.

DATA is a folder with real embeddings of 19 classes of aerial photos in ``clip-vectors/*.npz``
(images, texts of 107 templates, classes) and labelled photos in ``scenes`` and ``art``. Seven of
the 19 classes are left out of the list, ten times; of the photos of the listed ones half are the
examples that thresholds are fitted on. Printed are AUROC and the false-positive rate at 95 %, means
and the worst AUROC; then what share of photos of the classes and of others pass a threshold fitted
to keep 95 %. The embeddings come without a text tower, so words for them are simulated: the mean
text plus noise of the length by which classes differ from it, in all directions ("noise") or in
those in which the 19 classes differ ("span", which knows more than words would).
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cupl.bank.labels import ClassLabel
from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.negative_words import TEMPLATE_OF_WORDS, encode_words, far_words
from cupl.classification.rejection import RejectionScore
from cupl.embedding.bank_encoding import encode_templates
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_stream import encode_sources
from cupl.embedding.normalize import unit
from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.evaluation.rejection import judge_rejection

SEEDS, LEFT_OUT, WORDS = 10, 7, 6_000
KEEP = 0.95


@dataclass(frozen=True)
class Scene:
    """Image vectors of listed classes and of others, and negatives by name."""

    classes: ClassVectors
    examples: torch.Tensor
    known: torch.Tensor
    others: torch.Tensor
    negatives: dict[str, tuple[ClassVectors, bool]]


Scorer = Callable[[torch.Tensor], torch.Tensor]


def scorers(scene: Scene) -> Iterator[tuple[str, Scorer]]:
    """The scores that are compared."""
    made_by, matrix = scene.classes.provenance, scene.classes.matrix
    plain = RejectionScore(scene.classes)
    yield "max softmax", lambda x: made_by.probabilities(unit(x) @ matrix.T).amax(dim=1)
    yield "MCM", lambda x: (unit(x) @ matrix.T).softmax(dim=1).amax(dim=1)
    yield "max cosine", lambda x: plain(x)[0]
    centred = RejectionScore(scene.classes, centre=unit(scene.examples).mean(dim=0))
    yield "centred cosine", lambda x: centred(x)[0]
    yield "as fit_threshold", lambda x: plain.centred_on(scene.examples)(x)[0]
    for name, (vectors, are_words) in scene.negatives.items():
        score = RejectionScore(scene.classes, vectors, are_words)
        yield name, lambda x, score=score: score(x)[0]  # type: ignore[misc]
        if not are_words:
            yield (
                f"{name}, closest",
                lambda x, bank=vectors: (  # type: ignore[misc]
                    (unit(x) @ matrix.T).amax(dim=1) - (unit(x) @ bank.matrix.T).amax(dim=1)
                ),
            )


def report(title: str, scenes: list[Scene]) -> None:
    """Print a table."""
    figures = defaultdict(list)
    passed: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for scene in scenes:
        for name, score in scorers(scene):
            figures[name].append(judge_rejection(score(scene.known), score(scene.others)))
        choices = {"fit_threshold": (None, False)} | {
            f"fit_threshold, {name}": given for name, given in scene.negatives.items()
        }
        for name, (vectors, are_words) in choices.items():
            classifier = ZeroShotClassifier(scene.classes)
            setattr(classifier, "words" if are_words else "reject", vectors)
            classifier.fit_threshold(scene.examples, KEEP)
            passed[name].append(
                (passing(classifier, scene.known), passing(classifier, scene.others))
            )
    print(f"\n{title}\n{'score':32}{'AUROC':>8}{'worst':>8}{'FPR95':>8}")
    for name, found in figures.items():
        aurocs = [one.auroc for one in found]
        rate = np.mean([one.false_positives for one in found])
        print(f"{name:32}{np.mean(aurocs):8.1%}{min(aurocs):8.1%}{rate:8.1%}")
    print(f"{f'threshold that keeps {KEEP:.0%}':32}{'kept':>8}{'others':>8}")
    for name, shares in passed.items():
        known, others = np.mean(shares, axis=0)
        print(f"{name:32}{known:8.1%}{others:8.1%}")


def passing(classifier: ZeroShotClassifier, rows: torch.Tensor) -> float:
    """The share of images that have a label."""
    labels = [prediction.label for prediction in classifier.predict_vectors(rows, 1)]
    return 1 - labels.count(None) / len(labels)


def aerial(file: Path) -> list[Scene]:
    """Seven classes of 19 not listed."""
    data = np.load(file)
    images = torch.from_numpy(data["images"].astype(np.float32))
    texts = torch.from_numpy(data["texts"].astype(np.float32))
    means = unit(torch.nn.functional.normalize(texts, dim=2).mean(dim=0))
    labels = torch.from_numpy(data["classes"].astype(np.int64))
    scenes = []
    for seed in range(SEEDS):
        random = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(means), generator=random)
        left_out, listed = order[:LEFT_OUT], order[LEFT_OUT:].sort().values
        inside = torch.isin(labels, listed)
        rows = inside.nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=random)]
        half = len(rows) // 2
        negatives = {"contrast names": (named("other", means[left_out]), False)}
        for kind, drawn in simulated(means, random).items():
            far = drawn[far_words(drawn, means[listed])]
            negatives[f"words, simulated {kind}"] = (named("word", far), True)
        scenes.append(
            Scene(
                named("class", means[listed]),
                images[rows[:half]],
                images[rows[half:]],
                images[~inside],
                negatives,
            )
        )
    return scenes


def simulated(means: torch.Tensor, random: torch.Generator) -> dict[str, torch.Tensor]:
    """Directions as words may have them."""
    middle = means.mean(dim=0)
    apart = means - middle
    noise = torch.randn(WORDS, means.shape[1], generator=random)
    span = torch.randn(WORDS, len(means), generator=random) @ apart
    length = apart.norm(dim=1).mean()
    return {
        kind: unit(middle + length * unit(drawn))
        for kind, drawn in {"noise": noise, "span": span}.items()
    }


def named(kind: str, matrix: torch.Tensor) -> ClassVectors:
    """Vectors under numbered names."""
    return ClassVectors.from_arrays([f"{kind} {n}" for n in range(len(matrix))], matrix)


def photos(data: Path, encoder: Encoder) -> Iterator[tuple[str, list[Scene]]]:
    """Scenes and art against each other, and classes left out within each."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    for name in ("scenes", "art"):
        found[name] = {}
        for folder in sorted((data / name).iterdir()):
            files = [str(file) for file in sorted(folder.iterdir())]
            images = [image.vector for image in encode_sources(files, encoder)]
            found[name][words_of(folder.name)] = torch.stack(
                [vector for vector in images if vector is not None]
            )
    for name, other in (("scenes", "art"), ("art", "scenes")):
        foreign = torch.cat(list(found[other].values()))
        yield (
            f"mini, {name} against {other}",
            [scene_of(found[name], foreign, list(found[other]), encoder)],
        )
    for name, number in (("scenes", 5), ("art", 3)):
        scenes = []
        for seed in range(5):
            drawn = np.random.default_rng(seed).choice(len(found[name]), number, replace=False)
            names = list(found[name])
            gone = [names[place] for place in drawn]
            listed = {key: rows for key, rows in found[name].items() if key not in gone}
            foreign = torch.cat([found[name][key] for key in gone])
            scenes.append(scene_of(listed, foreign, gone, encoder))
        yield f"mini, {number} of {len(found[name])} {name} not listed", scenes


def scene_of(
    listed: dict[str, torch.Tensor], foreign: torch.Tensor, others: list[str], encoder: Encoder
) -> Scene:
    """A template's vectors of the classes, of the true other names, and words."""
    classes, contrast = (
        encode_templates([ClassLabel(name) for name in names], [TEMPLATE_OF_WORDS], encoder)
        for names in (list(listed), others)
    )
    words = encode_words(classes, encoder)
    return Scene(
        classes,
        torch.cat([rows[::2] for rows in listed.values()]),
        torch.cat([rows[1::2] for rows in listed.values()]),
        foreign,
        {"contrast names": (contrast, False), "words": (words, True)},
    )


def words_of(folder: str) -> str:
    """``InsideCity`` as "inside city"."""
    return "".join(f" {char}" if char.isupper() else char for char in folder).strip().lower()


def main() -> None:
    """Print all tables."""
    data = Path(sys.argv[1])
    for file in sorted((data / "clip-vectors").glob("*.npz")):
        report(f"{file.stem}: {LEFT_OUT} of 19 classes not listed", aerial(file))
    for title, scenes in photos(data, load_encoder("mini")):
        report(title, scenes)


if __name__ == "__main__":
    main()
