"""The time for an answer grows with its length, whatever it holds."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.bank.importing import describe
from cupl.bank.lint import check_bank
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.wording import sentences_of
from cupl.generation.about import questions_in
from cupl.generation.filters import FILTERS, Answer, why_unusable
from cupl.generation.listed_names import listed_names
from cupl.generation.pair_answers import told_apart
from cupl.llm.protocol import Response
from tests.hostile import FRAMES, UNITS, filled, pairs

SIZE = 1500
FAST = 0.005
"""Seconds of the larger text below which its growth cannot be told from the noise."""
MOST = 10
"""Times that four times the length may take: 4 were it linear, 16 were it quadratic."""
QUESTION = "Describe a cat:"


def through_the_filters(text: str) -> None:
    """Each filter with the text as it is, and with what the first has left of it."""
    why_unusable(Response(text, "length"), QUESTION)
    answer = Answer(text, QUESTION, "length", (".",))
    cleaned = FILTERS["clean"](answer)
    assert isinstance(cleaned, Answer)
    for step in FILTERS.values():
        step(answer)
        step(cleaned)


def through_the_checks(text: str) -> None:
    """What a bank is checked for, with two long prompts that are not quite the same."""
    prompts = [f"{text} one", f"{text[: len(text) // 2]} two"]
    entry = ClassPrompts(name="frog of the north", prompts={"": prompts})
    check_bank(PromptBank(name="x", classes=[entry]))
    sentences_of(text, finished=False)


def through_an_import(text: str) -> None:
    """A descriptor becomes a sentence."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    for start in ("", "a ", "often "):
        describe("cat", f"{start}{line}")


def through_the_lists(text: str) -> None:
    """Names, rows and questions in it, as a whole list and as an item of one."""
    listed_names(text, QUESTION)
    listed_names(f"- cat\n- {text}", QUESTION)
    told_apart(text, "cat", "dog")
    told_apart(f"fur | A cat {text} | A dog", "cat", "dog")
    questions_in([text, f"1. What is a [NAME] {text}?"], "cats")


def seconds(work: Callable[[str], None], text: str) -> float:
    """Of the processor, not of the clock: others may be at work."""
    start = time.process_time()
    work(text)
    return time.process_time() - start


def check_growth(work: Callable[[str], None], unit: str, frame: tuple[str, str]) -> None:
    short, long = filled(unit, SIZE, frame), filled(unit, 4 * SIZE, frame)
    tries: list[tuple[float, float]] = []
    for _ in range(5):
        tries.append((seconds(work, short), seconds(work, long)))
        least, most = (min(times) for times in zip(*tries, strict=True))
        if most < FAST or most < MOST * least:
            return
    pytest.fail(f"{unit!r}: {least * 1000:.1f} ms grew to {most * 1000:.1f} ms")


WORKS = [through_the_filters, through_the_checks, through_an_import, through_the_lists]


@pytest.mark.parametrize("work", WORKS)
def test_one_thing_over_and_over(work: Callable[[str], None]) -> None:
    for unit in UNITS:
        for frame in FRAMES:
            check_growth(work, unit, frame)


def test_any_two_marks_in_turn() -> None:
    for unit in pairs():
        check_growth(through_the_filters, unit, FRAMES[1])


@settings(max_examples=50)
@given(
    unit=st.lists(st.sampled_from(UNITS), min_size=2, max_size=5).map("".join),
    frame=st.sampled_from(FRAMES),
    work=st.sampled_from(WORKS),
)
def test_any_mixture(unit: str, frame: tuple[str, str], work: Callable[[str], None]) -> None:
    check_growth(work, unit, frame)


def test_the_longest_answer_that_is_one() -> None:
    """In memory that a pattern needs for its way back, too."""
    for unit in ("A: ", "'a", "“", "(A. ", "a, ", "[", "- a\n"):
        through_the_filters(filled(unit, 100_000))
        through_the_lists(filled(unit, 100_000))
