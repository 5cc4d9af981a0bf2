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

Of a class with parts (:mod:`cupl.embedding.parts`) all this is worth ``share``. For the pooling
``top`` each of the closest prompts counts its part of the rest besides. Else the rest is the vector
of the closest sub-class, and its prompts stand beside the prompts of the class; or the class's own
once more, where it is the closest.

After adaptation to photos or examples the score of a class is its cosine and what these add; its
``added`` says how much of its lead is due to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

import torch

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.classification.top_k import best_first
from cupl.embedding.bank_encoding import prompts_of_class
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import NO_DIRECTION, directions, has_direction, unit
from cupl.embedding.provenance import Provenance
from cupl.errors import InputError

PROMPTS_NAMED = 3


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
    added: float | None = None
    """What photos or examples add to its score, less what they add to that of the other class;
    None for class vectors of texts alone. What is left of the lead is due to the prompts."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON lines have it, where the prompts are called ``speak_for`` and ``speak_against``.

        Both are prompts of this class; those that speak against it speak for the other class, and
        tables and pages list them so.

        Files that were written under these names are read by others; attributes may change.
        """
        record = asdict(self)
        prompts = {name: record.pop(attribute) for attribute, name in _NAMES_IN_FILES.items()}
        if record["added"] is None:  # as before there were adapters
            del record["added"]
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
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The predicted class of an image and the runner-up, or an error."""

    path: str | None = None
    winner: ClassExplanation | None = None
    runner_up: ClassExplanation | None = None
    """None where there is only one class."""
    error: str | None = None

    @property
    def lead(self) -> str | None:
        """What put the best class before the second, in words; None where prompts alone did."""
        if self.winner is None or self.winner.added is None or self.runner_up is None:
            return None
        lead, added = self.winner.score - self.runner_up.score, self.winner.added
        return f"lead {lead:.3f}: prompts {lead - added:+.3f}, photos or examples {added:+.3f}"

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
        return cls(**fields)


def explain_vectors(
    image_vectors: torch.Tensor,
    bank: PromptBank,
    prompt_vectors: torch.Tensor,
    class_vectors: ClassVectors,
    most: int = PROMPTS_NAMED,
    scores: torch.Tensor | None = None,
) -> list[Explanation]:
    """Explain what class vectors say about images.

    Args:
        image_vectors: float ``[images, dim]``, of any length.
        bank: what the class vectors were made of.
        prompt_vectors: float32 ``[prompts, dim]``: its :func:`bank_embeddings`, with the templates
            of ``class_vectors.provenance`` and the sub-classes.
        class_vectors: what classifies.
        most: prompts to name for a class, and as many against it.
        scores: what the classes are ordered by, ``[images, classes]``, where that is not their
            cosines alone.

    Returns:
        One explanation an image, for its two best classes. Equal scores are ordered as the
        classes are. A row that is zero or not finite has an ``error``.

    Raises:
        InputError: the bank or its embeddings do not belong to the class vectors.

    """
    made_by = class_vectors.provenance
    if [entry.label for entry in bank] != class_vectors.labels:
        raise InputError(f"the classes of the bank {bank.name!r:.100} are not those of the vectors")
    described = [_described(entry, made_by.templates) for entry in bank]
    ends = list(accumulate(sum(map(len, lists)) for lists in described))
    if ends[-1] != len(prompt_vectors):
        raise InputError(f"{len(prompt_vectors)} prompt vectors for {ends[-1]} prompts")
    images = directions(image_vectors)
    cosines_of_classes = class_vectors.cosines(images)  # [images, classes]
    added = None if scores is None else scores - cosines_of_classes
    scores = cosines_of_classes if scores is None else scores
    probabilities = made_by.probabilities(scores)
    best = best_first(scores, 2).tolist()

    def side(image: int, index: int, other: int | None) -> ClassExplanation:
        entry, end = bank.classes[index], ends[index]
        vectors = prompt_vectors[ends[index - 1] if index else 0 : end]
        lists = torch.split(vectors, list(map(len, described[index])))
        which, cosines, counts = _speak(images[image], lists, class_vectors)
        against = -torch.inf if other is None else cosines_of_classes[image, other].item()
        prompts = [prompt for number in which for prompt in described[index][number]]
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
            None
            if added is None or other is None
            else (added[image, index] - added[image, other]).item(),
        )

    def explain(image: int, first: int, second: int | None = None) -> Explanation:
        winner = side(image, first, second)
        return Explanation(None, winner, None if second is None else side(image, second, first))

    return [
        explain(image, *best[image]) if usable else Explanation(error=NO_DIRECTION)
        for image, usable in enumerate(has_direction(image_vectors).tolist())
    ]


def _described(entry: ClassPrompts, templates: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Text and question of the prompts of a class, then of each of its sub-classes."""
    return [prompts_of_class(one, templates) for one in [entry, *entry.subclasses]]


