"""XMP sidecars: which file is a photo's, and changing what it says.

A photo's sidecar is ``photo.jpg.xmp``, as digiKam and darktable name it: two photos that differ in
their endings have one each. Adobe's programs name it ``photo.xmp``, and only beside raw files.
Where there is one of that name already, and no other photo that it could be of, that is used.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cupl.embedding.image_kinds import EXTRA_ENDINGS, IMAGE_ENDINGS
from cupl.errors import InputError
from cupl.index.xmp_packets import (
    Keywords,
    Packet,
    read_packet,
    with_description,
    with_keywords,
    without_ours,
)

ENDING = ".xmp"
_ENDINGS = (*IMAGE_ENDINGS, *(ending for some in EXTRA_ENDINGS.values() for ending in some))


def sidecar_of(photo: Path) -> Path:
    """The sidecar of a photo, whether there is one or not."""
    own, adobe = photo.with_name(photo.name + ENDING), photo.with_suffix(ENDING)
    if os.path.lexists(own) or not os.path.lexists(adobe) or _has_siblings(photo):
        return own
    return adobe


def keywords_of_sidecar(content: bytes) -> Keywords:
    """The keywords in a sidecar.

    Raises:
        InputError: it is no XMP.

    """
    return _packet(content).keywords


def add_to_sidecar(content: bytes, words: Sequence[str]) -> bytes:
    """The sidecar with keywords added that it has not; the same bytes where it has all of them.

    Args:
        content: of the sidecar; empty where there is none.
        words: the keywords.

    Raises:
        InputError: it is no XMP.

    """
    packet = _packet(content)
    return _bytes(with_keywords(packet, words), packet, content)


def describe_in_sidecar(content: bytes, text: str) -> bytes:
    """The sidecar with a description; the same bytes where it has that, or one of a person.

    Args:
        content: of the sidecar; empty where there is none.
        text: the description.

    Raises:
        InputError: it is no XMP.

    """
    packet = _packet(content)
    return _bytes(with_description(packet, text), packet, content)


def has_their_description(content: bytes) -> bool:
    """Whether a person's description stands in a sidecar.

    Raises:
        InputError: it is no XMP.

    """
    return _packet(content).has_theirs


def take_from_sidecar(content: bytes) -> bytes:
    """The sidecar without what cupl added; the same bytes where it has nothing of that.

    Returns:
        Empty where nothing is left.

    Raises:
        InputError: it is no XMP.

    """
    packet = _packet(content)
    return _bytes(without_ours(packet), packet, content)


def check_sidecar(before: bytes, after: bytes) -> None:
    """Accept a sidecar that differs in its keywords and in cupl's description alone.

    Raises:
        InputError: something else differs.

    """
    if _packet(before).rest != _packet(after).rest:
        raise InputError("the rest of the sidecar would not be as before, so that it was left")


def _packet(content: bytes) -> Packet:
    try:
        return read_packet(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError("the sidecar is no text in UTF-8") from error


def _bytes(new: Packet, old: Packet, content: bytes) -> bytes:
    if new is old:
        return content
    # Without the room that lies in front of the end where a packet lies in a photo.
    head, end, rest = new.text.rpartition("<?xpacket end")
    return f"{head.rstrip()}\n{end}{rest}\n".encode() if end else new.text.encode()


def _has_siblings(photo: Path) -> bool:
    """Whether a photo of the same name but for its ending lies beside it."""
    stem = photo.stem
    with os.scandir(photo.parent) as entries:
        return any(
            entry.name != photo.name
            and entry.name.startswith(f"{stem}.")
            and os.path.splitext(entry.name)[0] == stem  # noqa: PTH122
            and entry.name.lower().endswith(_ENDINGS)
            for entry in entries
        )
