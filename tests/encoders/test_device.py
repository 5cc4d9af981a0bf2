import pytest
import torch

from cupl.encoders.device import encode_halving, resolve_batch, resolve_device, resolve_precision
from cupl.errors import InputError


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    gpus, mps = request.param
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("machine", "name", "expected"),
    [
        ((0, False), "auto", "cpu"),
        ((0, True), "auto", "mps"),
        ((2, True), "auto", "cuda"),
        ((2, True), "cpu", "cpu"),
        ((2, False), "cuda", "cuda"),
        ((2, False), "cuda:1", "cuda:1"),
        ((0, True), "mps", "mps"),
    ],
    indirect=["machine"],
)
@pytest.mark.usefixtures("machine")
def test_device_that_is_there(name: str, expected: str) -> None:
    assert resolve_device(name) == torch.device(expected)


@pytest.mark.parametrize(
    ("machine", "name", "found"),
    [
        ((0, False), "cuda", "0 CUDA devices"),
        ((0, False), "cuda:0", "0 CUDA devices"),
        ((2, False), "cuda:2", "2 CUDA devices"),
        ((2, False), "mps", "no MPS"),
    ],
    indirect=["machine"],
)
@pytest.mark.usefixtures("machine")
def test_device_that_is_not_there(name: str, found: str) -> None:
    with pytest.raises(InputError, match=f"the device {name} is not there: PyTorch finds {found}"):
        resolve_device(name)


@pytest.mark.parametrize(
    "name", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:²", "cpu:0", "CPU"]
)
def test_name_that_means_nothing(name: str) -> None:
    with pytest.raises(InputError, match="use auto, cpu, cuda, cuda:N or mps"):
        resolve_device(name)


@pytest.mark.parametrize(
    ("name", "device", "bfloat16", "expected"),
    [
        ("auto", "cpu", True, torch.float32),
        ("auto", "cuda", True, torch.bfloat16),
        ("auto", "cuda:1", False, torch.float16),
        ("auto", "mps", False, torch.float16),
        ("float32", "cuda", True, torch.float32),
        ("bfloat16", "cpu", False, torch.bfloat16),
        ("float16", "cuda", True, torch.float16),
    ],
)
def test_precision(
    name: str,
    device: str,
    bfloat16: bool,
    expected: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bfloat16)
    assert resolve_precision(name, torch.device(device)) == expected


def test_a_precision_that_means_nothing() -> None:
    with pytest.raises(InputError, match="'int4': use auto, float32, bfloat16, float16, int8"):
        resolve_precision("int4", torch.device("cpu"))


def test_batch_size() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert resolve_batch("auto", cpu, 32, 256) == 32
    assert resolve_batch("auto", gpu, 32, 256) == 256
    assert resolve_batch(7, gpu, 32, 256) == 7


@pytest.mark.parametrize("size", [0, -1, "7", "all", 1.5, True, None])
def test_a_batch_size_that_is_none(size: int) -> None:
    with pytest.raises(InputError, match="auto or a number from 1"):
        resolve_batch(size, torch.device("cpu"), 32, 256)


class Memory:
    """Holds so many rows at once, as a GPU's memory does."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.tries: list[int] = []

    def encode(self, batch: torch.Tensor) -> torch.Tensor:
        self.tries.append(len(batch))
        if len(batch) > self.rows:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return batch * 2


@pytest.mark.parametrize(
    ("rows", "tries"), [(10, [10]), (5, [10, 5, 5]), (3, [10, 5, 2, 3, 5, 2, 3])]
)
def test_a_batch_too_large_is_halved(rows: int, tries: list[int]) -> None:
    memory = Memory(rows)
    batch = torch.arange(20.0).view(10, 2)
    assert torch.equal(encode_halving(memory.encode, batch), batch * 2)
    assert memory.tries == tries


def test_what_does_not_fit_alone_is_said() -> None:
    with pytest.raises(InputError, match="too little free memory.*the device cpu"):
        encode_halving(Memory(0).encode, torch.ones(4, 2))
