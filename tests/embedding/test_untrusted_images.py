import io
import os
import socket
import struct
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageFile, PngImagePlugin, features

from cupl.embedding.image_errors import ImageError
from cupl.embedding.images import open_image
from tests.embedding.pictures import (
    encoded,
    pixels,
    png,
    quarters,
    reason,
    textured,
    tiff,
    turned,
)

pytestmark = pytest.mark.usefixtures("no_warning_leaks")


def test_what_is_not_a_readable_file(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    loop = tmp_path / "loop.jpg"
    loop.symlink_to(loop)
    assert "no such file" in reason(tmp_path / "missing.jpg")
    assert "folder" in reason(tmp_path)
    assert "empty" in reason(empty)
    assert "empty" in reason(b"")
    assert "cannot be read" in reason(loop)
    assert "cannot be read" in reason(tmp_path / ("x" * 300))
    assert "cannot be read" in reason(empty / "inside.jpg")
    reason("null\0byte.jpg")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    textured().save(path)
    path.chmod(0)
    assert "ermission" in reason(path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes and devices")
def test_pipes_sockets_and_devices_do_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the full name can be too long for a socket
    os.mkfifo("pipe.jpg")
    assert "regular" in reason("pipe.jpg")
    assert "regular" in reason("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        assert "regular" in reason("socket.jpg")


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_a_pipe_that_takes_the_place_of_a_file_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, photo = tmp_path / "pipe.jpg", tmp_path / "photo.png"
    os.mkfifo(pipe)
    textured().save(photo)
    checked = photo.stat()
    monkeypatch.setattr(Path, "stat", lambda self: checked)
    reason(pipe)


def test_a_file_over_the_byte_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(513 * 1024 * 1024)  # sparse: takes no room
    assert "larger than 512 MiB" in reason(path)


@pytest.mark.parametrize(
    "data",
    [
        png(60000, 60000, 8, 2, b""),
        png(12000, 9000, 8, 2, b""),  # above our limit, inside Pillow's warning
        b"P5 20000 20000 255\n",
        b"GIF89a" + struct.pack("<HH3xc8xBB", 65000, 65000, b",", 0, 8) + bytes(9),
        b"BM" + struct.pack("<IIIIiiHHI", 54, 0, 54, 40, 50000, 50000, 1, 24, 0) + bytes(20),
        tiff(b"", 8, width=200_000_001),
    ],
)
def test_a_header_with_too_many_pixels_is_refused_before_it_is_decoded(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(image: Image.Image) -> None:
        raise AssertionError("it was decoded")  # would come back as a damaged image

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    assert "pixels" in reason(data)


def test_the_pixel_limit_is_the_callers() -> None:
    data = encoded(textured(40, 30), "PNG")
    assert open_image(data, max_pixels=1200).size == (40, 30)
    for source in (data, textured(40, 30), np.asarray(textured(40, 30))):
        assert "40 x 30" in reason(source, max_pixels=1199)


def test_too_many_pixels_are_never_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(textured(40, 30), "PNG")

    def load(self: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert "40 x 30" in reason(data, max_pixels=1000)


def test_an_image_without_pixels() -> None:
    assert "no pixels" in reason(Image.new("RGB", (0, 5)))


@pytest.mark.parametrize(
    "chunk",
    [
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20_000_000))),
        (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(2_000_000))),
        (b"iCCP", b"profile\0\0" + zlib.compress(bytes(2_000_000))),
        (b"tEXt", b"Comment\0" + bytes(70_000_000)),
        (b"zTXt", b"Comment\0\7 "),
        (b"cHRM", b"\0"),
    ],
    ids=lambda chunk: chunk[0].decode(),
)
def test_a_png_is_its_pixels_whatever_else_it_holds(chunk: tuple[bytes, bytes]) -> None:
    orientation = (b"eXIf", turned(6, "PNG").split(b"eXIf")[1][:26])
    data = png(2, 1, 8, 0, b"\0\x10\x20", chunk, orientation)
    assert pixels(open_image(data))[:, 0, 0].tolist() == [16, 32]
    with pytest.raises((ValueError, SyntaxError, OSError)):
        Image.open(io.BytesIO(data)).load()


def test_a_png_with_a_damaged_text_opens() -> None:
    data = png(1, 1, 8, 0, b"\0\x10", (b"tEXt", b"Comment\0fine"))
    assert pixels(open_image(data.replace(b"fine", b"gone"))).tolist() == [[[16] * 3]]


def test_a_git_lfs_pointer_is_named() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    assert "git lfs pull" in reason(pointer)


def test_a_tga_opens() -> None:
    assert (pixels(open_image(encoded(quarters(), "TGA"))) == pixels(quarters())).all()


def test_too_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(textured(), "PNG")

    def load(self: ImageFile.ImageFile) -> None:
        raise MemoryError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    assert "memory" in reason(data)


@cache
def samples() -> dict[str, bytes]:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.ImageDescription] = "a picture"
    formats = ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM"]
    return (
        {name: encoded(textured(), name, exif=exif) for name in formats}
        | {
            "progressive": encoded(textured(), "JPEG", progressive=True),
            "APNG": encoded(textured(), "PNG", save_all=True, append_images=[quarters()]),
            "MPO": encoded(textured(), "MPO", save_all=True, append_images=[quarters()]),
            "LZW": encoded(textured(), "TIFF", compression="tiff_lzw", exif=exif),
            "palette": encoded(textured().quantize(16), "PNG", transparency=3),
            "grey16": encoded(Image.fromarray(np.arange(99, dtype=np.uint16)[None]), "PNG"),
        }
        | {
            name: encoded(textured(), name)
            for name, feature in (("AVIF", "avif"), ("JPEG2000", "jpg_2000"))
            if features.check(feature)
        }
    )


