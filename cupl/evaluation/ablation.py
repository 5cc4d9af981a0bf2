"""Parts of a bank: what each question is worth, how many prompts it needs, which ones mislead."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.embedding.bank_encoding import TEMPLATE
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import unit
from cupl.embedding.pooling import POOLINGS
from cupl.evaluation.bootstrap import Statistic, intervals
from cupl.evaluation.ranking import LONGEST_LIST, Booleans, ImageRanks, Integers, ScoreChunks
from cupl.evaluation.schema import (
    ClassAccuracy,
    ClassDrop,
    Comparison,
    CurvePoint,
    MisleadingPrompt,
    QuestionEffect,
)
from cupl.evaluation.significance import holm, paired_test
from cupl.evaluation.weighted import StratifiedSample, weights_of

_DRAWS = 3


@dataclass(frozen=True, eq=False)
class Described:
    """A bank's prompts and images in one space.

    Attributes:
        bank: the classes.
        prompts: float32 ``[prompts, dim]``, class after class as in the bank.
        images: float32 ``[images, dim]`` of length 1.
        targets: int64 ``[images]``.
        vectors: the bank's class vectors.
        by_name: see :func:`~cupl.evaluation.bootstrap.intervals`.
        sample: how the images were drawn from a collection.

    """

    bank: PromptBank
    prompts: torch.Tensor
    images: torch.Tensor
    targets: torch.Tensor
    vectors: ClassVectors
    by_name: Integers | None = None
    sample: StratifiedSample | None = None

    def accuracy(self, correct: Booleans) -> float:
        """The share of images that is right, or that of the collection they were drawn from."""
        return float(np.average(correct, weights=weights_of(self.sample, len(correct))))

    @cached_property
    def class_of(self) -> torch.Tensor:
        """Class of each prompt, int64 ``[prompts]``."""
        sizes = torch.tensor([len(entry.texts) for entry in self.bank])
        return torch.repeat_interleave(sizes)

    @cached_property
    def questions(self) -> list[str]:
        """Question of each prompt, with ``{}`` in place of the class name."""
        return [
            question
            for entry in self.bank
            for asked, texts in entry.by_question().items()
            for question in [without_name(asked, entry)] * len(texts)
        ]

    def correct(self, kept: torch.Tensor) -> Booleans:
        """Which images some of the prompts have right, ``[images]``.

        Args:
            kept: bool ``[prompts]``, one of each class or more.

        """
        pooling, parts = self.vectors.provenance.pooling, self.vectors.parts
        pooled = self._pooled(kept, pooling)
        if parts is not None and pooling == "top":
            which = torch.ones(len(parts.vectors), dtype=torch.bool)
            own = parts.places < torch.bincount(self.class_of)[parts.class_of]
            which[own] = kept
            parts = parts.kept(which)
        elif parts is not None:
            parts = parts.with_own(pooled)
        chunks = ScoreChunks(self.images, pooled, parts=parts)
        best = [scores.argmax(dim=1) for scores in chunks]
        correct: Booleans = (torch.cat(best) == self.targets).numpy()
        return correct

    def _pooled(self, kept: torch.Tensor, pooling: str) -> torch.Tensor:
        """Class vectors of some prompts; of a class that has lost one of two lists of the other."""
        if self.vectors.provenance.combine != "average":
            return POOLINGS[pooling](self.prompts[kept], self.class_of[kept])
        written = torch.tensor([question == TEMPLATE for question in self.questions])
        sums = torch.zeros(len(self.bank), self.prompts.shape[1])
        lists = torch.zeros(len(self.bank), 1)
        for rows in (kept & ~written, kept & written):
            classes, place = self.class_of[rows].unique(return_inverse=True)  # type: ignore[no-untyped-call]
            sums[classes] += POOLINGS[pooling](self.prompts[rows], place)
            lists[classes] += 1
        return sums / lists if pooling == "similarity" else unit(sums)


def without_name(question: str, entry: ClassPrompts) -> str:
    """What a question asks of every class: ``{}`` where it names this one, and no article there."""
    names = sorted((entry.name, *entry.aliases), key=len, reverse=True)
    pattern = "|".join(re.escape(name) for name in names)
    open_question = re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", "{}", question, flags=re.IGNORECASE)
    return re.sub(r"\b(?:an?|the) \{\}", "{}", open_question, flags=re.IGNORECASE)


def question_effects(described: Described, whole: Booleans) -> list[QuestionEffect]:
    """Leave one question out: most helpful first, none where there is one question only.

    A class all of whose prompts answer the question keeps them. Of many questions, as where each
    class has its own, these are the ``LONGEST_LIST`` with the most prompts. The p values are
    corrected for the number of these.

    Args:
        described: the bank.
        whole: ``[images]``, which of them all prompts have right.

    """
    questions = np.array(described.questions, dtype=object)
    if len(set(described.questions)) < 2:
        return []
    different = [question for question, _ in Counter(described.questions).most_common(LONGEST_LIST)]
    masks = [torch.from_numpy(questions == question) for question in different]
    without = [_without(described, asked) for asked in masks]
    gains = intervals(
        [Statistic(whole[None], rest[None]) for rest in without],
        described.targets.numpy(),
        described.by_name,
        described.sample,
    )
    tests = [paired_test(whole[None], rest[None], described.sample) for rest in without]
    corrected = holm([test.p for test in tests])
    effects = [
        QuestionEffect(
            question=question, prompts=int(asked.sum()),
            classes=len(set(described.class_of[asked].tolist())),
            top1_without=described.accuracy(rest),
            comparison=Comparison(
                to="the bank without it", difference=gain, won=test.won, lost=test.lost, p=test.p,
                p_holm=p_holm,
            ),
        )
        for question, asked, rest, gain, test, p_holm
        in zip(different, masks, without, gains, tests, corrected, strict=True)
    ]  # fmt: skip
    return sorted(effects, key=lambda effect: -effect.comparison.difference.value)


def _without(described: Described, asked: torch.Tensor) -> Booleans:
    """Which images are right without the prompts of one question, where a class has others."""
    left = torch.bincount(described.class_of[~asked], minlength=len(described.bank))
    return described.correct(~asked | (left == 0)[described.class_of])


def accuracy_curve(described: Described, whole: Booleans) -> list[CurvePoint]:
    """Top-1 accuracy with 1, 2, 4, ... prompts of each class, up to all of them.

    A class with fewer prompts gives all of its.
    """
    sizes = torch.bincount(described.class_of)
    most, points = int(sizes.max()), []
    numbers = [2**power for power in range(most.bit_length()) if 2**power < most]
    generator = torch.Generator().manual_seed(0)
    for number in numbers:
        values = []
        for _ in range(_DRAWS):
            # Shuffle, then count within each class: the first so many are kept.
            order = torch.randperm(len(described.class_of), generator=generator)
            order = order[described.class_of[order].argsort(stable=True)]
            starts = torch.cumsum(sizes, 0) - sizes
            place = torch.arange(len(order)) - starts[described.class_of[order]]
            kept = torch.zeros(len(order), dtype=torch.bool)
            kept[order[place < number]] = True
            values.append(described.accuracy(described.correct(kept)))
        mean = sum(values) / len(values)
        points.append(CurvePoint(prompts=number, value=mean, low=min(values), high=max(values)))
    all_of_them = described.accuracy(whole)
    points.append(CurvePoint(prompts=most, value=all_of_them, low=all_of_them, high=all_of_them))
    return points


def misleading_prompts(described: Described, whole: ImageRanks) -> list[MisleadingPrompt]:
    """Prompts that draw images of other classes to their own, the most images first.

    Of a class that an image was wrongly given, the prompt closest to the image is to blame.
    """
    owners = [asked for entry in described.bank for asked in entry.question_prompt_pairs]
    directions, wrong = unit(described.prompts), torch.from_numpy(whole.ranks != 1)
    predicted = torch.from_numpy(whole.predicted)
    rows: dict[int, list[float]] = {}
    closest_of_true = _closest(described, directions, described.targets, wrong)
    closest_of_given = _closest(described, directions, predicted, wrong)
    for image, (prompt, cosine) in closest_of_given.items():
        rows.setdefault(prompt, []).append(cosine - closest_of_true[image][1])
    ranked = sorted(rows.items(), key=lambda row: (-len(row[1]), -sum(row[1]), row[0]))
    return [
        MisleadingPrompt(prompt=owners[prompt][1], question=owners[prompt][0],
             name=str(described.bank.classes[int(described.class_of[prompt])].label),
             images=len(margins), margin=sum(margins) / len(margins))
        for prompt, margins in ranked[:LONGEST_LIST]
    ]  # fmt: skip


def _closest(
    described: Described, directions: torch.Tensor, classes: torch.Tensor, which: torch.Tensor
) -> dict[int, tuple[int, float]]:
    """For some images the closest prompt of a class of each, and its cosine."""
    closest: dict[int, tuple[int, float]] = {}
    chosen = which.nonzero()[:, 0]
    order = chosen[classes[chosen].argsort(stable=True)]  # class after class
    numbers, sizes = torch.unique_consecutive(classes[order], return_counts=True)
    prompts_of = torch.bincount(described.class_of)
    starts = prompts_of.cumsum(0) - prompts_of  # prompts too stand class after class
    for number, images in zip(numbers.tolist(), torch.split(order, sizes.tolist()), strict=True):
        start = int(starts[number])
        cosines = described.images[images] @ directions[start : start + int(prompts_of[number])].T
        best, place = cosines.max(dim=1)
        closest.update(
            zip(
                images.tolist(),
                zip((start + place).tolist(), best.tolist(), strict=True),
                strict=True,
            )
        )
    return closest


def widest_drops(
    bank: Sequence[ClassAccuracy], control: Sequence[ClassAccuracy]
) -> list[ClassDrop]:
    """Classes on which the bank does worse than a control, the widest drop first."""
    drops = [
        ClassDrop(name=ours.name, id=ours.id, images=ours.images, bank=ours.accuracy,
                  control=theirs.accuracy)
        for ours, theirs in zip(bank, control, strict=True)
        if ours.accuracy < theirs.accuracy
    ]  # fmt: skip
    return sorted(drops, key=lambda drop: drop.bank - drop.control)[:LONGEST_LIST]