def _more(added: torch.Tensor | None, image: int, index: int, other: int | None) -> float | None:
    """What is added to one class beyond what is added to the other."""
    if added is None or other is None:
        return None
    return float(added[image, index] - added[image, other])


def _speak(
    direction: torch.Tensor, lists: Sequence[torch.Tensor], class_vectors: ClassVectors
) -> tuple[list[int], list[float], list[float]]:
    """Which prompts of one class had a say on an image, and what they said.

    Args:
        direction: of the image, ``[dim]``, at length 1.
        lists: vectors of the prompts of the class and of each sub-class, ``[prompts, dim]``, those
            of the templates last.
        class_vectors: the pooling, the templates and the shares.

    Returns:
        Which of the lists, and of each of their prompts the cosine to the image and what it
        counts; the mean of what they count is the score of the class.

    """
    made_by, parts = class_vectors.provenance, class_vectors.parts
    share = 1.0 if parts is None else parts.share
    joined, ends = torch.cat(list(lists)), list(accumulate(map(len, lists)))
    rows = [slice(end - len(vectors), end) for vectors, end in zip(lists, ends, strict=True)]
    cosines = unit(joined) @ direction
    combined = [made_by.combine, *[None] * (len(lists) - 1)]
    counts = [
        _counts(vectors, direction, made_by, combine)
        for vectors, combine in zip(lists, combined, strict=True)
    ]
    said = torch.zeros(len(joined))  # adds up to the score
    said[rows[0]] = share * counts[0] / len(counts[0])
    named = [0]
    if parts is not None and made_by.pooling == "top":
        best = cosines.topk(min(parts.most, len(joined))).indices
        said[best] += (1 - share) * cosines[best] / len(best)
        named = list(range(len(lists)))
    elif parts is not None:
        closest = int(torch.stack([one.mean() for one in counts]).argmax())
        said[rows[closest]] += (1 - share) * counts[closest] / len(counts[closest])
        named = sorted({0, closest})
    chosen = torch.cat([torch.arange(len(joined))[rows[number]] for number in named])
    return named, cosines[chosen].tolist(), (said[chosen] * len(chosen)).tolist()


def _counts(
    vectors: torch.Tensor, direction: torch.Tensor, made_by: Provenance, combine: str | None
) -> torch.Tensor:
    """What each prompt counts in the cosine of an image with the vector that they were pooled to.

    Args:
        vectors: of the prompts, ``[prompts, dim]``, those of the templates last.
        direction: of the image, ``[dim]``, at length 1.
        made_by: the pooling and the templates.
        combine: how the templates were combined with the prompts.

    """
    if made_by.pooling == "similarity":
        return unit(vectors) @ direction
    members = vectors if made_by.pooling == "mean" else unit(vectors)
    filled = len(made_by.templates) if combine == "average" else 0
    sizes = [len(members) - filled, filled] if filled else [len(members)]
    means = torch.stack([part.mean(dim=0) for part in torch.split(members, sizes)])  # [lists, dim]
    lengths = means.norm(dim=1) * unit(means).mean(dim=0).norm()
    counts: torch.Tensor = members @ direction / lengths.repeat_interleave(torch.tensor(sizes))
    return counts
