"""Good answers are whole, different, and about the thing."""

import re
from itertools import combinations

import pytest

from tests.faults import (
    sentences,
)
from tests.wire import QUESTION


@pytest.mark.parametrize(
    ("question", "thing"),
    [
        ("Describe what a lily of the valley looks like:", "lily of the valley"),
        ("What does the moon look like?", "moon"),
        ("Describe an image from the internet of a photo booth", "photo booth"),
        ("A caption of an image of a St. Bernard:", "St. Bernard"),
        ("What are the identifying characteristics of an 8-ball?", "8-ball"),
        ("Describe a cup.\nIt is round.\n\nDescribe a {brace}:", "{brace}"),
    ],
)
def test_sentences_name_the_thing(question: str, thing: str) -> None:
    for text in sentences(question, 30):
        assert f" {thing} " in text


def test_sentences_are_whole_and_different() -> None:
    questions = [QUESTION, "Describe an abacus:", "How can you identify an abacus?"]
    said = [text for question in questions for text in sentences(question, 20)]
    for text in said:
        assert re.fullmatch(r"[A-Z][a-z:, ]+\.", text)
    for one, other in combinations([set(text.split()) for text in said], 2):
        assert len(one & other) < 0.8 * len(one | other)


def test_sentences_do_not_repeat_and_begin_alike() -> None:
    assert len(set(sentences(QUESTION, 10_000))) == 10_000
    assert sentences(QUESTION, 10)[:3] == [*sentences(QUESTION, 3)]
    assert sentences("Describe a cat:", 1) != sentences("Describe the cat:", 1)
