"""What the options send, and what a person is told where a server wants something else."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from cupl.bank.model import PromptBank
from cupl.cli.generate_options import labels_of
from tests.cli.conftest import Cupl, Outcome
from tests.fakes import FakeServer, Reply, chat_reply, serve
from tests.faults import sentences


def describe(body: dict[str, Any]) -> Reply:
    return 200, chat_reply(*sentences(body["messages"][-1]["content"], body.get("n", 1)))


@pytest.fixture
def server() -> Any:
    with serve(describe) as running:
        yield running


def generate(cupl: Cupl, server: FakeServer, *arguments: object) -> Outcome:
    return cupl("generate", "--base-url", server.url, "--model", "m", *arguments)


def test_what_else_a_server_wants_is_sent_and_written_down(
    cupl: Cupl, server: FakeServer, tmp_path: Path
) -> None:
    path = tmp_path / "b.yaml"
    extra = ["--extra", '{"top_k": 20.0, "a": {"b": [1, null]}}', "--extra", '{"top_k": 5}']
    assert generate(cupl, server, "-c", "cat", "-o", path, *extra).code == 0
    assert {(body["top_k"], str(body["a"])) for body in server.requests} == {
        (5, "{'b': [1, None]}")
    }
    source = PromptBank.load(path).source
    assert source is not None
    assert source.extra == {"top_k": 5, "a": {"b": [1, None]}}
    again = generate(
        cupl, server, "-c", "cat", "--dry-run", "--extra", '{"a":{"b":[1,null]},"top_k":5}'
    )
    assert "0 to come" in again.err
    assert "30 to come" in generate(cupl, server, "-c", "cat", "--dry-run").err


@pytest.mark.parametrize(
    ("extra", "hint"),
    [
        ("enable_thinking=false", "(--extra)"),
        ('{"n": 1}', "(--n)"),
        ('{"max_tokens": 1}', "(--max-tokens)"),
        ('{"prompt": ""}', "(--questions, --preamble)"),
        ('{"api_key": "sk-0123456789"}', "(--api-key-env)"),
    ],
)
def test_extra_that_cannot_be_sent(
    cupl: Cupl, server: FakeServer, tmp_path: Path, extra: str, hint: str
) -> None:
    outcome = generate(cupl, server, "-c", "cat", "-o", tmp_path / "b.yaml", "--extra", extra)
    assert outcome.code == 1
    assert outcome.err.rstrip().endswith(hint)
    assert "sk-" not in outcome.err
    assert server.requests == []


@pytest.mark.parametrize("wanted", [True, False])
def test_the_hint_of_a_server_that_wants_more_works(
    cupl: Cupl, tmp_path: Path, wanted: bool
) -> None:
    said = f"parameter.enable_thinking must be set to {str(wanted).lower()} for this call"

    def reply(body: dict[str, Any]) -> Reply:
        if body.get("enable_thinking") is not wanted:
            return 400, {"error": {"message": said}}
        return describe(body)

    with serve(reply) as picky:
        refused = generate(cupl, picky, "-c", "cat", "-o", tmp_path / "b.yaml")
        hint = shlex.split(refused.err.rstrip().rpartition("(")[2].rstrip(")"))
        assert hint[0] == "--extra"
        assert generate(cupl, picky, "-c", "cat", "-o", tmp_path / "b.yaml", *hint).code == 0


def test_how_a_server_wants_to_be_asked_is_told_in_a_line(cupl: Cupl, tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        if body.get("n", 1) > 1:
            return 400, {"error": {"message": "'n' : number must be at most 1"}}
        return 200, chat_reply(*sentences(str(len(single.requests)), 1))

    with serve(reply) as single:
        outcome = generate(cupl, single, "-c", "cat", "-o", tmp_path / "b.yaml", "--samples", 3)
    assert outcome.code == 0
    assert outcome.err.count("gives no more than 1 answer in a request") == 1


def test_a_name_with_a_comma_among_others_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    labels = labels_of(None, ["dog,horse", "cat"])
    assert [label.name for label in labels] == ["dog,horse", "cat"]
    said = " ".join(capsys.readouterr().err.split())
    assert "warning: 'dog,horse' is one class; repeat -c for each" in said
    labels_of(None, ["dog", "cat"])
    assert "is one class" not in capsys.readouterr().err
