"""Images of one colour, by their first pixel what the encoder of ``conftest.py`` knows."""

from PIL import Image

RED, GREEN, BLUE, NOTHING, ODD = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (0, 0, 0),
    (255, 255, 255),
)


def image_of(color: tuple[int, int, int], width: int = 4) -> Image.Image:
    return Image.new("RGB", (width, 3), color)
