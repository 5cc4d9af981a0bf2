"""The servers that the fault server imitates are as different as their names promise."""

import json
from typing import Any

import httpx2
import pytest

from tests.faults import fault_server
from tests.quirks import KEY, MODEL, QUIRKS
from tests.wire import chat

NAMES = pytest.mark.parametrize("name", QUIRKS)
HEADERS = {"Authorization": f"Bearer {KEY}", "api-key": KEY}


def asked(name: str, **changes: Any) -> httpx2.Response:
    """A good question to a server, but for what is changed; None leaves a setting out."""
    needed = {setting: value for setting, (value, _) in QUIRKS[name].needed.items()}
    body = chat(1) | {"model": MODEL} | needed | changes
    sent = {setting: value for setting, value in body.items() if value is not None}
    with fault_server(quirks=name) as server, httpx2.Client(trust_env=False) as client:
        return client.post(f"{server.url}/chat/completions", json=sent, headers=HEADERS)


@NAMES
def test_a_good_question_is_answered(name: str) -> None:
    answer = asked(name, stream=False)
    assert answer.status_code == 200
    (choice,) = answer.json()["choices"]
    assert choice["finish_reason"] == QUIRKS[name].finish


@NAMES
def test_many_answers_are_given_refused_or_left_out(name: str) -> None:
    quirks = QUIRKS[name]
    answer = asked(name, n=10, stream=False)
    if quirks.too_many:
        assert (answer.status_code, answer.content) == (400, quirks.too_many.body)
    else:
        assert len(answer.json()["choices"]) == min(10, quirks.most)


@NAMES
def test_settings_that_it_minds(name: str) -> None:
    quirks = QUIRKS[name]
    for setting in quirks.refused:
        assert asked(name, **{setting: 50}).status_code == 400
    for setting in quirks.needed:
        assert asked(name, **{setting: None}).status_code == 400


@NAMES
def test_its_models_are_behind_its_key(name: str) -> None:
    with fault_server(quirks=name) as server, httpx2.Client(trust_env=False) as client:
        models = client.get(f"{server.url}/models", headers=HEADERS)
        assert [model["id"] for model in models.json()["data"]] == [MODEL]
        without = client.get(f"{server.url}/models")
        assert (without.status_code == 200) == (QUIRKS[name].no_key is None)
        root = server.url.removesuffix(QUIRKS[name].bases[0])
        other = client.get(f"{root}/nothing/models", headers=HEADERS)
        assert other.content == QUIRKS[name].nowhere("GET", "/nothing/models").body


def test_a_stream_is_left_out_where_it_is_not_wanted() -> None:
    events = asked("tgi")
    assert events.headers["Content-Type"] == "text/event-stream"
    lines = [line for line in events.text.split("\n\n") if line.startswith("data: {")]
    said = "".join(json.loads(line[6:])["choices"][0]["delta"].get("content", "") for line in lines)
    assert said == asked("tgi", stream=False).json()["choices"][0]["message"]["content"]


def test_azure_wants_to_be_told_a_version_where_it_has_deployments() -> None:
    with fault_server(quirks="azure") as server, httpx2.Client(trust_env=False) as client:
        root = server.url.removesuffix("/openai/v1")
        url = f"{root}/openai/deployments/{MODEL}/chat/completions"
        body = chat(1) | {"model": MODEL}
        plain = client.post(url, json=body, headers=HEADERS)
        told = client.post(f"{url}?api-version=1", json=body, headers=HEADERS)
        bearer = {"Authorization": HEADERS["Authorization"]}
        assert (plain.status_code, told.status_code) == (404, 200)
        assert client.post(f"{url}?api-version=1", json=body, headers=bearer).status_code == 401
