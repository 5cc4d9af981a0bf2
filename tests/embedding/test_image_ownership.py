"""What a caller gives stays as it was, whatever becomes of what is made of it."""

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, features

from cupl.embedding.image_stream import encode_sources
from cupl.embedding.images import open_image
from tests.embedding.pictures import GREEN, RED, detailed, encoded, pixels, quarters, reason, turned
from tests.embedding.test_image_stream import encoder_of, photo, png, shade_of

pytestmark = pytest.mark.usefixtures("no_warning_leaks")

FORMATS = [
    name
    for name, feature in [
        *((name, None) for name in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "PPM")),
        *(("WEBP", "webp"), ("AVIF", "avif"), ("JPEG2000", "jpg_2000")),
    ]
    if feature is None or features.check(feature)
]


def opened(image_format: str, image: Image.Image | None = None, **options: Any) -> Any:
    """A Pillow image of which only the header has been read."""
    data = encoded(quarters() if image is None else image, image_format, **options)
    return Image.open(io.BytesIO(data))


def state(image: Any) -> dict[str, Any]:
    """What a caller can see of a lazily opened image without decoding it."""
    return {
        "size": image.size,
        "mode": image.mode,
        "info": dict(image.info),
        "tiles": list(image.tile),
        "frame": image.tell(),
        "position": image.fp.tell(),
    }


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_lazily_opened_image_stays_unread(image_format: str) -> None:
    image, twin = opened(image_format), opened(image_format)
    before = state(image)
    found = open_image(image, side=2)
    assert state(image) == before
    assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(twin.convert("RGB")))
    assert found.info == {}


def test_a_large_jpeg_keeps_its_size_and_is_still_decoded_small() -> None:
    whole = detailed(800, 600)
    image = opened("JPEG", whole, quality=90)
    assert open_image(image, side=50).size == (200, 150)
    assert image.size == (800, 600)
    assert np.abs(np.asarray(image).astype(float) - np.asarray(whole)).mean() < 8


def test_an_image_that_its_owner_reduces_is_taken_so() -> None:
    image = opened("JPEG", detailed(800, 600))
    image.draft("RGB", (200, 150))
    assert open_image(image).size == (200, 150)
    assert image.size == (200, 150)


@pytest.mark.parametrize("image_format", FORMATS)
def test_one_image_given_often_is_right_each_time(image_format: str) -> None:
    image = opened(image_format)
    expected = pixels(open_image(encoded(quarters(), image_format)))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(open_image, [image] * 40))
    assert all(np.array_equal(pixels(one), expected) for one in found)


def test_images_that_share_a_file_object_are_right_each_time() -> None:
    file = io.BytesIO(encoded(quarters(), "PNG"))
    sources: list[Any] = [Image.open(file), Image.open(file), file] * 10
    file.seek(5)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(open_image, sources))
    assert all(np.array_equal(pixels(one), pixels(quarters())) for one in found)
    assert file.tell() == 5


def test_a_palette_image_in_memory_is_right_in_every_thread() -> None:
    image = quarters().quantize(4)
    image.info["transparency"] = bytes([255] * 4)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(open_image, [image] * 40))
    assert all(np.array_equal(pixels(one), pixels(quarters())) for one in found)


@given(
    st.sampled_from(["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "I", "F", "YCbCr"]),
    st.booleans(),
    st.sampled_from([None, 1, 3, 6]),
)
def test_an_image_in_memory_stays_as_it_is(mode: str, info: bool, orientation: int | None) -> None:
    grey = quarters().convert("L")
    image = (grey if mode in ("I;16", "I", "F") else quarters()).convert(mode)
    if info:
        image.info |= {"transparency": 0, "mine": 1} if mode in ("1", "L", "P") else {"mine": 1}
    if orientation is not None:
        image.getexif()[ExifTags.Base.Orientation] = orientation
    before = image.copy(), dict(image.info), dict(image.getexif())
    found = open_image(image)
    assert (image, dict(image.info), dict(image.getexif())) == before
    assert found.size == (image.size if orientation != 6 else image.size[::-1])
    found.paste(RED, (0, 0, *found.size))
    assert image == before[0]


def test_what_its_owner_has_drawn_is_seen() -> None:
    image = opened("PNG")
    image.paste(RED, (0, 0, *image.size))
    assert (pixels(open_image(image)) == RED).all()


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "WEBP"])
def test_an_image_that_was_decoded_before_is_turned_upright(image_format: str) -> None:
    image = Image.open(io.BytesIO(turned(6, image_format)))
    image.load()
    assert np.array_equal(pixels(open_image(image)), pixels(quarters()))


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
@pytest.mark.parametrize("decoded", [False, True])
def test_the_frame_that_its_owner_has_gone_to(image_format: str, decoded: bool) -> None:
    """One sees in a Pillow image the frame it stands at; so does cupl."""
    if image_format not in FORMATS and image_format != "AVIF":
        pytest.skip(f"this Pillow has no {image_format}")
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN, RED)]
    image = opened(image_format, frames[0], save_all=True, append_images=frames[1:])
    if decoded:
        image.load()
    image.seek(1)
    if decoded:
        image.load()
    assert np.abs(pixels(open_image(image)).astype(int) - GREEN).max() <= 4
    assert image.tell() == 1
    image.seek(0)
    assert np.abs(pixels(open_image(image)).astype(int) - RED).max() <= 4


