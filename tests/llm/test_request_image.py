import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.errors import InputError
from cupl.generation.budget import estimate_prompt_tokens, most_tokens
from cupl.llm.protocol import Request, Sampling, digest_of
from cupl.llm.request_image import Detail, RequestImage, images_in, without_content

JPEG = b"\xff\xd8\xff not really"


def image(
    content: bytes = JPEG, width: int = 512, height: int = 384, detail: Detail | None = None
) -> RequestImage:
    from hashlib import sha256

    return RequestImage(sha256(content).hexdigest(), width, height, lambda: content, detail)


def request(*images: RequestImage, question: str = "What is it?") -> Request:
    return Request("http://s/v1", "m", "chat", question, "Be brief.", Sampling(), images)


def test_images_go_before_the_question_as_data() -> None:
    system, user = request(image(), image(b"2", detail="low")).body()["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    first, second, text = user["content"]
    data = base64.b64encode(JPEG).decode()
    assert first == {
        "type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"},
    }  # fmt: skip
    assert second["image_url"]["detail"] == "low"
    assert text == {"type": "text", "text": "What is it?"}


def test_a_text_alone_is_asked_as_it_always_was() -> None:
    assert request().body()["messages"][1] == {"role": "user", "content": "What is it?"}
    assert request().digest == digest_of("http://s/v1", "/chat/completions", request().body())
    known = "d386f43b61bac8e6d66acf3142c62492e175df8f0622c09d5cac54e8e91ddaf3"
    assert request().digest == known


def test_the_key_is_that_of_the_body_as_it_is_sent() -> None:
    asked = request(image(), image(b"2", detail="high"))
    assert asked.digest == digest_of("http://s/v1", "/chat/completions", asked.body())


def test_no_content_is_read_for_the_key() -> None:
    def read() -> bytes:
        raise AssertionError

    asked = request(RequestImage("ab" * 32, 8, 8, read))
    assert asked.digest == request(RequestImage("ab" * 32, 9, 9, lambda: b"")).digest
    with pytest.raises(AssertionError):
        asked.body()


def test_another_image_order_question_or_detail_is_another_key() -> None:
    one, two = image(b"1"), image(b"2")
    digests = {
        request(*images).digest
        for images in [(), (one,), (two,), (one, two), (two, one), (image(b"1", detail="low"),)]
    }
    assert len({*digests, request(one, question="And this?").digest}) == 7


def test_only_a_chat_model_is_shown_images() -> None:
    with pytest.raises(InputError, match="chat model alone"):
        Request("http://s/v1", "m", "completions", "What?", images=(image(),))


def test_what_an_image_counts() -> None:
    plain, shown = request(), request(image(width=512, height=384))
    assert estimate_prompt_tokens(shown) - estimate_prompt_tokens(plain) == 19 * 14
    # OpenAI's count for gpt-4o-mini: 2833 and 5667 for each tile of 512 pixels.
    assert most_tokens(shown, 1) - most_tokens(plain, 1) == 2833 + 5667
    assert image(width=513, height=513).most_tokens == 2833 + 4 * 5667


@given(st.integers(1, 4096), st.integers(1, 4096))
def test_the_bound_is_above_the_estimate(width: int, height: int) -> None:
    assert image(width=width, height=height).tokens < image(width=width, height=height).most_tokens


PARTS = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda some: st.lists(some) | st.dictionaries(st.text(), some),
)


@given(st.dictionaries(st.sampled_from(["messages", "model"]), PARTS))
def test_any_body_is_looked_through(body: dict[str, Any]) -> None:
    assert json.dumps(without_content(body)) == json.dumps(body)
    assert images_in(body) == 0


def test_the_images_of_a_body_are_counted() -> None:
    assert images_in(request(image(), image(b"2")).body()) == 2
    assert images_in(request().body()) == 0
