from pathlib import Path

import pytest

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.errors import InputError, MissingFileError
from cupl.evaluation.candidates import align, load_banks, make_candidates
from cupl.evaluation.judging import judge_candidates
from tests.evaluation.planted import PlantedEncoder, images_at, planted_bank

GOOD = {"What is {}?": ["A {}.", "One {}."]}


def test_banks_are_compared_class_by_class_whatever_their_order_and_names() -> None:
    first = PromptBank(name="first", classes=[
        ClassPrompts(name="missile", id="n1", prompts={"": ["class 0"]}),
        ClassPrompts(name="missile", id="n2", aliases=["rocket"], prompts={"": ["class 1"]}),
        ClassPrompts(name="tree frog", id="n3", prompts={"": ["class 2"]}),
    ])  # fmt: skip
    other = PromptBank(name="other", classes=[
        ClassPrompts(name="bird", prompts={"": ["class 5"]}),
        ClassPrompts(name="Tree_frog", prompts={"": ["class 3"]}),
        ClassPrompts(name="missile", prompts={"": ["class 4"]}),
    ])  # fmt: skip
    _, second = align([first, other])
    assert [entry.label for entry in second] == [
        entry.label for entry in (*first.classes[:2], second.classes[2])
    ]
    assert second.classes[2].label.aliases == ("Tree_frog",)
    assert [entry.texts for entry in second] == [["class 4"], ["class 4"], ["class 3"]]
    candidates = make_candidates([first, second], [])
    judge_candidates(images_at([(0, 0)], 6), candidates, PlantedEncoder(6))
    with pytest.raises(
        InputError, match=r"'first' has no class 'bird' and 1 more, which 'other' has"
    ):
        align([other, first])


def test_two_of_one_name_are_refused() -> None:
    good = planted_bank(6, GOOD)
    with pytest.raises(InputError, match="two banks or controls are named 'planted'"):
        make_candidates([good, good], [])
    with pytest.raises(InputError, match="two banks or controls are named 'photo'"):
        make_candidates([planted_bank(6, GOOD, "photo")], ["photo"])


def test_banks_come_alone_or_together_and_from_files(tmp_path: Path) -> None:
    one, other = planted_bank(2, GOOD, "one"), planted_bank(2, GOOD, "other")
    one.save(tmp_path / "old.yaml")
    one.save(tmp_path / "new.yaml")
    assert load_banks(one) == [one]
    assert load_banks(str(tmp_path / "old.yaml")) == load_banks(tmp_path / "old.yaml") == [one]
    assert load_banks([one, other]) == [one, other]
    both = load_banks([tmp_path / "old.yaml", tmp_path / "new.yaml"])
    assert [bank.name for bank in both] == ["old", "new"]
    mixed = load_banks([one, tmp_path / "new.yaml"])
    assert [bank.name for bank in mixed] == ["one", "one"]
    with pytest.raises(InputError, match="name at least one bank"):
        load_banks([])
    with pytest.raises(MissingFileError, match="no such file"):
        load_banks(tmp_path / "no.yaml")
