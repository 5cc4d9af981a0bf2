from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cupl.errors import InputError
from cupl.index.examples import ExamplePhoto, unit_vector
from cupl.index.photo_index import PhotoIndex
from cupl.index.recommending import example_vector
from tests.index.made import COLOURS, colour_index


@pytest.fixture
def index(tmp_path: Path) -> PhotoIndex:
    return colour_index(tmp_path)


def names(paths: list[str]) -> list[str]:
    return [Path(path).stem for path in paths]


def test_the_sum_is_the_mean_less_a_part_of_the_other_mean() -> None:
    rows = [unit_vector(row) for row in np.random.default_rng(0).standard_normal((5, 8))]
    examples = [ExamplePhoto(None, row) for row in rows]
    summed = (rows[0] + rows[1]) / 2 - 0.3 * (rows[2] + rows[3] + rows[4]) / 3
    found = example_vector(examples[:2], examples[2:], 0.3)
    assert found == pytest.approx(summed / np.linalg.norm(summed), abs=1e-6)


def test_like_some_and_unlike_others(index: PhotoIndex, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    like = index.similar(photos / "violet.png", k=10)
    assert names(like.paths)[:2] == ["blue", "red"]
    unlike = index.similar(photos / "violet.png", photos / "blue.png", away=1, k=10)
    assert names(unlike.paths) == ["red", "orange", "green"]


def test_examples_in_a_folder_that_are_not_in_the_index(index: PhotoIndex, tmp_path: Path) -> None:
    liked = tmp_path / "liked"
    liked.mkdir()
    Image.new("RGB", (20, 20), COLOURS["blue"]).save(liked / "a.png")
    found = index.similar(liked, k=1)
    assert names(found.paths) == ["blue"]


def test_a_photo_of_the_index_that_is_gone(index: PhotoIndex, tmp_path: Path) -> None:
    (tmp_path / "photos" / "red.png").unlink()
    assert names(index.similar(str(tmp_path / "photos" / "red.png"), k=1).paths) == ["orange"]


def test_examples_that_cannot_be_read(index: PhotoIndex, tmp_path: Path) -> None:
    red = tmp_path / "photos" / "red.png"
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    with pytest.warns(UserWarning, match="1 of 2 examples could not be read.*bad.jpg"):
        assert names(index.similar([red, tmp_path / "bad.jpg"], k=1).paths) == ["orange"]
    with pytest.raises(InputError, match="no example can be read: "):
        index.similar(tmp_path / "bad.jpg")
    with pytest.raises(InputError, match="no example can be read"):
        index.similar([])


def test_what_leaves_nothing_is_refused(index: PhotoIndex, tmp_path: Path) -> None:
    red = tmp_path / "photos" / "red.png"
    with pytest.raises(InputError, match="leave nothing"):
        index.similar(red, red, away=1)
    for away in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="0 to 1"):
            index.similar(red, red, away=away)
