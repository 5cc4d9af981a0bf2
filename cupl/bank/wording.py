"""Whether a text can be a prompt, and whether two say the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

_REFUSAL = re.compile(
    r"\b(?:as an ai(?=,| language| model| assistant)|my apologies|i apologi[sz]e"
    r"|unable to (?:assist|help|provide)"
    r"|i(?:'m| am) (?:sorry|unable|not (?:able|familiar|aware|allowed))"
    r"|i (?:can't|can ?not|couldn't|could not|won't|don't have|do not have)"
    r"|i was (?:unable|not able))\b|^sorry\b",
    re.IGNORECASE,
)
_NON_ANSWER = re.compile(
    r"(?:\bnot?|n't)\b[^.,;]{0,25}"
    r"\b(?:definitive|definite|single|one|specific|correct|right)\b[^.,;]{0,30}"
    r"\b(?:answers?|way|look|descriptions?|characteristics|recipe|definition)\b"
    r"|\b(?:definitive answer|(?:this|that|your) question(?! mark)"
    r"|difficult (?:question|to answer)"
    r"|it(?:'s| is| would be) (?:very )?(?:difficult|hard|impossible) to "
    r"(?:say|describe|answer|give|provide|generalize))\b"
    r"|^(?:(?:it|this|that|the answer)(?: really| will| would| may| can)? depends?\b"
    r"|(?:this|the answer|answers)(?: will| would| may| can)? var(?:y|ies)\b"
    r"|[^.,]*\b(?:can|may|will) vary(?: (?:depending|based|from)\b[^.,]*)?\.?$"
    r"|i(?:'m| am) not sure|i (?:do not|don't) know|(?:unknown|n/?a|none)\W*$"
    r"|[^.!]*\?\W*$)",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"https?:|\bwww\b|\w\.(?:com|org|net)\b|</?[a-z][^<>]{0,200}>|\]\(|\*\*|__|```|^#{1,6}\s"
    r"|&(?:[a-z]{2,6}|#\d{1,6});|\{\s*[\"{]|\|.*\|",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?]+[\"'”’»)\]]*(?=\s+[^a-z0-9\s]|$)|[。！？।؟][」』”]?")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'])(?:e\.g|i\.e|cf|vs|dr|mrs?|ms|st|mt|prof|approx|ca|no|figs?|spp?"
    r"|(?:[^\W\d_]\.)*[^\W\d_])$",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(
    r"(?:[,:;–—(/&-]|[,:;]\s?\d{1,2}|\b(?:a|an|the|and|or|but|its|their|very))$"
)
_CUT_NUMBER = re.compile(r"(?<!\w)\d{1,3}$")


def same_text(text: str) -> str:
    """What two prompts that say the same have in common: words alone, in lower case."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def lack_of_words(text: str) -> str | None:
    """Why a text says nothing: it has no word, or is a snippet such as "a." or "The U."."""
    words = re.findall(r"\w+", text)
    if not words:
        return "empty"
    # Not every script puts spaces between its words.
    too_short = text.isascii() and (len(words) < 2 or len("".join(words)) < 7)
    return "too short" if too_short else None


def is_refusal(text: str) -> bool:
    """Whether it talks of what a model will not or cannot do."""
    return bool(_REFUSAL.search(_straight(text)))


def is_non_answer(text: str) -> bool:
    """Whether it is "There is no definitive answer" or its kin, or a question asked back."""
    return bool(_NON_ANSWER.search(_straight(text)))


def has_markup(text: str) -> bool:
    """Whether there is an address, HTML, Markdown or JSON in it."""
    return bool(_MARKUP.search(text))


def sentences_of(text: str, *, finished: bool = True, stop: Sequence[str] = ()) -> str | None:
    """The text up to the end of its last whole sentence; None where there is none.

    Args:
        text: on one line.
        finished: whoever wrote it stopped by itself, or at a stop text. Such a text may lack its
            last full stop, which is put back.
        stop: the stop texts. What ``.`` cut inside "weighs about 5.3" or "a St. Bernard" is no
            sentence.

    """
    ends = list(_SENTENCE_END.finditer(text))
    ended = bool(ends) and ends[-1].end() == len(text)
    if finished and not _is_open(text.rstrip(".")):
        if ended:
            return text
        if "." not in stop or not (_CUT_NUMBER.search(text) or _ABBREVIATION.search(text)):
            return text + "."
    for end in reversed(ends):
        before = text[: end.start()]
        # The last dot of a text cut by length may stand inside "5.3".
        doubtful = end.end() == len(text) and before[-1:].isdigit()
        abbreviated = end[0][0] == "." and _ABBREVIATION.search(before[-12:])
        if not doubtful and not abbreviated and not _is_open(before):
            return text[: end.end()]
    return None


def _straight(text: str) -> str:
    return text.replace("’", "'")


def _is_open(text: str) -> bool:
    """Whether more has to follow: the text ends in a comma or article, or inside a parenthesis."""
    return bool(_UNFINISHED.search(text[-20:])) or text.count("(") > text.count(")")
