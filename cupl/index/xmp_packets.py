"""Keywords and descriptions in XMP, as they lie in sidecars and in photos.

Beside ``dc:subject``, ``cupl:subject`` lists those keywords that cupl added, and ``cupl:keywords``
what it added to IPTC; ``cupl:description`` is the ``dc:description`` that it wrote. These alone are
taken away again. A description that somebody has changed since, or translated, is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cupl.index.exiv2 import CARRIER, opened

_SUBJECT, _OURS, _IN_IPTC = "Xmp.dc.subject", "Xmp.cupl.subject", "Xmp.cupl.keywords"
_DESCRIPTION, _OUR_DESCRIPTION = "Xmp.dc.description", "Xmp.cupl.description"
_ANY_LANGUAGE = 'lang="x-default"'
EMPTY_PACKET = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
    '<?xpacket end="w"?>'
)
"""A packet that says nothing."""
_ORDERED = re.compile(r"(<dc:subject>\s*)<rdf:Seq>(.*?)</rdf:Seq>", re.DOTALL)
_LONGEST, _LONGEST_DESCRIPTION = 256, 2000
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
        description: that cupl wrote; empty where there is none, or it is no longer the same.
        marked: whether cupl has noted anything, be it of what is there no more.
        rest: every other property, a person's description among them.

    """

    text: str = ""
    keywords: Keywords = field(default_factory=Keywords)
    in_iptc: tuple[str, ...] = ()
    description: str = ""
    marked: bool = False
    rest: dict[str, Any] = field(default_factory=dict)

    @property
    def has_theirs(self) -> bool:
        """Whether a person has described the photo."""
        return _DESCRIPTION in self.rest


def keyword_of(label: str) -> str:
    """A label as a keyword: one line that XML can hold, of 256 characters at most."""
    return _one_line(label, _LONGEST)


def description_of(caption: str) -> str:
    """A caption as a description: one line that XML can hold, of 2,000 characters at most."""
    # pyexiv2 would take that for the beginning of another language.
    return _one_line(caption, _LONGEST_DESCRIPTION).replace('lang="', "lang='")


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
    ours_said, said = (
        rest.pop(_OUR_DESCRIPTION, ""), _alternatives(rest.pop(_DESCRIPTION, {}))
    )  # fmt: skip
    is_ours = bool(ours_said) and said == {_ANY_LANGUAGE: ours_said}
    if not is_ours and any(one.strip() for one in said.values()):
        rest[_DESCRIPTION] = said
    marked = bool(ours or in_iptc or ours_said)
    if not (every or marked or rest):
        return Packet()
    keywords = Keywords(every, tuple(word for word in ours if word in every))
    return Packet(text, keywords, in_iptc, ours_said if is_ours else "", marked, rest)


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
    return _changed(
        packet, [*had.all, *new], [*had.ours, *new], [*packet.in_iptc, *in_iptc], packet.description
    )


def with_description(packet: Packet, text: str) -> Packet:
    """The packet with a description in place of what cupl wrote; itself where a person's stands."""
    if packet.has_theirs or packet.description == text:
        return packet
    had = packet.keywords
    return _changed(packet, had.all, had.ours, packet.in_iptc, text)


def without_ours(packet: Packet) -> Packet:
    """The packet without what cupl added to it; itself where that is nothing."""
    if not packet.marked:
        return packet
    ours = set(packet.keywords.ours)
    return _changed(packet, [word for word in packet.keywords.all if word not in ours], [], [], "")


def _changed(
    packet: Packet,
    words: Sequence[str],
    ours: Sequence[str],
    in_iptc: Sequence[str],
    description: str,
) -> Packet:
    new: dict[str, Any] = {_SUBJECT: words, _OURS: ours, _IN_IPTC: in_iptc}
    new[_OUR_DESCRIPTION] = description
    if description != packet.description:  # a person's is not even written anew
        new[_DESCRIPTION] = {_ANY_LANGUAGE: description} if description else None
    with opened(CARRIER) as image:
        image.modify_raw_xmp(packet.text or EMPTY_PACKET)
        image.modify_xmp({key: value or None for key, value in new.items()})
        text = image.read_raw_xmp()
    # pyexiv2 writes every list as an ordered one. Its values are escaped: none holds a tag.
    return read_packet(_ORDERED.sub(r"\1<rdf:Bag>\2</rdf:Bag>", text))


def _one_line(text: str, longest: int) -> str:
    line = " ".join(_NOT_IN_XML.sub(" ", text).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def _alternatives(value: Any) -> dict[str, str]:
    """A text in each language; one of another form is in none."""
    return value if isinstance(value, dict) else {_ANY_LANGUAGE: " ".join(_listed(value))}


def _listed(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
