import pytest
import torch

from cupl.encoders.device import resolve_device
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
