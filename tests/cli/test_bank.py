import csv
import json
from pathlib import Path

import pytest

from cupl.bank.model import PromptBank
from tests.cli.conftest import Cupl
from tests.models import bank_of, save_clip


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
    from cupl.io.paths import prompts_dir

    outcome = cupl("bank", "check", prompts_dir() / "banks" / "imagenet-mini.yaml")
    assert outcome.code == 0
    assert "1,000 classes" in outcome.err
    for kind in ("refusal", "non-answer", "markup"):
        assert kind not in outcome.err


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def repetitive(tmp_path: Path) -> Path:
    """Two prompts for each class, and then one of them again."""
    path = tmp_path / "bank.yaml"
    cat = ["A small cat with a tree.", "dog dog frog the", "A small cat with a tree."]
    dog = ["A large dog has\na \x1b[31mphoto.", "of of of", "of of of"]
    bank_of({"cat": cat, "dog": dog}).save(path)
    return path


def test_prune_lists_what_it_drops(
    cupl: Cupl, clip: Path, repetitive: Path, tmp_path: Path
) -> None:
    new, held = tmp_path / "new.yaml", "something else"
    new.write_text(held)
    options = ["--encoder", clip, "--threshold", 0.9999, "--keep", 2]
    outcome = cupl("bank", "prune", repetitive, "--by", "redundancy", "-o", new, *options)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines() == [
        "cat: A small cat with a tree.",
        "  cosine 1.000 to: A small cat with a tree.",
        "dog: of of of",
        "  cosine 1.000 to: of of of",
    ]
    assert "dropped 2 of 6 prompts, in 2 of 2 classes" in outcome.err
    assert (
        f"next: cupl evaluate LABELLED --bank {repetitive} --bank {new} --encoder " in outcome.err
    )
    before, after = PromptBank.load(repetitive), PromptBank.load(new)
    assert [entry.texts for entry in after] == [entry.texts[:2] for entry in before]
    assert (tmp_path / "new.yaml.old").read_text() == held


def test_prune_writes_its_list_to_a_file(
    cupl: Cupl, clip: Path, repetitive: Path, tmp_path: Path
) -> None:
    new, listing = tmp_path / "new.yaml", tmp_path / "dropped.csv"
    options = ["--encoder", clip, "--threshold", 1, "--keep", 1, "--list", listing]
    outcome = cupl("bank", "prune", repetitive, "--by", "outliers", "-o", new, *options)
    assert outcome.code == 0, outcome.err
    assert outcome.out == ""
    with listing.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert "dropped 4 of 6 prompts" in outcome.err
    assert "2 more would go, but every class keeps 1 (--keep)" in outcome.err
    for row in rows:
        assert {row["class"], row["nearest"]} == {"cat", "dog"}
        assert row["reason"].startswith(f"silhouette {float(row['score']):.2f}: cosine ")
    left = sum(len(entry.texts) for entry in PromptBank.load(new))
    assert left == 2


def test_prune_cannot_repaint_the_terminal(
    cupl: Cupl, clip: Path, repetitive: Path, tmp_path: Path
) -> None:
    options = ["--encoder", clip, "--threshold", -1, "--keep", 1, "-o", tmp_path / "new.yaml"]
    bank = PromptBank.load(repetitive)
    bank.classes[1].prompts = {"": bank.classes[1].texts[::-1]}
    bank.save(repetitive)
    outcome = cupl("bank", "prune", repetitive, "--by", "redundancy", *options)
    assert "dog: A large dog has\\na \\x1b[31mphoto.\n" in outcome.out
    assert "\x1b" not in outcome.out


