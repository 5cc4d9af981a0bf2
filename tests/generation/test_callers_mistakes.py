"""What a caller's own model, filter or setting does wrong costs a sentence and nothing else."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cupl.errors import InputError
from cupl.generation.cache.reader import CacheReader
from cupl.generation.filters import Answer
from cupl.generation.pipeline import generate
from cupl.llm.protocol import Request, Response, Sampling
from tests.fakes import Echo
from tests.generation.test_plan import ONE


class Says(Echo):
    """Answers with one response, whatever it is."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        self.response = response

    async def complete(self, request: Request, n: int) -> list[Response]:
        await super().complete(request, n)
        return [self.response] * n


@pytest.mark.parametrize(
    "response",
    [
        Response("A cat is soft.", finish_reason=None),  # type: ignore[arg-type]
        Response("A cat is soft.", completion_tokens=1.5),  # type: ignore[arg-type]
        Response("A cat is soft.", prompt_tokens=True),
        Response(b"A cat is soft."),  # type: ignore[arg-type]
        Response(None),  # type: ignore[arg-type]
    ],
)
def test_what_could_not_be_read_again_is_not_stored(tmp_path: Path, response: Response) -> None:
    with pytest.raises(InputError, match="an answer has a text and a reason to finish"):
        generate(["cat"], ONE, samples=2, cache=tmp_path, llm=Says(response))
    with CacheReader(tmp_path) as reader:
        assert list(reader.entries()) == []
    bank = generate(["cat"], ONE, samples=1, cache=tmp_path, llm=Says(Response("A cat is soft.")))
    assert bank.size == 1


def test_a_call_that_is_cancelled_inside_the_model_is_tried_again(tmp_path: Path) -> None:
    class Breaks(Echo):
        async def complete(self, request: Request, n: int) -> list[Response]:
            if not self.asked:
                self.asked.append((request.question, n))
                raise asyncio.CancelledError
            return await super().complete(request, n)

    llm = Breaks()
    assert generate(["cat"], ONE, samples=1, cache=tmp_path, llm=llm).size == 1
    assert len(llm.asked) == 2


def next_of_nothing(answer: Answer) -> Answer:
    return next(iter(()))


def a_number(answer: Answer) -> Answer:
    return Answer(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (next_of_nothing, "the filter next_of_nothing raised StopIteration"),
        (a_number, "the filter a_number returned 5 as the text, no Answer"),
    ],
)
def test_a_filter_that_is_wrong_ends_the_run(tmp_path: Path, step: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        generate(["cat"], ONE, samples=1, cache=tmp_path, llm=Echo(), filters=[step])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"name": None}, "name must be a text, not None"),
        ({"name": 5}, "name must be a text, not 5"),
        ({"samples": True}, "samples must be a valid integer, not True"),
        ({"min_prompts": 1.5}, "min_prompts"),
        ({"model": None}, "model is the name of a model, not None"),
        ({"model": " "}, "model is the name of a model, not ' '"),
    ],
)
def test_a_setting_of_another_type_is_found_before_anything_is_asked(
    tmp_path: Path, settings: dict[str, Any], expected: str
) -> None:
    llm = Echo()
    with pytest.raises(InputError, match=expected):
        generate(["cat"], ONE, **{"samples": 2, **settings}, cache=tmp_path, llm=llm)
    assert llm.asked == []


@pytest.mark.parametrize(
    "settings", [{"max_tokens": 1.5}, {"max_tokens": True}, {"stop": "ab"}, {"stop": [5]}]
)
def test_sampling_of_another_type(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        Sampling(**settings)


def test_stop_texts_in_a_list_are_a_tuple() -> None:
    assert Sampling(stop=["a", "b"]).stop == ("a", "b")  # type: ignore[arg-type]
