"""A bank from every server that tests/quirks.py imitates, and one sentence where it gives none."""

import json
from pathlib import Path
from typing import Any

import pytest

from cupl import PromptBank, Sampling, generate
from cupl.errors import CuplError, ServerError
from cupl.generation.budget import UsageMeter
from cupl.generation.cache.store import ResponseCache
from cupl.llm.protocol import RetryableError
from tests.fault_replies import Reply
from tests.faults import Fault, FaultServer, fault_server
from tests.generation.runs import deliver_on, over_http
from tests.quirks import KEY, MODEL, QUIRKS, THOUGHT, Quirks

NAMES = pytest.mark.parametrize("name", QUIRKS)
CLASSES = ["cat", "sea lion"]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    monkeypatch.setenv("OTHER_KEY", "other-0123456789")


def bank_of(
    url: str, cache: Path, key: str = "THE_KEY", model: str = MODEL, **more: Any
) -> PromptBank:
    more = {"samples": 3, "concurrency": 1, "similarity": None} | more
    return generate(
        CLASSES, "base", name="x", model=model, base_url=url, api_key_env=key, cache=cache, **more
    )


def prompts_of(name: str | None, cache: Path, fault: str = "429", **more: Any) -> Any:
    """The prompts of a bank, from a server at which the first request meets a fault."""
    servers: list[FaultServer] = []
    script = [Fault(fault, "0.01")] if name else []
    with fault_server(script, answer=deliver_on(lambda: servers[0]), quirks=name) as server:
        servers.append(server)
        bank = bank_of(server.url, cache, **more)
    return [(entry.name, entry.prompts) for entry in bank]


SETTINGS: dict[str, dict[str, Any]] = {
    "dashscope": {"sampling": Sampling(extra={"enable_thinking": False})}
}
"""What a person has to say to a server, where it cannot be found out."""


@NAMES
def test_a_bank_of_every_server(name: str, tmp_path: Path) -> None:
    prompts = prompts_of(name, tmp_path / "cache", **SETTINGS.get(name, {}))
    assert prompts == prompts_of(None, tmp_path / "usual")
    assert THOUGHT.split(".")[0] not in str(prompts)


def test_code_is_told_that_a_server_is_asked_more_often(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="1 answer in a request, so it is asked more often"):
        prompts_of("deepseek", tmp_path / "cache")


@pytest.mark.parametrize("name", ["openrouter", "deepseek", "vllm"])
def test_an_answer_that_it_could_not_finish(name: str, tmp_path: Path) -> None:
    prompts = prompts_of(name, tmp_path / "cache", "failed-choice")
    assert prompts == prompts_of(None, tmp_path / "usual")


@NAMES
def test_what_it_refuses_is_asked_once(name: str, tmp_path: Path) -> None:
    quirks = QUIRKS[name]
    with fault_server(quirks=name) as server:
        bank_of(server.url, tmp_path, samples=6, concurrency=8, **SETTINGS.get(name, {}))
    if quirks.too_many:
        assert sum(body.get("n", 1) > quirks.most for body in server.received) == 1
    for setting in quirks.refused:
        assert sum(setting in body for body in server.received) == 1


def _refusal(words: str) -> Reply:
    return Reply(400, json.dumps({"error": {"message": words}}).encode())


@pytest.mark.parametrize(
    "words", ["参数 n 只能为 1", "num_return_sequences must be 1", "Unsupported.", "Bad input"]
)
def test_many_answers_are_refused_in_words_that_nobody_knows(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no = _refusal(words)
    monkeypatch.setitem(QUIRKS, "strange", Quirks(most=1, too_many=no))
    with fault_server(quirks="strange") as server:
        bank_of(server.url, tmp_path, samples=6, concurrency=8)
    assert sum(body.get("n", 1) > 1 for body in server.received) == 1


def test_what_is_refused_for_one_answer_too_costs_two_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no = _refusal("Bad input")
    monkeypatch.setitem(QUIRKS, "strange", Quirks(most=0, too_many=no))
    with (
        fault_server(quirks="strange") as server,
        pytest.raises(ServerError, match="400: Bad input"),
    ):
        bank_of(server.url, tmp_path, samples=6, concurrency=8)
    assert len(server.received) == 2


def failed(url: str, server: FaultServer, cache: Path, **more: Any) -> CuplError:
    """The one sentence after one request."""
    with pytest.raises(CuplError) as caught:
        bank_of(url, cache, **more)
    assert isinstance(caught.value, ServerError)
    assert not isinstance(caught.value, RetryableError)
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 400
    assert "0123456789" not in said
    assert len(server.received) == 1
    return caught.value


@NAMES
def test_a_path_at_which_there_is_no_api(name: str, tmp_path: Path) -> None:
    with fault_server(quirks=name) as server:
        root = server.url.removesuffix(QUIRKS[name].bases[0])
        error = failed(f"{root}/nothing", server, tmp_path, concurrency=8)
    if set(QUIRKS[name].bases) & {"/v1", "/api/v1"}:
        assert str(error).endswith(f"; the right base URL is {server.url}")
        assert error.arguments == {"base_url": server.url}
    else:
        assert str(error).endswith(f"; try the base URL {root}/nothing/v1")


@NAMES
def test_a_model_that_it_does_not_have(name: str, tmp_path: Path) -> None:
    if QUIRKS[name].no_model is None:
        pytest.skip("takes any name")
    with fault_server(quirks=name) as server:
        error = failed(server.url, server, tmp_path, model="x", concurrency=8)
    assert str(error).startswith(f"{server.url} has no 'x' for the API chat (")
    assert error.arguments == {"model": ...}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_it_has_to_be_told(name: str, tmp_path: Path) -> None:
    with fault_server(quirks=name) as server:
        error = failed(server.url, server, tmp_path, concurrency=8)
    assert error.arguments == {"extra": SETTINGS[name]["sampling"].extra}


@NAMES
@pytest.mark.parametrize("key", ["OTHER_KEY", None])
def test_a_key_that_it_does_not_take(name: str, key: str | None, tmp_path: Path) -> None:
    if QUIRKS[name].no_key is None:
        pytest.skip("wants none")
    with fault_server(quirks=name) as server:
        error = failed(server.url, server, tmp_path, key=key, concurrency=8)
    if key:
        assert str(error) == f"{server.url} rejected the key in OTHER_KEY"
    else:
        assert str(error).startswith(f"{server.url} wants a key: name the environment variable")


def test_what_was_not_sent_is_not_counted(cache: ResponseCache) -> None:
    meter = UsageMeter()
    with fault_server([Fault("404")]) as server, pytest.raises(ServerError, match="has no"):
        over_http(server, cache, "cat", "dog", "owl", meter=meter)
    assert meter.requests == len(server.received) == 1


def test_azures_other_address(tmp_path: Path) -> None:
    with fault_server(quirks="azure") as server:
        root = server.url.removesuffix("/openai/v1")
        url = f"{root}/openai/deployments/{MODEL}/chat/completions?api-version=2024-10-21"
        bank = bank_of(url, tmp_path, sampling=Sampling(max_tokens=None))
    assert len(bank.classes) == len(CLASSES)
    assert bank.source
    assert bank.source.server == f"{root}/openai/deployments/{MODEL}"
