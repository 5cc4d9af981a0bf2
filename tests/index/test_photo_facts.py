import io
import struct
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from cupl.embedding.image_errors import ImageError
from cupl.embedding.images import open_image
from cupl.index.photo_facts import PhotoFacts, photo_facts
from tests.attacks.mutating import mutated
from tests.attacks.pictures import PICTURES
from tests.embedding.pictures import encoded, png_chunk, textured

BASE, GPS = ExifTags.Base, ExifTags.GPS
SEOUL: dict[int, Any] = {
    GPS.GPSLatitudeRef: "N",
    GPS.GPSLatitude: (37.0, 33.0, 59.4),
    GPS.GPSLongitudeRef: "E",
    GPS.GPSLongitude: (126.0, 58.0, 40.8),
}
SHAPES = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]


def exif(
    top: dict[int, Any] | None = None,
    own: dict[int, Any] | None = None,
    gps: dict[int, Any] | None = None,
) -> Image.Exif:
    made = Image.Exif()
    made.update(top or {})
    if own:
        made.get_ifd(ExifTags.IFD.Exif).update(own)
    if gps:
        made.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    return made


def photo(image_format: str = "JPEG", **parts: Any) -> bytes:
    return encoded(textured(), image_format, exif=exif(**parts).tobytes())


def all_of_it(image_format: str) -> bytes:
    return photo(
        image_format,
        top={BASE.Orientation: 6, BASE.DateTime: "2024:01:01 00:00:00"},
        own={BASE.DateTimeOriginal: "2023:12:31 23:59:58"},
        gps=SEOUL,
    )


@pytest.mark.parametrize("image_format", SHAPES)
def test_everything_is_read(image_format: str, tmp_path: Path) -> None:
    data = all_of_it(image_format)
    facts = photo_facts(data)
    assert (facts.width, facts.height) == open_image(data).size == (30, 40)
    assert facts.taken == "2023-12-31 23:59:58"
    assert facts.latitude == pytest.approx(37.5665)
    assert facts.longitude == pytest.approx(126.978)
    path = tmp_path / "photo"
    path.write_bytes(data)
    assert photo_facts(path) == photo_facts(str(path)) == facts


def test_heic_is_as_it_is_seen() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    block = exif({BASE.Orientation: 6}, {BASE.DateTimeOriginal: "2023:12:31 23:59:58"}, SEOUL)
    pillow_heif.from_pillow(textured()).save(buffer, exif=block.tobytes())
    facts = photo_facts(buffer.getvalue())
    assert (facts.width, facts.height) == open_image(buffer.getvalue()).size
    assert facts.taken == "2023-12-31 23:59:58"
    assert facts.latitude == pytest.approx(37.5665)


@pytest.mark.parametrize("files", PICTURES.values(), ids=PICTURES)
def test_sizes_are_those_of_the_decoded_images(files: list[bytes]) -> None:
    for data in files:
        try:
            size = open_image(data).size
        except ImageError:  # TGA is known by its name
            continue
        assert (photo_facts(data).width, photo_facts(data).height) == size


