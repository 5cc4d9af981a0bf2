"""Taking off what a model thought aloud, and the tokens of its chat template.

Every family of models has its own marks. The text after a block of thought is the answer; where a
block has no end, the model was cut off in it, and there is none. What follows the token that ends
an answer is no part of it: a base model goes on to write the next question.
"""

from __future__ import annotations

import re

_THOUGHT = (
    "(?:antml:|seed:)?(?:think(?:ing)?|thoughts?|thought_process|reason(?:ing)?|reflection|scratchpad"
    "|analysis|rationale|cot|cot_budget_reflect|(?:inner|internal)_?monologue|chain_?of_?thought)"
)
_ANSWER = "(?:seed:)?(?:(?:final_?)?answer|final|response|output|solution)"
_ASKED = "(?:user|human|system|instruction|input|question|tool|developer)"
_REPLY = "(?:assistant|model|response|answer|output)"

_MARKS = {
    # A thought, or what was said to the model, begins.
    "open": [
        rf"<{_THOUGHT}(?: [^<>\n]{{0,100}})?>", rf"\[{_THOUGHT}\]", rf"◁{_THOUGHT}▷",
        rf"<[|｜](?:start_|begin[_▁]of[_▁])?{_THOUGHT}(?:_start|_begin)?[|｜]>",
        r"<\|channel\|>(?!\s*final)[^<>\n]{0,60}<\|message\|>", r"<\|channel>\s*thought\b",
        r"<unused94>(?:thought)?",
        r"\[INST\]", rf"<[|｜]{_ASKED}[|｜]>", rf"<[|｜]im_start[|｜]>\s*{_ASKED}\b",
        rf"<start_of_turn>\s*{_ASKED}\b", rf"<\|start_header_id\|>\s*{_ASKED}\b",
        rf"#{{2,3}}\s*{_ASKED}:",
        r"\A\s*analysis(?-i:(?=[A-Z]))", r"\A\s*Thinking\.\.\.",
    ],
    # A thought ends; a template may have put its beginning into the question.
    "close": [
        rf"</{_THOUGHT}>", rf"\[/{_THOUGHT}\]", rf"◁/{_THOUGHT}▷",
        rf"<[|｜](?:/|end_|end[_▁]of[_▁]){_THOUGHT}[|｜]>", rf"<[|｜]{_THOUGHT}_end[|｜]>",
        r"<\|channel\|>\s*final[^<>\n]{0,60}<\|message\|>", r"<channel\|>",
        r"<unused95>", r"(?-i:assistantfinal)", r"\.{3}\s?done thinking\.?",
    ],
    # The answer begins, if words follow.
    "begin": [
        rf"<{_ANSWER}>", r"<\|START_RESPONSE\|>", r"<\|begin_of_solution\|>", r"\[/INST\]",
        rf"<[|｜]{_REPLY}[|｜]>", rf"<[|｜]im_start[|｜]>\s*{_REPLY}\b",
        rf"<start_of_turn>\s*{_REPLY}\b", rf"<\|start\|>\s*{_REPLY}\b",
        rf"<\|start_header_id\|>\s*{_REPLY}\s*<\|end_header_id\|>", rf"#{{2,3}}\s*{_REPLY}:",
    ],
    # The answer ends, if words came before.
    "end": [
        rf"</{_ANSWER}>", r"</?s>", r"\[/?(?:BOS|EOS|PAD|UNK|SYSTEM_PROMPT)\]", r"<</?SYS>>",
        "</?(?:bos|eos|pad|unk|eot|eod|eop|end_of_turn|end_of_text|end_of_utterance)>", r"<turn\|>",
        r"<[|｜][^<>|｜\n]{1,40}[|｜]>",
    ],
}  # fmt: skip
_MARK = re.compile(
    "|".join(f"(?P<{kind}>{'|'.join(marks)})" for kind, marks in _MARKS.items()),
    re.IGNORECASE,
)
_MAY_BE_MARKED = re.compile(
    r"[<\[◁]|##|assistantfinal|done thinking|\A\s*(?:analysis|thinking\.)", re.I
)
_WORD = re.compile(r"\w")


def without_thinking(text: str) -> str:
    """The answer in what a model wrote: empty where it holds a thought alone.

    The time grows with the length of the text and no faster.
    """
    if not _MAY_BE_MARKED.search(text):
        return text
    marks = list(_MARK.finditer(text))
    followed = _followed_by_words(text, marks)
    kept, place, inside = "", 0, False
    for mark, words_follow in zip(marks, followed, strict=True):
        if inside:
            if mark.lastgroup in ("close", "begin"):
                inside, place = False, mark.end()
            continue
        before = kept + text[place : mark.start()]
        place = mark.end()
        match mark.lastgroup:
            case "open":
                kept, inside = before, True
            case "close":
                kept = ""
            case "begin" if words_follow:
                kept = ""
            case _ if _WORD.search(before):
                return before
    return kept if inside else kept + text[place:]


def _followed_by_words(text: str, marks: list[re.Match[str]]) -> list[bool]:
    """Of each mark, whether words come after it that are no marks."""
    ends = [*(mark.start() for mark in marks), len(text)][1:]
    follows, found = False, []
    for mark, end in zip(reversed(marks), reversed(ends), strict=True):
        follows = follows or _WORD.search(text, mark.end(), end) is not None
        found.append(follows)
    return found[::-1]
