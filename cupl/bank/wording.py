"""Whether a text can be a prompt, and whether two say the same."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Literal

_WORDS = re.compile(r"\w+")
_MANY_MARKS = re.compile(rb"[^\0]{31,}")

# The next are for text in lower case: to ignore case costs several times as much.
_REFUSAL = re.compile(
    r"\b(?:as an ai(?=,| language| model| assistant)|my apologies|i apologi[sz]e"
    r"|unable to (?:assist|help|provide)"
    r"|i(?:'m| am) (?:sorry|unable|not (?:able|familiar|aware|allowed))"
    r"|i (?:can't|can ?not|couldn't|could not|won't|don't have|do not have)(?! help but)"
    r"|i was (?:unable|not able)"
    r"|i (?:don't|do not) see (?:an?|any|the) (?:image|photo|picture)s?"
    r"|no (?:image|photo|picture)s? (?:(?:is|are|was|were|has been|have been) )?"
    r"(?:attached|provided|uploaded)"
    r"|(?:please|could you) (?:upload|attach|provide|share|resend|send)(?: me)? (?:an?|the|your)"
    r" (?:image|photo|picture))\b|^sorry\b(?!!? is )"
)
_DENIAL = re.compile(
    r"\b(?=[acdlnorstw])(?:(?P<no>not?|(?<=n')t)"
    r"|(?P<one>definitive|definite|single|one|specific|correct|right)"
    r"|(?P<way>answers?|way|look|descriptions?|characteristics|recipe|definition))\b"
)
"""The words of "there is no one way", which stand in this order and near one another."""
_CLAUSE_END = re.compile("[.,;]")
_UNCERTAIN = re.compile(
    r"\b(?:definitive answer|(?:this|that|your) question(?! mark)"
    r"|difficult (?:question|to answer)"
    r"|it(?:'s| is| would be) (?:very )?(?:difficult|hard|impossible) to "
    r"(?:say|describe|answer|give|provide|generalize))\b"
)
_EVASION = re.compile(
    r"(?:(?:it|this|that|the answer)(?: really| will| would| may| can)? depends?\b"
    r"|(?:this|the answer|answers)(?: will| would| may| can)? var(?:y|ies)\b"
    r"|i(?:'m| am) not sure|i (?:do not|don't) know|(?:unknown|n/?a|none)\W*$)"
)
_THOUGHT = re.compile(
    r"(?:(?:ok(?:ay)?|alright|hmm|well|so|first|now)[,. ]{1,2}){0,2}"
    r"(?:the (?:user|question|prompt) (?:wants|is asking|asks|asked|needs|would like|says|said)\b"
    r"|(?:we|i) (?:need|have|should|must)(?: to)? (?:write|produce|answer|describe|give|generate"
    r"|output|respond|provide|think)\b"
    r"|let me (?:think|start|see|recall|try|break)\b|let's (?:think|break)\b)"
)
"""How models begin to think."""
_VARIES = re.compile(r"\b(?:can|may|will) vary(?:\Z| (?:depending|based|from)\b)")
_LAST_WORD = re.compile(r".*\w", re.DOTALL)
_MARKUP = re.compile(
    r"https?:|\bwww\b|\w\.(?:com|org|net)\b|</?[a-z][^<>]{0,200}>|\]\(|\*\*|__|```|^#{1,6}\s"
    r"|&(?:[a-z]{2,6}|#\d{1,6});|\{\s*[\"'{]|^\[\s*[\"'{\[]|\|.*\|"
)

MAX_ENDS = 1000
"""Ends of sentences, from the last or first, at one of which a text can be cut."""
_SENTENCE_END = re.compile(
    r"(?<![.!?])[.!?]+[\"'”’»)\]]*(?=\s+[^a-z0-9\s]|$)"
    r"|(?:[。｡！？।॥؟۔።։။។།]|．(?!\d))[」』”’»》）\"')\]]*"
)
_FULL_STOPS = [
    (re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f]"), "。"),
    (re.compile("[\u0900-\u09ff\u0a00-\u0a7f\u0b00-\u0b7f]"), "।"),
    (re.compile("[\u0530-\u058f]"), "։"),
    (re.compile("[\u1000-\u109f]"), "။"),
    (re.compile("[\u1200-\u137f]"), "።"),
    (re.compile("[\u1780-\u17ff]"), "។"),
    (re.compile("[\u0e00-\u0eff]"), ""),
]
"""Letters of scripts that do not end a sentence with a dot, and what they end it with."""
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'])(?:e\.g|i\.e|cf|vs|dr|mrs?|ms|st|mt|prof|approx|ca|no|figs?|spp?"
    r"|(?:[^\W\d_]\.)*[^\W\d_])$",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(
    r"(?:[,:;–—(/&，、：；（،؛-]|[,:;]\s?\d{1,2}|\b(?:a|an|the|and|or|but|its|their|very))$"
)
_LOOK_BACK, _OPEN_END, _LONG_NAME = 12, 8, 40
"""Characters in which an abbreviation, an unfinished end, and a name is looked for."""
_CUT_NUMBER = re.compile(r"(?<![\w-])\d{1,3}$")
_NAME_WITH_NUMBER = re.compile(r"[^\s.!?]\s+[A-Z][\w'’-]*\.?\s\d{1,3}$")
"""The end of "a Boeing 737" or "Chanel No. 5"; the first word of a sentence may be no name."""


def same_text(text: str) -> str:
    """What two prompts that say the same have in common: words alone, in lower case."""
    return " ".join(_WORDS.findall(text.casefold()))


def normalized(form: Literal["NFC", "NFKC", "NFKD"], text: str) -> str:
    """A form of Unicode, with at most 30 marks on a letter, as in UAX 15's stream-safe format.

    Marks are sorted in time that grows with the square of their number.
    """
    if text.isascii():
        return text
    parts, place = [], 0
    for marks in _MANY_MARKS.finditer(bytes(map(unicodedata.combining, text))):
        parts.append(text[place : marks.start() + 30])
        place = marks.end()
    return unicodedata.normalize(form, "".join([*parts, text[place:]]))


def lack_of_words(text: str) -> str | None:
    """Why a text says nothing: it has no word, or is a snippet such as "a." or "The U."."""
    words = [word[0] for word in islice(_WORDS.finditer(text), 7)]
    if not words:
        return "empty"
    # Not every script puts spaces between its words.
    too_short = text.isascii() and (len(words) < 2 or len("".join(words)) < 7)
    return "too short" if too_short else None


def is_refusal(text: str) -> bool:
    """Whether it talks of what a model will not or cannot do."""
    return bool(_REFUSAL.search(_plain(text)))


def is_non_answer(text: str) -> bool:
    """Whether it is "There is no definitive answer" or its kin, a question asked back, or thought.

    A thought is one about what to say, whose marks a server has taken off.
    """
    text = _plain(text)
    return bool(
        _UNCERTAIN.search(text)
        or _EVASION.match(text)
        or _THOUGHT.match(text)
        or _is_question(text)
        or _says_it_varies(text)
        or _denies(text)
    )


def _is_question(text: str) -> bool:
    """Whether it ends with a question mark and is one sentence."""
    last = _LAST_WORD.match(text)
    mark = text.find("?", last.end() if last else 0)
    return mark >= 0 and not any(text.count(end, 0, mark) for end in ".!")


def _says_it_varies(text: str) -> bool:
    """Whether it ends with "can vary", or with what that depends on, and has but one clause."""
    text = text.removesuffix("\n").removesuffix(".")
    return "." not in text and "," not in text and bool(_VARIES.search(text))


def _denies(text: str) -> bool:
    """Whether a clause says that there is "no one way" or "isn't a single right answer"."""
    denied, single = -math.inf, -math.inf  # where the nearest words end
    for word in _DENIAL.finditer(text):
        start, end = word.span()
        if word.lastgroup == "no":
            denied = end
        elif word.lastgroup == "one":
            if start - denied <= 25 and not _CLAUSE_END.search(text, int(denied), start):
                single = end
        elif start - single <= 30 and not _CLAUSE_END.search(text, int(single), start):
            return True
    return False


def has_markup(text: str) -> bool:
    """Whether there is an address, HTML, Markdown or JSON in it."""
    return bool(_MARKUP.search(_plain(text)))


def sentences_of(text: str, *, finished: bool = True, stop: Sequence[str] = ()) -> str | None:
    """The text up to the end of its last whole sentence; None where there is none.

    Args:
        text: on one line.
        finished: whoever wrote it stopped by itself, or at a stop text. Such a text may lack its
            last full stop, which is put back.
        stop: the stop texts. What ``.`` cut inside "weighs about 5.3" or "a St. Bernard" is no
            sentence.

    """
    ends = deque(_SENTENCE_END.finditer(text), MAX_ENDS)
    if finished and not _is_open(text.rstrip(".")):
        if ends and ends[-1].end() == len(text):
            return text
        if "." not in stop or not (_is_cut_number(text) or _ABBREVIATION.search(text)):
            return text + full_stop_for(text)
    place, unclosed = len(text), text.count("(") - text.count(")")
    for end in reversed(ends):
        start = end.start()
        unclosed -= text.count("(", start, place) - text.count(")", start, place)
        place = start
        if unclosed <= 0 and _is_end(text, end):
            return text[: end.end()]
    return None


def full_stop_for(text: str) -> str:
    """The mark that ends a sentence in the script of the last letter; "" where it has none."""
    last = next((char for char in reversed(text[-_LONG_NAME:]) if char.isalpha()), "")
    if last.isascii():
        return "."
    return next((stop for letters, stop in _FULL_STOPS if letters.match(last)), ".")


def first_sentence(text: str) -> str:
    """The text up to the end of its first whole sentence; all of it where there is none."""
    for end in islice(_SENTENCE_END.finditer(text), MAX_ENDS):
        before = text[: end.start()]
        if _is_end(text, end) and before.count("(") <= before.count(")"):
            return text[: end.end()]
    return text


def _is_end(text: str, end: re.Match[str]) -> bool:
    """Whether a sentence ends there, as far as the words before tell."""
    before = text[max(0, end.start() - _LOOK_BACK) : end.start()]
    # The last dot of a text cut by length may stand inside "5.3".
    if end.end() == len(text) and _is_cut_number(text[: end.start()]):
        return False
    abbreviated = end[0][0] == "." and _ABBREVIATION.search(before)
    return not (_UNFINISHED.search(before[-_OPEN_END:]) or abbreviated)


def _is_cut_number(text: str) -> bool:
    """Whether a text that ends before a dot may be cut inside a number, as "weighs about 5.3"."""
    text = text[-_LONG_NAME:]
    return bool(_CUT_NUMBER.search(text)) and not _NAME_WITH_NUMBER.search(text)


def _plain(text: str) -> str:
    """In lower case, letter for letter, and every apostrophe the same."""
    return text.replace("’", "'").replace("İ", "I").lower()


def _is_open(text: str) -> bool:
    """Whether more has to follow: the text ends in a comma or article, or inside a parenthesis."""
    return bool(_UNFINISHED.search(text[-_OPEN_END:])) or text.count("(") > text.count(")")
