"""Long answers of shapes that make a careless pattern look everywhere again from every place."""

import itertools
from collections.abc import Iterator

MARKS = list(" \n.,:!?\"'’*_`#(<>|&-")
"""Characters that the filters look for most."""
OTHERS = [
    *"aA1\t\\;“”«»‘)[]{}•–/=…。」树ض", "\u00a0", "\u0301", "\u0316", "\ufdfa", "🐸", "\u200d",
    "\ufe0f", "\x00", "\ud83d",
]  # fmt: skip
PIECES = [
    "*a", " *a", " **a", " ***a", "a* ", "a*\n*a\n", "`a` ", "[^.,] ", "</think", "<think>",
    "think", "[INST]", "[/INST]", "</s>", "<answer>", "<think></think>a", "<|channel|>", "<|",
    "\n?", "A ", "A: ", "a:", "no ", "not a", "n't ", "no one ", "one ", "way ", "http",
    "www.", "&a", "&amp", "|a", "|\n", "<a", "</a", "{ ", "# ", "#\n", "\n- ", "\n-", "1. ",
    "\n1. ", "5.", "1.1", "a.a.", "e.g. ", "St. ", "the. ", ",. A", ". A", "? A", "(A. ", "a, ",
    "a, or ", "a-", "to ", "can vary ", "can vary depending ", "it is ", "sure, ", "here is ",
    "what ", "what a? ", "none ", ". let me know", " would you like", "\ndescribe ", "\nq:",
    "\naaa? ", "sorry", "i am ", "?a", "this question", "'a", "a'", "“a", "a”", "\u0301\u0316",
    "\nanswer: ", "\n### answer", "here is my ", "&lt;think", "<|im_user", "\n\n>", "Analysis: a\n",
    "```json\n", "{'a': '", '{"a": ', '["', "。」", "[[",
    "\n```think\n", "a```think\n", ">\n", "> a\n", "{think}", "\nfinal answer", "：", "Step 1: ",
    "a\u0316\u0301", "...a", "…a", " .", "lyly",
]  # fmt: skip
"""Beginnings of what the filters look for, and ends that do not fit."""

UNITS = [*MARKS, *OTHERS, *PIECES]
FRAMES = [("", ""), ("(A cat ", "x"), ("“A ", ",")]
"""What stands before and after, so that a search fails at its end only."""


def pairs() -> Iterator[str]:
    """Every two different marks."""
    return ("".join(pair) for pair in itertools.permutations(MARKS, 2))


def filled(unit: str, size: int, frame: tuple[str, str] = FRAMES[1]) -> str:
    """So many characters, all of them the unit but for the frame."""
    before, after = frame
    inner = size - len(before) - len(after)
    return before + (unit * (inner // len(unit) + 1))[:inner] + after
