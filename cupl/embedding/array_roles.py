"""Which array of a file is the vectors, and which are the paths, labels and names beside them.

An array is known by its name or by being the only one, never by its shape: vectors of images and
of texts are of one width.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from cupl.embedding.array_files import StoredArray
from cupl.embedding.vectors_file import MAX_DIM
from cupl.errors import InputError
from cupl.io.terminal import printable

Side = Literal["images", "classes"]
_WORDS: dict[Side, tuple[str, ...]] = {
    "images": ("image", "img", "photo", "picture", "pic", "visual"),
    "classes": ("text", "txt", "class", "caption", "prompt", "zeroshot", "label", "name"),
}
"""What the words of a name begin with that say whose vectors these are."""
_PATHS = (
    "path", "image_path", "img_path", "file_path", "filepath", "file", "filename", "file_name",
    "image", "image_file", "image_filename", "image_name", "url", "image_url", "uri",
    "key", "id", "image_id", "uid", "__key__",
)  # fmt: skip
_LABELS = ("label", "class", "class_name", "classname", "category", "target", "wnid", "y")
_NAMES = ("name", "class_name", "classname", "class", "label", "category", "text")
_SHOWN = 6


def vectors_in(path: Path, arrays: Mapping[str, StoredArray], side: Side) -> StoredArray:
    """The matrix of float numbers that is of images, or of classes.

    Raises:
        InputError: there is none, or several may be meant.

    """
    file, several = printable(str(path)), list(arrays.values())
    if sum(one.name.endswith(".weight") for one in several) > 1:
        raise InputError(f"{file} is the weights of a model: it holds no vectors of {side}")
    found = [one for one in several if len(one.shape) == 2 and one.kind == "real"]
    if not found:
        raise InputError(
            f"{file} holds no vectors, which are float numbers of the shape "
            f"[{side}, width], but {_shown(several)}{_way_out(several)}"
        )
    other: Side = "classes" if side == "images" else "images"
    meant = [one for one in found if not _is_of(one, other) or _is_of(one, side)]
    named = [one for one in meant if _is_of(one, side)]
    if not meant:
        raise InputError(
            f"{file} holds no vectors of {side}: {_shown(found)} is of {other} by its name"
        )
    chosen = named if len(named) == 1 else meant
    if len(chosen) > 1:
        raise InputError(
            f"{file} holds several matrices and no name says which is of {side}: "
            f"{_shown(chosen)}; keep that one alone in a file, or call it {side}"
        )
    vectors = chosen[0]
    rows, width = vectors.shape
    if not rows or not width:
        raise InputError(f"{file} holds no vector: {vectors}")
    if width > MAX_DIM:
        raise InputError(f"{file}: {vectors}: rows of more than {MAX_DIM:,} numbers are no vectors")
    return vectors


def paths_in(
    path: Path, arrays: Mapping[str, StoredArray], vectors: StoredArray
) -> StoredArray | None:
    """What names each row: a path, URL or id."""
    return _beside(path, arrays, vectors, _PATHS, ("text", "whole"))


def labels_in(
    path: Path, arrays: Mapping[str, StoredArray], vectors: StoredArray
) -> StoredArray | None:
    """The label of each row."""
    return _beside(path, arrays, vectors, _LABELS, ("text", "whole"))


def class_names_in(
    path: Path, arrays: Mapping[str, StoredArray], vectors: StoredArray
) -> StoredArray | None:
    """The class of each row."""
    return _beside(path, arrays, vectors, _NAMES, ("text",))


def _beside(
    path: Path,
    arrays: Mapping[str, StoredArray],
    vectors: StoredArray,
    names: Iterable[str],
    kinds: tuple[str, ...],
) -> StoredArray | None:
    known = {name.lower().replace("-", "_").replace(" ", "_"): one for name, one in arrays.items()}
    for name in names:
        for spelled in (name, f"{name}s", f"{name}es", f"{name[:-1]}ies"):
            one = known.get(spelled)
            if one is not None and one.type == "object":
                raise InputError(
                    f"{printable(str(path))}: {one} is pickled, which could run code and is not "
                    "read: save it as texts, astype(str)"
                )
            if one is None or one.kind not in kinds or len(one.shape) != 1:
                continue
            if len(one) != len(vectors):
                raise InputError(
                    f"{printable(str(path))}: {one} does not fit {vectors}: each row needs one"
                )
            return one
    return None


def _is_of(array: StoredArray, side: Side) -> bool:
    words = re.split(r"[^a-z]+", array.name.lower())
    return any(word.startswith(begin) for word in words for begin in _WORDS[side])


def _shown(arrays: list[StoredArray]) -> str:
    more = f" and {len(arrays) - _SHOWN:,} more" if len(arrays) > _SHOWN else ""
    return ", ".join(map(str, arrays[:_SHOWN])) + more if arrays else "nothing"


def _way_out(arrays: list[StoredArray]) -> str:
    matrices = [one for one in arrays if len(one.shape) == 2]
    if any(one.kind == "whole" for one in matrices):
        return "; whole numbers, as of compressed vectors, have to be made float numbers again"
    if any(one.type.startswith("complex") for one in matrices):
        return "; complex numbers have no cosine"
    if any(re.match(r"\|?V\d|object", one.type) for one in matrices):
        return "; save it as float32 or float16"
    if any(len(one.shape) != 2 and one.kind == "real" for one in arrays):
        return "; reshape it so that each row is one vector"
    return ""
