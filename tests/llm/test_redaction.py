import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cupl.errors import InputError
from cupl.llm.redaction import api_key, credentials, redact, scrub, secrets_of

KEY = "sk-proj-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
HEX = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"  # as Azure's are


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return KEY


def test_the_key_is_read_without_what_a_file_leaves_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert api_key() == ""
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\r\n")
    assert api_key() == KEY


@pytest.mark.parametrize("key", ["sk se", "a\nb", "a\0b", "é", "\u200b", "Bearer abc", "a\x7f"])
def test_what_is_no_key(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "\0" in key:
        monkeypatch.setattr("os.environ", {"OPENAI_API_KEY": key})
    else:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InputError, match="OPENAI_API_KEY holds a character") as caught:
        api_key()
    assert key not in str(caught.value)


# Of an address


def test_user_and_password_as_they_are_sent() -> None:
    assert credentials("http://host/v1") is None
    assert credentials("http://m%40e:p%2Fw@host/v1") == ("m@e", "p/w")
    assert credentials("http://me@host/v1") == ("me", "")
    assert credentials("http://:pw@host/v1") == ("", "pw")


def test_the_header_is_a_secret_too() -> None:
    assert secrets_of("http://host/v1") == []
    header = base64.b64encode(b"m@e:p/w").decode()
    assert secrets_of("http://m%40e:p%2Fw@host/v1") == ["m@e", "p/w", header]


# Messages


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"Key {KEY}.", "Key ***."),
        (f"Key {KEY[:20]}... is bad", "Key ***... is bad"),
        (f"ends in {KEY[-8:]}", "ends in ***"),
        (f"{KEY[:20]}\n{KEY[20:]}", "***"),
        (f"a {' '.join(KEY)} b", "a *** b"),
        ("\n".join(KEY[i : i + 5] for i in range(0, len(KEY), 5)), "***"),
        ("\u200b".join(KEY), "***"),
        (f"{KEY}{KEY} and {KEY}", "*** and ***"),
        ("your sk-other****wxyz is", "your *** is"),
        ("got Bearer abc, Basic ZGVm", "got Bearer *** Basic ***"),
        ("two\r\n lines\tof  it", "two lines of it"),
        ("\x1b[31mred\x07", "[31mred"),
        ("x" * 9999, "x" * 300),
        ("", ""),
    ],
)
def test_a_message_without_the_key(said: str, shown: str, key: str) -> None:
    assert redact(said) == shown


@pytest.mark.parametrize("key", [HEX, 'a/b+c"d\\e&f=ghij', "plain-token_123"])
def test_a_key_in_the_spelling_of_json_or_an_address(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    for form in (key, json.dumps(key)[1:-1], key.replace("/", "\\/"), quote(key, safe="")):
        assert redact(f"not {form} here") == "not *** here"


@pytest.mark.parametrize("key", ["x", "none", "EMPTY", "ollama"])
def test_a_short_key_of_letters_is_none(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    said = "ollama: none of x is EMPTY"
    assert redact(said) == scrub(said) == said


@pytest.mark.parametrize("key", ["no-key", "token1", "12345"])
def test_another_short_key_is_hidden_where_it_stands_as_a_word(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert redact(f"key '{key}', but not a{key}b") == f"key '***', but not a{key}b"
    assert scrub(f"key {key}") == f"key {key}"


def test_a_short_password_is_hidden_where_it_stands_as_a_word() -> None:
    assert redact("me:pw@host, same", "me", "pw") == "***:***@host, same"


KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*"))
"""Without ``*``, which stands for what was taken out."""


@given(KEYS.filter(lambda key: len(key) >= 8), st.data())
def test_no_eight_characters_of_a_secret_come_through(secret: str, data: st.DataObject) -> None:
    pieces = st.integers(0, len(secret)).flatmap(
        lambda start: st.integers(start, len(secret)).map(lambda end: secret[start:end])
    )
    said = "".join(data.draw(st.lists(pieces | st.text(max_size=3) | st.just("\n"), max_size=8)))
    shown = redact(said, secret)
    for text in (shown, "".join(shown.split())):
        assert not any(secret[i : i + 8] in text for i in range(len(secret) - 7))
    assert shown.isprintable()
    assert len(shown) <= 300


@given(st.text(), KEYS)
@example("aaaaaaaaaaaaaaaaaaaa", "aaaaaaaa")
@example("", "")
def test_what_is_left_of_a_message_was_in_it(said: str, secret: str) -> None:
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    position = 0
    for part in redact(said, secret).split("***"):
        position = line.index(part, position) + len(part)


# Answers


def test_an_answer_without_the_key(key: str) -> None:
    assert scrub(f"A cat. {KEY}\0\n") == "A cat. ***\0\n"
    assert scrub(f"A {KEY[:20]} {KEY[20:]}") == "A ***"
    assert scrub(f"A {KEY[:15]}") == f"A {KEY[:15]}"
    assert scrub("A cat.", "correct-horse") == "A cat."
    assert scrub("A correct-horse.", "correct-horse") == "A ***."


@pytest.mark.parametrize(
    "secret", ["cat", "tabby", "photographer", "sk-no-key-required", "not-needed", ""]
)
def test_words_of_an_answer_are_no_secret(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "No key required, not needed: a photographer shows\n\ta tabby cat."
    assert scrub(said, secret) == said
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    assert scrub(said) == said


@given(st.text(), st.text(), st.from_regex(r"[!-~]{15,30}[0-9]", fullmatch=True))
def test_a_whole_key_is_in_no_answer(before: str, after: str, secret: str) -> None:
    assert secret not in scrub(f"{before}{secret}{after}", secret)
