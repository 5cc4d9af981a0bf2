"""Small pictures of one colour in folders, and lists of them."""

import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from cupl.bank.labels import ClassLabel
from cupl.evaluation.labelled import (
    LabelledImages,
)
from tests.models import HandMadeEncoder

CAT, DOG, FROG = ClassLabel("cat"), ClassLabel("dog"), ClassLabel("tree frog", "n7", ("Hyla",))
ANIMALS = [CAT, DOG, FROG]
RED, BLUE = (255, 0, 0), (0, 0, 255)
ODD = os.fsdecode(b"caf\xe9")


def encoder(fingerprint: str = "hand-made") -> HandMadeEncoder:
    return HandMadeEncoder(images={RED: (1.0, 0.0), BLUE: (0.0, 1.0)}, fingerprint=fingerprint)


def save(path: Path, color: tuple[int, int, int] = RED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), color).save(path, "PNG")
    return path


def named(found: LabelledImages, labels: Sequence[ClassLabel] = ANIMALS) -> dict[str, str]:
    """Class of each image by its file's name."""
    pairs = zip(found.paths, found.targets, strict=True)
    return {Path(path).name: labels[target].name for path, target in pairs}


def write_csv(file: Path, *rows: str, header: str = "path,label") -> Path:
    file.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return file
