import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.labels import ClassLabel
from cupl.classification.explanation import ClassExplanation, Explanation, PromptScore
from cupl.classification.part_lines import parse_line_of_0_1, parse_part_line, part_line
from cupl.classification.prediction import Prediction
from cupl.classification.ranked import RankedClasses, Ranking
from tests.strategies import texts

LABELS = [ClassLabel(f"class {number}", f"n{number}") for number in range(4)]
SIDE = ClassExplanation("class 1", "n1", 0.5, 0.25, (PromptScore("a frog", "What?", 0.5),), ())
singles = st.floats(width=32, allow_nan=False)


@st.composite
def predictions(draw: st.DrawFn) -> Prediction:
    """What a classifier makes of an image."""
    path = draw(st.none() | texts)
    if draw(st.booleans()):
        return Prediction(path=path, error=draw(texts))
    order = draw(st.permutations(range(len(LABELS))))
    numbers = [draw(st.lists(singles, min_size=4, max_size=4)) for _ in range(2)]
    columns = [np.array([column], dtype=np.float32) for column in numbers]
    ranking = Ranking(LABELS, np.array([order]), *columns)
    top, labels = (RankedClasses(ranking, 0, draw(st.integers(low, 4))) for low in (1, 0))
    explained = Explanation(path, SIDE) if draw(st.booleans()) else None
    return Prediction(top, path, None, draw(st.none() | texts), labels, explained)


@given(predictions())
def test_a_line_brings_back_the_prediction(prediction: Prediction) -> None:
    line = part_line(prediction)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert parse_part_line(line, LABELS) == prediction


@given(predictions(), st.floats(0, 1, exclude_max=True))
def test_a_line_that_is_cut_off_is_none(prediction: Prediction, kept: float) -> None:
    line = part_line(prediction)
    assert parse_part_line(line[: int(kept * len(line))], LABELS) is None


def best_of(number: int) -> Prediction:
    numbers = np.linspace(1, 0, number, dtype=np.float32)[None]
    ranking = Ranking(LABELS, np.arange(number)[None] % len(LABELS), numbers, numbers)
    return Prediction(RankedClasses(ranking, 0, number), "a.jpg")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"named": 2', b'"named": 3'),
        (b'"named": 2', b'"named": -1'),
        (b'"named": 2', b'"named": "2"'),
        (b'"labels": 0', b'"labels": 9'),
        (b'"path"', b'"Path"'),
        (b'"order": "', b'"order": "AAAA'),
        (b'"order": "AAAA', b'"order": "AAAB'),  # a class that there is not
        (b'"scores": "', b'"scores": "?'),
        (b'"scores": "', b'"scores": 7, "x": "'),
        (b'"explanation": null', b'"explanation": {"winner": 1}'),
    ],
)
def test_what_says_nothing_is_none(old: bytes, new: bytes) -> None:
    """Also where the checksum is right."""
    line = part_line(best_of(2))
    assert parse_part_line(line, LABELS) == best_of(2)
    assert old in line
    data = line.partition(b" ")[2].replace(old, new, 1)
    assert parse_part_line(b"%08x %b" % (zlib.crc32(data), data), LABELS) is None


@given(predictions(), st.integers(0))
def test_a_line_with_another_bit_is_none(prediction: Prediction, bit: int) -> None:
    line = bytearray(part_line(prediction))
    bit %= 8 * len(line)
    line[bit // 8] ^= 1 << bit % 8
    assert parse_part_line(bytes(line), LABELS) is None


def test_a_class_takes_sixteen_characters() -> None:
    assert len(part_line(best_of(1000))) - len(part_line(best_of(1))) < 17 * 999


@given(st.binary(max_size=40))
def test_what_is_no_line_is_none(junk: bytes) -> None:
    assert parse_part_line(junk + b"\n", LABELS) is None


def test_a_line_of_0_1() -> None:
    prediction = Prediction(tuple(best_of(2).top), "a.jpg")
    line = json.dumps(prediction.to_dict()).encode() + b"\n"
    assert parse_line_of_0_1(line, LABELS) == prediction
    assert parse_line_of_0_1(line[:-1], LABELS) is None
    assert parse_part_line(line, LABELS) is None, "it has no checksum"


@pytest.mark.parametrize(
    "best",
    [
        {"label": "zebra"},
        {"label": "class 1"},  # of another id
        {"score": 9e99},
        {"score": "0.5"},
        {"score": None},
        {"probability": float("nan")},
        {"probability": 7.5},
        {"id": []},
    ],
)
def test_a_line_of_0_1_that_no_classifier_wrote(best: dict[str, object]) -> None:
    record = Prediction(tuple(best_of(1).top), "a.jpg").to_dict()
    record["top"][0] |= best
    assert parse_line_of_0_1(json.dumps(record).encode() + b"\n", LABELS) is None
