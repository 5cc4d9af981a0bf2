"""Taking off what wraps a description: thinking, the question said again, markup, quotes.

Nobody vouches for an answer, so the time for one grows with its length and no faster: no pattern
here can look at a place again for each place before it.
"""

from __future__ import annotations

import re
import unicodedata

from cupl.bank.wording import full_stop_for, normalized
from cupl.generation.thinking import without_thinking
from cupl.generation.unpacking import unpacked

MAX_MARKS = 1000
"""Marks of emphasis up to which they are taken off: what closes one is looked for 300 characters
far, and a text with more of them is none that a person could read."""

_EMOJI = re.compile(r"[\u2600-\u27bf\U0001f000-\U0001faff][\ufe0f\u200d]*")
_REPLACEMENTS = {"Cc": " ", "Cf": "", "Co": "", "Cs": ""}
_KEPT = "\n\u200c\u200d"  # joiners are letters of several scripts
_WORD = re.compile(r"\w")
_HEADING = re.compile(r"^[ \t]*(?:#{1,6}\s.*|\*\*[^*\n]+\*\*:?[ \t]*)\n", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<!\w)(\*{1,3}|_{1,2}|`)(?=\S)(.{1,300}?)(?<=\S)\1(?!\w)")
_BULLET = re.compile(r"(?:[-*•–]+|\d{1,2}[.)](?=\s))\s*")
_LISTED = re.compile(r"^[^\S\n]*[-*•–\d]", re.MULTILINE)
_OPENINGS = re.compile(
    r"(?:[^\w\"'“‘«「『《〈（【(\[¿¡<`{|]+"
    r"|(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|great question)[!.,:]\s*"
    r"|here(?:'s|’s| is| are)\b[^.!:]{0,150}:\s*"
    r"|(?:(?:final )?(?:answer|response|description)|output|sentence|caption|image|a|q):\s*"
    r"|(?:答案|回答|描述|答え|説明|답변|설명)\s?[:：]\s*"
    r"|(?:what|which|how|who|where|why|do|does|is|are|can)\b[^.!?]{0,200}\?\s*(?=\w))*",
    re.IGNORECASE,
)
_SPILL = re.compile(
    r"[a-z][^A-Z.!?]{0,80}?[a-z]{2}(?=(?:An?|The|Some|It|They|These)\b"
    r"|[A-Z][\w-]+ (?:is|are|has|have|looks?|can|typically|usually)\b)"
)
"""The end of a question that the model went on writing: "in as much detail as possibleThe ..."."""
_AFTERWORD = re.compile(
    r"\s(?:(?<=\S\n)(?:(?:q|question|user|human):|describe\b|[^\n]{3,200}\?\s*(?:\n|\Z))"
    r"|(?<=[.!?\n]\s)\s*(?:(?:would you like|do you want|let me know|i hope this)\b"
    r"|\(?(?:(?:word|character) count|notes?):|(?:sources?|references?|citations?):)).*",
    re.DOTALL | re.IGNORECASE,
)
"""The next question that a base model asks itself, or the offer to say more."""
_CITATION = re.compile(r"\s?(?:\[\d{1,3}\]|【[^】\n]{1,30}】)")
_BOXED = re.compile(r"\\boxed\{([^{}]+)\}\.?\Z")
_QUOTED = re.compile(
    r"""["“«「『]([^"“”«»「」『』]+)["”»」』]?([.!?。]?)\Z|['‘]([^‘]+)['’]([.!?]?)\Z"""
)
_CLOSING = re.compile(r"['’](?!\w)")


def unwrapped(text: str, question: str = "") -> str:
    """The description in an answer to a question, on one line."""
    text = without_thinking(text).strip(" ")
    if text.lstrip()[:1] in tuple('{[<">') or "```" in text or "~~~" in text:
        text = unpacked(text)
    # This test says that the rest would find nothing, and is many times as fast.
    if not (text.isascii() and text.isprintable()):  # most answers are, and need none of this
        text = without_odd_characters(text)
        lines = (line.strip() for line in _HEADING.sub("", text).split("\n"))
        text = "\n".join(filter(None, lines))
    text = _AFTERWORD.sub("", text)
    if "\\boxed" in text:
        text = _BOXED.sub(r"\1", text)
    if "[" in text or "【" in text:
        text = _CITATION.sub("", text)
    if 0 < sum(map(text.count, "*_`")) <= MAX_MARKS:
        text = _EMPHASIS.sub(r"\2", text)
    text = _without_echo(_one_line(text), question.rstrip(" :?."))
    for opening in (_SPILL, _OPENINGS):
        if found := opening.match(text):
            text = text[found.end() :]
    return _without_trailing_dots(_without_quotes(text)).strip()


def _without_echo(text: str, question: str) -> str:
    """The text without the question, should it begin with it."""
    size = len(question)
    echoed = size and text[:size].lower() == question.lower() and not _WORD.match(text, size)
    return text[size:] if echoed else text


def without_odd_characters(text: str) -> str:
    """Nothing in place of what can repaint a terminal, means nothing or is no valid text."""
    text = _EMOJI.sub("", text)
    kinds = ((char, unicodedata.category(char)) for char in set(text))
    odd = {
        ord(char): _REPLACEMENTS[kind]
        for char, kind in kinds
        if kind in _REPLACEMENTS and char not in _KEPT
    }
    return normalized("NFC", text.translate(odd) if odd else text)


def _one_line(text: str) -> str:
    """The lines as one; the items of a list become parts of a sentence."""
    if not _LISTED.search(text):
        return " ".join(text.split())
    parts: list[str] = []
    for line in filter(None, (" ".join(line.split()) for line in text.split("\n"))):
        listed = line[0] in "-*•–" or line[0].isdecimal()
        item = _BULLET.match(line) if listed else None
        if item and parts and not parts[-1].endswith((".", ":", ";", ",", "!", "?")):
            parts[-1] += ","
        parts.append(line[item.end() :] if item else line)
    return " ".join(parts).strip()


def _without_quotes(text: str) -> str:
    """The text without quotes around all of it; the second of a pair may be missing."""
    found = _QUOTED.match(text)
    if found is None:
        return text
    if found[1]:
        return found[1] + found[2]
    # An apostrophe is no quote, and stands before a letter.
    return text if _CLOSING.search(found[3]) else found[3] + found[4]


def _without_trailing_dots(text: str) -> str:
    """The text with one full stop, or the ! or ? it has, in place of the dots at its end."""
    body = text.rstrip(".…")
    if body == text:
        return text
    body = body.rstrip()
    if not body or body[-1] in ".…":
        return text
    before = body[-2:-1]
    ended = body[-1] in "!?。！？।؟۔" and before.strip() and before not in ".…"
    return body if ended else body + full_stop_for(body)
