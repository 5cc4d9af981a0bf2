"""A server whose model cannot see says so in one sentence, after one request."""

from pathlib import Path
from typing import Any

import pytest

from cupl.description.describing import describe_images
from cupl.errors import ServerError
from tests.fakes import serve


def said(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


REFUSALS: dict[str, tuple[int, Any]] = {
    "openai": (400, said("Invalid content type. image_url is only supported by certain models.",
                         type="invalid_request_error", param="messages.[1].content.[0].type")),
    "llama.cpp": (500, said("image input is not supported - hint: if this is unexpected, you may "
                            "need to provide the mmproj", code=500, type="server_error")),
    "vllm": (400, said("m is not a multimodal model", type="BadRequestError", code=400)),
    "vllm limit": (400, said("At most 0 image(s) may be provided in one prompt.", code=400)),
    "ollama": (400, said("this model does not support image input", type="api_error")),
    "ollama data": (500, said("this model is missing data required for image input")),
    "deepseek": (422, said("Failed to deserialize the JSON body into the target type: messages[1]: "
                           "unknown variant `image_url`, expected `text` at line 1 column 95009")),
    "openrouter": (404, said("No endpoints found that support image input", code=404)),
    "groq": (400, said("messages[1].content must be a string", type="invalid_request_error")),
    "pydantic": (422, {"detail": [{"loc": ["body", "messages", 1, "content"],
                                   "msg": "Input should be a valid string"}]}),
    "lm studio": (400, {"error": "Model does not support images. Please use a model that does."}),
    "other": (400, said("Vision is not enabled for this model")),
    "volcano": (400, said("Model do not support image input. Request id: 0217", code="Invalid")),
}  # fmt: skip


def ask(tmp_path: Path, url: str, **settings: Any) -> None:
    photos = tmp_path / "photos" / "cup"
    photos.mkdir(parents=True)
    from tests.models import draw

    draw(40, 30).save(photos / "a.png")
    describe_images(photos.parent, model="text-1", base_url=url, cache=tmp_path / "c",
                    concurrency=1, **settings)  # fmt: skip


@pytest.mark.parametrize("server", REFUSALS)
@pytest.mark.parametrize("samples", [1, 3])
def test_it_is_one_sentence_with_the_way_out(tmp_path: Path, server: str, samples: int) -> None:
    with serve(lambda _: REFUSALS[server]) as fake:
        with pytest.raises(ServerError) as caught:
            ask(tmp_path, fake.url, samples=samples)
        assert len(fake.requests) == 1
    message = str(caught.value)
    assert message.startswith(f"{fake.url} takes no images for 'text-1' for the API chat (")
    assert message.endswith("); name a model that can see")
    assert caught.value.arguments == {"model": ...}
    assert "\n" not in message


@pytest.mark.parametrize(
    ("status", "message", "argument"),
    [(413, "Payload Too Large", "image_side"), (400, "Image size exceeds 20 MB", "image_side"),
     (400, "the request exceeds the available context size", "max_tokens"),
     (401, "image input is not allowed without a key", "api_key_env"),
     (404, "The model `text-1` does not exist", "model")],
)  # fmt: skip
def test_another_refusal_has_another_way_out(
    tmp_path: Path, status: int, message: str, argument: str
) -> None:
    with serve(lambda _: (status, said(message))) as fake, pytest.raises(ServerError) as caught:
        ask(tmp_path, fake.url)
    assert argument in caught.value.arguments
    assert "takes no images" not in str(caught.value)


def test_a_question_without_images_is_never_refused_for_them(tmp_path: Path) -> None:
    import cupl

    with serve(lambda _: REFUSALS["ollama"]) as fake, pytest.raises(ServerError) as caught:
        cupl.generate(["cup"], model="m", base_url=fake.url, cache=tmp_path / "c", n=None)
    assert "name a model that can see" not in str(caught.value)
