import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from cupl.embedding.image_kinds import (
    EXTRA_ENDINGS,
    EXTRA_PACKAGES,
    FORMAT_ENDINGS,
    HEAD_BYTES,
    HEIF,
    LFS_POINTER,
    OTHER_ENDINGS,
    RAW,
    can_be_read,
    kind_of,
    kind_of_name,
)
from tests.embedding.pictures import encoded, textured, tiff

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "JPEG": [{}, {"progressive": True}],
    "TIFF": [{}, {"compression": "tiff_lzw"}, {"big_tiff": True}],
    "JPEG2000": [{}, {"no_jp2": True}],
    "WEBP": [{}, {"lossless": True}],
}


@pytest.mark.parametrize("image_format", sorted(FORMAT_ENDINGS.keys() - {"TGA"}))
def test_what_pillow_writes_is_known_by_its_first_bytes(image_format: str) -> None:
    feature = {"JPEG2000": "jpg_2000", "AVIF": "avif"}.get(image_format)
    if feature and not features.check(feature):
        pytest.skip(f"Pillow was built without {feature}")
    for options in OPTIONS.get(image_format, [{}]):
        data = encoded(textured(), image_format, **options)
        assert kind_of(data[:HEAD_BYTES]) == image_format


def test_big_endian_tiff() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((3, 4), ">u2")).save(buffer, "TIFF")
    assert kind_of(buffer.getvalue()) == "TIFF"
    assert kind_of(b"MM\0*\0\0\0\x08\0\0") == "TIFF"


def brands(major: bytes, *others: bytes) -> bytes:
    box = b"ftyp" + major + bytes(4) + b"".join(others)
    return struct.pack(">I", 4 + len(box)) + box + b"\0\0\0\x08metaavif"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (brands(b"heic", b"mif1", b"heic"), HEIF),
        (brands(b"mif1", b"heic"), HEIF),
        (brands(b"mif1", b"mif1", b"hevc"), HEIF),
        (brands(b"msf1", b"hevc"), HEIF),
        (brands(b"avci", b"mif1"), HEIF),
        (brands(b"avif", b"mif1", b"miaf"), "AVIF"),
        (brands(b"mif1", b"avif"), "AVIF"),
        (brands(b"avis"), "AVIF"),
        (brands(b"crx ", b"isom"), RAW),
        (brands(b"isom", b"mp42"), None),
        (b"II*\0\x10\0\0\0CR\x02\0", RAW),
        (b"FUJIFILMCCD-RAW 0201", RAW),
        (b"IIRO\x08\0\0\0", RAW),
        (b"IIU\0\x18\0\0\0", RAW),
        (tiff(b"\0\0", 8, extra=((50706, 0x0401),)), RAW),  # DNG
        (tiff(b"\0\0", 8, extra=((254, 1), (330, 8))), RAW),  # as Nikon and Sony: a preview first
        (tiff(b"\0\0", 8, photometric=32803), RAW),
        (tiff(b"\0\0", 8, extra=((254, 1),)), "TIFF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="">', "SVG"),
        (b"<svg>", "SVG"),
        (b"<?xml?><rss>", None),
        (b"qoif\0\0\0\x40", "QOI"),
        (b"DDS \x7c\0\0\0", "DDS"),
        (b"\x01\xda\x01\x01\0\3", "SGI"),
        (b"P7\nWIDTH 2\n", "PAM"),
        (b"II\xbc\1\x20\0\0\0", "JPEG XR"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "Radiance"),
        (b"#!/bin/sh\n", None),
        (bytes(128) + b"DICM", "DICOM"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", LFS_POINTER),
        (b"<!DOCTYPE html><html>", None),
        (b"", None),
        (b"name,class\n", None),
        (b"PK\3\4", None),
    ],
)
def test_first_bytes(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind


def test_any_cut_of_a_header_is_no_error() -> None:
    for whole in (tiff(b"\0\0", 8), brands(b"mif1", b"avif"), encoded(textured(), "PNG")):
        for length in range(100):
            kind_of(whole[:length])


def test_each_ending_belongs_to_one_kind() -> None:
    kinds = [*FORMAT_ENDINGS.items(), *EXTRA_ENDINGS.items(), *OTHER_ENDINGS.items()]
    endings = [ending for _, some in kinds for ending in some]
    assert len(endings) == len(set(endings))
    for kind, some in kinds:
        assert {kind_of_name("A" + ending.upper()) for ending in some} == {kind}
    assert kind_of_name("notes.txt") is None


def test_what_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(map(can_be_read, FORMAT_ENDINGS))
    assert not any(map(can_be_read, [*OTHER_ENDINGS, None, LFS_POINTER]))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not any(map(can_be_read, EXTRA_PACKAGES))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert all(map(can_be_read, EXTRA_PACKAGES))
