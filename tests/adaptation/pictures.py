"""Pictures of classes whose photos lie in clusters away from their texts, and their encoder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image

from cupl.bank.model import PromptBank
from tests.adaptation.synthetic import Drawn, draw_photos
from tests.models import HandMadeEncoder, bank_of


@dataclass(frozen=True, eq=False)
class Pictures:
    """A picture is one pixel that says which photo it is.

    Attributes:
        drawn: the photos.

    """

    drawn: Drawn

    @cached_property
    def names(self) -> list[str]:
        """Of the classes."""
        return [label.name for label in self.drawn.vectors.labels]

    @cached_property
    def bank(self) -> PromptBank:
        """One text a class."""
        return bank_of({name: [f"A {name}."] for name in self.names}, "mine")

    @cached_property
    def encoder(self) -> HandMadeEncoder:
        """Knows the bank's texts, the names alone as they are, and the pictures."""
        rows = list(zip(self.names, self.drawn.vectors.matrix.tolist(), strict=True))
        return HandMadeEncoder(
            {f"A {name}.": row for name, row in rows} | dict(rows),
            {_pixel(i): row for i, row in enumerate(self.drawn.photos.tolist())},
            logit_scale=self.drawn.vectors.provenance.logit_scale,
        )

    @property
    def truth(self) -> dict[str, str]:
        """The class of each picture, by the name of its file."""
        return {_file(i): self.names[k] for i, k in enumerate(self.drawn.targets.tolist())}

    def save(self, folder: Path, *, by_class: bool = False) -> Path:
        """Write all, in one folder or one for each class."""
        for number, (name, label) in enumerate(self.truth.items()):
            file = folder / (label if by_class else "") / name
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (1, 1), _pixel(number)).save(file)
        return folder


def pictures(classes: int = 6, each: int = 15, *, text_noise: float = 1.0) -> Pictures:
    """So many of each class; from the texts alone many are told wrong."""
    return Pictures(draw_photos([each] * classes, text_noise=text_noise))


def labels_right(found: dict[str, str], truth: dict[str, str]) -> float:
    """Share of the pictures, by file name, that have the right label."""
    return float(torch.tensor([found[name] == label for name, label in truth.items()]).float().mean())


def _file(number: int) -> str:
    return f"{number:04}.png"


def _pixel(number: int) -> tuple[int, int, int]:
    return number // 256, number % 256, 7
