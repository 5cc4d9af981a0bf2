"""The key, and user and password: to whom they go, and that nobody else sees them."""

import asyncio
import base64
import logging
import re
import traceback
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from cupl.errors import InputError, ServerError
from cupl.llm.access import access_to, api_key
from cupl.llm.address import DEFAULT_URL, ServerAddress
from cupl.llm.openai import OpenAIServer
from tests.fakes import FakeServer, chat_reply, listen, serve
from tests.llm.one_request import KEY, PASSWORD, once, refused, run_requests, with_key


def authorizations(server: FakeServer) -> list[str | None]:
    lower = [{name.lower(): value for name, value in sent.items()} for sent in server.headers]
    return [headers.get("authorization") for headers in lower]


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test\r\n")  # as a file of settings may leave it
    with serve(lambda body: (200, chat_reply("A cat."))) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f" {server.url}\n")
        assert with_key("")[0].text == "A cat."
    assert authorizations(server) == ["Bearer sk-test"]


def test_user_and_password_are_sent_and_not_shown(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    header = "Basic " + base64.b64encode(f"m@e:{PASSWORD}".encode()).decode()
    said = f"{PASSWORD} pass%2Fw0rd pass\\/w0rd {header} m@e {KEY}"
    with serve(lambda body: (status, chat_reply(said) if status == 200 else said)) as server:
        url = server.url.replace("//", "//m%40e:pass%2Fw0rd@")
        assert OpenAIServer(url).endpoint == server.url
        caplog.set_level(logging.DEBUG)
        for status in (200, 400, 401, 403, 429, 500):
            if status == 200:
                # "m@e" is too short to be told from words of an answer.
                assert run_requests(url)[0].text.replace("m@e", "") == "*** *** *** Basic ***  ***"
            else:
                error = str(refused(url))
                assert not {"w0rd", "m@e", header[6:]} & set(re.split(r"[^\w@=]+", error))
                assert server.url in error
    assert authorizations(server) == [header] * 6
    assert "w0rd" not in caplog.text.replace(said, "")


def test_a_rejected_password_is_not_called_a_key(key: str) -> None:
    with serve(lambda body: (401, {})) as server:
        error = refused(server.url.replace("//", "//me:pass%2Fw0rd@"))
    assert str(error) == f"{server.url} rejected the user and password in the base URL"


def test_the_key_is_in_nothing_that_is_stored(key: str) -> None:
    reply = chat_reply(f"Cats like {KEY[:16]}\n{KEY[16:]} most.") | {"model": f"m {KEY}"}
    reply["choices"][0]["finish_reason"] = KEY
    with serve(lambda body: (200, reply)) as server:
        (answer,) = with_key(server.url)
    assert answer.text == "Cats like *** most."
    assert answer.model == "m ***"
    assert answer.finish_reason == "***"


@pytest.mark.parametrize("key", ["x", "none", "EMPTY", "ollama", "sk-no-key-required", "anything"])
def test_a_key_that_is_none_blanks_out_no_answer(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    said = "No key is required for x, none: EMPTY of anything but an ollama."
    with serve(lambda body: (200, chat_reply(said))) as server:
        assert with_key(server.url)[0].text == said


@pytest.mark.parametrize("key", ["sk-se\ncret", "Bearer sk-secret", "sk-sécret"])
def test_a_key_that_cannot_be_one_is_not_repeated(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InputError, match="OPENAI_API_KEY holds") as caught:
        with_key("http://localhost:1/v1")
    assert "cret" not in str(caught.value)


def test_a_server_that_wants_a_key_says_so() -> None:
    with serve(lambda _: (401, {})) as server:
        error = refused(server.url)
    assert str(error) == (
        f"{server.url} wants a key: name the environment variable that holds it, for "
        "instance OPENAI_API_KEY, with api_key_env"
    )


def test_openai_without_a_key_says_what_to_do() -> None:
    with pytest.raises(
        ServerError, match="OPENAI_API_KEY is not set.*base_url.*model that needs no key"
    ):
        run_requests(DEFAULT_URL)


# Which key is for whom


def test_the_key_is_read_without_what_a_file_leaves_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert api_key() == ""
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\r\n")
    assert api_key() == KEY


@pytest.mark.parametrize("key", ["sk se", "a\nb", "a\0b", "é", "\u200b", "Bearer abc", "a\x7f"])
@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "GATEWAY_KEY"])
def test_what_is_no_key(key: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "\0" in key:
        monkeypatch.setattr("os.environ", {variable: key})
    else:
        monkeypatch.setenv(variable, key)
    with pytest.raises(InputError, match=f"{variable} holds a character") as caught:
        api_key(variable)
    assert key not in str(caught.value)


HERE = "http://127.0.0.1:8000/v1"
OTHER = "https://gateway.example/v1"
GATEWAY_KEY = "gw-0123456789abcdef"


@pytest.mark.parametrize(
    ("url", "api_key_env", "sent"),
    [
        (DEFAULT_URL, None, f"Bearer {KEY}"),
        (None, None, f"Bearer {KEY}"),
        ("https://eu.api.openai.com/v1", None, f"Bearer {KEY}"),
        (DEFAULT_URL, "GATEWAY_KEY", f"Bearer {GATEWAY_KEY}"),
        (OTHER, None, "Bearer none"),
        (HERE, None, "Bearer none"),
        (OTHER, "GATEWAY_KEY", f"Bearer {GATEWAY_KEY}"),
        (OTHER, "OPENAI_API_KEY", f"Bearer {KEY}"),
        ("https://me:pw@gateway.example/v1", None, "Basic bWU6cHc="),
        ("https://me:pw@api.openai.com/v1", None, "Basic bWU6cHc="),
    ],
)
def test_who_gets_which_key(
    url: str | None, api_key_env: str | None, sent: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_KEY", GATEWAY_KEY)
    access = access_to(ServerAddress.parse(url), api_key_env)
    assert access.authorization == sent
    assert KEY not in repr(access)
    assert GATEWAY_KEY not in repr(access)
    assert not sent.startswith("Bearer sk") or KEY in access.secrets


def test_no_other_host_gets_what_is_openais(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the key nor what the SDK finds in the environment beside it."""
    ours = {
        "OPENAI_ADMIN_KEY": "sk-admin-0123456789",
        "OPENAI_ORG_ID": "org-0123456789",
        "OPENAI_PROJECT_ID": "proj-0123456789",
        "OPENAI_WEBHOOK_SECRET": "whsec-0123456789",
        "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer sk-custom-0123456789",
    }
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    with serve(lambda body: (200, chat_reply("A cat."))) as server:
        run_requests(server.url)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        run_requests("")
    assert authorizations(server) == ["Bearer none"] * 2
    sent = str(server.headers).lower()
    for secret in (KEY, *ours.values()):
        assert secret.rpartition(" ")[2].lower() not in sent
    assert "openai-organization" not in sent
    assert "openai-project" not in sent


def test_openai_gets_all_of_it(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By way of a proxy on loopback, which sees what would travel."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    with serve(lambda body: (200, chat_reply("A cat."))) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
        with pytest.warns(UserWarning, match="the key in OPENAI_API_KEY can be read by anyone"):
            assert run_requests("http://api.openai.com/v1")[0].text == "A cat."
        run_requests("http://gateway.example/v1")
    assert server.paths == [
        "http://api.openai.com/v1/chat/completions",
        "http://gateway.example/v1/chat/completions",
    ]
    assert authorizations(server) == [f"Bearer {KEY}", "Bearer none"]
    headers = {name.lower(): value for name, value in server.headers[0].items()}
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-1")


@pytest.mark.parametrize("secret", ["key", "password"])
def test_a_redirect_to_another_host_takes_nothing_along(secret: str, key: str) -> None:
    with serve(lambda body: (200, chat_reply("A cat."))) as other:

        class Elsewhere(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(307)
                self.send_header("Location", f"{other.url}/chat/completions")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        with listen(Elsewhere) as url:
            if secret == "password":
                run_requests(url.replace("//", "//m%40e:pass%2Fw0rd@"))
            else:
                with_key(url)
    assert authorizations(other) == [None]


@pytest.mark.parametrize("value", [None, "", " \n"])
def test_a_variable_without_a_key_is_named_before_anything_is_sent(
    value: str | None, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv("GATEWAY_KEY", value)
    with serve(lambda body: (200, chat_reply("A cat."))) as server:
        error = refused(server.url, api_key_env="GATEWAY_KEY")
        assert not server.requests
    assert isinstance(error, InputError)
    assert "the environment variable GATEWAY_KEY that api_key_env names is not set" in str(error)
    assert error.arguments == {"api_key_env": ...}


@pytest.mark.parametrize(
    "slip", ["", "sk-test-0123", "gsk_0123456789abcdef", "hf_AbCdEf", "a=b", "a\0b", "0f1e2d3c"]
)
def test_a_key_in_place_of_its_variable_is_not_repeated(slip: str) -> None:
    with pytest.raises(InputError, match="name of the variable, not the key") as caught:
        access_to(ServerAddress(HERE), slip)
    assert not slip or slip not in str(caught.value)


def test_a_request_carries_one_of_key_and_password(key: str) -> None:
    with pytest.raises(InputError, match="carries only one of them; leave one out"):
        access_to(ServerAddress.parse("http://me:pw@localhost/v1"), "OPENAI_API_KEY")


def test_a_malformed_key_for_openai_is_no_matter_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not needed here")
    with serve(lambda body: (200, chat_reply("A key is not needed here."))) as server:
        assert run_requests(server.url)[0].text == "A key is not needed here."


# What others can read


@pytest.mark.parametrize(
    ("url", "api_key_env", "what"),
    [
        ("http://gateway.example/v1", "GATEWAY_KEY", "the key in GATEWAY_KEY can be read"),
        ("http://me:pw@10.0.0.1/v1", None, "the user and password in the base URL can be read"),
        ("http://gateway.example/v1", None, None),
        ("http://gateway.example/v1", "PLACEHOLDER", None),
        (OTHER, "GATEWAY_KEY", None),
        (HERE, "GATEWAY_KEY", None),
        ("http://me:pw@localhost/v1", None, None),
    ],
)
def test_what_would_travel_openly_is_said(
    url: str, api_key_env: str | None, what: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_KEY", GATEWAY_KEY)
    monkeypatch.setenv("PLACEHOLDER", "EMPTY")
    notices: list[str] = []
    access_to(ServerAddress.parse(url), api_key_env, notices.append)
    assert len(notices) == (what is not None)
    for notice in notices:
        assert notice.startswith(f"{what} by anyone on the way to http://")
        assert GATEWAY_KEY not in notice
        assert "pw" not in notice


def test_a_warning_comes_once_from_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_KEY", GATEWAY_KEY)
    notices: list[str] = []
    with serve(lambda body: (200, chat_reply("A cat."))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        server = OpenAIServer(
            "http://gateway.example/v1", api_key_env="GATEWAY_KEY", notice=notices.append
        )
        for _ in range(2):  # each in a loop of its own
            asyncio.run(once(server, 1))
    assert len(notices) == 1
    assert authorizations(proxy) == [f"Bearer {GATEWAY_KEY}"] * 2


# The key that is really in use


def test_another_key_is_hidden_as_well(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GATEWAY_KEY", GATEWAY_KEY)
    caplog.set_level(logging.DEBUG)
    said = f"{GATEWAY_KEY} in full, {GATEWAY_KEY[:12]} in part"
    with serve(lambda body: (status, chat_reply(said) if status == 200 else said)) as server:
        for status in (200, 400, 403, 429, 500):
            if status == 200:
                answers = run_requests(server.url, api_key_env="GATEWAY_KEY")
                assert GATEWAY_KEY not in answers[0].text
            else:
                error = refused(server.url, api_key_env="GATEWAY_KEY")
                trace = "".join(traceback.format_exception(error))
                assert GATEWAY_KEY[:12] not in str(error) + trace
    assert authorizations(server) == [f"Bearer {GATEWAY_KEY}"] * 5
    assert {"openai", "httpx2", "httpcore2"} <= {
        record.name.partition(".")[0] for record in caplog.records
    }
    assert GATEWAY_KEY not in caplog.text


def test_no_log_of_the_libraries_below_has_a_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):
        caplog.set_level(logging.DEBUG, name)
    with serve(lambda body: (200, chat_reply("A cat."))) as server:
        run_requests(server.url.replace("//", "//m%40e:pass%2Fw0rd@"))
    header = base64.b64encode(f"m@e:{PASSWORD}".encode()).decode()
    assert authorizations(server) == [f"Basic {header}"]
    assert {"openai", "httpx2", "httpcore2"} <= {
        record.name.partition(".")[0] for record in caplog.records
    }
    for secret in ("w0rd", "m@e", "m%40e", header):
        assert secret not in caplog.text
