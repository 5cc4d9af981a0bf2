import re

import pytest

from cupl.evaluation.made_by import BankFacts, DataFacts, MadeBy, digest_of_labels, made_now
from cupl.io.command import running


def test_the_record_names_command_date_and_version() -> None:
    with running("cupl evaluate photos/"):
        record = made_now(banks=[BankFacts(name="frogs", digest="a" * 64, prompts=3)])
    assert record.command == "cupl evaluate photos/"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record.date)
    assert made_now().command is None
    assert MadeBy.model_validate_json(record.model_dump_json()) == record


def test_a_given_date_makes_the_same_bytes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert made_now().date == "1970-01-01T00:00:00Z"


def test_what_is_not_a_field_is_a_setting_and_what_is_not_given_is_none() -> None:
    record = made_now(pooling=("mean",), threshold=0.5, multi_label=True, reject=None, adapt=False)
    assert record.settings == {"threshold": "0.5", "multi label": "yes"}
    shown = dict(record.rows())
    assert shown["Pooling"] == "mean"
    assert "Templates" not in shown


def test_rows_name_what_is_known() -> None:
    record = made_now(
        banks=[BankFacts(name="frogs", digest="ab" * 32, prompts=1200)],
        data=[DataFacts(path="photos/", images=1, labels="l.csv", digest="cd" * 32)],
    )
    shown = dict(record.rows())
    assert shown["Bank"] == "frogs, 1,200 prompts, digest abababababababab"
    assert shown["Images"] == "photos/, 1 image, labels of l.csv, digest of the labels " + "cd" * 8


def test_the_digest_is_of_names_and_labels_wherever_the_folder_lies() -> None:
    one = digest_of_labels(["/a/data/x/1.png", "/a/data/y/2.png"], ["x", "y"])
    assert one == digest_of_labels(["/other/x/1.png", "/other/y/2.png"], ["x", "y"])
    assert one != digest_of_labels(["/a/data/x/1.png", "/a/data/y/2.png"], ["y", "x"])
    assert one != digest_of_labels(["/a/data/x/1.png", "/a/data/y/3.png"], ["x", "y"])
    assert one == digest_of_labels(["x/1.png", "y/2.png"], ["x", "y"])
    digest_of_labels([], [])
    digest_of_labels(["no\udce9text.png"], ["x"])
