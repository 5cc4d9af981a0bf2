"""Choosing the device a model runs on."""

import re

import torch

from cupl.errors import InputError


def resolve_device(name: str = "auto") -> torch.device:
    """Device of that name.

    Args:
        name: ``auto`` (CUDA, then MPS, then CPU), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        InputError: the name means nothing, or PyTorch finds no such device here.

    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if gpus else "mps" if mps else "cpu")
    if not re.fullmatch(r"cpu|mps|cuda(:[0-9]{1,3})?", name):
        raise InputError(f"no device is called {name!r}: use auto, cpu, cuda, cuda:N or mps")
    kind, _, number = name.partition(":")
    if (kind == "mps" and not mps) or (kind == "cuda" and int(number or 0) >= gpus):
        found = f"{gpus} CUDA devices" if kind == "cuda" else "no MPS"
        raise InputError(f"the device {name} is not there: PyTorch finds {found}; use auto or cpu")
    return torch.device(name)
