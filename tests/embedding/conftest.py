"""Photos of one colour each, an encoder that knows them, and a watch on warnings."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.models import HandMadeEncoder

COLORS = [(i * 10, 255 - i * 10, i) for i in range(20)]


@pytest.fixture
def encoder() -> HandMadeEncoder:
    """Each colour has a vector of its own."""
    images = {color: (float(i), 1.0) for i, color in enumerate(COLORS)}
    made = HandMadeEncoder({"A cat.": (1, 0), "A dog.": (0, 1)}, images)
    made.image_batch = 4
    return made


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twenty images of one colour each, two of them damaged."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, color in enumerate(COLORS):
        Image.new("RGB", (9, 7), color).save(folder / f"{i:02}.png")
    (folder / "05.png").write_bytes(b"")
    (folder / "13.png").write_bytes((folder / "12.png").read_bytes()[:50])
    return folder


@pytest.fixture
def no_warning_leaks() -> Iterator[None]:
    """Reading an image shows no warning, and leaves the filters of others as they were."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        yield
        assert list(warnings.filters) == before
