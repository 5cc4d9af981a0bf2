"""An evaluation of vectors with mixed results, and what it was made of."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.cli import app
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_vectors import load_embeddings
from cupl.encoders.loading import load_encoder
from tests.cli.evaluate.files import found, save_vectors


@dataclass(frozen=True)
class World:
    """An evaluation of vectors with mixed results, and what it was made of."""

    bank: PromptBank
    evaluation: dict[str, Any]
    rows: dict[tuple[str, int], list[dict[str, str]]]
    """Of ``predictions.csv``, by contender and draw."""
    calibrated: ClassVectors
    images: npt.NDArray[np.float64]
    """``[images, dim]`` of length 1."""
    targets: npt.NDArray[np.int64]
    prompts: list[list[npt.NDArray[np.float64]]]
    """For each class and question the embeddings of its prompts."""

    def draws(self, name: str) -> npt.NDArray[np.float64]:
        """``[draws, images]``, 1 where what is called predicted is right."""
        number = sum(one == name for one, _ in self.rows)
        return np.stack([self.right(name, [draw]) for draw in range(number)])

    @property
    def labels(self) -> list[str]:
        return [str(entry.label) for entry in self.bank]

    def right(self, name: str, draws: Sequence[int] | None = None) -> npt.NDArray[np.float64]:
        """Share of the draws that have each image right, by what is called predicted."""
        chosen = [rows for (one, draw), rows in self.rows.items()
                  if one == name and (draws is None or draw in draws)]  # fmt: skip
        right = [[row["label"] == row["predicted"] for row in rows] for rows in chosen]
        share: npt.NDArray[np.float64] = np.array(right, np.float64).mean(axis=0)
        return share


NAMES = ["cat", "dog", "tree frog", "crane", "crane", "small tree", "owl", "photo", "the large"]
QUESTIONS = ("What does {} look like?", "How is {}?")
IMAGES = 320


def make_world(clip: Path, folder: Path) -> World:
    """Nine classes, two of one name, one with one image and one with none; 320 images."""
    rng = np.random.default_rng(3)
    words = ["a", "photo", "of", "small", "with", "large", "the", "has", "red", "legs"]
    classes = [
        ClassPrompts(name=name, id=f"n{i}" if name == "crane" else None, prompts={
            question.replace("{}", f"a {name}"): [
                f"{name} {' '.join(rng.choice(words, 4))}" for _ in range(1 + (i + place) % 3)
            ] for place, question in enumerate(QUESTIONS)
        }) for i, name in enumerate(NAMES)
    ]  # fmt: skip
    bank = PromptBank(name="first", classes=classes)
    bank.save(folder / "first.yaml")
    second = [entry.model_copy(update={"prompts": {"": [f"the {entry.name} {i}"]}})
              for i, entry in enumerate(classes)]  # fmt: skip
    PromptBank(name="second", classes=second[::-1]).save(folder / "second.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUPL_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        encoder = load_encoder(str(clip))
        prompts = [
            [unit(encoder.encode_text(texts)) for texts in entry.prompts.values()] for entry in bank
        ]
        centres = np.stack([unit(np.concatenate(parts).mean(0)) for parts in prompts])
        targets = rng.choice(7, IMAGES, p=np.array([7, 5, 5, 4, 4, 2, 2]) / 29)
        targets[11] = 7
        spread = centres.std(axis=0).mean()
        vectors = centres[targets] + rng.normal(0, 0.8 * spread, (IMAGES, 16))
        names = [entry.id or entry.name.replace(" ", "_") for entry in bank]
        paths = [f"set/{names[target]}/{i}.png" for i, target in enumerate(targets)]
        save_vectors(folder / "v", clip, paths, torch.from_numpy(5 * vectors).float())
        command = ["evaluate", "v", "--bank", "first.yaml", "--bank", "second.yaml", "-o", "out"]
        app([*command, "--calibrated", "warm.safetensors"], standalone_mode=False)
    rows = defaultdict(list)
    with (folder / "out" / "predictions.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            rows[row["contender"], int(row["draw"])].append(row)
    (shard,) = load_embeddings(folder / "v")
    return World(
        bank, found(folder / "out"), dict(rows), ClassVectors.load(folder / "warm.safetensors"),
        unit(shard.vectors), targets, prompts,
    )  # fmt: skip


def unit(vectors: Any) -> npt.NDArray[np.float64]:
    array = np.asarray(vectors, np.float64)
    scaled: npt.NDArray[np.float64] = array / np.linalg.norm(array, axis=-1, keepdims=True)
    return scaled


def resampled(
    ours: npt.NDArray[np.float64],
    theirs: npt.NDArray[np.float64] | None = None,
    groups: npt.NDArray[np.int64] | None = None,
) -> tuple[float, float]:
    """95 % of the means of 3,000 resamples of images and draws, ``[draws, images]``.

    Of means over groups of their means, or of differences to others, if these are given.
    """
    rng, means = np.random.default_rng(99), []

    def drawn(draws: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        mean: npt.NDArray[np.float64] = draws[rng.integers(len(draws), size=len(draws))].mean(0)
        return mean

    for _ in range(3000):
        rows = rng.integers(ours.shape[1], size=ours.shape[1])
        values = drawn(ours) - (0 if theirs is None else drawn(theirs))
        if groups is None:
            means.append(values[rows].mean())
        else:
            of, value = groups[rows], values[rows]
            means.append(np.mean([value[of == group].mean() for group in set(of.tolist())]))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def check(figure: dict[str, float], value: float, between: tuple[float, float]) -> None:
    assert figure["value"] == pytest.approx(value, abs=1e-12)
    assert figure["low"] <= figure["value"] <= figure["high"]
    assert (figure["low"], figure["high"]) == pytest.approx(between, abs=0.02)
