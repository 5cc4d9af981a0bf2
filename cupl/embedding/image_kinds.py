"""The kinds of image files: which can be read, by what name they go, by what bytes they begin."""

from __future__ import annotations

import importlib.util
import re
import struct

from cupl.io.file_kinds import POINTER_START

# Left out on purpose: EPS, which runs Ghostscript, and ICO, which decodes before its size can be
# checked. TGA has no signature: it is tried only where the name or the end of the file says so.
FORMAT_ENDINGS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"),
    "AVIF": (".avif", ".avifs"),
    "TGA": (".tga", ".icb", ".vda", ".vst"),
}
"""What is always read, by Pillow's names."""

HEIF, RAW = "HEIF", "camera raw"
EXTRA_ENDINGS = {
    HEIF: (".heic", ".heif", ".hif", ".heics", ".heifs"),
    RAW: (
        ".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".sr2", ".orf", ".rw2", ".raf", ".pef",
        ".srw", ".3fr", ".iiq", ".rwl",
    ),
}  # fmt: skip
"""What is read where the extra ``formats`` is installed."""
EXTRA_PACKAGES = {HEIF: "pillow_heif", RAW: "rawpy"}

OTHER_ENDINGS = {
    "Photoshop": (".psd", ".psb"),
    "JPEG XL": (".jxl",),
    "SVG": (".svg", ".svgz"),
    "GIMP": (".xcf",),
    "icon": (".ico", ".icns", ".cur"),
    "OpenEXR": (".exr",),
    "PostScript": (".eps", ".ps", ".ai"),
    "QOI": (".qoi",),
    "DDS": (".dds",),
    "PCX": (".pcx",),
    "SGI": (".sgi",),
    "PAM": (".pam",),
    "JPEG XR": (".jxr", ".wdp", ".hdp"),
    "Radiance": (".rgbe",),
    "DICOM": (".dcm", ".dicom"),
}
"""What is known to be an image and is never read."""

IMAGE_ENDINGS = tuple(ending for endings in FORMAT_ENDINGS.values() for ending in endings)
LFS_POINTER = "git-lfs pointer"
HEAD_BYTES = 4096
"""How much of a file's beginning :func:`kind_of` looks at."""

_SIGNATURES = {
    rb"\xff\xd8\xff": "JPEG",
    rb"\x89PNG\r\n\x1a\n": "PNG",
    rb"GIF8[79]a": "GIF",
    rb"RIFF....WEBP": "WEBP",
    rb"BM....\0{4}": "BMP",
    rb"P[1-6f]\s": "PPM",
    rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51": "JPEG2000",
    rb"FUJIFILMCCD-RAW": RAW,
    rb"IIRO|IIRS|MMOR": RAW,  # Olympus
    rb"IIU\0": RAW,  # Panasonic
    rb"(II\*\0|MM\0\*)....CR": RAW,  # Canon
    rb"8BPS": "Photoshop",
    rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    rb"(\xef\xbb\xbf)?\s*<(svg|!DOCTYPE svg|\?xml.*<svg)": "SVG",
    rb"gimp xcf": "GIMP",
    rb"\0\0\x01\0|icns": "icon",
    rb"\x76\x2f\x31\x01": "OpenEXR",
    rb"%!PS|\xc5\xd0\xd3\xc6": "PostScript",
    rb"qoif": "QOI",
    rb"DDS ": "DDS",
    rb"\x01\xda[\0\x01][\x01\x02]": "SGI",
    rb"P7\n": "PAM",
    rb"II\xbc\x01": "JPEG XR",
    rb"#\?(RADIANCE|RGBE)": "Radiance",
    rb".{128}DICM": "DICOM",
    re.escape(POINTER_START): LFS_POINTER,
}
_AVIF_BRANDS, _ANY_CODEC = {b"avif", b"avis"}, {b"mif1", b"mif2", b"msf1"}
_HEIF_BRANDS = _ANY_CODEC | {
    b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"avci", b"avcs",
}  # fmt: skip
_TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
_SUBFILE_TYPE, _PHOTOMETRIC, _SUB_DIRECTORIES, _DNG_VERSION = 254, 262, 330, 50706
_RAW_PHOTOMETRICS = (32803, 34892)  # a colour filter array, a linear raw image


def kind_of(head: bytes) -> str | None:
    """Tell the kind of an image file by its first bytes, :data:`HEAD_BYTES` of them.

    Returns:
        A key of :data:`FORMAT_ENDINGS`, :data:`EXTRA_ENDINGS` or :data:`OTHER_ENDINGS`, or
        :data:`LFS_POINTER`; None of what is no image, and of TGA, which has no signature.

    """
    for signature, kind in _SIGNATURES.items():
        if re.match(signature, head, re.DOTALL):
            return kind
    if head[:4] in _TIFF_ORDERS:
        return RAW if _is_raw_tiff(head) else "TIFF"
    return _kind_of_brands(head) if head[4:8] == b"ftyp" else None


def kind_of_name(name: str) -> str | None:
    """Tell the kind of an image file by its ending; None of any other ending."""
    lower = name.lower()
    for kinds in (FORMAT_ENDINGS, EXTRA_ENDINGS, OTHER_ENDINGS):
        for kind, endings in kinds.items():
            if lower.endswith(endings):
                return kind
    return None


def can_be_read(kind: str | None) -> bool:
    """Whether images of this kind can be read here, the extra ``formats`` included."""
    if kind in EXTRA_PACKAGES:
        return importlib.util.find_spec(EXTRA_PACKAGES[kind]) is not None
    return kind in FORMAT_ENDINGS


def _kind_of_brands(head: bytes) -> str | None:
    size = int.from_bytes(head[:4], "big")
    major, box = head[8:12], head[16 : min(size, 256)]
    brands = {major, *(box[at : at + 4] for at in range(0, len(box), 4))}
    if major == b"crx ":  # Canon
        return RAW
    # Both may say "mif1", one image, and an AVIF can be the other kind's neighbour in one file.
    if (major in _HEIF_BRANDS and major not in _ANY_CODEC) or not brands & _AVIF_BRANDS:
        return HEIF if brands & _HEIF_BRANDS else None
    return "AVIF"


def _is_raw_tiff(head: bytes) -> bool:
    """Whether what looks like TIFF is a raw file of a camera, in which TIFF is but a preview."""
    order = _TIFF_ORDERS[head[:4]]
    if head[2:4] in {b"+\0", b"\0+"}:
        return False
    tags: dict[int, int] = {}
    try:
        (start,) = struct.unpack_from(order + "I", head, 4)
        (count,) = struct.unpack_from(order + "H", head, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", head, at)
            tags[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), head, at + 8)[0]
    except struct.error:  # the directory lies further on
        pass
    is_preview = tags.get(_SUBFILE_TYPE) == 1 and _SUB_DIRECTORIES in tags
    return is_preview or _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) in _RAW_PHOTOMETRICS
