"""One image is told from many, and both from everything else."""

import collections
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cupl.embedding.image_errors import ImageError
from cupl.embedding.image_sources import one_or_many
from cupl.embedding.images import open_image
from cupl.errors import InputError
from tests.embedding.pictures import encoded, pixels, quarters
from tests.embedding.test_image_stream import photo, png

PNG = encoded(quarters(), "PNG")
AS_ARRAY = np.asarray(quarters())
AS_TENSOR = torch.from_numpy(AS_ARRAY.copy()).permute(2, 0, 1)


def test_one_file_object_is_one_image_and_not_its_lines(tmp_path: Path) -> None:
    assert PNG.count(b"\n") >= 1
    (tmp_path / "photo.png").write_bytes(PNG)
    with (tmp_path / "photo.png").open("rb") as file:
        one, images = one_or_many(file)
        assert one
        assert list(images) == [file]


SINGLE = [png((7, 0, 0)), bytearray(png((7, 0, 0))), photo((7, 0, 0)), AS_ARRAY, AS_TENSOR, "x.png"]


@given(st.lists(st.sampled_from(SINGLE), max_size=5), st.sampled_from([list, tuple, iter, "deque"]))
def test_many_are_given_one_by_one(images: list[Any], container: Any) -> None:
    held = collections.deque(images) if container == "deque" else container(images)
    one, found = one_or_many(held)
    assert not one
    assert [id(image) for image in found] == [id(image) for image in images]


def test_nothing_is_read_before_it_is_asked_for() -> None:
    def images() -> Iterator[bytes]:
        yield b"first"
        pytest.fail("more was read than was asked for")

    one, found = one_or_many(images())
    assert not one
    assert next(found) == b"first"


@given(st.integers(0, 4), st.sampled_from([1, 3, 4]), st.integers(1, 4), st.integers(1, 4))
def test_a_batch_is_many(number: int, channels: int, height: int, width: int) -> None:
    values = np.arange(number * height * width * channels, dtype=np.uint8)
    last = values.reshape(number, height, width, channels)
    first = torch.from_numpy(last).permute(0, 3, 1, 2)
    batches: list[Any] = [last, first]
    for batch in batches:
        one, found = one_or_many(batch)
        assert not one
        images = [open_image(image) for image in found]
        assert len(images) == number
        for row, image in enumerate(images):
            assert np.array_equal(pixels(image), pixels(open_image(last[row])))


@pytest.mark.parametrize("dtype", [object, str])
def test_an_array_of_paths_is_many(dtype: type) -> None:
    one, found = one_or_many(np.array(["a.png", "b.png"], dtype))
    assert not one
    assert list(found) == ["a.png", "b.png"]


class Table:
    """As tables of several libraries are: iterating gives the names of columns."""

    shape = (2, 1)
    columns = ("path",)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)


class Foreign:
    """An array of another library."""

    shape = (4, 4, 3)

    def __iter__(self) -> Iterator[int]:
        return iter(range(4))


class Column(Table):
    shape = (2,)  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (None, "None (NoneType) is no image"),
        (5, "5 (int) is no image"),
        (np.float64(0.5), "0.5 (float) is no image"),
        (True, "True (bool) is no image"),
        (object(), "an object is no image"),
        (Path, "a type is no image"),
        ({"a.png": 1}, "a dict is no list of images: give its values"),
        ({"a.png"}, "a set has no order to answer in: give a list"),
        (frozenset({"a.png"}), "a frozenset has no order to answer in: give a list"),
        (Table(), "a Table is no array of numpy or torch: give one of its columns"),
        (Foreign(), "a Foreign is no array of numpy or torch: give numpy.asarray() of it"),
        (np.array("a.png"), "an array of shape () and type <U5 is no image"),
        (np.zeros(4), "an array of shape (4,) and type float64 is no image"),
        (np.zeros((2, 3, 4, 5), np.uint8), "an array of shape (2, 3, 4, 5) and type uint8"),
        (np.zeros((1, 2, 3, 4, 5)), "an array of shape (1, 2, 3, 4, 5)"),
        (torch.zeros(4), "a tensor of shape (4,) and type float32 is no image"),
        (torch.zeros(4, 5), "a tensor of shape (4, 5) and type float32 is no image"),
        (torch.zeros(2, 5, 4, 3), "no batch of them, [n, channels, height, width]"),
    ],
)
def test_what_is_neither_one_nor_many(images: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        one_or_many(images)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_column_of_a_table_is_many() -> None:
    assert list(one_or_many(Column())[1]) == ["path"]


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.binary().map(io.BytesIO)
    | st.text().map(io.StringIO)
    | st.from_type(type)
    | st.builds(np.zeros, st.lists(st.integers(0, 3), max_size=5))
    | st.builds(torch.zeros, st.lists(st.integers(0, 3), max_size=5)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=5,
)


@given(anything)
def test_anything_is_one_or_many_or_refused_and_so_is_each(thing: Any) -> None:
    said: list[str] = []
    try:
        one, images = one_or_many(thing)
        sources = list(images)
        assert not one or (len(sources) == 1 and sources[0] is thing)
    except InputError as error:
        sources = []
        said.append(str(error))
    for source in sources:
        try:
            assert pixels(open_image(source)).size
        except ImageError as error:
            said.append(str(error))
    assert all(0 < len(message) < 250 and "\n" not in message for message in said)
