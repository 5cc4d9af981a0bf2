import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.generation.pair_answers import names_class, told_apart

SKIN = ("skin", "A tree frog has wet skin.", "A toad has dry skin.")


@pytest.mark.parametrize(
    "text",
    [
        "skin | A tree frog has wet skin. | A toad has dry skin.",
        "1. **skin** | A tree frog has wet skin. | A toad has dry skin.",
        "skin | A toad has dry skin. | A tree frog has wet skin.",
        "skin | A tree frog has wet skin. | It has dry skin.",
        "skin: A tree frog has wet skin. | A toad has dry skin.",
        "| Attribute | Tree frog | Toad |\n|---|---|---|\n"
        "| skin | A tree frog has wet skin. | A toad has dry skin. |",
        '[{"attribute": "skin", "tree frog": "It has wet skin.", "toad": "It has dry skin."}]',
        '{"skin": {"Tree frogs": "It has wet skin.", "Toads": "A toad has dry skin."}}',
        '```json\n{"attributes": [{"feature": "skin", "a": "A tree frog has wet skin.", '
        '"b": "A toad has dry skin."}]}\n```',
        "1. skin:\n   - Tree frog: It has wet skin.\n   - **Toad**: It has dry skin.",
        "<think>size?</think>\nskin | A tree frog has wet skin. | A toad has dry skin.",
    ],
)
def test_both_sides_of_an_attribute_are_found(text: str) -> None:
    found = told_apart(text, "tree frog", "toad")
    assert found.rows == (SKIN,)
    assert not found.dropped


def test_a_phrase_is_told_of_its_class() -> None:
    text = "Skin:\nTree frog: Smooth and wet\nToad: Its skin is dry"
    assert told_apart(text, "tree frog", "toad").rows == (
        ("Skin", "A tree frog, skin: smooth and wet", "A toad's skin is dry"),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no attribute"),
        ("Both of them are small animals.", "no attribute"),
        (" | A tree frog is wet. | A toad is dry.", "no attribute"),
        ("what one sees of it when it rains | A tree frog is wet. | A toad is dry.",
         "no attribute"),
        ("skin | A tree frog is wet.", "only one side"),
        ("skin | A tree frog is wet. | -", "only one side"),
        ("1. Skin:\n   - Toad: dry", "only one side"),
        ("skin | It is wet. | It is dry.", "names neither class"),
        ("skin | A newt is wet. | An eft is dry.", "names neither class"),
        ("skin | A tree frog is an animal. | The toad is an animal.", "the same on both sides"),
        ("I'm sorry, I can't help with that.", "refusal"),
        ("skin | I'm sorry, a tree frog? | I cannot tell a toad.", "refusal"),
    ],
)  # fmt: skip
def test_nonsense_is_dropped_and_counted(text: str, reason: str) -> None:
    found = told_apart(text, "tree frog", "toad")
    assert found.rows == ()
    assert found.dropped == {reason: 1}


def test_no_more_attributes_than_asked_for_and_none_twice() -> None:
    row = "part {} | A tree frog shows {}. | A toad shows no {}."
    text = "\n".join(row.format(i, f"sign{i}", f"sign{i}") for i in (1, 1, 2, 3))
    found = told_apart(text, "tree frog", "toad", most=2)
    assert [attribute for attribute, _, _ in found.rows] == ["part 1", "part 2"]
    assert found.dropped == {"an attribute twice": 1, "more than asked for": 1}


@given(
    st.text() | st.text(alphabet="ab|:\n-*1. {}[]\"'toad"),
    st.sampled_from(["toad", "a {b}", "crane, bird", "蟾蜍"]),
)
def test_whatever_is_said_each_side_names_its_class(text: str, name: str) -> None:
    for attribute, first, second in told_apart(text, name, "b c").rows:
        assert attribute
        assert names_class(first, name)
        assert names_class(second, "b c")
