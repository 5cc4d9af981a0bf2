from collections.abc import Iterator
from pathlib import Path
from typing import Any, Never

import pytest

from cupl.bank.model import PromptBank
from cupl.bank.templates import QuestionSet
from tests.cli.conftest import Cupl, Outcome, interrupted_at_two
from tests.fakes import FakeServer, Reply, chat_reply, serve
from tests.sentences import sentences

PETS = "photos of pets taken at home"


def answer(body: dict[str, Any]) -> Reply:
    """Look-alikes, questions or descriptions, as they are asked for."""
    question = body["messages"][-1]["content"]
    if question.startswith("Name 3"):
        return 200, chat_reply("1. **Newt** - wet\n2. Tree frogs\n3. gecko\n4. skink\n5. eft")
    if PETS in question:
        return 200, chat_reply("1. What does a [NAME] look like at home?\n2. Pets are nice.")
    return 200, chat_reply(*sentences(question, body.get("n", 1)))


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve(answer) as running:
        yield running


def generate(cupl: Cupl, server: FakeServer, *arguments: object) -> Outcome:
    return cupl(
        "generate", "-c", "tree frog", "-c", "toad", "--base-url", server.url, "--model", "m",
        *arguments,
    )  # fmt: skip


def test_photos_that_gave_their_folders_for_classes_are_named_next(
    cupl: Cupl, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("tree frog", "toad"):
        Path("my photos", name).mkdir(parents=True)
    asked = ("generate", "my photos", "-o", "b.yaml", "--base-url", server.url, "--model", "m")
    assert "classify IMAGE... --bank b.yaml" in cupl(*asked).err  # folders alone
    Path("my photos", "toad", "1.jpg").write_bytes(b"x")
    Path("my photos", "tree frog", "2.jpg").write_bytes(b"x")
    assert "classify 'my photos' --bank b.yaml" in cupl(*asked).err


def test_a_contrast_bank(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "reject.yaml"
    outcome = generate(cupl, server, "--contrast", "-o", path)
    assert outcome.code == 0, outcome.err
    assert "look-alikes and siblings: 2 classes, 2 questions" in outcome.err
    assert "2 names for 2 classes: Newt, gecko\n" in outcome.err
    for dropped in ("4: a class of the list", "8: more than asked for", "6: named for several"):
        assert f"  dropped {dropped}" in outcome.err
    assert f"--bank BANK.yaml --reject {path}" in outcome.err
    assert [entry.name for entry in PromptBank.load(path)] == ["Newt", "gecko"]
    assert "asked: 64 answers in 10 requests" in outcome.err


def test_a_contrast_bank_is_made_again_without_asking(
    cupl: Cupl, server: FakeServer, tmp_path: Path
) -> None:
    path = tmp_path / "reject.yaml"
    generate(cupl, server, "--contrast", "-o", path)
    made, asked = path.read_bytes(), len(server.requests)
    for more in (["--offline"], ["--dry-run"], []):
        outcome = generate(cupl, server, "--contrast", "-o", path, *more)
        assert outcome.code == 0, outcome.err
        assert (
            "\ndescriptions: 2 classes, 3 questions, 10 samples each: 60 of 60 answers cached"
            in outcome.err
        )
    assert (path.read_bytes(), len(server.requests)) == (made, asked)


def test_a_dry_run_says_a_bound_of_what_follows(cupl: Cupl, server: FakeServer) -> None:
    prices = ("--price-in", 1, "--price-out", 2)
    outcome = generate(cupl, server, "--contrast", "--about", PETS, "--dry-run", *prices)
    assert outcome.code == 0, outcome.err
    assert "questions for the data: 1 description, 1 question, 1 sample each" in outcome.err
    assert "look-alikes and siblings: 2 classes, 2 questions, 1 sample each" in outcome.err
    assert "then, at most: 12 classes, 10 questions, 10 samples each" in outcome.err
    assert outcome.err.count("at most about") == 3
    assert not server.requests


def test_a_limit_holds_over_the_steps(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "reject.yaml"
    outcome = generate(cupl, server, "--contrast", "-o", path, "--max-requests", 5)
    assert outcome.code == 1
    assert "stopped at 5 requests" in outcome.err
    assert "the same command continues" in outcome.err
    assert len(server.requests) == 5
    assert not path.exists()


def test_where_every_name_is_a_class_it_says_so(cupl: Cupl, tmp_path: Path) -> None:
    with serve(lambda body: (200, chat_reply("- toads\n- a tree-frog"))) as server:
        outcome = generate(cupl, server, "--contrast", "-o", tmp_path / "b.yaml")
    assert outcome.code == 1
    assert "the model m named nothing that is no class of the list" in outcome.err
    assert "ask another model (--model)" in outcome.err


def test_questions_for_the_data(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    path, written = tmp_path / "bank.yaml", tmp_path / "questions.yaml"
    outcome = generate(cupl, server, "--about", PETS, "-o", path, "--write-questions", written)
    assert outcome.code == 0, outcome.err
    assert "1 question written, such as:\n  What does {a} look like at home?" in outcome.err
    assert "  dropped 1: no question" in outcome.err
    assert f"--questions {written} in place of --about" in outcome.err
    bank = PromptBank.load(path)
    assert list(bank.classes[0].prompts) == ["What does a tree frog look like at home?"]
    again = generate(cupl, server, "--questions", written, "-o", tmp_path / "x.yaml", "--offline")
    assert again.code == 0, again.err
    assert PromptBank.load(tmp_path / "x.yaml").classes == bank.classes


def test_questions_alone(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    written = tmp_path / "questions.yaml"
    outcome = generate(cupl, server, "--about", PETS, "--write-questions", written)
    assert outcome.code == 0, outcome.err
    assert QuestionSet.load(written).questions == ("What does {a} look like at home?",)
    assert len(server.requests) == 1


def test_where_no_question_is_left_it_says_so(cupl: Cupl, tmp_path: Path) -> None:
    with serve(lambda body: (200, chat_reply("Pets are nice."))) as server:
        outcome = generate(cupl, server, "--about", PETS, "-o", tmp_path / "b.yaml")
    assert outcome.code == 1
    assert "(dropped: 1 no question); ask another model, or give questions" in outcome.err
    assert "(--model, --questions)" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--about", PETS, "--questions", "imagenet", "-o", "b.yaml"], "leave --questions out"),
        (["--write-questions", "q.yaml", "-o", "b.yaml"], "--write-questions goes with --about"),
        (["--about", PETS], "name the bank to write with -o"),
    ],
)
def test_options_that_do_not_go_together(
    cupl: Cupl, server: FakeServer, arguments: list[str], said: str
) -> None:
    outcome = generate(cupl, server, *arguments)
    assert outcome.code == 2
    assert said in outcome.err.replace("│ │", "")
    assert not server.requests


def test_a_run_that_ends_before_its_first_answer_says_so(
    cupl: Cupl, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(label: str) -> Never:
        raise KeyboardInterrupt

    monkeypatch.setattr("cupl.cli.generate.progress", press)
    outcome = generate(cupl, server, "-o", tmp_path / "bank.yaml")
    assert outcome.code == 130
    assert "no new answer had come; the same command asks again" in outcome.err
    assert "in the cache" not in outcome.err


def test_an_interrupted_step_goes_on(
    cupl: Cupl, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reject.yaml"
    with monkeypatch.context() as patch:
        patch.setattr("cupl.cli.first_steps.progress", interrupted_at_two)
        outcome = generate(cupl, server, "--contrast", "-o", path, "--concurrency", 1)
    assert outcome.code == 130
    assert "every answer so far is in the cache; the same command continues" in outcome.err
    assert not path.exists()
    assert len(server.requests) == 2
    outcome = generate(cupl, server, "--contrast", "-o", path)
    assert outcome.code == 0, outcome.err
    assert "2 of 4 answers cached, 2 to come in 2 requests to m" in outcome.err
    assert len(server.requests) == 4 + 2 * 3
