import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.labels import ClassLabel, check_label
from cupl.bank.same_name import same_name
from cupl.generation.listed_names import NO_LIST, listed_names

TWO = ("toad", "newt")


@pytest.mark.parametrize(
    "text",
    [
        "1. **toad** - brown and warty.\n   - short legs\n2. **newt**: a small lizard",
        "1) toad\n2) newt",
        "1. toad 2. newt",
        "- - toad\n- - newt",
        "**1. toad**\n**2. newt**",
        "toad\n2. newt",
        "Here are two of them:\n\n- a toad\n- the newt.\n\nLet me know if you want more.",
        "• toad\n• newt",
        "a) toad\nb) newt",
        "toad\nnewt\n",
        "toad, newt.",
        "toad; newt",
        "Sure! Here are two look-alikes: toad, and newt",
        '["toad", "newt"]',
        "['toad', 'newt']",
        '```json\n{"names": [{"name": "toad", "why": "brown"}, {"name": "newt"}]}\n```',
        '{"toad": "it is brown", "newt": null}',
        '{"answer": "toad, newt"}',
        '{"1": "toad", "2": "newt"}',
        "| # | Name | Why |\n|---|---|---|\n| 1 | toad | brown |\n| 2 | newt | small |",
        "1. Amphibians:\n   - toad\n   - newt",
        "Look-alike 1: toad\nLook-alike 2: newt",
        "- “toad” (Bufo bufo)\n- [newt](https://example.org/newt)",
        "<think>1. frog</think>\n1. toad\n2. newt",
        "- toad, which is brown\n- newt — small, and wet",
    ],
)
def test_names_are_found_in_every_form_of_a_list(text: str) -> None:
    found = listed_names(text)
    assert found.names == TWO
    assert not found.dropped


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("蟾蜍、蝾螈、壁虎。", ("蟾蜍", "蝾螈", "壁虎")),
        ("1、蟾蜍\n2、蝾螈", ("蟾蜍", "蝾螈")),
        ("Kröte, Molch und Eidechse", ("Kröte", "Molch", "Eidechse")),
        ("1. Жаба — серая\n2. Тритон", ("Жаба", "Тритон")),
        ("- St. Bernard\n- Boeing 737-800\n- A Clockwork Orange",
         ("St. Bernard", "Boeing 737-800", "A Clockwork Orange")),
        ("tree frog", ("tree frog",)),
    ],
)  # fmt: skip
def test_names_stay_as_they_are_spelled(text: str, names: tuple[str, ...]) -> None:
    assert listed_names(text).names == names


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", NO_LIST),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("- toad\n- newt\n- I cannot think of another", "refusal"),
        ("The tree frog is a small, green animal.", "a sentence, no name"),
        ("- toad\n- newt\n- Toads", "named twice"),
        ("[Name 1], [Name 2]", "a placeholder"),
        ("- toad\n- ...", "no name"),
        ("- one two three four five six seven", "too long for a name"),
        ("- toad\n- things that look like a frog", "the question again"),
        ("- toad\n- www.toads.org", "URL or markup"),
    ],
)
def test_nonsense_is_dropped_and_counted(text: str, reason: str) -> None:
    found = listed_names(text, "Name two things that look like a frog:")
    assert found.dropped[reason] > 0
    assert set(found.names) <= set(TWO)


def test_no_more_names_than_asked_for() -> None:
    found = listed_names("\n".join(f"{i}. kind{i}x" for i in range(1, 501)), most=3)
    assert found.names == ("kind1x", "kind2x", "kind3x")
    assert found.dropped == {"more than asked for": 497}


def test_half_a_name_at_the_end_of_a_cut_answer_is_none() -> None:
    found = listed_names("1. toad\n2. newt\n3. salaman", finished=False)
    assert found.names == TWO
    assert found.dropped == {"cut off": 1}


@given(st.text() | st.text(alphabet="ab 1.*-:,;()[]{}\"'|#`\n", max_size=200))
def test_of_any_text_each_name_can_be_a_class_and_stands_once(text: str) -> None:
    names = listed_names(text).names
    for name in names:
        check_label(ClassLabel(name))
    assert len({same_name(name) for name in names}) == len(names)
