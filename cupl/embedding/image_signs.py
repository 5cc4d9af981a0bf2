"""Kinds of image files by their endings and by their first bytes."""

from __future__ import annotations

from cupl.embedding.images import IMAGE_ENDINGS

HEAD = 64
"""Bytes that tell the kinds apart."""
_EXTRA = """
.heic .heif .hif .heics .heifs .dng .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .raf .orf .rw2 .raw
.rwl .pef .srw .x3f .3fr .fff .iiq .erf .mef .mos .mrw .kdc .dcr
"""
_NEVER = """
.tga .svg .svgz .psd .psb .xcf .ico .cur .icns .eps .ai .exr .hdr .dds .jxl .jxr .wdp .hdp .pcx
.sgi .ras .xbm .xpm .dcm .fits .fit .qoi .bpg .wmf .emf .djvu .kra .indd
"""
INSTALLABLE = frozenset(_EXTRA.split())
"""Of images that can be read with the extra ``formats``."""
UNREADABLE = INSTALLABLE | frozenset(_NEVER.split())
"""Of images that cannot be read."""
_SIGNS = (
    (b"\xff\xd8\xff", ".jpg"), (b"\x89PNG\r\n\x1a\n", ".png"), (b"GIF87a", ".gif"),
    (b"GIF89a", ".gif"), (b"BM", ".bmp"), (b"II*\0", ".tif"), (b"MM\0*", ".tif"),
    (b"II+\0", ".tif"), (b"MM\0+", ".tif"), (b"\0\0\0\x0cjP  \r\n\x87\n", ".jp2"),
    (b"\xff\x4f\xff\x51", ".j2k"), (b"8BPS", ".psd"), (b"\xff\x0a", ".jxl"),
    (b"\0\0\0\x0cJXL ", ".jxl"), (b"gimp xcf", ".xcf"), (b"v/1\x01", ".exr"),
    (b"FUJIFILMCCD-RAW", ".raf"), (b"IIRO", ".orf"), (b"IIRS", ".orf"), (b"IIU\0", ".rw2"),
)  # fmt: skip
_BRANDS = {
    b"avif": ".avif", b"avis": ".avif", b"heic": ".heic", b"heix": ".heic", b"hevc": ".heic",
    b"heim": ".heic", b"heis": ".heic", b"mif1": ".heif", b"msf1": ".heif", b"crx ": ".cr3",
}  # fmt: skip


def ending_of_head(head: bytes) -> str | None:
    """The usual ending of the image that a file with these first bytes is; None of no image."""
    if head[4:8] == b"ftyp":
        brand = _BRANDS.get(head[8:12])
        return ".avif" if brand == ".heif" and b"avif" in head[16:] else brand
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    if head[:1] == b"P" and head[1:2] in b"123456fF" and head[2:3].isspace():
        return ".ppm"
    if head[:2] == b"BM" and head[6:10] != bytes(4):  # reserved: text may begin so too
        return None
    return next((ending for sign, ending in _SIGNS if head.startswith(sign)), None)


def is_readable(ending: str) -> bool:
    """Whether images of this ending can be read as things are installed here."""
    return ending in IMAGE_ENDINGS
