"""Encoders of two models, as one name: ``pair:IMAGE_ENCODER+TEXT_ENCODER`` and ``bridge:...``.

One name, so that all files which record an encoder can load it again. What is said of both models,
as their revisions, is joined by the same sign.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from cupl.encoders.names import split_path
from cupl.errors import InputError

PAIR, BRIDGE = "pair:", "bridge:"
_PARTS = {PAIR: "IMAGE_ENCODER+TEXT_ENCODER", BRIDGE: "IMAGE_CLASSIFIER+SENTENCE_ENCODER"}
_SIGN = "+"


class JoinedName(NamedTuple):
    """Two models as one encoder."""

    kind: str
    """``pair:`` or ``bridge:``."""
    image: str
    text: str

    def __str__(self) -> str:
        """The name of the encoder."""
        return f"{self.kind}{self.image}{_SIGN}{self.text}"


def split_name(name: str) -> JoinedName | None:
    """The two models of an encoder's name; None where it names one.

    A hub name has no ``+``, but a folder may. Where there are several, the name is divided where
    each side is a folder that is there or has none.

    Raises:
        InputError: it can be divided nowhere, or in several places, or a model is missing.

    """
    kind = next((kind for kind in _PARTS if name.startswith(kind)), None)
    if kind is None:
        return None
    pieces = name.removeprefix(kind).split(_SIGN)
    cuts = [
        JoinedName(kind, _SIGN.join(pieces[:i]), _SIGN.join(pieces[i:]))
        for i in range(1, len(pieces))
    ]
    if len(cuts) > 1:
        cuts = [cut for cut in cuts if _is_one(cut.image) and _is_one(cut.text)]
    if len(cuts) != 1:
        why = (
            "it has no '+'"
            if len(pieces) == 1
            else "it cannot be told which '+' stands between them: name folders without one"
        )
        raise InputError(f"{name!r:.200} names two models as {kind}{_PARTS[kind]}, but {why}")
    (cut,) = cuts
    if not (cut.image and cut.text):
        raise InputError(f"{name!r:.200} names only one model: {kind}{_PARTS[kind]} needs both")
    for part in cut[1:]:
        if part.startswith(tuple(_PARTS)):
            raise InputError(f"{name!r:.200} has {part!r:.100} in it, which is two models itself")
    return cut


def split_revision(name: JoinedName, revision: str | None) -> tuple[str | None, str | None]:
    """The revisions of both models; None for the main branch, or a model that has none.

    Raises:
        InputError: it is not two.

    """
    if revision is None:
        return None, None
    parts = revision.split(_SIGN)
    if len(parts) != 2:
        raise InputError(
            f"{str(name)!r:.200} is two models: the revision is that of both, as "
            "COMMIT+COMMIT; nothing on a side stands for its main branch",
            arguments={"revision": ...},
        )
    return parts[0] or None, parts[1] or None


def join_revisions(image: str | None, text: str | None) -> str | None:
    """Both as one, or None where neither model has one."""
    return None if image is None and text is None else f"{image or ''}{_SIGN}{text or ''}"


def is_pinned(revision: str | None) -> bool:
    """Whether it names commits of the hub in full: of a model, or of the two of an encoder."""
    from cupl.encoders.hub import is_commit

    parts = [part for part in (revision or "").split(_SIGN) if part]
    return bool(parts) and all(map(is_commit, parts))


def parts_of_name(name: str) -> list[str]:
    """The models in an encoder's name, whether or not it can be one."""
    try:
        joined = split_name(name)
    except InputError:
        return []
    return [name] if joined is None else list(joined[1:])


def change_paths(name: str, change: Callable[[str], str]) -> str:
    """An encoder's name with what may be a path in it changed, in each of its models.

    Raises:
        InputError: as for :func:`split_name`.

    """
    joined = split_name(name)
    if joined is None:
        kind, path = split_path(name)
        return kind + change(path)
    image, text = (change_paths(part, change) for part in joined[1:])
    return str(JoinedName(joined.kind, image, text))


def _is_one(part: str) -> bool:
    return _SIGN not in part or os.path.isdir(part)  # noqa: PTH112
