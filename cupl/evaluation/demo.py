"""The whole way on a few real photographs, with nothing but installed packages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from cupl.bank.model import PromptBank
from cupl.bank.templates import TemplateSet
from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.prediction import Prediction
from cupl.classification.writers import write_predictions
from cupl.embedding.bank_encoding import encode_bank, encode_templates
from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import MissingPackageError
from cupl.generation.pipeline import generate
from cupl.io.atomic import check_folder, make_folder, write_keeping_old
from cupl.progress import Progress, ignore

PHOTOS = {
    "chelsea.png": "cat",
    "coffee.png": "coffee cup",
    "rocket.jpg": "rocket",
    "astronaut.png": "astronaut",
    "motorcycle_left.png": "motorcycle",
    "coins.png": "coin",
    "brick.png": "brick wall",
    "page.png": "page of text",
}
"""Photographs in the wheel of scikit-image, and what each shows."""

SAMPLES = 5


@dataclass(frozen=True)
class DemoResult:
    """What the demo made, and the answers of the template and of the bank for each photograph."""

    bank: Path
    vectors: Path
    table: Path
    photos: list[Path]
    template: list[Prediction]
    described: list[Prediction]


def run_demo(
    folder: Path, say: Callable[[str], None] = print, progress: Progress = ignore
) -> DemoResult:
    """Generate a bank for eight classes, encode it, classify eight photographs.

    Args:
        folder: where the photographs (a folder for each class), the bank, the class vectors and
            the table go; made if it is not there.
        say: told what is being done.
        progress: told how many of the missing answers have arrived.

    Raises:
        MissingPackageError: the ``mini`` extra is not installed.
        CuplError: a file cannot be written.

    """
    found = find_photos()
    make_folder(folder)
    check_folder(folder)
    photos = _copy_photos(found, folder / "photos")
    say(f"1/3 describing {len(PHOTOS)} classes with the mini language model")
    bank = generate(PHOTOS.values(), name="demo", model="mini", samples=SAMPLES, progress=progress)
    result_bank = folder / "bank.yaml"
    if aside := write_keeping_old(result_bank, bank.to_bytes()):
        say(f"    {result_bank} held something else: kept as {aside}")
    say(f"2/3 encoding {bank.size} prompts with the mini encoder")
    encoder = load_encoder("mini")
    classifier = ZeroShotClassifier(encode_bank(bank, encoder), encoder)
    classifier.save(folder / "vectors.safetensors")
    say(f"3/3 classifying {len(photos)} photographs")
    described = list(classifier.predict(photos))
    write_predictions(described, len(described[0].top), "csv", folder / "predictions.csv")
    return DemoResult(
        bank=result_bank,
        vectors=folder / "vectors.safetensors",
        table=folder / "predictions.csv",
        photos=photos,
        template=_predict_with_template(bank, encoder, photos),
        described=described,
    )


def find_photos() -> list[Path]:
    """The photographs, found without importing the package that ships them.

    Raises:
        MissingPackageError: it is not installed.

    """
    spec = find_spec("skimage")
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else None
    if folder is None or not all((folder / name).is_file() for name in PHOTOS):
        raise MissingPackageError("the demo's photographs are missing: pip install 'cupl[mini]'")
    return [folder / name for name in PHOTOS]


def _copy_photos(photos: list[Path], folder: Path) -> list[Path]:
    """Into a folder for each class: something to try the other commands on."""
    copies = [folder / truth / name for name, truth in PHOTOS.items()]
    for photo, copy in zip(photos, copies, strict=True):
        make_folder(copy.parent)
        write_keeping_old(copy, photo.read_bytes())
    return copies


def _predict_with_template(
    bank: PromptBank, encoder: Encoder, photos: list[Path]
) -> list[Prediction]:
    labels = [entry.label for entry in bank]
    vectors = encode_templates(labels, TemplateSet.load("photo").templates, encoder)
    return list(ZeroShotClassifier(vectors, encoder).predict(photos))
