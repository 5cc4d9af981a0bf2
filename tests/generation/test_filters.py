import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.wording import same_text
from cupl.generation.filters import DEFAULT_FILTERS, Answer, Dropped, apply_filters

QUESTION = "Describe what a tree frog looks like:"


def kept(text: str, finish_reason: str = "stop", stop: tuple[str, ...] = ()) -> str | None:
    """What the filters leave of an answer, or None; what they drop is tested with `reason`."""
    result = apply_filters(Answer(text, QUESTION, finish_reason, stop), DEFAULT_FILTERS.values())
    return None if isinstance(result, Dropped) else result.text


def reason(text: str, finish_reason: str = "stop", stop: tuple[str, ...] = ()) -> str | None:
    result = apply_filters(Answer(text, QUESTION, finish_reason, stop), DEFAULT_FILTERS.values())
    return result.reason if isinstance(result, Dropped) else None


@pytest.mark.parametrize(
    "text",
    [
        "A tree frog is a small frog with large toe pads.",
        "A frog was first seen in 1942.",
        "It is about 5.3 cm long, e.g. as long as a thumb (or a toe).",
        "A St. Bernard is a dog bred by Dr. Smith in the U.S. for approx. 200 years.",
        'A "tree frog" is green; it\'s small!',
        "'Bubbly' material looks like foam with 'holes' in it.",
        "There is a single horn on its snout.",
        "There is a red spot on the right side of its head.",
        "It has no specific colour but changes with its ground.",
        "The stick insect is difficult to see because it looks like a twig.",
        "Certainly one of the most recognizable birds, the toucan has a large bill.",
        "Sure-footed goats are small animals, with beards.",
        "Unknown to many, the frog is blue.",
        "The user of a wheelchair sits between two large wheels.",
        "First, the frog is green; so are its legs.",
        "The robot, sold as an AI-powered toy, is white.",
        "The question mark butterfly has ragged wings with a silver question mark on them.",
        "iPods are small portable media players made by Apple.",
        "A sleeping bag is a padded bag that is used for sleeping in.",
        "The hands of a clock show what time it is.",
        "snake_case_name is a 2*3*4 thing.",
        "Ein Laubfrosch ist ein kleiner, grüner Frosch.",
        "La rainette est verte : elle vit dans les arbres.",
        "树蛙是一种小型两栖动物。",
        "ضفدع الشجر صغير وأخضر اللون.",
        "می‌تواند سبز باشد.",
        "मेंढक एक छोटा हरा जानवर है।",
        "「树蛙」是一种小型两栖动物。",
    ],
)
def test_a_good_answer_is_left_as_it_is(text: str) -> None:
    assert kept(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Sure! Here is a description of a tree frog:\n\nIt is small and green.",
        "Certainly! It is **small** and *green*.",
        "Okay, here's what it looks like: It is small and green.",
        "**Tree frog**\n\nIt is small and green.",
        "### Tree Frog\nIt is small and `green`.",
        "- It is small and green.",
        "1. It is small and green.",
        '"It is small and green."',
        '"It is small and green".',
        "“It is small and green.”",
        "'It is small and green.'",
        '"It is small and green.',
        "It is small and green 🐸🌿",
        "🐸 It is small and green.",
        "It is small and green...",
        "It is small and green …",
        "It is small and green .",
        "It is small and green",
        "It is\r\n  small\tand\u00a0green.",
        "It is small\u200b and\u202e green.\x00",
        "<think>A frog, then.</think>\nIt is small and green.",
        "the end of a thought </think> It is small and green.",
        f"{QUESTION}\nIt is small and green.",
        f"{QUESTION.lower()} It is small and green.",
        "What does a frog look like? It is small and green.",
        "Answer: It is small and green.",
        " in as much detail as possibleIt is small and green.",
        ":It is small and green.",
        "It is small and green.\n\nWhat is a toad?\nIt is brown.",
        "It is small and green.\nDescribe a toad:\nA toad is",
        "It is small and green. Would you like to know more?",
        "It is small and green.\n\nLet me know if you need more!",
        "It is small and green.\n\n(Word count: 5)",
        "It is small and green [1].\nSources: [1] frogs",
        "It is small【3†source】 and green.",
        "Final answer: \\boxed{It is small and green.}",
        "It is small and green.<|im_end|>",
        "<|START_RESPONSE|>It is small and green.</s>",
    ],
)
def test_what_wraps_a_description_is_taken_off(text: str) -> None:
    assert kept(text) == "It is small and green."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A frog is small. It has toe pads that help it cl", "A frog is small."),
        ("A frog is about 5.3 cm long. It weighs 2.", "A frog is about 5.3 cm long."),
        ("A St. Bernard is a dog. It was bred by Dr. No in the U.S.", "A St. Bernard is a dog."),
        ("Frogs, birds, etc. are animals. They", "Frogs, birds, etc. are animals."),
        ("It stands 6 ft. tall. It weighs", "It stands 6 ft. tall."),
        ("It is green. It has pads (e.g. on toes. It", "It is green."),
        ("It is 绿色。它有大大的", "It is 绿色。"),
        ("1. A frog.\n2. A frog with red eyes.\n3. A fr", "A frog. A frog with red eyes."),
        ("It is green. \ud83d", "It is green."),
        ("It flies as the Boeing 737.", "It flies as the Boeing 737."),
        ("A car was built in 1969.", "A car was built in 1969."),
        ("It is a scent, Chanel No. 5.", "It is a scent, Chanel No. 5."),
        ("It is a jet, the F-16.", "It is a jet, the F-16."),
    ],
)  # fmt: skip
def test_an_answer_cut_by_length_ends_with_its_last_whole_sentence(
    text: str, expected: str
) -> None:
    assert kept(text, "length") == expected


