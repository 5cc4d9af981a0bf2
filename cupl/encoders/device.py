"""Where a model runs, with which numbers, and how much of it at once."""

import os
import re
from collections.abc import Callable
from typing import Any

import torch

from cupl.encoders.cpu_precision import cpu_precision
from cupl.encoders.int8 import can_multiply_int8
from cupl.errors import InputError, is_out_of_memory

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.int8,
}
PRECISION_VARIABLE = "CUPL_PRECISION"
_CHOICES = ("auto", "float32", "bfloat16", "float16")
MAX_BATCH = 2**16
"""Images at once; no memory holds more."""


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


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Type of number to compute with.

    Args:
        name: ``auto``, ``float32``, ``bfloat16``, ``float16`` or ``int8``. ``auto`` is half
            precision on a GPU (bfloat16 where it has that). On a CPU it is what
            ``$CUPL_PRECISION`` says, or whichever of bfloat16 and float32
            :func:`~cupl.encoders.cpu_precision.cpu_precision` finds to be worth it.
        device: where to compute.

    Raises:
        InputError: the name means nothing, or int8 is asked for where there is none.

    """
    check_precision(name, device)
    if name != "auto":
        return PRECISIONS[name]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(False) else torch.float16
    if device.type == "mps":
        return torch.float16
    chosen = os.environ.get(PRECISION_VARIABLE, "auto")
    return cpu_precision() if chosen == "auto" else PRECISIONS[chosen]


def check_precision(name: str, device: torch.device) -> None:
    """Refuse a precision that means nothing there, before anything takes time.

    Raises:
        InputError: as for :func:`resolve_precision`.

    """
    if name != "auto" and name not in PRECISIONS:
        raise InputError(f"no precision is called {name!r}: use auto, {', '.join(PRECISIONS)}")
    if name == "int8" and device.type != "cpu":
        raise InputError(
            f"int8 is for the CPU, not for {device}: use auto", arguments={"precision": "auto"}
        )
    if name == "int8" and not can_multiply_int8():
        raise InputError(
            "this processor or this build of PyTorch multiplies no int8: use auto",
            arguments={"precision": "auto"},
        )
    chosen = os.environ.get(PRECISION_VARIABLE, "auto")
    if chosen not in _CHOICES:
        raise InputError(
            f"{PRECISION_VARIABLE} is {chosen!r:.100}; what auto is on a CPU can be "
            f"{', '.join(_CHOICES)}"
        )


def resolve_batch(size: int | str, device: torch.device, on_cpu: int, on_gpu: int) -> int:
    """How many to encode at once.

    Args:
        size: a number, or ``auto`` for one of those that follow.
        device: where to compute.
        on_cpu: what was measured to be fast there.
        on_gpu: what fills one.

    Raises:
        InputError: it is no number from 1 to ``MAX_BATCH``.

    """
    if size == "auto":
        return on_cpu if device.type == "cpu" else on_gpu
    if isinstance(size, int) and not isinstance(size, bool) and 0 < size <= MAX_BATCH:
        return size
    raise InputError(
        f"the batch size is auto or a number from 1 to {MAX_BATCH:,}",
        arguments={"batch_size": "auto"},
    )


def _too_little_memory(error: Exception) -> InputError:
    if isinstance(error, torch.OutOfMemoryError):
        return InputError(
            "the GPU has too little free memory for this encoder; free some of it, or use the "
            "device cpu",
            arguments={"device": "cpu"},
        )
    return InputError("this machine has too little free memory for this encoder; free some of it")


def encode_halving(encode: Callable[[Any], torch.Tensor], batch: Any) -> torch.Tensor:
    """Encode a batch; where the memory does not hold it, half of it at a time.

    Args:
        encode: a batch to ``[rows, dim]``.
        batch: what can be cut in two, such as a list or a tensor.

    Raises:
        InputError: not even one fits.

    """
    try:
        return encode(batch)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(batch) < 2:
            raise _too_little_memory(error) from None
    # Outside the handler: the error's traceback would keep the tensors of the failed try.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(batch) // 2
    halves = [encode_halving(encode, part) for part in (batch[:middle], batch[middle:])]
    return torch.cat(halves)
