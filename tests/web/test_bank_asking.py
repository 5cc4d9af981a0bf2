"""Asking a language model for more prompts, in the app."""

import json
import threading
from typing import Any

import pytest

from cupl.web.bank_models import LanguageModel
from tests import fakes
from tests.web.bank_steps import asked_server, edit, now, shown
from tests.web.conftest import Serve

KEY = "sk-very-secret-0123456789"


def test_a_model_is_asked_for_more(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with fakes.serve(asked_server) as server:
        model = LanguageModel("some-model", server.url, "MY_KEY", 1.0, 2.0, max_requests=5)
        with serve(photos=None, language_model=model) as app:
            told = app.good("/api/bank/models")
            assert told["models"][0] == "some-model"
            asked = {**now(app), "number": 0, "model": "some-model", "prompts": 7}
            found = app.good("/api/bank/ask/estimate", asked)
            assert (found["requests"], found["answers"], found["cached"]) == (3, 9, 0)
            assert found["tokens_out"] == 9 * 50
            assert found["price"] == pytest.approx((found["tokens_in"] + 2 * 450) / 1e6)
            assert (found["max_requests"], found["requests_so_far"]) == (5, 0)
            assert server.requests == []
            job = app.good("/api/bank/ask", asked)
            app.wait("ask")
            [state] = [one for one in app.good("/api/state")["jobs"] if one["id"] == job["id"]]
            assert state["state"] == "done", state
            result = app.good(f"/api/jobs/result?id={job['id']}")["result"]
            assert len(result["prompts"]) == 9
            assert (result["requests"], result["tokens_in"], result["tokens_out"]) == (3, 21, 27)
            assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
            edit(app, "add-prompts", number=0, prompts=result["prompts"])
            assert len(shown(app)["prompts"]) == 11
            # Once more it is new ones that are asked for, and the budget is that of the server.
            again = {**asked, **now(app)}
            found = app.good("/api/bank/ask/estimate", again)
            assert (found["answers"], found["requests_so_far"]) == (9, 3)
            app.good("/api/bank/ask", again)
            app.wait("ask")
            failed = app.good("/api/state")["jobs"][-1]
            assert "5 requests" in failed["error"]
            assert KEY not in json.dumps(app.good("/api/state"))
            assert server.url not in json.dumps(app.good("/api/state"))


def test_what_a_server_says_shows_no_key(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)

    def reply(body: dict[str, Any]) -> fakes.Reply:
        return 401, {"error": {"message": f"the key {KEY} is not known at {server.url}"}}

    with fakes.serve(reply) as server:
        with serve(photos=None, language_model=LanguageModel("m", server.url, "MY_KEY")) as app:
            app.good("/api/bank/ask", {**now(app), "number": 0, "model": "m", "prompts": 3})
            app.wait("ask")
            told = json.dumps(app.good("/api/state"))
            assert app.good("/api/state")["jobs"][-1]["state"] == "failed"
            assert KEY not in told
            assert server.url.removesuffix("/v1") not in told
        monkeypatch.delenv("MY_KEY")
        with serve(photos=None, language_model=LanguageModel("m", server.url, "MY_KEY")) as app:
            app.good("/api/bank/ask", {**now(app), "number": 0, "model": "m", "prompts": 3})
            app.wait("ask")
            assert app.good("/api/state")["jobs"][-1]["state"] == "failed"


def test_asking_can_be_stopped(serve: Serve) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def reply(body: dict[str, Any]) -> fakes.Reply:
        begun.set()
        go_on.wait(30)
        return asked_server(body)

    with (
        fakes.serve(reply) as server,
        serve(photos=None, language_model=LanguageModel("m", server.url)) as app,
    ):
        asked = {**now(app), "number": 0, "model": "m", "prompts": 3}
        job = app.good("/api/bank/ask", asked)
        assert begun.wait(30)
        assert app.ask("/api/bank/ask", asked)[0] == 409
        app.good("/api/jobs/stop", {"id": job["id"]})
        app.wait("ask")
        go_on.set()
        assert app.good("/api/state")["jobs"][-1]["state"] == "stopped"


def test_asking_for_what_is_none_is_refused(serve: Serve) -> None:
    changes: list[dict[str, Any]] = [
        {"model": " "}, {"model": "x" * 201}, {"prompts": 0}, {"prompts": 101}, {"number": 9},
        {"model": "a\nb"}, {"base_url": "http://example.org"}, {"api_key": "x"},
    ]  # fmt: skip
    with serve(photos=None) as app:
        for change in changes:
            body = {**now(app), "number": 0, "model": "mini", "prompts": 3, **change}
            assert app.ask("/api/bank/ask/estimate", body)[0] in (400, 422), change
