import json
from typing import Any

import pytest
from pydantic import ValidationError

from cupl.evaluation.schema import CandidateResult, Comparison, Evaluation, Interval
from tests.report.evaluations import bare_evaluation, evaluation


def record(found: Evaluation) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(found.model_dump_json())
    return content


def test_the_file_keeps_its_keys_and_python_has_the_fields_words() -> None:
    found = evaluation()
    written = record(found)
    assert list(written) == [
        "format", "cupl", "encoder", "fingerprint", "images", "unreadable", "classes",
        "classes_with_images", "reference", "contenders", "analyses",
    ]  # fmt: skip
    assert list(written["analyses"][0]) == ["bank", "questions", "curve", "pulls", "losses"]
    assert Evaluation.model_validate(written) == found
    by_name = written | {"candidates": written.pop("contenders")}
    by_name.pop("contenders", None)
    assert Evaluation.model_validate(by_name) == found


def test_new_keys_stand_at_the_end_and_only_where_they_say_something() -> None:
    bank, control, _ = record(evaluation())["contenders"]
    assert list(bank)[-2:] == ["classes", "comparisons"]
    assert list(control)[-1] == "classes"
    assert list(bank["comparison"]) == ["to", "difference", "won", "lost", "p", "p_holm"]
    assert list(record(bare_evaluation())["contenders"][0])[-2:] == ["classes", "uncalibrated"]


def test_a_corrected_p_of_zero_is_written() -> None:
    none = Interval(value=0, low=0, high=0)
    comparison = Comparison(to="x", difference=none, won=0, lost=0, p=0.0, p_holm=0.0)
    assert json.loads(comparison.model_dump_json())["p_holm"] == 0


def test_what_is_no_evaluation() -> None:
    for changes in ({"contenders": 3}, {"more": 1}, {"format": "cupl-evaluation/2"}):
        with pytest.raises(ValidationError):
            Evaluation.model_validate(record(evaluation()) | changes)


def test_against_is_every_control_or_at_least_the_first() -> None:
    bank, control, words = evaluation().candidates
    assert [one.to for one in bank.against] == ["template", "random-words"]
    old: CandidateResult = bank.model_copy(update={"comparisons": []})
    assert old.against == [bank.comparison]
    assert (control.against, [one.to for one in words.against]) == ([], ["template"])
