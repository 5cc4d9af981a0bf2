import os
import re
from pathlib import Path
from typing import Any

import pytest

from cupl.bank.model import PromptBank
from cupl.generation.filters import DEFAULT_FILTERS, FILTERS
from tests.cli.conftest import Cupl, Outcome
from tests.fakes import FakeServer, Reply, chat_reply, serve
from tests.faults import sentences


def describe(body: dict[str, Any]) -> Reply:
    """Different sentences about what the question asks, one of them of no use."""
    question = body["messages"][-1]["content"]
    good = sentences(question, body.get("n", 1) - 1)
    return 200, chat_reply(*good, "I'm sorry, I cannot say.")


@pytest.fixture
def server() -> Any:
    with serve(describe) as running:
        yield running


def generate(cupl: Cupl, server: FakeServer, *arguments: object) -> Outcome:
    return cupl("generate", "--base-url", server.url, "--model", "m", *arguments)


def test_a_bank_from_names(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    outcome = generate(cupl, server, "-c", "tree frog", "-c", "a: {b}", "-o", path)
    assert outcome.code == 0
    assert "60 to come in 6 requests to m" in outcome.err
    assert "2 classes, 54 prompts kept of 60 answers" in outcome.err
    assert "dropped 6: refusal" in outcome.err
    bank = PromptBank.load(path)
    assert [entry.name for entry in bank] == ["tree frog", "a: {b}"]
    assert list(bank.classes[0].prompts)[1] == "Describe a tree frog:"
    assert bank.name == "bank"


def test_the_same_command_asks_nothing_and_writes_the_same(
    cupl: Cupl, server: FakeServer, tmp_path: Path
) -> None:
    path = tmp_path / "bank.yaml"
    generate(cupl, server, "-c", "cat", "-o", path)
    first, asked = path.read_bytes(), len(server.requests)
    for more in ([], ["--offline"], ["--dry-run"]):
        outcome = generate(cupl, server, "-c", "cat", "-o", path, *more)
        assert outcome.code == 0
        assert "30 of 30 answers cached, 0 to come in 0 requests" in outcome.err
    assert path.read_bytes() == first
    assert len(server.requests) == asked
    assert [entry.name for entry in tmp_path.iterdir()] == ["bank.yaml"]


def test_looking_up_many_classes_shows_how_far_it_is(
    cupl: Cupl, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for many, shown in ((3, ""), (2, "classes looked up: 2 of 2\n")):
        monkeypatch.setattr("cupl.cli.generate._MANY", many)
        outcome = generate(cupl, server, "-c", "cat", "-c", "dog", "--dry-run")
        assert outcome.err.partition("2 classes, ")[0].endswith(shown)
        assert ("looked up" in outcome.err) == bool(shown)


def test_a_dry_run_asks_and_writes_nothing(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    outcome = generate(cupl, server, "-c", "cat", "--dry-run", "--n", "4")
    assert outcome.code == 0
    assert "30 to come in 9 requests to m" in outcome.err
    assert outcome.err.splitlines()[2:] == [
        "  about cat",
        "  asks: Describe what a cat looks like:",
        "  asks: Describe a cat:",
        "  asks: What are the identifying characteristics of a cat?",
    ]
    assert not server.requests


def test_a_dry_run_of_many_classes_shows_a_few(cupl: Cupl, server: FakeServer) -> None:
    names = [word for i in range(9) for word in ("-c", f"{'long ' * 50}{i}")]
    shown = generate(cupl, server, *names, "--dry-run").err.splitlines()
    assert shown[2].endswith(", and 6 more")
    assert len(shown) == 6
    assert max(map(len, shown)) < 250


def test_the_counts_at_start_and_end_are_of_answers(
    cupl: Cupl, server: FakeServer, tmp_path: Path
) -> None:
    path = tmp_path / "bank.yaml"
    generate(cupl, server, "-c", "cat", "-o", path, "--samples", "4")
    outcome = generate(cupl, server, "-c", "cat", "-o", path)
    assert "12 of 30 answers cached, 18 to come in 3 requests to m\n" in outcome.err
    assert "\nanswers: 18 of 18\n" in outcome.err
    assert "\nasked: 18 answers in 3 requests, 0 of them again; " in outcome.err
    assert re.search(r"1 class, \d+ prompts kept of 30 answers\n", outcome.err)


def test_offline_fails_before_it_writes(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    outcome = generate(cupl, server, "-c", "cat", "-o", tmp_path / "b.yaml", "--offline")
    assert outcome.code == 1
    assert "30 answers, to questions such as" in outcome.err
    assert not server.requests
    assert not list(tmp_path.iterdir())


def test_every_sampling_option_can_be_left_unsent(
    cupl: Cupl, server: FakeServer, tmp_path: Path
) -> None:
    none = [f"--{option}=none" for option in ("temperature", "top-p", "max-tokens", "stop", "n")]
    outcome = generate(
        cupl, server, "-c", "cat", "-o", tmp_path / "b.yaml", "--samples", 1, "--preamble", "none",
        *none,
    )  # fmt: skip
    assert outcome.code == 1  # its one answer is the refusal; what matters is what was sent
    assert {key for body in server.requests for key in body} == {"model", "messages", "stream"}
    assert {len(body["messages"]) for body in server.requests} == {1}


def test_sampling_options_are_sent(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "preamble.txt").write_text("Be plain.")
    generate(
        cupl, server, "-c", "cat", "-o", tmp_path / "b.yaml", "--temperature", 0.5, "--top-p", 0.9,
        "--max-tokens", 20, "--stop", "\\n", "--stop", ".", "--preamble", tmp_path / "preamble.txt",
    )  # fmt: skip
    body = server.requests[0]
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.5, 0.9, 20)
    assert body["stop"] == ["\n", "."]
    assert body["messages"][0]["content"] == "Be plain."
    assert body["n"] == 10


def test_classes_from_every_kind_of_list(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("# pets\ncat\n\ndog\n")
    (tmp_path / "names.csv").write_text('id,name\nn1,missile\nn2,missile\nn3,"cup, big"\n')
    for folder in ("folder/cat", "folder/dog"):
        (tmp_path / folder).mkdir(parents=True)
    wanted = {
        "names.txt": ["cat", "dog"],
        "names.csv": ["missile", "missile", "cup, big"],
        "folder": ["cat", "dog"],
        "names.txt.yaml": ["cat", "dog"],
    }
    for source, names in wanted.items():
        output = tmp_path / f"{source}.yaml" if source != "names.txt.yaml" else tmp_path / "b.yaml"
        outcome = generate(cupl, server, tmp_path / source, "-o", output)
        assert outcome.code == 0, outcome.err
        assert [entry.name for entry in PromptBank.load(output)] == names
    extra = generate(cupl, server, tmp_path / "names.txt", "-c", "cow", "-o", tmp_path / "c.yaml")
    assert "3 classes" in extra.err


def test_an_edited_bank_is_set_aside(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    path.write_text("hours of work")
    outcome = generate(cupl, server, "-c", "cat", "-o", path)
    assert outcome.code == 0
    assert "kept as" in outcome.err
    assert (tmp_path / "bank.yaml.old").read_text() == "hours of work"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-o", "b.yaml"], 2, "name the classes"),
        (["-c", "cat"], 2, "name the bank"),
        (["-c", "cat", "-o", "nowhere/b.yaml"], 1, "the folder nowhere does not exist"),
        (["-c", "cat", "-c", "cat", "-o", "b.yaml"], 1, "two classes are named 'cat'"),
        (["nothing.txt", "-o", "b.yaml"], 1, "no such class list"),
        (["-c", "cat", "-o", "b.yaml", "--questions", "no.yaml"], 1, "no such questions file"),
        (["-c", "cat", "-o", "b.yaml", "--temperature", "hot"], 2, "hot"),
        (["-c", "cat", "-o", "b.yaml", "--samples", "0"], 2, "samples"),
        (["-c", "cat", "-o", "b.yaml", "--api", "soap"], 2, "soap"),
        (["-c", " ", "-o", "b.yaml"], 1, "empty name"),
    ],
)
def test_wrong_arguments(
    cupl: Cupl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cupl("generate", *arguments)
    assert outcome.code == code
    assert message in outcome.err
    assert not list(tmp_path.iterdir())


def test_without_a_key_nothing_is_lost_and_the_way_out_is_said(cupl: Cupl, tmp_path: Path) -> None:
    outcome = cupl("generate", "-c", "cat", "-o", tmp_path / "b.yaml")
    assert outcome.code == 1
    assert "OPENAI_API_KEY is not set" in outcome.err
    assert not (tmp_path / "b.yaml").exists()


def test_filters_are_listed_without_anything_else(cupl: Cupl) -> None:
    outcome = cupl("generate", "--list-filters")
    assert outcome.code == 0
    lines = {line.split()[0]: line.split(maxsplit=2)[1:] for line in outcome.out.splitlines()}
    assert list(lines) == list(FILTERS)
    assert {name for name, (runs, _) in lines.items() if runs == "default"} == set(DEFAULT_FILTERS)
    assert lines["plain-text"][1] == (
        "Drop an answer with an address, HTML, Markdown or JSON in it."
    )


@pytest.mark.parametrize(
    ("options", "filters"),
    [
        (["--filter", "not-empty", "--filter", "clean"], ["not-empty", "clean"]),
        (["--no-filter", "not-refusal", "--no-filter", "clean"],
         ["not-empty", "not-non-answer", "plain-text", "whole-sentences"]),
        (["--filter", "first-sentence", "--filter", "clean", "--no-filter", "clean"],
         ["first-sentence"]),
    ],
)  # fmt: skip
def test_filters_are_chosen(
    cupl: Cupl, server: FakeServer, tmp_path: Path, options: list[str], filters: list[str]
) -> None:
    path = tmp_path / "bank.yaml"
    outcome = generate(cupl, server, "-c", "cat", "-o", path, *options)
    assert outcome.code == 0
    source = PromptBank.load(path).source
    assert source is not None
    assert source.filters == [*filters, "similarity-95"]
    assert ("refusal" in outcome.err) == ("not-refusal" in filters)


@pytest.mark.parametrize("option", ["--filter", "--no-filter"])
def test_a_filter_that_is_none(cupl: Cupl, server: FakeServer, tmp_path: Path, option: str) -> None:
    outcome = generate(cupl, server, "-c", "cat", "-o", tmp_path / "b.yaml", option, "tidy")
    assert outcome.code == 1
    assert "error: no filter is called 'tidy': use clean, not-empty, " in outcome.err
    assert not server.requests


KEY = "sk-0123456789abcdef"


def keys_of(server: FakeServer) -> set[str | None]:
    lower = [{name.lower(): value for name, value in sent.items()} for sent in server.headers]
    return {headers.get("authorization") for headers in lower}


def test_another_server_gets_the_key_that_is_named(
    cupl: Cupl, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    generate(cupl, server, "-c", "cat", "-o", tmp_path / "b.yaml")
    assert keys_of(server) == {"Bearer none"}, "the key is for OpenAI"
    server.headers.clear()
    named = ("--api-key-env", "OPENAI_API_KEY")
    outcome = generate(cupl, server, "-c", "dog", "-o", tmp_path / "b.yaml", *named)
    assert outcome.code == 0
    assert "warning" not in outcome.err
    assert keys_of(server) == {f"Bearer {KEY}"}


def test_a_variable_without_a_key_is_an_error_before_anything_is_asked(
    cupl: Cupl, server: FakeServer, tmp_path: Path
) -> None:
    named = ("--api-key-env", "GATEWAY_KEY")
    outcome = generate(cupl, server, "-c", "cat", "-o", tmp_path / "b.yaml", *named)
    assert outcome.code == 1
    assert "error: the environment variable GATEWAY_KEY that api_key_env names" in outcome.err
    assert "(--api-key-env)" in outcome.err
    assert "asked:" not in outcome.err
    assert not server.requests
    generate(cupl, server, "-c", "cat", "-o", tmp_path / "b.yaml")
    outcome = generate(cupl, server, "-c", "cat", "-o", tmp_path / "b.yaml", *named, "--offline")
    assert outcome.code == 0, "from the cache it needs no key"


def test_a_key_that_others_can_read_is_warned_of_once(
    cupl: Cupl, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    outcome = cupl(
        "generate", "-c", "cat", "-c", "dog", "-o", tmp_path / "b.yaml", "--model", "m",
        "--base-url", "http://gateway.example/v1", "--api-key-env", "OPENAI_API_KEY",
    )  # fmt: skip
    assert outcome.code == 0
    warning = "warning: the key in OPENAI_API_KEY can be read by anyone on the way to http://gate"
    assert outcome.err.count(warning) == 1
    assert KEY not in outcome.err
    assert keys_of(server) == {f"Bearer {KEY}"}


def test_a_server_that_wants_a_key_says_how(cupl: Cupl, tmp_path: Path) -> None:
    with serve(lambda body: (401, {})) as server:
        outcome = generate(cupl, server, "-c", "cat", "-o", tmp_path / "b.yaml")
    assert outcome.code == 1
    assert "wants a key: name the environment variable that holds it" in outcome.err
    assert "(--api-key-env)" in outcome.err


def test_the_embedded_model_wants_no_key(cupl: Cupl, tmp_path: Path) -> None:
    outcome = cupl(
        "generate", "-c", "cat", "-o", tmp_path / "b.yaml", "--model", "mini",
        "--api-key-env", "OPENAI_API_KEY",
    )  # fmt: skip
    assert outcome.code == 1
    assert "wants no key; leave api_key_env out (without --api-key-env)" in outcome.err


def test_a_file_name_that_is_no_text(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    """It must not be found out once the answers are paid for."""
    path = tmp_path / os.fsdecode(b"caf\xe9.yaml")
    outcome = generate(cupl, server, "-c", "cat", "-o", path)
    assert outcome.code == 0, outcome.err
    assert PromptBank.load(path).name == r"caf\xe9"


def test_a_timeout_without_an_end_is_refused_by_every_model(cupl: Cupl) -> None:
    for model in ("mini", "m"):
        outcome = cupl("generate", "-c", "cup", "--model", model, "--dry-run", "--timeout", "inf")
        assert outcome.code == 1
        assert "the timeout is a number of seconds above 0, not inf" in outcome.err