def closed_by_hand() -> Image.Image:
    image: Image.Image = opened("PNG")
    image.close()
    return image


def closed_in_memory() -> Image.Image:
    image = quarters()
    image.close()
    return image


def closed_by_a_block() -> Image.Image:
    with opened("JPEG") as image:
        pass
    found: Image.Image = image
    return found


@pytest.mark.parametrize("closed", [closed_by_hand, closed_in_memory, closed_by_a_block])
def test_a_closed_image_is_called_so(closed: Callable[[], Image.Image]) -> None:
    assert "the image is closed" in reason(closed())


def test_a_closed_image_file_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    quarters().save(path)
    with Image.open(path) as image:
        pass
    assert "the image is closed" in reason(image)


def test_an_image_closed_after_it_was_decoded_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    quarters().save(path)
    with Image.open(path) as image:
        image.load()
    assert np.array_equal(pixels(open_image(image)), pixels(quarters()))


def test_a_lazily_opened_image_that_is_cut_off() -> None:
    data = encoded(detailed(400, 300), "JPEG")
    image = Image.open(io.BytesIO(data[: len(data) // 2]))
    for _ in range(2):
        assert "damaged or cut off" in reason(image)


def test_a_lazily_opened_image_with_too_many_pixels() -> None:
    assert "12 x 8 pixels" in reason(opened("PNG"), max_pixels=95)


def test_a_kind_of_image_that_only_its_owner_can_open() -> None:
    class Own(Image.Image):
        pass

    image = Own()
    image.im, image._mode, image._size = quarters().im, "RGB", (12, 8)
    assert np.array_equal(pixels(open_image(image)), pixels(quarters()))


def test_arrays_stay_as_they_are() -> None:
    whole = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    kept = whole.copy()
    for view in (whole, whole[::2], whole[:, ::-1], whole[..., 0]):
        found = open_image(view)
        found.paste(RED, (0, 0, *found.size))
        assert np.array_equal(whole, kept)
    whole.flags.writeable = False
    assert np.array_equal(pixels(open_image(whole)), kept)


def owned_by_a_block(path: Path) -> Iterator[Any]:
    """Sources that are closed as soon as the next is asked for."""
    for shade in range(40):
        png_file = path / "reused.png"
        png_file.write_bytes(png((shade, 0, 0)))
        with Image.open(io.BytesIO(png_file.read_bytes())) as image:
            yield image


def test_images_that_are_closed_when_the_next_is_asked_for(tmp_path: Path) -> None:
    found = list(encode_sources(owned_by_a_block(tmp_path), encoder_of(), 3))
    assert [shade_of(one) for one in found] == list(range(40))


def test_files_that_are_closed_when_the_next_is_asked_for(tmp_path: Path) -> None:
    def files() -> Iterator[Any]:
        for shade in range(40):
            (tmp_path / f"{shade}.png").write_bytes(png((shade, 0, 0)))
            with (tmp_path / f"{shade}.png").open("rb") as file:
                yield file

    assert [shade_of(one) for one in encode_sources(files(), encoder_of(), 3)] == list(range(40))


@pytest.mark.parametrize("kind", ["array", "pillow", "bytearray"])
def test_memory_that_is_used_again_for_the_next_image(kind: str) -> None:
    def reused() -> Iterator[Any]:
        array, image = np.zeros((2, 3, 3), np.uint8), photo((0, 0, 0))
        data = bytearray(png((0, 0, 0)))
        for shade in range(40):
            array[..., 0] = shade
            image.paste((shade, 0, 0), (0, 0, 3, 2))
            data[:] = png((shade, 0, 0))
            yield {"array": array, "pillow": image, "bytearray": data}[kind]

    assert [shade_of(one) for one in encode_sources(reused(), encoder_of(), 3)] == list(range(40))


def test_one_lazily_opened_image_ten_times() -> None:
    image = Image.open(io.BytesIO(png((7, 0, 0))))
    found = list(encode_sources([image] * 10, encoder_of(), 8))
    assert [shade_of(one) for one in found] == [7] * 10
