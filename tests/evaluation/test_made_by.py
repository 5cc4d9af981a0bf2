import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cupl.bank.labels import ClassLabel
from cupl.bank.lookup import ClassIndex
from cupl.bank.source import Source
from cupl.evaluation.comparison_plan import plan_comparison
from cupl.evaluation.labelled import ImageMatcher, LabelledImages, digest_of_data
from cupl.evaluation.made_by import BankFacts, DataFacts, MadeBy, made_now
from cupl.io.command import running
from tests.models import bank_of


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
    assert shown["Images"] == "photos/, 1 image, labels of l.csv, digest " + "cd" * 8


def labelled(root: Path, bank_name: str = "cat", **files: str) -> LabelledImages:
    """What a folder of files "cat_1" and so on becomes with a bank of two classes."""
    for name, content in files.items():
        path = root / name.replace("_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    paths = sorted(str(path) for path in root.rglob("*") if path.is_file())
    matcher = ImageMatcher(ClassIndex([ClassLabel(bank_name, None, ("cat",)), ClassLabel("dog")]))
    for one in paths:
        matcher.add(one, Path(one).parent.name)
    return matcher.done()


def test_the_digest_is_of_the_photos_and_their_labels_as_given(tmp_path: Path) -> None:
    data = labelled(tmp_path / "a", cat_1="x", dog_2="y")
    digest = digest_of_data(data)
    moved = labelled(tmp_path / "elsewhere" / "b", cat_1="x", dog_2="y")
    assert digest == digest_of_data(moved)
    assert digest == digest_of_data(labelled(tmp_path / "a", "house cat"))
    backwards = replace(data, paths=data.paths[::-1], labels=data.labels[::-1])
    assert digest == digest_of_data(backwards)
    others = [
        labelled(tmp_path / "c", cat_1="x", dog_2="z"),
        labelled(tmp_path / "d", cat_1="x", dog_3="y"),
        labelled(tmp_path / "e", dog_1="x", cat_2="y"),
        labelled(tmp_path / "f", cat_1="x"),
        replace(data, labels=["dog", "cat"]),
    ]
    assert len({digest, *map(digest_of_data, others)}) == 6


def test_the_digest_of_vectors_is_of_the_vectors() -> None:
    data = LabelledImages(["1", "2"], [0, 1], torch.eye(2))
    digest = digest_of_data(data)
    assert digest != digest_of_data(replace(data, vectors=2 * torch.eye(2)))
    assert digest != digest_of_data(replace(data, targets=[1, 0]))
    digest_of_data(LabelledImages([], []))


def test_what_cannot_be_read_has_a_digest() -> None:
    digest_of_data(LabelledImages(["no\udce9text.png", "nul\0.png"], [0, 1]))


def test_a_bank_names_its_file_and_the_language_model() -> None:
    bank = bank_of({"cat": ["A cat."]}, "cats")
    bank = bank.model_copy(update={"source": Source(model="mini-llm")})
    facts = BankFacts.of(bank, "banks/cats.yaml")
    assert str(facts).startswith("cats, banks/cats.yaml, by mini-llm, 1 prompt, digest ")
    assert {one.split()[0] for one in made_now().software} == {"torch", "transformers", "Pillow"}


def test_a_plan_knows_the_files_of_its_banks(tmp_path: Path) -> None:
    one, other = bank_of({"cat": ["A cat."]}, "one"), bank_of({"cat": ["Cats."]}, "other")
    other.save(tmp_path / "o.yaml")
    plan = plan_comparison(one, f"mine={tmp_path}/o.yaml+one", controls="names")
    assert plan.files == [None, f"{tmp_path}/o.yaml"]
