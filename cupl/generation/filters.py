"""What is kept of an answer.

A filter takes an :class:`Answer` and returns it, changed or not, or says with :class:`Dropped` why
nothing of it is kept. The caller chooses which filters run and in what order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from cupl.bank.wording import has_markup, is_non_answer, is_refusal, lack_of_words, sentences_of
from cupl.llm.protocol import MAX_ANSWER, Response


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
    reason = lack_of_words(answer.text)
    return Dropped(reason) if reason else answer


def not_refusal(answer: Answer) -> Answer | Dropped:
    """Drop what a server's content filter cut, and talk of what the model will not or cannot do."""
    refused = answer.finish_reason == "content_filter" or is_refusal(answer.text)
    return Dropped("refusal") if refused else answer


def not_non_answer(answer: Answer) -> Answer | Dropped:
    """Drop "There is no definitive answer" and its kin, and questions asked back."""
    return Dropped("non-answer") if is_non_answer(answer.text) else answer


def plain_text(answer: Answer) -> Answer | Dropped:
    """Drop an answer with an address, HTML, Markdown or JSON in it."""
    return Dropped("URL or markup") if has_markup(answer.text) else answer


def whole_sentences(answer: Answer) -> Answer | Dropped:
    """Cut an answer after its last whole sentence; drop it where there is none.

    A model that stopped by itself, or at a stop text, may leave the last full stop out: it is put
    back. What ``stop="."`` cut inside "weighs about 5.3" or "a St. Bernard" is no sentence.
    """
    finished = answer.finish_reason == "stop"
    text = sentences_of(answer.text, finished=finished, stop=answer.stop)
    return Dropped("cut off") if text is None else replace(answer, text=text)


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


DEFAULT_FILTERS: dict[str, Filter] = {
    "clean": clean,
    "not-empty": not_empty,
    "not-refusal": not_refusal,
    "not-non-answer": not_non_answer,
    "plain-text": plain_text,
    "whole-sentences": whole_sentences,
}
"""The filters of a run unless the caller says otherwise, in their order."""


def apply_filters(answer: Answer, filters: Iterable[Filter]) -> Answer | Dropped:
    """Send an answer through filters until one drops it."""
    for step in filters:
        result = step(answer)
        if isinstance(result, Dropped):
            return result
        answer = result
    return answer
