"""Every kind of image that is taken, and what is told of everything else."""

import array
import io
import mmap
import os
import socket
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cupl.embedding.image_sources import one_or_many
from cupl.embedding.image_stream import encode_sources
from cupl.embedding.images import open_image
from cupl.errors import InputError
from tests.embedding.pictures import encoded, pixels, quarters, reason
from tests.embedding.test_image_stream import VECTORS, encoder_of, png, shade_of
from tests.models import HandMadeEncoder

PNG = encoded(quarters(), "PNG")
AS_ARRAY = np.asarray(quarters())
AS_TENSOR = torch.from_numpy(AS_ARRAY.copy()).permute(2, 0, 1)


class OnlyRead:
    """A stream of bytes that can do nothing but be read, a little at a time."""

    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self.data.read(min(size, 7))


class BytesPath:
    def __fspath__(self) -> bytes:
        return b"photo.png"


@pytest.fixture
def photo_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("photo.png").write_bytes(PNG)
    return tmp_path / "photo.png"


def test_every_single_kind(photo_file: Path) -> None:
    with (
        photo_file.open("rb") as file,
        photo_file.open("rb", buffering=0) as raw,
        tempfile.NamedTemporaryFile() as named,
        tempfile.SpooledTemporaryFile() as spooled,
        mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        os.scandir(photo_file.parent) as entries,
        Image.open(photo_file) as lazy,
    ):
        named.write(PNG)
        spooled.write(PNG)
        sources: list[Any] = [
            photo_file, str(photo_file), np.str_(photo_file), BytesPath(), next(entries),
            PNG, bytearray(PNG), memoryview(PNG), memoryview(b"x" + PNG)[1:], array.array("B", PNG),
            file, raw, named, spooled, mapped, io.BytesIO(PNG), io.BufferedReader(io.BytesIO(PNG)),
            OnlyRead(PNG), quarters(), lazy,
            AS_ARRAY, AS_ARRAY.astype(np.uint16) * 257, AS_ARRAY / 255, np.ma.array(AS_ARRAY),
            np.pad(AS_ARRAY, ((0, 0), (0, 0), (0, 1)), constant_values=255),
            AS_TENSOR, AS_TENSOR / 255, AS_TENSOR.double() / 255,
            (AS_TENSOR / 255).requires_grad_(), AS_TENSOR.contiguous(),
            torch.nn.functional.pad(AS_TENSOR, (0, 0, 0, 0, 0, 1), value=255),
        ]  # fmt: skip
        for source in sources:
            one, found = one_or_many(source)
            assert one
            (image,) = found
            assert np.array_equal(pixels(open_image(image)), AS_ARRAY), type(source)


def test_half_precision_tensors() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        found = pixels(open_image((AS_TENSOR / 255).to(dtype)))
        assert np.array_equal(found, AS_ARRAY)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bool])
def test_grey_tensors(dtype: torch.dtype) -> None:
    grey = torch.zeros(1, 2, 3, dtype=dtype)
    grey[0, 0] = 255 if dtype == torch.uint8 else 1
    assert pixels(open_image(grey))[:, :, 0].tolist() == [[255] * 3, [0] * 3]


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(4, 5),
        torch.zeros(8, 12, 3, dtype=torch.uint8),
        torch.zeros(2, 3, 4, 5),
        torch.zeros(3, 0, 5),
        torch.zeros(3, 4, 5, dtype=torch.int64),
        torch.full((3, 4, 5), 255.0),
        torch.full((3, 4, 5), -2.1),
        torch.full((3, 4, 5), float("nan")),
        torch.zeros(3, 4, 5, dtype=torch.complex64),
        torch.zeros(()),
    ],
)
def test_other_tensors_are_refused(tensor: torch.Tensor) -> None:
    message = reason(tensor)
    assert str(tuple(tensor.shape)) in message
    assert str(tensor.dtype).removeprefix("torch.") in message


