"""What classes are called whose names are those of folders.

A language model is asked about "grand piano", not about "grand_piano". The folder's name stays as
the id, so that a result can be traced to it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from cupl.bank.class_data import SYNSET, imagenet_names
from cupl.bank.labels import ClassLabel
from cupl.bank.lookup import plain_name, without_number

_SHORT = 3
"""Letters of the shortest part that a hyphen separates from a word: T-shirt, x-ray, merry-go-round
are words."""
_IS_ID = re.compile(SYNSET)
_IS_NUMBER = re.compile(rf"\d+|{SYNSET}")


def labels_of_folders(folders: Sequence[str]) -> tuple[list[ClassLabel], str | None]:
    """Classes named as one speaks of them, by names of folders.

    ``_`` becomes a space. So does ``-``, where no name has ``_`` or a space: then it is what
    separates words, but for a part of one or two letters (T-shirt). A number in front of a name
    goes, and a WordNet id of the 1,000 classes of ImageNet becomes their name. Folders that would
    be called the same keep the names that they have.

    Returns:
        The classes, a name that was changed with the folder's as id; and a sentence on names that
        are numbers or would have been the same.

    """
    hyphens = not any(re.search(r"[_\s]", without_number(name)) for name in folders)
    known = imagenet_names() if any(map(_IS_ID.fullmatch, folders)) else {}
    spoken = {name: known.get(name) or _spoken(name, hyphens) for name in folders}
    often = Counter(plain_name(said) for name, said in spoken.items() if name not in known)
    alike = [
        name
        for name, said in spoken.items()
        if said != name and often[plain_name(said)] > (name not in known)
    ]
    kept = {name for name, said in spoken.items() if said == name}.union(alike)
    labels = [
        ClassLabel(name) if name in kept else ClassLabel(spoken[name], name) for name in folders
    ]
    unnamed = [name for name in folders if name not in known and _IS_NUMBER.fullmatch(name)]
    told = (
        ("kept as they are written, for they would be the same:", alike),
        ("numbers, of which a model knows nothing; give a list of names in their place:", unnamed),
    )
    return labels, "; ".join(f"{what} {_some(names)}" for what, names in told if names) or None


def _spoken(name: str, hyphens: bool) -> str:
    text = without_number(name).replace("_", " ")
    parts = text.split("-")
    if hyphens and min(map(len, parts)) >= _SHORT:
        text = " ".join(parts)
    return " ".join(text.split()) or name


def _some(names: Sequence[str]) -> str:
    more = len(names) - 3
    return ", ".join(f"{name!r:.80}" for name in names[:3]) + (f" and {more:,} more" * (more > 0))
