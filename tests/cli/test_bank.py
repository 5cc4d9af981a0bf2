import json
from pathlib import Path

from cupl.bank import PromptBank
from tests.cli.conftest import Cupl


def test_import_and_check(cupl: Cupl, tmp_path: Path) -> None:
    source, bank = tmp_path / "prompts.json", tmp_path / "bank.yaml"
    texts = ["A cat is soft.", "a cat is soft", "\nA cat\nhas fur.", ".", "It purrs."]
    source.write_text(json.dumps({"cat": texts, "dog": ["A dog barks."]}))
    outcome = cupl("bank", "import", source, "-o", bank)
    assert outcome.code == 0
    assert "2 classes, 4 prompts" in outcome.err
    for line in ("1: duplicate, dropped", "1: empty, dropped", "1: line breaks joined"):
        assert line in outcome.err
    assert PromptBank.load(bank).classes[0].texts == [
        "A cat is soft.",
        "A cat has fur.",
        "It purrs.",
    ]
    outcome = cupl("bank", "check", bank)
    assert outcome.code == 0
    assert outcome.out == "class not named: cat: It purrs.\n"
    assert "2 classes, 4 prompts; 1 class not named" in outcome.err


def test_descriptors_become_sentences(cupl: Cupl, tmp_path: Path) -> None:
    source, bank = tmp_path / "descriptors.json", tmp_path / "bank.yaml"
    source.write_text(json.dumps({"tabby": ["pointed ears", "a breed of cat"]}))
    assert cupl("bank", "import", source, "-o", bank).code == 0
    assert PromptBank.load(bank).classes[0].texts == [
        "tabby, which has pointed ears.",
        "tabby, which is a breed of cat.",
    ]


def test_check_shows_a_few_of_each_kind(cupl: Cupl, tmp_path: Path) -> None:
    bank = tmp_path / "bank.yaml"
    lines = "\n".join(f"  - It purrs in the key of number {i}." for i in range(30))
    bank.write_text(f"format: cupl-bank/1\nname: x\nclasses:\n- name: cat\n  prompts:\n{lines}\n")
    outcome = cupl("bank", "check", bank, "--show", 2)
    shown = [line for line in outcome.out.splitlines() if line.startswith("class not named")]
    assert shown[2:] == ["class not named: ... 28 more (--show 30)"]


def test_check_fails_on_what_cannot_be_used(cupl: Cupl, tmp_path: Path) -> None:
    bank = tmp_path / "bank.yaml"
    bank.write_text("format: cupl-bank/1\nname: x\nclasses:\n- name: no\n  prompts: [a]\n")
    outcome = cupl("bank", "check", bank)
    assert outcome.code == 1
    assert "line 4" in outcome.err
    assert "'no'" in outcome.err


def test_the_shipped_bank_has_nothing_alarming(cupl: Cupl) -> None:
    from cupl.paths import prompts_dir

    outcome = cupl("bank", "check", prompts_dir() / "banks" / "imagenet-mini.yaml")
    assert outcome.code == 0
    assert "1,000 classes" in outcome.err
    for kind in ("refusal", "non-answer", "markup"):
        assert kind not in outcome.err