def test_png_with_exif_behind_its_pixels_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = encoded(textured(), "PNG")
    block = exif({BASE.Orientation: 8, BASE.DateTime: "2024:05:06 07:08:09"}).tobytes()
    data = plain[:-12] + png_chunk(b"eXIf", block.removeprefix(b"Exif\0\0")) + plain[-12:]
    assert open_image(data).size == (30, 40)

    def decoded(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    assert photo_facts(data) == PhotoFacts(30, 40, "2024-05-06 07:08:09")
    assert photo_facts(plain) == PhotoFacts(40, 30)


def test_dates_in_their_order() -> None:
    original = {BASE.DateTimeOriginal: "2001:01:01 01:01:01"}
    digitized = {BASE.DateTimeDigitized: "2002:02:02 02:02:02"}
    top = {BASE.DateTime: "2003:03:03 03:03:03"}
    assert photo_facts(photo(top=top, own=original | digitized)).taken == "2001-01-01 01:01:01"
    assert photo_facts(photo(top=top, own=digitized)).taken == "2002-02-02 02:02:02"
    assert photo_facts(photo(top=top)).taken == "2003-03-03 03:03:03"


@pytest.mark.parametrize(
    "text",
    ["0000:00:00 00:00:00", "2024:02:30 00:00:00", "2024:01:01 24:00:00", "2024:01:01", "", "now",
     "    :  :     :  :  ", "２０２４:01:01 00:00:00", "2024:01:01 00:00:60"],
)  # fmt: skip
def test_what_is_no_date_leaves_the_next(text: str) -> None:
    assert photo_facts(photo(own={BASE.DateTimeOriginal: text})).taken is None
    own = {BASE.DateTimeOriginal: text, BASE.DateTimeDigitized: "2002:02:02 02:02:02"}
    assert photo_facts(photo(own=own)).taken == "2002-02-02 02:02:02"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({GPS.GPSLatitudeRef: "S", GPS.GPSLongitudeRef: "W"}, (-37.5665, -126.978)),
        ({GPS.GPSLatitude: (37.5665, 0.0, 0.0)}, (37.5665, 126.978)),
        ({GPS.GPSLatitude: (91.0, 0.0, 0.0)}, None),
        ({GPS.GPSLongitude: (180.0, 0.0, 0.1)}, None),
        ({GPS.GPSLatitude: (10.0, 61.0, 0.0)}, None),
        ({GPS.GPSLatitudeRef: "E"}, None),
        ({GPS.GPSLatitudeRef: None}, None),
        ({GPS.GPSLatitude: None}, None),
    ],
)  # fmt: skip
def test_places(change: dict[int, Any], expected: tuple[float, float] | None) -> None:
    gps = {key: value for key, value in (SEOUL | change).items() if value is not None}
    facts = photo_facts(photo(gps=gps))
    found = (facts.latitude, facts.longitude)
    assert found == (pytest.approx(expected) if expected else (None, None))


def test_zero_denominators_are_no_place() -> None:
    data = photo(gps=SEOUL)
    zeros = data.replace(struct.pack(">II", 37, 1), struct.pack(">II", 0, 0))
    zeros = zeros.replace(struct.pack("<II", 37, 1), struct.pack("<II", 0, 0))
    assert zeros != data
    assert photo_facts(zeros) == PhotoFacts(40, 30)


def test_of_what_cannot_be_read_nothing_is_known(tmp_path: Path) -> None:
    for unreadable in (b"", b"text", tmp_path, tmp_path / "gone.jpg", "http://a/b.jpg"):
        assert photo_facts(unreadable) == PhotoFacts()


def looped() -> bytes:
    """A directory whose every pointer leads to itself."""
    tags = (BASE.ExifOffset, BASE.GPSInfo, BASE.SubIFDs)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, 8) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 8)


def crowded() -> bytes:
    """65,535 entries, each of which says that its value is all that follows."""
    data = bytes(60_000)
    entries = b"".join(struct.pack("<HHII", i, 7, len(data), 8) for i in range(65_535))
    return b"II*\0" + struct.pack("<IH", 8, 65_535) + entries + struct.pack("<I", 0) + data


@pytest.mark.parametrize("block", [looped(), crowded(), b"II*\0\xff\xff\xff\xff", b"MM\0*"])
def test_hostile_directories_neither_raise_nor_last(block: bytes) -> None:
    plain = encoded(textured(), "PNG")
    start = time.process_time()
    data = plain[:33] + png_chunk(b"eXIf", block) + plain[33:]
    assert photo_facts(data) == PhotoFacts(40, 30)
    assert time.process_time() - start < 5


GOOD = [
    *(all_of_it(image_format) for image_format in SHAPES),
    *(data for files in PICTURES.values() for data in files),
]


@given(seed=st.integers(0, 2**32 - 1), data=st.sampled_from(GOOD))
def test_mutated_files_give_facts_in_range_or_none(seed: int, data: bytes) -> None:
    facts = photo_facts(mutated(data, GOOD, False, Random(seed)))  # noqa: S311
    assert facts.width is None or (facts.width >= 0 and facts.height is not None)
    if facts.latitude is not None:
        assert -90 <= facts.latitude <= 90
        assert facts.longitude is not None
        assert -180 <= facts.longitude <= 180
    if facts.taken is not None:
        assert time.strptime(facts.taken, "%Y-%m-%d %H:%M:%S")


@given(block=st.binary(max_size=300), order=st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b""]))
def test_any_block_leaves_the_size(block: bytes, order: bytes) -> None:
    plain = encoded(textured(), "PNG")
    facts = photo_facts(plain[:33] + png_chunk(b"eXIf", order + block) + plain[33:])
    assert {facts.width, facts.height} == {40, 30}
