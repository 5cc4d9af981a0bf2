"""A world with known answers: every class has its axis, and texts say by rule where they point."""

import re
import zlib
from collections.abc import Mapping, Sequence

import torch

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.evaluation.labelled import LabelledImages
from tests.models import HandMadeEncoder


class PlantedEncoder(HandMadeEncoder):
    """A text points along the axis of the ``class N`` it names, and is turned by some words.

    ``swap A B``: along the axis of B where it names A. ``useless``: nowhere in particular. All
    others are turned by a little noise of their own.
    """

    def __init__(self, classes: int, noise: float = 0.1, logit_scale: float = 10.0) -> None:
        super().__init__({}, {}, logit_scale, fingerprint=f"planted {classes} {noise}")
        self.dim, self._noise = 2 * classes, noise

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> torch.Tensor:
        generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))
        noise: torch.Tensor = torch.randn(self.dim, generator=generator) / self.dim**0.5
        if "useless" in text:
            return noise
        found = re.search(r"class (\d+)", text)
        assert found is not None, text
        swaps: dict[str, str] = dict(re.findall(r"swap (\d+) (\d+)", text))
        vector: torch.Tensor = self._noise * noise
        vector[int(swaps.get(found[1], found[1]) or 0)] += 1
        return vector


def planted_bank(
    classes: int, prompts: Mapping[str, Sequence[str]], name: str = "planted"
) -> PromptBank:
    """A bank whose questions and prompts have ``{}`` for the class name, ``class N``."""
    return PromptBank(
        name=name,
        classes=[
            ClassPrompts(
                name=f"class {number}",
                prompts={
                    question.replace("{}", f"class {number}"): [
                        text.replace("{}", f"class {number}") for text in texts
                    ]
                    for question, texts in prompts.items()
                },
            )
            for number in range(classes)
        ],
    )


def images_at(pairs: Sequence[tuple[int, int]], classes: int) -> LabelledImages:
    """Images given as true class and the class whose axis they lie on."""
    vectors = torch.zeros(len(pairs), 2 * classes)
    for row, (_, axis) in enumerate(pairs):
        vectors[row, axis] = 1
    paths = [f"{true}/{row}.jpg" for row, (true, _) in enumerate(pairs)]
    return LabelledImages(paths, [true for true, _ in pairs], vectors)
