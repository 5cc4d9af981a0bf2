from dataclasses import replace
from typing import Any

import pytest

from cupl.errors import InputError, ServerError
from cupl.llm.protocol import Request, RetryableError, Sampling, cache_key

REQUEST = Request("http://localhost/v1", "m", "chat", "What does a cat look like?")


def test_chat_body_holds_the_preamble_as_system_message() -> None:
    assert replace(REQUEST, preamble="Be plain.").body() == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be plain."},
            {"role": "user", "content": "What does a cat look like?"},
        ],
        "temperature": 0.99,
        "max_tokens": 50,
    }


def test_completion_body_puts_the_question_into_the_preamble() -> None:
    request = replace(REQUEST, api="completions", preamble="Q: {}\nA:", question="{} {a}?")
    assert request.body()["prompt"] == "Q: {} {a}?\nA:"
    assert replace(request, preamble=None).body()["prompt"] == "{} {a}?"


def test_what_is_none_is_not_sent() -> None:
    sampling = Sampling(temperature=None, max_tokens=None)
    assert set(replace(REQUEST, sampling=sampling).body()) == {"model", "messages"}


def test_n_is_sent_only_where_it_says_something() -> None:
    assert "n" not in REQUEST.body(1)
    assert REQUEST.body(3)["n"] == 3


def test_openai_chat_takes_max_completion_tokens() -> None:
    body = replace(REQUEST, endpoint="https://api.openai.com/v1").body()
    assert body["max_completion_tokens"] == 50
    assert "max_tokens" not in body


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, endpoint="http://localhost/v2"),
        replace(REQUEST, model="n"),
        replace(REQUEST, api="completions"),
        replace(REQUEST, question="What does a dog look like?"),
        replace(REQUEST, preamble="x"),
        replace(REQUEST, sampling=Sampling(temperature=None)),
        replace(REQUEST, sampling=Sampling(top_p=0.5)),
        replace(REQUEST, sampling=Sampling(max_tokens=51)),
        replace(REQUEST, sampling=Sampling(stop=(".",))),
    ],
)
def test_all_that_can_change_the_answer_changes_the_key(other: Request) -> None:
    assert other.digest != REQUEST.digest


def test_each_sample_has_its_key() -> None:
    keys = {cache_key(REQUEST.digest, sample) for sample in range(10)}
    assert len(keys) == 10
    assert cache_key(replace(REQUEST).digest, 3) in keys


def test_keys_stay_what_they_are() -> None:
    # With other keys nothing that was paid for would be found again.
    assert REQUEST.digest.startswith("54e436caf1d4ac8c")
    assert cache_key("abc", 7).startswith("94369342f9ee549a")


def test_one_setting_is_one_key() -> None:
    digests = {replace(REQUEST, sampling=Sampling(temperature=t)).digest for t in (1, 1.0, True)}
    assert len(digests) == 1


def test_a_question_that_is_no_valid_text_has_a_key() -> None:
    assert replace(REQUEST, question="\ud83d").digest != REQUEST.digest


def test_a_stop_text_is_sent_as_a_list() -> None:
    assert replace(REQUEST, sampling=Sampling(stop=(".", "\n"))).body()["stop"] == [".", "\n"]


def test_what_may_heal_is_an_error_of_the_server() -> None:
    error = RetryableError("no", after=3.0, answered=True)
    assert isinstance(error, ServerError)
    assert (str(error), error.after, error.answered) == ("no", 3.0, True)
    assert (error.limited, error.unreachable) == (False, False)


@pytest.mark.parametrize(
    "setting",
    [
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": -0.1},
        {"top_p": -1.0},
        {"max_tokens": 0},
        {"max_tokens": -5},
        {"stop": ("",)},
    ],
)
def test_a_setting_that_no_server_takes_is_refused_before_it_is_paid_for(
    setting: dict[str, Any],
) -> None:
    with pytest.raises(InputError, match=next(iter(setting))):
        Sampling(**setting)
