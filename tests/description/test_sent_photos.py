import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from cupl.description.sent_photos import SentPhotos
from cupl.errors import InputError
from cupl.llm.request_image import RequestImage
from tests.description.seeing_server import color_of, picture
from tests.models import draw


@pytest.fixture
def sent() -> Iterator[SentPhotos]:
    with SentPhotos() as photos:
        yield photos


def prepared(sent: SentPhotos, *sources: Any) -> list[RequestImage]:
    photos = list(sent.prepare(sources))
    assert [photo.error for photo in photos] == [None] * len(sources)
    return [photo.image for photo in photos if photo.image is not None]


def opened(image: RequestImage) -> Image.Image:
    found = Image.open(io.BytesIO(image.content))
    found.load()
    assert (found.format, found.mode, found.size) == ("JPEG", "RGB", (image.width, image.height))
    return found


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1000, 500), (512, 256)), ((500, 1000), (256, 512)), ((300, 200), (300, 200)),
     ((2000, 1), (512, 1)), ((1, 1), (1, 1)), ((512, 512), (512, 512)), ((513, 100), (512, 100))],
)  # fmt: skip
def test_the_longer_side_is_bounded(
    sent: SentPhotos, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    [image] = prepared(sent, draw(*size))
    assert opened(image).size == expected


def test_nothing_goes_with_the_pixels(tmp_path: Path, sent: SentPhotos) -> None:
    path = tmp_path / "anna-at-home.jpg"
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Anna Secret"
    exif[ExifTags.Base.ImageDescription] = "Anna Secret at home"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (48.0, 51.0, 24.0)
    draw(900, 600).save(path, exif=exif, comment=b"Anna Secret", xmp=b"<x>Anna Secret</x>",
                        icc_profile=b"Anna Secret profile")  # fmt: skip
    assert path.read_bytes().count(b"Anna Secret") == 5
    [image] = prepared(sent, path)
    assert b"Anna" not in image.content
    assert b"Exif" not in image.content
    assert not opened(image).getexif()
    assert opened(image).info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_what_is_written_into_a_file_or_its_name_changes_no_key(
    tmp_path: Path, sent: SentPhotos
) -> None:
    draw(40, 30).save(tmp_path / "a.png")
    draw(40, 30).save(tmp_path / "b.png", exif=Image.Exif(), compress_level=1, dpi=(72, 72))
    one, two, three = prepared(sent, tmp_path / "a.png", tmp_path / "b.png", draw(40, 30))
    assert one.digest == two.digest == three.digest


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_sent_upright(tmp_path: Path, sent: SentPhotos, orientation: int) -> None:
    upright = picture("red", (80, 60), corner=True)
    back = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }.get(orientation, [])  # fmt: skip
    stored = upright
    for step in back:
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored.save(tmp_path / "p.jpg", exif=exif, quality=95)
    [image] = prepared(sent, tmp_path / "p.jpg")
    shown = opened(image)
    assert shown.size == (80, 60)
    corner = shown.getpixel((5, 5))
    assert isinstance(corner, tuple)
    assert min(corner) > 240
    assert color_of(shown) == "red"


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "I;16", "1"])
def test_any_mode_becomes_rgb(sent: SentPhotos, mode: str) -> None:
    image = draw(50, 40).convert("L").convert("I").convert("I;16") if mode == "I;16" else draw(
        50, 40).convert(mode)  # fmt: skip
    [made] = prepared(sent, image)
    assert opened(made).size == (50, 40)


def test_transparency_lies_over_white(sent: SentPhotos) -> None:
    [image] = prepared(sent, Image.new("RGBA", (40, 40), (0, 0, 0, 0)))
    assert opened(image).getpixel((20, 20)) == (255, 255, 255)


def test_what_cannot_be_read_is_told_and_the_others_go_on(tmp_path: Path, sent: SentPhotos) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    (tmp_path / "empty.jpg").touch()
    draw(40, 30).save(tmp_path / "good.png")
    paths = [tmp_path / name for name in ("broken.jpg", "good.png", "empty.jpg", "none.jpg")]
    photos = list(sent.prepare([*paths, None]))  # type: ignore[list-item]
    assert [photo.image is not None for photo in photos] == [False, True, False, False, False]
    assert [photo.path for photo in photos[:4]] == list(map(str, paths))
    assert photos[3].error == "there is no such file"
    assert all(photo.error for photo in photos if photo.image is None)


def test_many_come_in_their_order_and_are_read_in_any(sent: SentPhotos) -> None:
    images = [draw(20, 20, seed=number) for number in range(100)]
    found = prepared(sent, *images)
    assert len({image.digest for image in found}) == 100
    again = prepared(sent, *reversed(images))
    assert [image.digest for image in again] == [image.digest for image in reversed(found)]
    assert [image.content for image in reversed(again)] == [image.content for image in found]
    assert sent.size == 2 * sum(len(image.content) for image in found)


def test_more_than_is_held_in_memory_is_all_there(
    sent: SentPhotos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cupl.description.sent_photos._IN_MEMORY", 1000)
    with SentPhotos() as small:
        few, many = (
            prepared(photos, *(draw(30, 30, seed=number) for number in range(20)))
            for photos in (sent, small)
        )
        assert [one.content for one in few] == [one.content for one in many]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"side": 31}, "image_side is from 32 to 4096"), ({"side": 4097}, "image_side is from 32"),
     ({"side": "512"}, "image_side must be a whole number"),
     ({"detail": "most"}, "detail is low, high or auto, not 'most'")],
)  # fmt: skip
def test_a_wrong_setting_is_one_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SentPhotos(**settings)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(32, 200))
def test_any_size_keeps_its_shape(width: int, height: int, side: int) -> None:
    with SentPhotos(side) as sent:
        [image] = prepared(sent, np.zeros((height, width, 3), np.uint8))
    longest = max(width, height)
    assert max(image.width, image.height) == min(side, longest)
    scale = min(1, side / longest)
    assert abs(image.width - width * scale) <= 1
    assert abs(image.height - height * scale) <= 1
