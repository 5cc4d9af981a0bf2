"""Why an image got its class: the prompts that spoke for it and against it.

The score of a class is a mean over its prompts. With x the image and t_i the n prompts of the
class, all at length 1, and L the length of their mean, ``normalized-mean`` gives

    score = x . norm(mean_i(t_i)) = mean_i(cos(x, t_i) / L)

so prompt i counts as cos(x, t_i) / L, and its share of the score is cos(x, t_i) / (n L). A prompt
speaks for its class where what it counts is above the score of the other class, and against it
where it is below: the mean of these differences is the lead of the class over the other. For the
pooling ``similarity`` L is 1. For ``mean`` the t_i keep the lengths they have. Where templates are
averaged with a bank, each of the two lists has a mean and an L of its own, its vector counts half,
and L is multiplied by the length of the mean of the two vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

import torch

from cupl.bank.model import PromptBank
from cupl.classification.top_k import best_first
from cupl.embedding.bank_encoding import prompts_of_class
from cupl.embedding.class_vectors import ClassVectors, Provenance
from cupl.embedding.normalize import NO_DIRECTION, directions, has_direction, unit
from cupl.errors import InputError

PROMPTS_NAMED = 3
_MOST = 1e30


def check_texts(*texts: object) -> None:
    """Accept texts that a file can hold, and None.

    Raises:
        TypeError: one is another object, or holds half a character.

    """
    try:
        "".join(text for text in texts if text is not None).encode("utf-8", "surrogateescape")  # type: ignore[misc]
    except UnicodeEncodeError as error:
        raise TypeError("a text with half a character") from error


def check_numbers(*numbers: object) -> None:
    """Accept numbers such as scores are.

    Raises:
        TypeError: one is something else.

    """
    for number in numbers:
        if type(number) not in (int, float) or not -_MOST < number < _MOST:  # type: ignore[operator]
            raise TypeError(f"{number!r:.100} is no score")


_NAMES_IN_FILES = {"supporting": "speak_for", "opposing": "speak_against"}


@dataclass(frozen=True, slots=True)
class PromptScore:
    """One prompt and how close an image is to it."""

    text: str
    question: str
    """What it answers; empty for a hand-written prompt, ``TEMPLATE`` for a filled template."""
    cosine: float


@dataclass(frozen=True, slots=True)
class ClassExplanation:
    """One of the two best classes of an image."""

    label: str
    id: str | None
    score: float
    probability: float
    supporting: tuple[PromptScore, ...]
    """Prompts that count more than the score of the other class, the strongest first."""
    opposing: tuple[PromptScore, ...]
    """Prompts that count less than the score of the other class, the weakest first."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON lines have it, where the prompts are called ``speak_for`` and ``speak_against``.

        Files that were written under these names are read by others; attributes may change.
        """
        record = asdict(self)
        prompts = {name: record.pop(attribute) for attribute, name in _NAMES_IN_FILES.items()}
        return record | {name: list(texts) for name, texts in prompts.items()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> ClassExplanation:
        """What :meth:`to_dict` made a record of.

        Raises:
            TypeError: a key is missing, or none of ours.
            KeyError: likewise.

        """
        fields: dict[str, Any] = dict(record)
        for attribute, name in _NAMES_IN_FILES.items():
            fields[attribute] = tuple(PromptScore(**one) for one in fields.pop(name))
        made = cls(**fields)
        prompts = made.supporting + made.opposing
        check_texts(made.label + "", made.id)
        check_texts(*(one.text + one.question for one in prompts))
        check_numbers(made.score, made.probability, *(one.cosine for one in prompts))
        return made


@dataclass(frozen=True, slots=True)
class Explanation:
    """The predicted class of an image and the runner-up, or an error."""

    path: str | None = None
    winner: ClassExplanation | None = None
    runner_up: ClassExplanation | None = None
    """None where there is only one class."""
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Nested, as JSON lines have it; ``pandas.json_normalize`` makes columns of a list."""
        sides = {"winner": self.winner, "runner_up": self.runner_up}
        records = {name: side and side.to_dict() for name, side in sides.items()}
        return {"path": self.path, **records, "error": self.error}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Explanation:
        """What :meth:`to_dict` made a record of.

        Raises:
            TypeError: a key is missing, or none of ours.
            KeyError: likewise.

        """
        fields: dict[str, Any] = dict(record)
        for name in ("winner", "runner_up"):
            side = fields[name]
            fields[name] = None if side is None else ClassExplanation.from_dict(side)
        made = cls(**fields)
        check_texts(made.path, made.error)
        return made


