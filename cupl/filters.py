"""What is kept of an answer.

A filter takes an :class:`Answer` and returns it, changed or not, or says with :class:`Dropped` why
nothing of it is kept. The caller chooses which filters run and in what order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from cupl.llm.base import MAX_ANSWER, Response


@dataclass(frozen=True, slots=True)
class Answer:
    """The text of a response on its way through the filters, and what they need to judge it."""

    text: str
    question: str = ""
    finish_reason: str = "stop"
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """Nothing is kept, for this reason."""

    reason: str


Filter = Callable[[Answer], Answer | Dropped]

_THINKING = re.compile(r"\A.*</think(?:ing)?>|<think(?:ing)?>.*\Z", re.DOTALL | re.IGNORECASE)
_EMOJI = re.compile(r"[\u2600-\u27bf\U0001f000-\U0001faff][\ufe0f\u200d]*")
_WORD = re.compile(r"\w")
_ODD = re.compile(r"[^ -~\n]")
_HEADING = re.compile(r"^[ \t]*(?:#{1,6}\s.*|\*\*[^*\n]+\*\*:?[ \t]*)\n", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<!\w)(\*{1,3}|_{1,2}|`)(?=\S)(.{1,300}?)(?<=\S)\1(?!\w)")
_BULLET = re.compile(r"(?:[-*•–]+|\d{1,2}[.)](?=\s))\s*")
_OPENING = re.compile(
    r"^[^\w\"'“‘«(\[¿¡<`{|]+"
    r"|^(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|great question)[!.,:]\s*"
    r"|^here(?:'s|’s| is| are)\b[^.!:]{0,150}:\s*"
    r"|^(?:answer|description|caption|image|a|q):\s*"
    r"|^(?:what|which|how|who|where|why|do|does|is|are|can)\b[^.!?]{0,200}\?\s*(?=\w)",
    re.IGNORECASE,
)
_SPILL = re.compile(
    r"^[a-z][^A-Z.!?]{0,80}?[a-z]{2}(?=(?:An?|The|Some|It|They|These)\b"
    r"|[A-Z][\w-]+ (?:is|are|has|have|looks?|can|typically|usually)\b)"
)
"""The end of a question that the model went on writing: "in as much detail as possibleThe ..."."""
_AFTERWORD = re.compile(
    r"(?<=\S)\n(?:(?:q|question|user|human):|describe\b|[^\n]{3,200}\?\s*(?:\n|\Z)).*"
    r"|(?<=[.!?])\s+(?:would you like|do you want|let me know|i hope this)\b.*",
    re.DOTALL | re.IGNORECASE,
)
"""The next question that a base model asks itself, or the offer to say more."""
_QUOTED = re.compile(r"""^(?:["“«]([^"“”«»]+?)["”»]?|['‘]((?:[^'‘’]|['’](?=\w))+)['’])([.!?]?)$""")
_TRAILING = re.compile(r"(?<=[^\s.…])([!?]?)\s*[.…]+$")


def clean(answer: Answer) -> Answer:
    """Take off what wraps a description: thinking, the question said again, markup, quotes."""
    # Each test in front of a pattern says that it would find nothing, and is many times as fast.
    text = _THINKING.sub("", answer.text) if "think" in answer.text.lower() else answer.text
    text = text.strip(" ")
    if not (text.isascii() and text.isprintable()):  # most answers are, and need none of this
        text = _without_odd_characters(text)
        lines = (line.strip() for line in _HEADING.sub("", text).split("\n"))
        text = "\n".join(filter(None, lines))
    text = _AFTERWORD.sub("", text)
    if "*" in text or "_" in text or "`" in text:
        text = _EMPHASIS.sub(r"\2", text)
    text = _one_line(text)
    text = _SPILL.sub("", _without_echo(text, answer.question.rstrip(" :?.")))
    while (opened := _OPENING.sub("", text)) != text:
        text = opened
    text = _QUOTED.sub(lambda found: (found[1] or found[2]) + found[3], text)
    if not (text[-1:] == "." and text[-2:-1].isalnum()):
        text = _TRAILING.sub(lambda found: found[1] or ".", text)
    return replace(answer, text=text.strip())


def _without_echo(text: str, question: str) -> str:
    """The text without the question, should it begin with it."""
    size = len(question)
    echoed = size and text[:size].lower() == question.lower() and not _WORD.match(text, size)
    return text[size:] if echoed else text


def _without_odd_characters(text: str) -> str:
    text = _ODD.sub(lambda found: _safe(found[0]), _EMOJI.sub("", text))
    return unicodedata.normalize("NFC", text)


def _safe(char: str) -> str:
    """Nothing in place of what can repaint a terminal, means nothing or is no valid text."""
    if char in "\n\u200c\u200d":  # joiners are letters of several scripts
        return char
    return {"Cc": " ", "Cf": "", "Co": "", "Cs": ""}.get(unicodedata.category(char), char)


