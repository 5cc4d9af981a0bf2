"""Keywords in XMP, as they lie in sidecars and in photos: ``dc:subject``.

Beside it ``cupl:subject`` lists those of them that cupl added, and ``cupl:keywords`` what it added
to IPTC: these alone are taken away again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cupl.index.exiv2 import CARRIER, opened

_SUBJECT, _OURS, _IN_IPTC = "Xmp.dc.subject", "Xmp.cupl.subject", "Xmp.cupl.keywords"
EMPTY_PACKET = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
    '<?xpacket end="w"?>'
)
"""A packet that says nothing."""
_ORDERED = re.compile(r"(<dc:subject>\s*)<rdf:Seq>(.*?)</rdf:Seq>", re.DOTALL)
_LONGEST = 256
_NOT_IN_XML = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")


@dataclass(frozen=True)
class Keywords:
    """The keywords of a photo.

    Attributes:
        all: every one, in the order in which they stand.
        ours: those of them that cupl added.

    """

    all: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()


@dataclass(frozen=True)
class Packet:
    """An XMP packet and what it says.

    Attributes:
        text: the packet; empty where it says nothing.
        keywords: in it.
        in_iptc: keywords that cupl added to IPTC.
        rest: every other property.

    """

    text: str = ""
    keywords: Keywords = field(default_factory=Keywords)
    in_iptc: tuple[str, ...] = ()
    rest: dict[str, Any] = field(default_factory=dict)


def keyword_of(label: str) -> str:
    """A label as a keyword: one line that XML can hold, of 256 characters at most."""
    text = " ".join(_NOT_IN_XML.sub(" ", label).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"


def read_packet(text: str) -> Packet:
    """Read a packet.

    Raises:
        InputError: it is no XMP.

    """
    if not text:
        return Packet()
    with opened(CARRIER) as image:
        image.modify_raw_xmp(text)
        rest, text = image.read_xmp(), image.read_raw_xmp()
    every, ours, in_iptc = (_listed(rest.pop(key, None)) for key in (_SUBJECT, _OURS, _IN_IPTC))
    if not (every or in_iptc or rest):
        return Packet()
    return Packet(
        text, Keywords(every, tuple(word for word in ours if word in every)), in_iptc, rest
    )


def with_keywords(packet: Packet, words: Sequence[str], in_iptc: Sequence[str] = ()) -> Packet:
    """The packet with keywords added that it has not; itself where it has all of them.

    Args:
        packet: to add to.
        words: keywords.
        in_iptc: those that are added to IPTC now.

    """
    had = packet.keywords
    new = [word for word in dict.fromkeys(words) if word not in had.all]
    if not new and not in_iptc:
        return packet
    return _changed(packet, [*had.all, *new], [*had.ours, *new], [*packet.in_iptc, *in_iptc])


def without_ours(packet: Packet) -> Packet:
    """The packet without what cupl added to it; itself where that is nothing."""
    ours = set(packet.keywords.ours)
    if not ours and not packet.in_iptc:
        return packet
    return _changed(packet, [word for word in packet.keywords.all if word not in ours], [], [])


def _changed(packet: Packet, words: list[str], ours: list[str], in_iptc: list[str]) -> Packet:
    with opened(CARRIER) as image:
        image.modify_raw_xmp(packet.text or EMPTY_PACKET)
        lists = {_SUBJECT: words, _OURS: ours, _IN_IPTC: in_iptc}
        image.modify_xmp({key: values or None for key, values in lists.items()})
        text = image.read_raw_xmp()
    # pyexiv2 writes every list as an ordered one. Its values are escaped: none holds a tag.
    return read_packet(_ORDERED.sub(r"\1<rdf:Bag>\2</rdf:Bag>", text))


def _listed(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