URLS = [
    "https://example.org/cat.jpg",
    "http://localhost:8000/a%20b.png?size=2#top",
    "HTTPS://EXAMPLE.ORG/CAT.JPG",
    "ftp://example.org/cat.jpg",
    "git+ssh://example.org/x.png",
    "data:image/png;base64,iVBORw0KGgo=" + "A" * 9000,
]


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_called_so_and_not_fetched(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        pytest.fail("something asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    scheme = url.partition(":")[0]
    assert reason(url) == f"this is a URL ({scheme}), not a file: download it first"
    if len(url) < 200:
        assert "this is a URL" in reason(Path(url))  # which makes one slash of two
    assert one_or_many(url)[0]


def test_a_file_url_is_told_to_be_a_path(photo_file: Path) -> None:
    assert reason(photo_file.as_uri()) == "this is a URL (file), not a file: give its path"


@pytest.mark.parametrize("name", ["C:/photo.png", "a: b.png", "note:photo.png", "://x"])
def test_a_colon_makes_no_url(name: str) -> None:
    assert reason(name) == "there is no such file"


def test_a_file_that_is_named_like_a_url_is_a_file(photo_file: Path) -> None:
    Path("https:").mkdir()
    photo_file.rename("https:/photo.png")
    assert open_image("https:/photo.png").size == (12, 8)
    assert open_image("https://photo.png").size == (12, 8)


def test_a_file_opened_as_text_is_called_so(photo_file: Path) -> None:
    said = "this file is opened as text; open it for reading bytes: open(path, 'rb')"
    with (
        photo_file.open(encoding="latin-1") as text,
        tempfile.NamedTemporaryFile("w+") as wrapped,
    ):
        wrapped.write("text")
        wrapped.flush()
        for file in (text, io.StringIO("text"), wrapped):
            assert reason(file) == said
        for file in (text, io.StringIO("text")):
            with pytest.raises(InputError, match="opened as text"):
                one_or_many(file)


def test_file_objects_that_cannot_be_read(photo_file: Path) -> None:
    with photo_file.open("rb") as closed:
        pass
    assert "the file object is closed" in reason(closed)
    with (photo_file.parent / "new").open("wb") as written:
        assert reason(written) == "the image cannot be read"
    with zipfile.ZipFile(photo_file.parent / "z.zip", "w") as archive:
        archive.write(photo_file, "photo.png")
        assert reason(archive) == "the image cannot be read"
    with zipfile.ZipFile(photo_file.parent / "z.zip") as archive, archive.open("photo.png") as one:
        assert np.array_equal(pixels(open_image(one)), AS_ARRAY)
    released = memoryview(bytearray(PNG))
    released.release()
    assert reason(released) == "the image cannot be read"


def test_a_file_object_is_read_from_its_beginning_and_stays_where_it_was(photo_file: Path) -> None:
    with photo_file.open("rb") as file:
        for position in (0, 5, len(PNG)):
            file.seek(position)
            for _ in range(2):
                assert np.array_equal(pixels(open_image(file)), AS_ARRAY)
            assert file.tell() == position


def test_a_stream_that_cannot_go_back_is_one_image() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream:
        with os.fdopen(writing, "wb") as end:
            end.write(PNG)
        assert np.array_equal(pixels(open_image(stream)), AS_ARRAY)
        assert reason(stream) == "the file is empty"


def test_a_file_object_that_never_ends() -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    assert "larger than 512 MiB" in reason(Endless())


def test_every_kind_among_many(photo_file: Path) -> None:
    photo_file.write_bytes(png((1, 0, 0)))
    red = np.zeros((2, 3, 3), np.uint8)
    red[..., 0] = 5
    with photo_file.open("rb") as file:
        sources: list[Any] = [
            photo_file, "photo.png", file, file, io.BytesIO(png((2, 0, 0))),
            bytearray(png((3, 0, 0))), memoryview(png((4, 0, 0))), red,
            torch.from_numpy(red).permute(2, 0, 1), None, 7, {"a": 1}, "https://example.org/a.png",
        ]  # fmt: skip
        encoder = HandMadeEncoder(images=VECTORS)
        found = list(encode_sources(sources, encoder, 2))
    assert [shade_of(one) for one in found[:9]] == [1, 1, 1, 1, 2, 3, 4, 5, 5]
    assert [one.path for one in found[:4]] == [str(photo_file), "photo.png", None, None]
    assert "not None (NoneType)" in str(found[9].error)
    assert "not 7 (int)" in str(found[10].error)
    assert "not a dict" in str(found[11].error)
    assert found[12].error == "this is a URL (https), not a file: download it first"
    assert found[12].path == "https://example.org/a.png"


def test_a_path_that_cannot_say_its_name_is_an_error_of_its_own() -> None:
    class Broken:
        def __fspath__(self) -> str:
            raise RuntimeError("gone")

    sources: list[Any] = [png((1, 0, 0)), Broken(), png((2, 0, 0))]
    found = list(encode_sources(sources, encoder_of()))
    assert [one.error for one in found] == [None, "the image cannot be read", None]


def test_torch_is_not_imported_to_find_that_there_is_no_tensor() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from cupl.embedding.images import open_image; import io, PIL.Image as I;"
        "b = io.BytesIO(); I.new('RGB', (2, 2)).save(b, 'png'); open_image(b);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
