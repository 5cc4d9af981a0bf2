"""What lies in folders of images besides images: junk of systems and tools, files of other kinds.

A listing of a folder is data that somebody else made: NAS boxes, desktops and archives leave
folders and files in it that are no part of what the folder is about.
"""

from __future__ import annotations

import os
import re

# In lower case. Names that begin with a dot are hidden anyway; here they are counted and told.
JUNK = frozenset(
    {
        # Synology, QNAP and other network storage
        "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp", ".@__thumb",
        ".snapshot", ".snapshots", ".zfs", "lost+found", "network trash folder",
        # Windows
        "$recycle.bin", "recycler", "system volume information", "thumbs.db", "ehthumbs.db",
        "ehthumbs_vista.db", "desktop.ini",
        # macOS and archives that it made
        "__macosx", ".ds_store", ".appledouble", ".trash", ".trashes", ".spotlight-v100",
        ".fseventsd", ".temporaryitems", "temporary items", ".documentrevisions-v100", "icon\r",
        # Linux desktops, photo programs
        ".thumbnails", ".picasaoriginals", "picasa.ini", ".picasa.ini", ".nomedia", ".directory",
        # programming
        "__pycache__", ".ipynb_checkpoints", ".git", ".hg", ".svn", ".dvc", ".venv",
    }
)  # fmt: skip
_JUNK_STARTS = ("._", ".trash-", ".fuse_hidden", ".nfs0")
_ZONE = ":zone.identifier"
"""What Windows keeps of a download, and becomes a file of its own when it is copied elsewhere."""

KEPT_ORIGINAL = "_original"
"""Behind the name of a file whose metadata was changed: what it was before. exiftool's name."""
_KEPT = re.compile(rf"\.[a-z0-9]{{2,5}}{KEPT_ORIGINAL}$")

_OTHER = """
.txt .md .rst .csv .tsv .json .jsonl .ndjson .geojson .xml .xmp .aae .thm .yaml .yml .toml
.ini .cfg .conf .log .html .htm .css .rtf .pdf .doc .docx .xls .xlsx .ods .odt .ppt .pptx
.lnk .url .webloc .db .db3 .sqlite .sqlite3 .cat .lrcat .ithmb .nfo .sha1 .sha256 .md5 .sfv
.mp4 .m4v .mov .avi .mkv .webm .mpg .mpeg .wmv .flv .3gp .mts .m2ts .insv .lrv .mp3 .m4a
.aac .wav .flac .ogg .opus .wma .srt .vtt
.zip .tar .gz .tgz .bz2 .xz .zst .7z .rar .iso .dmg
.parquet .arrow .feather .npy .npz .pt .pth .ckpt .safetensors .onnx .h5 .hdf5 .mat .pkl
.pickle .tfrecord .lmdb .mdb .py .pyc .ipynb .sh .bat .ps1 .js .ts .c .h .cpp .hpp .java .r
.m .go .rs .so .dll .exe
"""
NO_IMAGE_ENDINGS = frozenset(_OTHER.split())
"""Of files that are known to be something else, and are not opened to find out."""


def is_junk(name: str) -> bool:
    """Whether a system or a tool left a file or folder of this name, which is nobody's data."""
    name = name.lower()
    return (
        name in JUNK
        or name.startswith(_JUNK_STARTS)
        or name.endswith(_ZONE)
        or bool(_KEPT.search(name))
    )


def may_be_image(name: str) -> bool:
    """Whether a visible file of this name can be an image: its ending says nothing else."""
    hidden = name.startswith(".") or is_junk(name)
    return not hidden and os.path.splitext(name)[1].lower() not in NO_IMAGE_ENDINGS  # noqa: PTH122
