from dataclasses import replace

import pytest

from cupl.llm.dialect import Dialect
from cupl.llm.protocol import Request, Sampling, digest_of

REQUEST = Request("http://localhost/v1", "m", "chat", "What does a cat look like?")
OPENAI = replace(REQUEST, endpoint="https://api.openai.com/v1")


def test_the_usual_form_is_the_request_and_no_stream() -> None:
    assert Dialect().body(REQUEST, 3) == REQUEST.body(3) | {"stream": False}


def test_a_known_bound_is_kept() -> None:
    assert Dialect(at_once=8).body(REQUEST, 10)["n"] == 8
    assert Dialect(at_once=8).body(REQUEST, 3)["n"] == 3


@pytest.mark.parametrize(
    ("request_", "name", "other"),
    [
        (REQUEST, "max_tokens", "max_completion_tokens"),
        (OPENAI, "max_completion_tokens", "max_tokens"),
    ],
)
def test_a_limit_by_another_name_is_the_same_request(
    request_: Request, name: str, other: str
) -> None:
    dialect = Dialect()
    sent = dialect.body(request_, 1)
    lesson = dialect.learn(sent, f"Unsupported parameter: '{name}'", name)
    assert lesson == (f"wants {other} in place of {name}", True)
    again = dialect.learn(sent, f"Unsupported parameter: '{name}'", name)
    assert again == (f"wants {other} in place of {name}", False)
    body = dialect.body(request_, 1)
    assert body.pop(other) == 50
    assert name not in body
    del body["stream"]
    assert digest_of(request_.endpoint, request_.path, body | {other: 50}) == request_.digest


def test_a_limit_given_by_hand_is_the_same_request_too() -> None:
    by_hand = Sampling(max_tokens=None, extra={"max_completion_tokens": 50})
    request = replace(REQUEST, sampling=by_hand)
    assert request.body()["max_completion_tokens"] == 50
    assert "max_tokens" not in request.body()
    assert request.digest == REQUEST.digest


def test_those_on_their_way_learn_nothing_new() -> None:
    dialect = Dialect()
    sent = dialect.body(REQUEST, 10)
    first = dialect.learn(sent, "'n' must be at most 4", "n")
    later = dialect.learn(sent, "'n' must be at most 4", "n")
    assert first
    assert later
    assert (first.new, later.new, dialect.at_once) == (True, False, 4)


def test_another_form_does_not_help_against_another_refusal() -> None:
    dialect = Dialect()
    for said in ("temperature must be at most 1", "no such model", "max_tokens is too large", ""):
        assert dialect.learn(dialect.body(REQUEST, 10), said, None) is None
    assert dialect.learn(dialect.body(REQUEST, 1), "'n' must be 1", "n") is None
    assert dialect.body(REQUEST, 10) == Dialect().body(REQUEST, 10)


def test_many_answers_are_suspected_until_they_were_given() -> None:
    dialect = Dialect()
    sent = dialect.body(REQUEST, 10)
    first, later = dialect.suspect(sent), dialect.suspect(sent)
    assert first
    assert later
    assert (first.new, later.new, dialect.at_once) == (True, False, 1)
    assert dialect.suspect(dialect.body(REQUEST, 10)) is None
    able = Dialect()
    able.answered_many = True
    assert able.suspect(sent) is None
    assert able.at_once is None
