"""The address of a server, apart from its credentials."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.errors import InputError
from cupl.llm.access import access_to
from cupl.llm.address import DEFAULT_URL, ServerAddress, endpoint_of


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        (None, DEFAULT_URL),
        (" ", DEFAULT_URL),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://me:pass@example.org/v1", "https://example.org/v1"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
        # As documentation has it
        ("https://example.org/v1/chat/completions", "https://example.org/v1"),
        ("https://example.org/v1/completions/", "https://example.org/v1"),
        ("https://example.org/v1/models", "https://example.org/v1"),
        ("https://example.org/v1#chat", "https://example.org/v1"),
        ("<https://example.org/v1>", "https://example.org/v1"),
        ("[the docs](https://example.org/v1)", "https://example.org/v1"),
        ("[https://example.org/v1](https://example.org/v1/)", "https://example.org/v1"),
        ("`http://localhost:1234/v1`", "http://localhost:1234/v1"),
        ('"http://localhost:1234/v1"', "http://localhost:1234/v1"),
        # Azure's
        (
            "https://a.openai.azure.com/openai/deployments/d/chat/completions?api-version=1",
            "https://a.openai.azure.com/openai/deployments/d",
        ),
        (
            "https://a.openai.azure.com/openai/v1/?api-version=preview",
            "https://a.openai.azure.com/openai/v1",
        ),
        ("https://a.services.ai.azure.com/models", "https://a.services.ai.azure.com/models"),
    ],
)
def test_the_endpoint_has_no_credentials(url: str | None, endpoint: str) -> None:
    assert endpoint_of(url) == endpoint


@pytest.mark.parametrize(
    ("path", "taken_off"),
    [
        ("/v1", ""),
        ("/v1/", ""),
        ("/v1/chat/completions", "/chat/completions"),
        ("/v1/completions/", "/completions/"),
        ("/v1/models", "/models"),
        ("/v1/embeddings", "/embeddings"),
    ],
)
def test_what_is_taken_off_is_told_once_a_server_is_asked(path: str, taken_off: str) -> None:
    address = ServerAddress.parse(f"http://localhost{path}")
    assert address == ServerAddress("http://localhost/v1")
    told: list[str] = []
    access_to(address, notice=told.append)
    assert told == [f"the base URL is http://localhost/v1, without {taken_off}"] * bool(taken_off)


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x/v1", "http://", "http://x:y/", "http://[", "http://a\0/v1"]
)
def test_a_base_url_that_is_none(url: str) -> None:
    with pytest.raises(InputError, match="must look like"):
        endpoint_of(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("localhost:8000/v1", "http:// goes in front of localhost:8000/v1"),
        ("127.0.0.1:1234", "http:// goes in front of 127.0.0.1:1234"),
        ("[::1]:8000", r"http:// goes in front of \[::1\]:8000"),
        ("http://host:99999/v1", "a port from 1 to 65535"),
        ("http://host:0/v1", "a port from 1 to 65535"),
    ],
)
def test_what_a_base_url_lacks(url: str, why: str) -> None:
    with pytest.raises(InputError, match=f"must look like.*{why}"):
        endpoint_of(url)


def test_what_is_no_address_is_not_repeated() -> None:
    with pytest.raises(InputError) as caught:
        endpoint_of("sk-0123456789abcdef")
    assert "0123" not in str(caught.value)


def test_a_version_is_kept_apart_from_the_endpoint() -> None:
    address = ServerAddress.parse("http://localhost:8000/v1?api-version=2024-10-21")
    assert (address.endpoint, address.api_version) == ("http://localhost:8000/v1", "2024-10-21")
    assert ServerAddress.parse("http://localhost:8000/v1").api_version is None


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/v1?key=secret",
        "https://example.org/v1?api-version=1&key=secret",
        "https://example.org/v1?api-version=",
        "https://me:1/secret@example.org/v1",
        "https://me:1?secret@example.org/v1",
        "https://me:1#secret@example.org/v1",
    ],
)
def test_a_base_url_with_more_than_a_path_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InputError, match="must end with its path") as caught:
        endpoint_of(url)
    assert "secret" not in str(caught.value)


def test_user_and_password_as_they_are_sent() -> None:
    assert ServerAddress.parse("http://host/v1").credentials is None
    assert ServerAddress.parse("http://m%40e:p%2Fw@host/v1").credentials == ("m@e", "p/w")
    assert ServerAddress.parse("http://me@host/v1").credentials == ("me", "")
    assert ServerAddress.parse("http://:pw@host/v1").credentials == ("", "pw")


def test_the_header_is_a_secret_too() -> None:
    assert ServerAddress.parse("http://host/v1").secrets == []
    header = base64.b64encode(b"m@e:p/w").decode()
    address = ServerAddress.parse("http://m%40e:p%2Fw@host/v1")
    assert address.secrets == ["m@e", "p/w", header]
    assert address.basic_token == header


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(TEXTS, TEXTS)
def test_no_credentials_are_left_in_what_is_shown(user: str, password: str) -> None:
    url = f"https://{quote(user, '')}:{quote(password, '')}@host.example:8443/v1"
    address = ServerAddress.parse(url)
    assert address.credentials == (user, password)
    assert address.endpoint == "https://host.example:8443/v1"
    assert (
        str(address)
        == repr(address)
        == "ServerAddress(endpoint='https://host.example:8443/v1', api_version=None)"
    )


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        (DEFAULT_URL, True),
        ("https://API.OpenAI.com:443/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://openai.com/v1", False),
        ("https://myapi.openai.com/v1", False),
        ("https://api.openai.com.example.org/v1", False),
        ("https://api.openai.com@example.org/v1", False),
        ("https://example.org/api.openai.com/v1", False),
        ("http://127.0.0.1:8000/v1", False),
    ],
)
def test_which_hosts_are_openais(url: str, ours: bool) -> None:
    assert ServerAddress.parse(url).is_openai == ours


@pytest.mark.parametrize(
    ("host", "readable"),
    [
        ("localhost", False),
        ("LOCALHOST:8000", False),
        ("gpu.localhost", False),
        ("127.0.0.1:8000", False),
        ("127.8.9.10", False),
        ("[::1]:8000", False),
        ("[::ffff:127.0.0.1]", False),
        ("0.0.0.0:8000", False),
        ("192.168.1.7:8000", True),
        ("10.0.0.1", True),
        ("[fe80::1]", True),
        ("[::ffff:10.0.0.1]", True),
        ("localhost.example.org", True),
        ("notlocalhost", True),
        ("gpu-server", True),
        ("api.openai.com", True),
    ],
)
def test_what_can_be_read_on_the_way(host: str, readable: bool) -> None:
    assert ServerAddress.parse(f"http://{host}/v1").is_readable_on_the_way == readable
    assert not ServerAddress.parse(f"https://{host}/v1").is_readable_on_the_way


@given(st.text() | st.text().map(lambda rest: f"http://{rest}") | st.from_regex(r"https?://\S+"))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = ServerAddress.parse(f"x{text}" if not text.strip() else text)
    except InputError:
        return
    assert ServerAddress.parse(address.endpoint).endpoint == address.endpoint