def _one_line(text: str) -> str:
    """The lines as one; the items of a list become parts of a sentence."""
    joined = ""
    for line in filter(None, (" ".join(line.split()) for line in text.split("\n"))):
        item = _BULLET.match(line)
        comma = "," if joined and item and joined[-1] not in ".:;,!?" else ""
        joined += f"{comma} {line[item.end() :] if item else line}"
    return joined.strip()


def not_empty(answer: Answer) -> Answer | Dropped:
    """Drop an answer that says nothing: no word, or a snippet such as "a." or "The U."."""
    words = re.findall(r"\w+", answer.text)
    if not words:
        return Dropped("empty")
    # Not every script puts spaces between its words.
    too_short = answer.text.isascii() and (len(words) < 2 or len("".join(words)) < 7)
    return Dropped("too short") if too_short else answer


_REFUSAL = re.compile(
    r"\b(?:as an ai(?=,| language| model| assistant)|my apologies|i apologi[sz]e"
    r"|unable to (?:assist|help|provide)"
    r"|i(?:'m| am) (?:sorry|unable|not (?:able|familiar|aware|allowed))"
    r"|i (?:can't|can ?not|couldn't|could not|won't|don't have|do not have)"
    r"|i was (?:unable|not able))\b|^sorry\b",
    re.IGNORECASE,
)


def not_refusal(answer: Answer) -> Answer | Dropped:
    """Drop what a server's content filter cut, and talk of what the model will not or cannot do."""
    refused = answer.finish_reason == "content_filter" or _REFUSAL.search(_straight(answer.text))
    return Dropped("refusal") if refused else answer


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


def not_non_answer(answer: Answer) -> Answer | Dropped:
    """Drop "There is no definitive answer" and its kin, and questions asked back."""
    return Dropped("non-answer") if _NON_ANSWER.search(_straight(answer.text)) else answer


def _straight(text: str) -> str:
    return text.replace("’", "'")


_MARKUP = re.compile(
    r"https?:|\bwww\b|\w\.(?:com|org|net)\b|</?[a-z][^<>]{0,200}>|\]\(|\*\*|__|```|^#{1,6}\s"
    r"|&(?:[a-z]{2,6}|#\d{1,6});|\{\s*[\"{]|\|.*\|",
    re.IGNORECASE,
)


def plain_text(answer: Answer) -> Answer | Dropped:
    """Drop an answer with an address, HTML, Markdown or JSON in it."""
    return Dropped("URL or markup") if _MARKUP.search(answer.text) else answer


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


def whole_sentences(answer: Answer) -> Answer | Dropped:
    """Cut an answer after its last whole sentence; drop it where there is none.

    A model that stopped by itself, or at a stop text, may leave the last full stop out: it is put
    back. What ``stop="."`` cut inside "weighs about 5.3" or "a St. Bernard" is no sentence.
    """
    text = answer.text
    ends = list(_SENTENCE_END.finditer(text))
    ended = bool(ends) and ends[-1].end() == len(text)
    if answer.finish_reason == "stop" and not _is_open(text.rstrip(".")):
        if ended:
            return answer
        if "." not in answer.stop or not (_CUT_NUMBER.search(text) or _ABBREVIATION.search(text)):
            return replace(answer, text=text + ".")
    for end in reversed(ends):
        before = text[: end.start()]
        # The last dot of a text cut by length may stand inside "5.3".
        doubtful = end.end() == len(text) and before[-1:].isdigit()
        abbreviated = end[0][0] == "." and _ABBREVIATION.search(before[-12:])
        if not doubtful and not abbreviated and not _is_open(before):
            return replace(answer, text=text[: end.end()])
    return Dropped("cut off")


def _is_open(text: str) -> bool:
    """Whether more has to follow: the text ends in a comma or article, or inside a parenthesis."""
    return bool(_UNFINISHED.search(text[-20:])) or text.count("(") > text.count(")")


def why_unusable(response: Response, question: str = "") -> str | None:
    """Why a response is no answer at all, so that it has to be asked for again; None if it is one.

    What the filters drop was an answer nevertheless, as a refusal is.
    """
    if response.finish_reason == "content_filter":
        return "content filter"
    if len(response.text) > MAX_ANSWER:
        return "too long"
    cut = response.finish_reason == "length"
    answer = clean(Answer(response.text, question, response.finish_reason))
    if not _WORD.search(answer.text):
        return "cut off" if cut and response.text.strip() else "empty"
    return "cut off" if cut and isinstance(whole_sentences(answer), Dropped) else None


DEFAULT: dict[str, Filter] = {
    "clean": clean,
    "not-empty": not_empty,
    "not-refusal": not_refusal,
    "not-non-answer": not_non_answer,
    "plain-text": plain_text,
    "whole-sentences": whole_sentences,
}
"""The filters of a run unless the caller says otherwise, in their order."""


def apply(answer: Answer, filters: Iterable[Filter]) -> Answer | Dropped:
    """Send an answer through filters until one drops it."""
    for step in filters:
        result = step(answer)
        if isinstance(result, Dropped):
            return result
        answer = result
    return answer


def same_text(text: str) -> str:
    """What two prompts that say the same have in common: words alone, in lower case."""
    return " ".join(re.findall(r"\w+", text.casefold()))
