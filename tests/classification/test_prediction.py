import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.classification.explanation import ClassExplanation, Explanation, PromptScore
from cupl.classification.prediction import Prediction, Score
from cupl.classification.writers import columns_of, json_lines
from tests.strategies import texts

KEYS = [
    *["path", "label", "id", "score", "probability", "error"],
    *["top", "rejected", "labels", "explanation"],
]
numbers = st.floats(-1, 1)
scores = st.builds(Score, texts, st.none() | texts, numbers, numbers)
prompts = st.lists(st.builds(PromptScore, texts, texts, numbers), max_size=2).map(tuple)
sides = st.builds(ClassExplanation, texts, st.none() | texts, numbers, numbers, prompts, prompts)


@st.composite
def predictions(draw: st.DrawFn) -> Prediction:
    path = draw(st.none() | texts)
    if error := draw(st.none() | texts):
        return Prediction(path=path, error=error)
    return Prediction(
        tuple(draw(st.lists(scores, min_size=1, max_size=3))),
        path,
        None,
        draw(st.none() | texts),
        tuple(draw(st.lists(scores, max_size=2))),
        draw(st.none() | st.builds(Explanation, st.just(path), sides, st.none() | sides)),
    )


FROG = Score("tree frog", "n1", 0.31, 0.75)
TOAD = Score("toad", None, 0.2, 0.25)
GOOD = Prediction((FROG, TOAD), "a.jpg")
BAD = Prediction(path="half.jpg", error="the image is cut off")
REJECTED = Prediction((FROG,), "wall.jpg", rejected="none of these: a wall")


@given(predictions())
def test_a_record_brings_the_prediction_back(prediction: Prediction) -> None:
    record = prediction.to_dict()
    assert list(record) == KEYS
    assert Prediction.from_dict(record) == prediction
    assert Prediction.from_dict(json.loads(json.dumps(record))) == prediction


@given(predictions())
def test_a_record_is_what_json_lines_say(prediction: Prediction) -> None:
    every = columns_of(rejected=True, labels=True, explanation=True)
    [line] = json_lines([prediction], 5, every)
    assert json.loads(line) == prediction.to_dict()
    [short] = json_lines([prediction], 5)
    assert list(json.loads(short)) == KEYS[:7]


def test_the_values_of_a_record() -> None:
    record = GOOD.to_dict()
    frog = {"label": "tree frog", "id": "n1", "score": 0.31, "probability": 0.75}
    assert record == {
        **{"path": "a.jpg", **frog, "error": None},
        "top": [frog, {"label": "toad", "id": None, "score": 0.2, "probability": 0.25}],
        **{"rejected": None, "labels": [], "explanation": None},
    }
    assert (REJECTED.to_dict()["label"], REJECTED.to_dict()["score"]) == (None, 0.31)


@pytest.mark.parametrize("record", [{}, {"top": [{"label": "x"}]}, {"top": [], "path": "x"}])
def test_what_is_no_record(record: dict[str, object]) -> None:
    with pytest.raises((TypeError, KeyError)):
        Prediction.from_dict(record)


@pytest.mark.parametrize("wrong", [
    {"path": 5}, {"path": "\ud800.jpg"}, {"error": ["no"]}, {"rejected": {"a": 1}},
    {"top": [{"label": None, "id": None, "score": 0.1, "probability": 0.1}]},
    {"top": [{"label": "\udfff", "id": None, "score": 0.1, "probability": 0.1}]},
    {"top": [{"label": "x", "id": 7, "score": 0.1, "probability": 0.1}]},
    {"top": [{"label": "x", "id": None, "score": "0.1", "probability": 0.1}]},
    {"top": [{"label": "x", "id": None, "score": float("nan"), "probability": 0.1}]},
    {"top": [{"label": "x", "id": None, "score": 0.1, "probability": 10**400}]},
    {"labels": [{"label": ["x"], "id": None, "score": 0.1, "probability": 0.1}]},
    {"explanation": {"winner": {"label": "x", "id": None, "score": None, "probability": 1.0,
                                "speak_for": [], "speak_against": []}, "runner_up": None}},
    {"explanation": {"winner": {"label": "x", "id": None, "score": 0.1, "probability": 1.0,
                                "speak_for": [{"text": 1, "question": "", "cosine": 0.1}],
                                "speak_against": []}, "runner_up": None}},
    {"explanation": {"winner": "abc", "runner_up": None}},
])  # fmt: skip
def test_a_record_of_other_types(wrong: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Prediction.from_dict(GOOD.to_dict() | wrong)


def test_a_record_of_an_explanation() -> None:
    side = ClassExplanation("toad", None, 0.2, 0.25, (PromptScore("warts", "What?", 0.1),), ())
    explanation = Explanation("a.jpg", side)
    record = explanation.to_dict()
    assert list(record) == ["path", "winner", "runner_up", "error"]
    assert record["winner"]["speak_for"] == [{"text": "warts", "question": "What?", "cosine": 0.1}]
    assert Explanation.from_dict(record) == explanation
    assert Explanation.from_dict(Explanation(error="gone").to_dict()).error == "gone"


def test_a_table_in_one_line() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(one.to_dict() for one in [GOOD, BAD, REJECTED])
    assert list(table.columns) == KEYS
    assert table["label"].dropna().to_dict() == {0: "tree frog"}
    assert table["score"].dropna().to_dict() == {0: 0.31, 2: 0.31}
    assert table["error"].dropna().to_dict() == {1: BAD.error}
    assert table["rejected"].dropna().to_dict() == {2: REJECTED.rejected}
    side = ClassExplanation("toad", None, 0.2, 0.25, (), ())
    explained = pandas.json_normalize([Explanation("a.jpg", side).to_dict()])
    assert explained["winner.label"].tolist() == ["toad"]
