import json
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cupl.llm.redaction import is_placeholder, redact, scrub, without_secrets, without_url_keys

KEY = "sk-proj-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
HEX = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"  # as Azure's are


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
def test_a_message_without_the_key(said: str, shown: str) -> None:
    assert redact(said, KEY) == shown


@pytest.mark.parametrize("key", [HEX, 'a/b+c"d\\e&f=ghij', "plain-token_123"])
def test_a_key_in_the_spelling_of_json_or_an_address(key: str) -> None:
    for form in (key, json.dumps(key)[1:-1], key.replace("/", "\\/"), quote(key, safe="")):
        assert redact(f"not {form} here", key) == "not *** here"


@pytest.mark.parametrize("key", ["", "x", "none", "EMPTY", "ollama"])
def test_a_short_key_of_letters_is_none(key: str) -> None:
    assert is_placeholder(key)
    said = "ollama: none of x is EMPTY"
    assert scrub(said, key) == said


@pytest.mark.parametrize("key", ["no-key", "token1", "12345"])
def test_another_short_key_is_hidden_where_it_stands_as_a_word(key: str) -> None:
    assert not is_placeholder(key)
    assert redact(f"key '{key}', but not a{key}b", key) == f"key '***', but not a{key}b"
    assert scrub(f"key {key}", key) == f"key {key}"


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


def test_an_answer_without_the_key() -> None:
    assert scrub(f"A cat. {KEY}\0\n", KEY) == "A cat. ***\0\n"
    assert scrub(f"A {KEY[:20]} {KEY[20:]}", KEY) == "A ***"
    assert scrub(f"A {KEY[:15]}", KEY) == f"A {KEY[:15]}"
    assert scrub("A cat.", "correct-horse") == "A cat."
    assert scrub("A correct-horse.", "correct-horse") == "A ***."


@pytest.mark.parametrize(
    "secret", ["cat", "tabby", "photographer", "sk-no-key-required", "not-needed", ""]
)
def test_words_of_an_answer_are_no_secret(secret: str) -> None:
    said = "No key required, not needed: a photographer shows\n\ta tabby cat."
    assert scrub(said, secret) == said


@given(st.text(), st.text(), st.from_regex(r"[!-~]{15,30}[0-9]", fullmatch=True))
def test_a_whole_key_is_in_no_answer(before: str, after: str, secret: str) -> None:
    assert secret not in scrub(f"{before}{secret}{after}", secret)


def test_a_command_for_a_report_has_no_secret() -> None:
    environment = {"MY_API_KEY": "abcd-efgh-1234", "HOME": "/home/me", "LLM_TOKEN": "none"}
    command = (
        'cupl generate x --extra \'{"k": "abcd-efgh-1234"}\' -o /home/me/none.yaml '
        "--base-url https://me:pass@host/v1 --model sk-proj-abc123"
    )
    shown = without_secrets(command, environment)
    assert shown == (
        'cupl generate x --extra \'{"k": "***"}\' -o /home/me/none.yaml '
        "--base-url https://***@host/v1 --model ***"
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("https:/me:SEKRET@host/x.npz: no such file", "https:/***@host/x.npz: no such file"),
        ("s3://K:SEKRET@bucket/v: no", "s3://***@bucket/v: no"),
        ("ray://SEKRET@head:10001", "ray://***@head:10001"),
        (
            "abfss://box@account.dfs.core.windows.net/a",
            "abfss://box@account.dfs.core.windows.net/a",
        ),
        ("me@host said: http://host/a@b", "me@host said: http://host/a@b"),
    ],
)
def test_urls_without_a_user_or_a_password(said: str, shown: str) -> None:
    assert without_url_keys(said) == shown