def opens_or_is_refused(data: bytes) -> bool:
    """Whether it opens; any other outcome than an image or ImageError fails the test."""
    try:
        image = open_image(data)
    except ImageError:
        return False
    assert pixels(image).size
    return True


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_beginning_of_a_file_opens_or_is_refused(draw: st.DataObject) -> None:
    data = samples()[draw.draw(st.sampled_from(sorted(samples())))]
    opens_or_is_refused(data[: draw.draw(st.integers(0, len(data)))])


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "WEBP"])
def test_half_a_file_is_refused(image_format: str) -> None:
    data = samples()[image_format]
    assert opens_or_is_refused(data)
    for part in (2, 4, 8):
        assert not opens_or_is_refused(data[: len(data) // part])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_change_of_bytes_opens_or_is_refused(draw: st.DataObject) -> None:
    data = bytearray(samples()[draw.draw(st.sampled_from(sorted(samples())))])
    # Headers are where the structure is: half of the changes go there.
    end = draw.draw(st.sampled_from([min(200, len(data)), len(data)]))
    changes = st.tuples(st.integers(0, end - 1), st.integers(0, 255))
    for place, value in draw.draw(st.lists(changes, min_size=1, max_size=8)):
        data[place] = value
    opens_or_is_refused(bytes(data))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([b"", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM"]),
    st.binary(max_size=300),
)
def test_any_bytes_open_or_are_refused(signature: bytes, rest: bytes) -> None:
    opens_or_is_refused(signature + rest)


def test_many_threads_at_once() -> None:
    odd = tiff(bytes(2), 8, extra=((34665, 0xFFFFFF),))
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        Image.open(io.BytesIO(odd)).load()
    work = [turned(6, "PNG"), encoded(textured(), "PNG"), odd, png(12000, 9000, 8, 2, b"")] * 25
    alone = {data: opens_or_is_refused(data) for data in set(work)}
    assert list(alone.values()).count(True) == 3
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(opens_or_is_refused, work)) == [alone[data] for data in work]


def test_warnings_of_others_are_kept() -> None:
    """While one thread decodes, a warning in another still arrives."""
    decoding, warned = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            decoding.set()
            assert warned.wait(10)
            return super().read(size)

    lazy = Image.open(io.BytesIO(encoded(textured(), "PPM")))
    lazy.fp = Slow(encoded(textured(), "PPM"))
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(open_image, lazy)
        assert decoding.wait(10)
        try:
            with pytest.raises(UserWarning, match="mine"):
                warnings.warn("mine", stacklevel=1)
        finally:
            warned.set()
        assert result.result().size == (40, 30)


@pytest.mark.parametrize("start", [b"P6\n", b"P5 1", b"P3 1 1 ", b"P4\n3"])
def test_an_endless_header_of_a_ppm_is_refused_at_once(start: bytes) -> None:
    assert "header is longer than 64 KB" in reason(start + b"#\n" * 40_000 + b" 1 1\n255\nabc")


@pytest.mark.parametrize("comments", [0, 100, 20_000])
def test_comments_of_a_ppm_are_read(comments: int) -> None:
    image = open_image(b"P6\n" + b"#a\n" * comments + b"1 1\n255\nabc" + bytes(70_000))
    assert image.getpixel((0, 0)) == tuple(b"abc")


def test_endless_exif_is_refused_at_once() -> None:
    photo = encoded(textured(64, 64), "JPEG")
    block = b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65_527)
    assert "65 blocks of EXIF" in reason(photo[:2] + block * 65 + photo[2:])
    few = open_image(photo[:2] + block * 3 + photo[2:])
    assert few.tobytes() == open_image(photo).tobytes()


@pytest.mark.parametrize("start", [b"P6\n1#\n1#\n1", b"P6\n1 1\n2", b"P4\n1 1", b"P5 1 1 25#\n5"])
def test_comments_inside_the_numbers_of_a_ppm(start: bytes) -> None:
    """Pillow reads a number on behind a comment: one that has begun is no end of the header."""
    assert "header is longer than 64 KB" in reason(start + b"#\n" * 40_000 + b"5\nabc")


def test_pixels_of_a_ppm_that_look_like_blanks_and_comments() -> None:
    for pixels_ in (b" \n\t" * 30_000, b"#" * 90_000, b"#\n " * 30_000):
        image = open_image(b"P6\n300 100\n255\n" + pixels_)
        assert image.tobytes() == pixels_


@pytest.mark.parametrize("magic", [b"P1 1 2\n", b"P2 1 2 255\n", b"P3 1 2 255\n"])
def test_endless_comments_among_plain_samples_are_refused_at_once(magic: bytes) -> None:
    samples = b"0 1 0 1 0 1 "
    assert "comments" in reason(magic + b"#\n" * 200_000 + samples)
    content = magic + b"#\n" * 1000 + b"0#x\r 1\n#y\n 0 1# z\n0 #\n 1 0 1 #"
    with Image.open(io.BytesIO(content)) as image:
        assert open_image(content).tobytes() == image.convert("RGB").tobytes()


@pytest.mark.parametrize("before", [b"\xff\xd0", b"\xff\x00", b"\xff\xf0", b"\xff\xe5\0\0", b"\0"])
def test_endless_exif_behind_odd_markers_is_refused_at_once(before: bytes) -> None:
    photo = encoded(textured(64, 64), "JPEG")
    block = b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65_527)
    content = photo[:2] + b"\xff\xfe\0\2" + before + block * 65 + photo[2:]
    assert "65 blocks of EXIF" in reason(content)


@pytest.mark.parametrize(
    "part", [b"\xff\xfe\0\2", b"\xff\xe7\0\0", b"\xff", b"\xff\xd0", b"\xff\0", b"\0"]
)
def test_endless_markers_of_a_jpeg_are_refused_at_once(part: bytes) -> None:
    photo = encoded(textured(64, 64), "JPEG")
    start = photo[:2] + b"\xff\xfe\0\2"
    assert "before its pixels" in reason(start + part * 300_000 + photo[2:])
    few = open_image(start + part * 1000 + photo[2:])
    assert few.tobytes() == open_image(photo).tobytes()
