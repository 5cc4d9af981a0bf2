"""Filters that the caller chooses, and what the bank says of them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cupl.errors import InputError
from cupl.generation.filters import (
    DEFAULT_FILTERS,
    FILTERS,
    Answer,
    Dropped,
    Filter,
    apply_filters,
    choose_filters,
    clean,
    not_empty,
)
from cupl.generation.pipeline import generate
from tests.fakes import QueueLLM
from tests.generation.test_plan import ONE

ANSWERS = ["- **A cat** is soft. It purrs.", "I'm sorry.", "A cat has fur", "Cats purr."]


def no_plurals(answer: Answer) -> Answer | Dropped:
    return Dropped("plural") if answer.text.startswith("Cats") else answer


class Louder:
    def __call__(self, answer: Answer) -> Answer:
        return Answer(answer.text.upper())


def bank_of(folder: Path, filters: Any = None, answers: Iterable[str] = ANSWERS) -> Any:
    texts = list(answers)
    return generate(
        ["cat"], ONE, samples=len(texts), cache=folder, llm=QueueLLM([*texts]), filters=filters
    )


def test_no_choice_is_the_default(tmp_path: Path) -> None:
    assert choose_filters() == DEFAULT_FILTERS
    assert list(choose_filters()) == list(DEFAULT_FILTERS)
    made = bank_of(tmp_path)
    assert bank_of(tmp_path, list(DEFAULT_FILTERS)).to_bytes() == made.to_bytes()
    assert bank_of(tmp_path, DEFAULT_FILTERS.values()).to_bytes() == made.to_bytes()


def test_only_the_chosen_run_in_the_given_order(tmp_path: Path) -> None:
    bank = bank_of(tmp_path, ["not-refusal", no_plurals, "clean"])
    assert bank.classes[0].texts == ["A cat is soft. It purrs.", "A cat has fur"]
    assert bank.source.filters == ["not-refusal", "no_plurals", "clean", "similarity-95"]


def test_names_can_be_given_to_filters(tmp_path: Path) -> None:
    bank = bank_of(tmp_path, {"clean": clean, "louder": Louder(), "brief": lambda answer: answer})
    assert bank.classes[0].texts[0] == "A CAT IS SOFT. IT PURRS."
    assert bank.source.filters == ["clean", "louder", "brief", "similarity-95"]


def test_none_at_all(tmp_path: Path) -> None:
    bank = bank_of(tmp_path, [])
    assert bank.classes[0].texts == ANSWERS
    assert bank.source.filters == ["similarity-95"]


def test_the_first_of_several_sentences(tmp_path: Path) -> None:
    bank = bank_of(tmp_path, [*DEFAULT_FILTERS, "first-sentence"])
    assert bank.classes[0].texts == ["A cat is soft.", "A cat has fur.", "Cats purr."]


def test_what_a_filter_leaves_nothing_of_is_dropped(tmp_path: Path) -> None:
    def shorter(answer: Answer) -> Answer:
        return Answer(answer.text[12:])

    bank = bank_of(tmp_path, [shorter], ["A cat is soft.", "It purrs    ", "It purrs"])
    assert bank.classes[0].texts == ["t."]


def test_filters_without_some_of_them() -> None:
    chosen = choose_filters(without=["clean", "plain-text", "first-sentence"])
    assert list(chosen) == ["not-empty", "not-refusal", "not-non-answer", "whole-sentences"]


def test_a_filter_of_cupls_own_keeps_its_name() -> None:
    assert list(choose_filters([not_empty, clean])) == ["not-empty", "clean"]


def impostor(answer: Answer) -> Answer:
    return answer


impostor.__name__ = "clean"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["tidy"], "no filter is called 'tidy': use clean, not-empty, "),
        ("clean", r"filters is a list of names, such as \['clean'\]"),
        (["clean", "clean"], "two filters have the same name: clean, clean"),
        ([no_plurals, no_plurals], "same name"),
        ([lambda answer: answer], "needs a name: give a mapping"),
        ([Louder()], "needs a name: give a mapping"),
        ({"": no_plurals}, "needs a name"),
        ({"a\nb": no_plurals}, "needs a name"),
        ({3: no_plurals}, "needs a name"),
        ([3], "a filter is a function from an answer to an answer, not 3"),
        ({"mine": "clean"}, "a filter is a function"),
        ([impostor], "'clean' is a filter of cupl's own: give yours another name"),
        ({"not-empty": clean}, "'not-empty' is a filter of cupl's own"),
    ],
)
def test_what_is_no_filter(wanted: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_filters(wanted)


def test_without_what_is_no_filter() -> None:
    with pytest.raises(InputError, match="no filter is called 'x'"):
        choose_filters(without=["x"])


def test_a_filter_that_returns_something_else() -> None:
    filters: Mapping[str, Any] = choose_filters({"odd": lambda answer: answer.text})
    with pytest.raises(InputError, match=r"the filter .* returned 'A cat.', no Answer and no Drop"):
        apply_filters(Answer("A cat."), filters.values())


def test_every_filter_says_in_a_line_what_it_does() -> None:
    filters: Iterable[Filter] = FILTERS.values()
    for filter in filters:
        assert (filter.__doc__ or "").split("\n")[0].endswith(".")