def explain_vectors(
    image_vectors: torch.Tensor,
    bank: PromptBank,
    prompt_vectors: torch.Tensor,
    class_vectors: ClassVectors,
    most: int = PROMPTS_NAMED,
) -> list[Explanation]:
    """Explain what class vectors say about images.

    Args:
        image_vectors: float ``[images, dim]``, of any length.
        bank: what the class vectors were made of.
        prompt_vectors: float32 ``[prompts, dim]``: its :func:`bank_embeddings`, with the templates
            of ``class_vectors.provenance``.
        class_vectors: what classifies.
        most: prompts to name for a class, and as many against it.

    Returns:
        One explanation an image, for its two best classes. Equal scores are ordered as the
        classes are. A row that is zero or not finite has an ``error``.

    Raises:
        InputError: the bank or its embeddings do not belong to the class vectors.

    """
    made_by = class_vectors.provenance
    if [entry.label for entry in bank] != class_vectors.labels:
        raise InputError(f"the classes of the bank {bank.name!r:.100} are not those of the vectors")
    ends = list(accumulate(len(entry.texts) + len(made_by.templates) for entry in bank))
    if ends[-1] != len(prompt_vectors):
        raise InputError(f"{len(prompt_vectors)} prompt vectors for {ends[-1]} prompts")
    images = directions(image_vectors)
    scores = images @ class_vectors.matrix.T  # [images, classes]
    probabilities = made_by.probabilities(scores)
    best = best_first(scores, 2).tolist()

    def side(image: int, index: int, other: int | None) -> ClassExplanation:
        entry, end = bank.classes[index], ends[index]
        vectors = prompt_vectors[ends[index - 1] if index else 0 : end]
        cosines, counts = _speak(images[image], vectors, made_by)
        against = -torch.inf if other is None else scores[image, other].item()
        prompts = prompts_of_class(entry, made_by.templates)
        said = [
            PromptScore(*prompt, cosine) for prompt, cosine in zip(prompts, cosines, strict=True)
        ]
        order = sorted(range(len(said)), key=counts.__getitem__, reverse=True)
        return ClassExplanation(
            entry.name,
            entry.id,
            scores[image, index].item(),
            probabilities[image, index].item(),
            tuple(said[i] for i in order if counts[i] > against)[:most],
            tuple(said[i] for i in reversed(order) if counts[i] < against)[:most],
        )

    def explain(image: int, first: int, second: int | None = None) -> Explanation:
        winner = side(image, first, second)
        return Explanation(None, winner, None if second is None else side(image, second, first))

    return [
        explain(image, *best[image]) if usable else Explanation(error=NO_DIRECTION)
        for image, usable in enumerate(has_direction(image_vectors).tolist())
    ]


def _speak(
    direction: torch.Tensor, vectors: torch.Tensor, made_by: Provenance
) -> tuple[list[float], list[float]]:
    """Cosine of each prompt of one class to an image, and what it counts in the class's score.

    Args:
        direction: of the image, ``[dim]``, at length 1.
        vectors: of the prompts, ``[prompts, dim]``, those of the templates last.
        made_by: the pooling and the templates.

    """
    cosines = unit(vectors) @ direction
    if made_by.pooling == "similarity":
        return cosines.tolist(), cosines.tolist()
    members = vectors if made_by.pooling == "mean" else unit(vectors)
    filled = len(made_by.templates) if made_by.combine == "average" else 0
    sizes = [len(members) - filled, filled] if filled else [len(members)]
    means = torch.stack([part.mean(dim=0) for part in torch.split(members, sizes)])  # [lists, dim]
    lengths = means.norm(dim=1) * unit(means).mean(dim=0).norm()
    counts = members @ direction / lengths.repeat_interleave(torch.tensor(sizes))
    return cosines.tolist(), counts.tolist()
