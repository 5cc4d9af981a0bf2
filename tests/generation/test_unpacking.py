import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.generation.filters import DEFAULT_FILTERS, Answer, apply_filters, why_unusable
from cupl.generation.unpacking import unpacked
from cupl.llm.protocol import Response

SAID = 'A "tree frog" is green.'
JSON = json.dumps({"description": SAID})


def through_the_filters(text: str) -> str | None:
    answer = apply_filters(Answer(text, "Describe a frog:"), DEFAULT_FILTERS.values())
    return answer.text if isinstance(answer, Answer) else None


@pytest.mark.parametrize(
    "text",
    [
        JSON,
        f"\n {JSON}\n",
        json.dumps({"text": SAID}),
        json.dumps([SAID]),
        json.dumps(SAID),
        json.dumps([{"caption": SAID}]),
        json.dumps({"Descriptions": [SAID]}),
        json.dumps({"class": "frog", "description": SAID, "tags": ["green"]}),
        json.dumps({"reasoning": "It croaks.", "answer": {"text": SAID}}),
        json.dumps({"tree frog": {"description": SAID}}, indent=2),
        f'"description": {json.dumps(SAID)}',
        f"{{'description': '{SAID}'}}",
        "{'frog': 'A \"tree frog\" is green.',}",
        f"```json\n{JSON}\n```",
        f"Here is the JSON:\n\n```json\n{JSON}\n```\n\nLet me know if you need more.",
        f"```\n{SAID}\n```",
        f"~~~text\n{SAID}\n~~~",
        f"````markdown\n{SAID}\n````",
        f"```json\n{JSON}",
        f"> {SAID}",
        f"<caption>{SAID}</caption>",
        f"<think>```json?```</think>\n```json\n{JSON}\n```<|im_end|>",
    ],
)
def test_a_description_in_json_or_a_block_is_taken_out(text: str) -> None:
    assert through_the_filters(text) == SAID
    assert why_unusable(Response(text)) is None


def test_the_items_of_a_list_are_those_of_a_written_one() -> None:
    assert through_the_filters(json.dumps(["A frog.", "It is green."])) == "A frog. It is green."
    assert through_the_filters('["large eyes", "green skin"]') == "large eyes, green skin."


@pytest.mark.parametrize(
    "text",
    [
        "```python\nprint('A frog is green.')\n```",
        '{"width": 3, "height": 4}',
        '{"first": "A frog is green.", "second": "A frog is small."}',
        '{"description": "A frog is gr',
        "{'a frog': ['is', 'green']}",
        '[["A frog is green."], 3]',
        '{"description": null}',
        "[" * 5000,
    ],
)
def test_what_holds_no_one_text_is_no_description(text: str) -> None:
    assert unpacked(text) == text or "\n" in text
    assert through_the_filters(text) is None


@pytest.mark.parametrize(
    "text",
    [
        'A sign says "STOP" and hangs on a pole.',
        "[A frog] is green.",
        "A brace { is curved.",
        "“A frog is green.”",
    ],
)
def test_other_texts_stay(text: str) -> None:
    assert unpacked(text) == text


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(texts, st.recursive(st.just("T"), lambda inner: st.lists(inner, min_size=1, max_size=1)
       | st.dictionaries(st.sampled_from(["answer", "frog"]), inner, min_size=1, max_size=1),
       max_leaves=3))  # fmt: skip
def test_one_text_is_found_wherever_it_lies(text: str, frame: object) -> None:
    packed = json.dumps(frame).replace('"T"', json.dumps(text))
    levels = packed.count("[") - text.count("[") + packed.count("{") - text.count("{")
    if frame != "T" and levels <= 5:
        assert unpacked(packed) == text


@given(st.text(st.sampled_from("{}[]\"':,\\`~ \nab1")))
def test_no_text_breaks_it(text: str) -> None:
    unpacked(text)
