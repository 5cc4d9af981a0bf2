"""An index of photos of one colour each, whose vectors are that colour."""

from pathlib import Path

from PIL import Image

from cupl.index.photo_index import PhotoIndex
from tests.models import HandMadeEncoder

COLOURS = {
    "red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255),
    "orange": (255, 128, 0), "violet": (200, 0, 210),
}  # fmt: skip


def colour_encoder() -> HandMadeEncoder:
    texts = {name: [value / 255 for value in colour] for name, colour in COLOURS.items()}
    texts[" ".join(["red"] * 20)] = texts["red"]
    images = {colour: [value / 255 for value in colour] for colour in COLOURS.values()}
    return HandMadeEncoder(texts, images)


def colour_index(folder: Path) -> PhotoIndex:
    photos = folder / "photos"
    photos.mkdir()
    for name, colour in COLOURS.items():
        Image.new("RGB", (8, 6), colour).save(photos / f"{name}.png")
    encoder = colour_encoder()
    return PhotoIndex.open(folder / "photos.lance", encoder).add(photos, image_cache=False)
