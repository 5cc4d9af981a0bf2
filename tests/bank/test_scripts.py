"""The end of a sentence in other scripts than Latin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.wording import full_stop_for, sentences_of

WHOLE = [
    "青蛙是绿色的小动物。",
    "青蛙是绿色的！",
    "青蛙是绿色的｡",
    "青蛙是绿色的．",
    "青蛙说：“我是绿色的。”",
    "青蛙（很小。）",
    "カエルは緑です。」",
    "개구리는 녹색이다.",
    "मेंढक एक छोटा हरा जानवर है।",
    "मेंढक हरा है॥",
    "ব্যাঙ সবুজ।",
    "ضفدع صغير أخضر.",
    "هل هو أخضر؟",
    "مینڈک چھوٹا ہے۔",
    "እንቁራሪት አረንጓዴ ነው።",
    "Գորտը կանաչ է։",
    "ဖားသည် ငယ်သည်။",
    "កង្កែបពណ៌បៃតង។",
    "སྦལ་པ་ལྗང་ཁུ།",
]


@pytest.mark.parametrize("text", WHOLE)
@pytest.mark.parametrize("finished", [True, False])
def test_a_sentence_ends_in_its_own_script(text: str, finished: bool) -> None:
    assert sentences_of(text, finished=finished) == text


@pytest.mark.parametrize(
    ("text", "stop"),
    [
        ("A frog is green", "."),
        ("Лягушка зелёная", "."),
        ("ضفدع صغير أخضر", "."),
        ("개구리는 녹색이다", "."),
        ("青蛙是绿色的", "。"),
        ("カエルは緑です", "。"),
        ("मेंढक हरा है", "।"),
        ("ব্যাঙ সবুজ", "।"),
        ("Գորտը կանաչ է", "։"),
        ("እንቁራሪት አረንጓዴ ነው", "።"),
        ("កង្កែបពណ៌បៃតង", "។"),
        ("กบเป็นสัตว์ตัวเล็ก", ""),
        ("12", "."),
        ("", "."),
    ],
)
def test_a_full_stop_is_that_of_the_script(text: str, stop: str) -> None:
    assert full_stop_for(text) == stop
    if text[:1].isalpha():
        assert sentences_of(text) == text + stop


@pytest.mark.parametrize("text", ["青蛙是绿色的，", "它有（", "绿色、", "ضفدع،"])
def test_what_has_to_go_on_is_cut_off(text: str) -> None:
    assert sentences_of(text) is None


def test_what_was_cut_off_ends_with_the_sentence_before() -> None:
    assert sentences_of("青蛙很小。它有大大的", finished=False) == "青蛙很小。"
    assert sentences_of("मेंढक हरा है। यह", finished=False) == "मेंढक हरा है।"
    assert sentences_of("Es hat ５．３ Zentimeter", finished=False) is None


@given(st.sampled_from(WHOLE), st.sampled_from(WHOLE))
def test_sentences_that_are_whole_stay_whole_together(one: str, other: str) -> None:
    assert sentences_of(f"{one} {other}", finished=False) == f"{one} {other}"
