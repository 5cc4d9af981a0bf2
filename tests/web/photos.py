"""Photos to try the app on: pieces of the demo's photographs."""

from pathlib import Path

from PIL import Image

from cupl.evaluation.demo import PHOTOS, find_photos
from tests.models import bank_of

BANK = bank_of(
    {
        "cat": ["A cat has whiskers and pointed ears.", "A tabby cat lying down."],
        "coffee cup": ["A cup of coffee on a saucer.", "A coffee cup has a handle."],
        "rocket": ["A rocket stands on a launch pad.", "A rocket lifts off with smoke."],
        "motorcycle": ["A motorcycle has two wheels and a motor."],
        "brick wall": ["A wall of red bricks."],
    },
    name="things",
)
"""Classes for them; astronauts, coins and pages are none of these."""


def make_photos(folder: Path, each: int = 5) -> Path:
    """So many pieces of each photograph, in a folder for each class.

    Returns:
        The folder.

    """
    for source, truth in zip(find_photos(), PHOTOS.values(), strict=True):
        parent = folder / truth
        parent.mkdir(parents=True)
        with Image.open(source) as opened:
            image = opened.convert("RGB")
        image.thumbnail((320, 320))
        for piece in range(each):
            left, top = 4 * piece, 3 * piece
            cut = image.crop((left, top, image.width - left, image.height - top))
            cut.save(parent / f"{truth.replace(' ', '-')}-{piece}.jpg")
    return folder
