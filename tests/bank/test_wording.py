"""The patterns that say what is meant, against the code that says it fast."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cupl.bank.wording import (
    MAX_ENDS,
    first_sentence,
    is_non_answer,
    lack_of_words,
    normalized,
    sentences_of,
)

NON_ANSWER = re.compile(
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
END = re.compile(
    r"[.!?]+[\"'”’»)\]]*(?=\s+[^a-z0-9\s]|$)"
    r"|(?:[。｡！？।॥؟۔።։။។།]|．(?!\d))[」』”’»》）\"')\]]*"
)
ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'])(?:e\.g|i\.e|cf|vs|dr|mrs?|ms|st|mt|prof|approx|ca|no|figs?|spp?"
    r"|(?:[^\W\d_]\.)*[^\W\d_])$",
    re.IGNORECASE,
)
UNFINISHED = re.compile(
    r"(?:[,:;–—(/&-]|[,:;]\s?\d{1,2}|\b(?:a|an|the|and|or|but|its|their|very))$"
)
CUT_NUMBER = re.compile(r"(?<![\w-])\d{1,3}$")
NAMED = re.compile(r"[^\s.!?]\s+[A-Z][\w'’-]*\.?\s\d{1,3}$")
WORDS = (
    "no not isn't n't one single specific way answers look definition definitive answer this "
    "question mark it is difficult to say depends can may vary depending based on from I'm not "
    "sure none n/a the a an and St Dr e.g U.S 5 5.3 it It frog Frogs A İ"
)
SIGNS = [*".,;:!?()\"'”’»]。」\n- ", *" " * 12, "...", "?!", "  "]

texts = st.lists(st.sampled_from([*WORDS.split(), *SIGNS]), max_size=30).map("".join)


def open_end(text: str) -> bool:
    return bool(UNFINISHED.search(text[-20:])) or text.count("(") > text.count(")")


def sentences_as_meant(text: str, finished: bool) -> str | None:
    ends = list(END.finditer(text))
    if finished and not open_end(text.rstrip(".")):
        return text if ends and ends[-1].end() == len(text) else text + "."
    for end in reversed(ends):
        before = text[: end.start()]
        doubtful = end.end() == len(text) and CUT_NUMBER.search(before) and not NAMED.search(before)
        abbreviated = end[0][0] == "." and ABBREVIATION.search(before[-12:])
        if not doubtful and not abbreviated and not open_end(before):
            return text[: end.end()]
    return None


@given(texts)
@example("There isn't really, one single; no one correct thing but one way.")
@example("What is it? Or what?!")
@example("Its look can vary depending.\n")
def test_a_non_answer_is_what_the_pattern_says(text: str) -> None:
    assert is_non_answer(text) == bool(NON_ANSWER.search(text.replace("’", "'")))


@given(texts, st.booleans())
@example("A (frog. It is. A) frog is. (It", False)
@example("a...b ...! C", False)
def test_whole_sentences_are_what_the_patterns_say(text: str, finished: bool) -> None:
    assert sentences_of(text, finished=finished) == sentences_as_meant(text, finished)


@given(texts)
def test_a_lack_of_words_is_one_of_all_the_words(text: str) -> None:
    words = re.findall(r"\w+", text)
    short = text.isascii() and (len(words) < 2 or len("".join(words)) < 7)
    assert lack_of_words(text) == ("empty" if not words else "too short" if short else None)


def test_a_text_is_cut_at_one_of_its_last_ends() -> None:
    begun = "A frog is green. It is (small. "
    assert sentences_of(begun + "A frog is green. " * (MAX_ENDS - 2) + "A") is not None
    assert sentences_of(begun + "A frog is green. " * MAX_ENDS + "A") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A frog is green. It has legs.", "A frog is green."),
        ("A St. Bernard (bred by Dr. No. In the Alps) is big. It barks.",
         "A St. Bernard (bred by Dr. No. In the Alps) is big."),
        ("It is 5.3 cm long! It weighs", "It is 5.3 cm long!"),
        ("A frog is green", "A frog is green"),
        ("绿色。大大的。", "绿色。"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_first_sentence(text: str, expected: str) -> None:
    assert first_sentence(text) == expected


@given(texts)
def test_the_first_sentence_is_a_beginning(text: str) -> None:
    assert text.startswith(first_sentence(text))


@given(st.text(st.characters(categories=["Mn", "Lu", "Lo"]), max_size=30))
def test_unicode_forms_are_those_of_the_standard_library(text: str) -> None:
    assert normalized("NFC", text) == unicodedata.normalize("NFC", text)
    assert normalized("NFKD", text) == unicodedata.normalize("NFKD", text)


def test_no_letter_has_endless_marks() -> None:
    text = "a" + "\u0316\u0301" * 100 + "b" + "\u0301" * 30
    assert normalized("NFC", text) == unicodedata.normalize(
        "NFC", "a" + "\u0316\u0301" * 15 + "b" + "\u0301" * 30
    )
