"""What a bank says of itself: where its prompts come from, and what was done to them since."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.source import PruningFacts, Source
from cupl.errors import InputError

PRUNED = PruningFacts(by="redundancy", threshold=0.95, keep=3, encoder="openai/clip", dropped=2)


def made(**source: Any) -> PromptBank:
    """As a run makes it."""
    prompts = {"What?": ["A frog is green.", "A frog leaps."]}
    return PromptBank(
        name="frogs",
        source=Source(**{"model": "m"} | source),
        classes=[ClassPrompts(name="frog", prompts=prompts), ClassPrompts(name="newt", prompts={
            "What?": ["A newt is wet."]})],
    )  # fmt: skip


def saved(bank: PromptBank, folder: Path) -> Source | None:
    """What the file says."""
    bank.save(folder / "bank.yaml")
    return PromptBank.load(folder / "bank.yaml").source


def other_prompts(bank: PromptBank) -> PromptBank:
    bank.classes[0].prompts["What?"][0] = "A frog is blue."
    return bank


def fewer_classes(bank: PromptBank) -> PromptBank:
    return bank.model_copy(update={"classes": bank.classes[:1]})


def other_order(bank: PromptBank) -> PromptBank:
    bank.classes.reverse()
    return bank


def another_alias(bank: PromptBank) -> PromptBank:
    entry = bank.classes[0].model_copy(update={"aliases": ["hopper"]})
    return bank.model_copy(update={"classes": [entry, *bank.classes[1:]]})


def another_question(bank: PromptBank) -> PromptBank:
    bank.classes[0].prompts = {"How?": bank.classes[0].texts}
    return bank


def through_pickle(bank: PromptBank) -> PromptBank:
    copied: PromptBank = pickle.loads(pickle.dumps(bank))  # noqa: S301 (our own)
    return other_prompts(copied)


def through_deepcopy(bank: PromptBank) -> PromptBank:
    return other_prompts(copy.deepcopy(bank))


EDITS = [
    other_prompts, fewer_classes, other_order, another_alias, another_question, through_pickle,
    through_deepcopy,
]  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("loaded", [True, False])
def test_an_edited_bank_says_so(tmp_path: Path, edit: Any, loaded: bool) -> None:
    bank = made()
    if loaded:
        bank.save(tmp_path / "made.yaml")
        bank = PromptBank.load(tmp_path / "made.yaml")
    assert saved(edit(bank), tmp_path) == Source(model="m", edited=True)


def test_an_edit_stays_one(tmp_path: Path) -> None:
    saved(other_prompts(made()), tmp_path)
    again = PromptBank.load(tmp_path / "bank.yaml")
    assert again.to_bytes() == (tmp_path / "bank.yaml").read_bytes()
    assert b"\n  edited: true\n" in again.to_bytes()


def test_what_is_no_edit(tmp_path: Path) -> None:
    bank = made()
    assert saved(bank, tmp_path) == Source(model="m")
    assert saved(bank.model_copy(update={"name": "other"}), tmp_path) == Source(model="m")
    there_and_back = other_prompts(bank)
    there_and_back.classes[0].prompts["What?"][0] = "A frog is green."
    assert saved(there_and_back, tmp_path) == Source(model="m")
    assert saved(other_order(other_order(bank)), tmp_path) == Source(model="m")


def test_a_bank_by_hand_has_nothing_to_say(tmp_path: Path) -> None:
    bank = PromptBank(name="x", classes=made().classes)
    assert saved(other_prompts(bank), tmp_path) is None


def test_a_person_can_say_that_it_was_edited(tmp_path: Path) -> None:
    made().save(tmp_path / "bank.yaml")
    text = (tmp_path / "bank.yaml").read_text().replace("model: m", "model: m\n  edited: true")
    (tmp_path / "bank.yaml").write_text(text)
    assert PromptBank.load(tmp_path / "bank.yaml").source == Source(model="m", edited=True)


def test_how_pruning_looks_in_the_file(tmp_path: Path) -> None:
    bank = made(pruned=[PRUNED], server="http://localhost:8000/v1", seed=7)
    assert saved(bank, tmp_path) == bank.source
    assert (
        (tmp_path / "bank.yaml")
        .read_text()
        .startswith(
            "format: cupl-bank/1\n"
            "name: frogs\n"
            "source:\n"
            "  model: m\n"
            "  server: http://localhost:8000/v1\n"
            "  seed: 7\n"
            "  pruned:\n"
            "  - by: redundancy\n"
            "    threshold: 0.95\n"
            "    keep: 3\n"
            "    encoder: openai/clip\n"
            "    dropped: 2\n"
            "classes:\n"
        )
    )


@pytest.mark.parametrize(
    "source",
    ["{edited: 1}", "{pruned: {by: x}}", "{pruned: [{by: x}]}", "{pruned: [yes]}", "{server: 3}"],
)
def test_what_is_said_has_a_form(tmp_path: Path, source: str) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(f"source: {source}\nname: x\nclasses: [{{name: a, prompts: [x]}}]\n")
    with pytest.raises(InputError, match=r"b\.yaml: line 1: "):
        PromptBank.load(path)