def test_prune_keeps_three_prompts_unless_told(
    cupl: Cupl, clip: Path, repetitive: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new.yaml"
    options = ["--encoder", clip, "-o", new]
    outcome = cupl("bank", "prune", repetitive, "--by", "redundancy", *options)
    assert outcome.out == ""
    assert "dropped 0 of 6 prompts, in 0 of 2 classes" in outcome.err
    assert "more would go, but every class keeps 3" in outcome.err
    assert new.read_bytes() == repetitive.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["bank.yaml", "-o", "new.yaml"], 2, "--by"),
        (["bank.yaml", "-o", "new.yaml", "--by", "luck"], 2, "luck"),
        (["bank.yaml", "-o", "bank.yaml", "--by", "outliers"], 1, "also what is read"),
        (["no.yaml", "-o", "new.yaml", "--by", "outliers"], 1, "no.yaml: no such file"),
        (["bank.yaml", "-o", "no/new.yaml", "--by", "outliers"], 1, "does not exist"),
        (["bank.yaml", "-o", "n", "--by", "outliers", "--list", "bank.yaml"], 1, "what is read"),
        (["bank.yaml", "-o", "n", "--by", "outliers", "--list", "./n"], 2, "same file"),
        (["bank.yaml", "-o", "n", "--by", "outliers", "--threshold", "5"], 1, "from -1 to 1"),
        (["bank.yaml", "-o", "n", "--by", "outliers", "--keep", "0"], 2, "keep"),
    ],
)
def test_prune_refuses_what_it_cannot_do(
    cupl: Cupl,
    clip: Path,
    repetitive: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(repetitive.parent)
    outcome = cupl("bank", "prune", *arguments, "--encoder", clip)
    assert outcome.code == code
    assert message in outcome.err
    assert [path.name for path in repetitive.parent.iterdir()] == ["bank.yaml"]


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A bank of three classes, one of which has a comma in its name."""
    path = tmp_path / "pets.yaml"
    bank_of({"cat": ["A cat."], "dog": ["A dog."], "fish, gold": ["A fish."]}).save(path)
    return path


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["Dog,cat"], ["dog", "cat"]),
        (["fish, gold"], ["fish, gold"]),
        (["fish, gold,cat"], ["fish, gold", "cat"]),
        (["dog", "cat,dog"], ["dog", "cat"]),
        (["list.txt"], ["fish, gold", "cat"]),
    ],
)
def test_select_writes_the_classes_in_the_order_given(
    cupl: Cupl, pets: Path, given: list[str], names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pets.parent)
    Path("list.txt").write_text("fish, gold\ncat\n")
    options = [word for text in given for word in ("--classes", text)]
    outcome = cupl("bank", "select", pets, *options, "-o", "some pets.yaml")
    assert outcome.code == 0
    some = PromptBank.load("some pets.yaml")
    assert (some.name, [entry.name for entry in some]) == ("some pets", names)
    number = f"{len(names)} of 3 classes, {len(names)} prompt{'s' * (len(names) > 1)}"
    assert f"wrote some pets.yaml: {number}\n" in outcome.err


def test_select_says_which_class_may_be_meant(cupl: Cupl, pets: Path, tmp_path: Path) -> None:
    outcome = cupl("bank", "select", pets, "--classes", "cat,doge", "-o", tmp_path / "x.yaml")
    assert outcome.code == 1
    assert outcome.err == "error: the bank 'animals' has no class 'doge': nearly 'dog'\n"
    assert not (tmp_path / "x.yaml").exists()


def test_merge_unites_what_both_say(cupl: Cupl, pets: Path, tmp_path: Path) -> None:
    more, out = tmp_path / "more.yaml", tmp_path / "all.yaml"
    bank_of({"newt": ["A newt."], "Cat": ["A cat.", "A soft cat."]}, "more").save(more)
    outcome = cupl("bank", "merge", pets, more, "-o", out)
    assert outcome.code == 0
    merged = PromptBank.load(out)
    assert merged.name == "all"
    assert [entry.name for entry in merged] == ["cat", "dog", "fish, gold", "newt"]
    assert merged["cat"].texts == ["A cat.", "A soft cat."]
    assert f"wrote {out}: 4 classes, 5 of 6 prompts\n" in outcome.err
    assert "1 class in an earlier bank too" in outcome.err


def test_merge_takes_two_banks_and_writes_a_third(cupl: Cupl, pets: Path) -> None:
    assert cupl("bank", "merge", pets, "-o", pets.with_name("out.yaml")).code == 2
    before = pets.read_bytes()
    outcome = cupl("bank", "merge", pets, pets, "-o", pets)
    assert outcome.code == 1
    assert "it is also what is read" in outcome.err
    assert pets.read_bytes() == before
