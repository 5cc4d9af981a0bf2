"""Too little memory: one sentence with a way out, or work in smaller pieces."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cupl.embedding.image_errors import may_pass
from cupl.embedding.image_stream import encode_sources
from cupl.encoders.device import MAX_BATCH, encode_halving, resolve_batch
from cupl.errors import InputError, is_out_of_memory
from tests.cli.conftest import Cupl
from tests.models import HandMadeEncoder, draw


def torch_has_none() -> object:
    return torch.empty(2**60, dtype=torch.uint8)


def numpy_has_none() -> object:
    return np.empty(2**60, dtype=np.uint8)


def system_has_none() -> object:
    raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def no_more_threads() -> object:
    raise RuntimeError("can't start new thread")


LACKS = [torch_has_none, numpy_has_none, system_has_none, no_more_threads]


@pytest.mark.parametrize("lack", LACKS)
def test_it_is_known(lack: Callable[[], object]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (of any kind)
        lack()
    assert is_out_of_memory(caught.value)


def test_nothing_else_is() -> None:
    for error in (RuntimeError("odd"), ValueError("out of memory"), OSError(errno.EIO, "disk")):
        assert not is_out_of_memory(error)


@pytest.mark.parametrize("room", [1, 3, 8])
@pytest.mark.parametrize("lack", [torch_has_none, numpy_has_none])
def test_a_batch_is_halved_until_it_fits(lack: Callable[[], object], room: int) -> None:
    def encode(batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > room:
            lack()
        return batch * 2

    batch = torch.arange(8.0)
    assert torch.equal(encode_halving(encode, batch), batch * 2)


def test_not_even_one_fits() -> None:
    def encode(batch: torch.Tensor) -> torch.Tensor:
        raise MemoryError

    with pytest.raises(InputError, match="this machine has too little free memory"):
        encode_halving(encode, torch.zeros(4))


@pytest.mark.parametrize("lack", [torch_has_none, numpy_has_none])
def test_an_image_that_is_too_much_to_prepare_is_a_row(
    lack: Callable[[], object], tmp_path: Path
) -> None:
    class Full(HandMadeEncoder):
        def prepare(self, image: object) -> torch.Tensor:
            lack()
            raise AssertionError

    draw(9, 9, seed=0).save(tmp_path / "a.png")
    [found] = encode_sources([tmp_path / "a.png"], Full({"a": [1.0]}))
    assert may_pass(found.error)


@pytest.mark.parametrize("lack", LACKS)
def test_a_command_says_it(
    cupl: Cupl, work: Path, monkeypatch: pytest.MonkeyPatch, lack: Callable[[], object]
) -> None:
    for place in ("cosines", "torch.stack"):
        with monkeypatch.context() as patch:
            name = {"cosines": "cupl.classification.scoring.cosines"}.get(place, place)
            patch.setattr(name, lambda *_: lack())
            outcome = cupl("classify", "photos", "--vectors", "v.safetensors", "--encoder", "model")
        assert outcome.code == 1
        assert outcome.err == (
            "error: there is not enough free memory for this; free some of it (--batch-size 1)\n"
        )


def test_texts_too(cupl: Cupl, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "cupl.encoders.transformers_dual.encode_unique_texts", lambda *_: torch_has_none()
    )
    outcome = cupl("encode", "bank.yaml", "-o", "x", "--encoder", "model",
                   "--embedding-cache", "none")  # fmt: skip
    assert outcome.code == 1
    assert outcome.err.endswith("there is not enough free memory for this; free some of it\n")


@pytest.mark.parametrize("size", [0, -1, 10**20, MAX_BATCH + 1, True, 1.5, "many"])
def test_a_batch_size_that_no_memory_holds(size: object) -> None:
    cpu = torch.device("cpu")
    with pytest.raises(InputError, match="the batch size is auto or a number from 1 to 65,536"):
        resolve_batch(size, cpu, 1, 1)  # type: ignore[arg-type]
    assert resolve_batch(MAX_BATCH, cpu, 1, 1) == MAX_BATCH


@pytest.mark.parametrize("digits", [20, 5000])
@pytest.mark.parametrize("command", ["classify", "embed"])
def test_of_twenty_digits(cupl: Cupl, work: Path, digits: int, command: str) -> None:
    more = ["--vectors", "v.safetensors"] if command == "classify" else ["-o", "out"]
    words = [command, "photos", "--encoder", "model", *more, "--batch-size", "9" * digits]
    outcome = cupl(*words)
    assert outcome.code in (1, 2)
    assert "Traceback" not in outcome.err
    assert len(outcome.err) < 400


@pytest.mark.parametrize("workers", [-1, 10**20])
def test_workers_that_no_machine_has(workers: int) -> None:
    with pytest.raises(InputError, match="the number of workers is from 1 to 1,000"):
        list(encode_sources([], HandMadeEncoder({"a": [1.0]}), workers))