def test_the_items_of_a_list_become_a_sentence() -> None:
    text = "A frog has:\n- a small body\n- green skin;\n* toe pads"
    assert kept(text) == "A frog has: a small body, green skin; toe pads."


@pytest.mark.parametrize(
    "text", ["A plane like the Boeing 737", "It is an Airbus A380", "Drawn in 1969"]
)
def test_a_number_in_a_name_is_no_cut(text: str) -> None:
    assert kept(text, stop=(".",)) == text + "."


@pytest.mark.parametrize(
    "text", ["A frog is about 5", "A frog lives in the U", "The hero of the St"]
)
def test_what_a_stop_text_cut_in_a_number_or_abbreviation(text: str) -> None:
    assert reason(text, stop=(".",)) == "cut off"
    assert kept(text, stop=("\n",)) == text + "."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (".", "empty"),
        (" \n\n ", "empty"),
        ("🐸🐸", "empty"),
        ("<think>The user wants a frog", "empty"),
        ("Here is an image of a frog:.", "empty"),
        ("a.", "too short"),
        ("The U.", "too short"),
        ("imagenotavailable.", "too short"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("I’m sorry, I can’t describe that.", "refusal"),
        ("As an AI, my view of frogs is limited.", "refusal"),
        ("I was unable to find the flower silverbush.", "refusal"),
        ("There is no definitive answer to this question.", "non-answer"),
        ("There isn't one specific way to describe a frog.", "non-answer"),
        ("There are many frogs, so it is difficult to give a description.", "non-answer"),
        ("It depends on the frog.", "non-answer"),
        ("The look of a stage can vary depending on the stage.", "non-answer"),
        ("Which frog are you referring to?.", "non-answer"),
        ("I don’t know.", "non-answer"),
        ("Okay, so the user wants a description of a frog. It is green.", "non-answer"),
        ("We need to write one sentence on a frog. It is green.", "non-answer"),
        ("Hmm, let me think about frogs. They are green.", "non-answer"),
        ("Look at https://example.org/frog for a frog.", "URL or markup"),
        ("The website www", "URL or markup"),
        ("Look at [this frog](frog.html).", "URL or markup"),
        ("<p>A frog is green.</p>", "URL or markup"),
        ("| Color | Size |\n|---|---|\n| green | small |", "URL or markup"),
        ('A frog is {"color": "green"}.', "URL or markup"),
        ("A frog &amp; a toad are green.", "URL or markup"),
        ("A frog is **known for its large", "URL or markup"),
        ("A frog has the", "cut off"),
        ("A frog has eyes, toes, and.", "cut off"),
        ("The marks of a frog are:1.", "cut off"),
        ("A frog is long (2.", "cut off"),
    ],
)  # fmt: skip
def test_what_is_dropped_has_a_reason(text: str, expected: str) -> None:
    assert reason(text) == expected


def test_an_answer_of_which_no_sentence_is_whole() -> None:
    assert reason("A tree frog is a small frog with", "length") == "cut off"
    assert reason("A tree frog weighs about 5.", "length") == "cut off"


def check_kept(text: str, finish_reason: str) -> None:
    result = kept(text, finish_reason)
    if result is not None:
        assert result == " ".join(result.split())
        result.encode()
        odd = {char for char in result if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co")}
        assert odd <= {"\u200c", "\u200d"}


@given(st.text(), st.sampled_from(["stop", "length"]))
def test_what_is_kept_is_one_clean_line(text: str, finish_reason: str) -> None:
    check_kept(text, finish_reason)


@pytest.mark.parametrize("finish_reason", ["stop", "length"])
@pytest.mark.parametrize(
    "piece",
    [
        "*a ", "( ", "a.b. ", "\n", "\n ", " ", "<think>", "1. ", "_a", '"', "|", "no ", "<a ",
        "- \n", "here is ", "what ", "not one ", "`a ", "a,", "**", "{", "?", ".?", "A", "U.S. ",
    ],
)  # fmt: skip
def test_a_hostile_answer_gets_through_the_patterns(piece: str, finish_reason: str) -> None:
    """One that makes a pattern backtrack would hang the run, and this test, for minutes."""
    check_kept("a" + (piece * 20_000)[:19_998] + "b", finish_reason)


def test_the_same_words_are_the_same_text() -> None:
    assert same_text("A frog, GREEN!") == same_text("a frog green.")
    assert same_text("…") == ""


def test_what_a_content_filter_cut_is_a_refusal() -> None:
    answer = Answer("A gun is a long metal tube.", finish_reason="content_filter")
    assert apply_filters(answer, DEFAULT_FILTERS.values()) == Dropped("refusal")
