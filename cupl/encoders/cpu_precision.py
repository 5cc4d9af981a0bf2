"""What numbers a tower is fastest in on this processor, tried once and kept.

Some processors multiply bfloat16 twice as fast as float32, others slower, and their names do not
say which: so a layer of a CLIP tower is timed in both.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch.nn import GELU, LayerNorm, Module, Sequential
from torch.nn.functional import scaled_dot_product_attention

from cupl.encoders.linear import UnsetLinear, pack_linear
from cupl.errors import CuplError
from cupl.io.kept import kept_text

LEAST_GAIN = 1.3
"""How many times as fast bfloat16 has to be."""
_WIDTH, _HEADS = 768, 12
_IMAGES, _TOKENS = 8, 50
"""As ViT-B/32 reads them."""
_ROUNDS = 4
_PROBE = "1"
"""To be raised with every change of what is timed."""


class _Layer(Module):
    """A layer of ViT-B/32's image tower; a text tower's differs little in what it multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.before = LayerNorm(_WIDTH)
        self.inside = UnsetLinear(_WIDTH, 3 * _WIDTH)
        self.outside = UnsetLinear(_WIDTH, _WIDTH)
        wide = UnsetLinear(_WIDTH, 4 * _WIDTH), GELU(), UnsetLinear(4 * _WIDTH, _WIDTH)
        self.rest = Sequential(LayerNorm(_WIDTH), *wide)
        for values in self.parameters():
            values.fill_(0.01)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        images, tokens = states.shape[:2]
        each = self.inside(self.before(states)).view(images, tokens, 3, _HEADS, -1)
        mixed = scaled_dot_product_attention(*each.permute(2, 0, 3, 1, 4).unbind())
        states = states + self.outside(mixed.transpose(1, 2).flatten(2))
        result: torch.Tensor = states + self.rest(states)
        return result


def cpu_precision() -> torch.dtype:
    """bfloat16 where that is at least :data:`LEAST_GAIN` times as fast, else float32.

    It takes half a second the first time, and is kept in cupl's cache by processor, threads and
    version of PyTorch. Where it cannot be tried, it is float32.
    """
    return _looked_up(torch.get_num_threads())


@cache
def _looked_up(threads: int) -> torch.dtype:
    said = "\n".join([_PROBE, torch.__version__, str(threads), processor()])
    name = hashlib.sha256(said.encode()).hexdigest()
    try:
        found = kept_text("precision", name, re.compile("bfloat16|float32"), _tried)
    except CuplError:  # there is no place for a cache at all
        found = _tried()
    return torch.bfloat16 if found == "bfloat16" else torch.float32


def _tried() -> str:
    try:
        times = measured()
    except Exception:  # a build or a processor without it
        return "float32"
    return faster(times)


def faster(times: dict[torch.dtype, list[float]]) -> str:
    """Which to choose.

    Args:
        times: seconds of the same work in float32 and in bfloat16. The least of each counts: what
            else runs on a machine only adds to them.

    """
    gain = min(times[torch.float32]) / max(min(times[torch.bfloat16]), 1e-9)
    return "bfloat16" if gain >= LEAST_GAIN else "float32"


def measured(clock: Callable[[], float] = time.perf_counter) -> dict[torch.dtype, list[float]]:
    """Seconds of each round of a layer in float32 and in bfloat16, in turn."""
    layers: dict[torch.dtype, Module] = {}
    times: dict[torch.dtype, list[float]] = {}
    states = torch.linspace(-1, 1, _IMAGES * _TOKENS * _WIDTH).view(_IMAGES, _TOKENS, _WIDTH)
    with torch.inference_mode():
        for dtype in (torch.float32, torch.bfloat16):
            layers[dtype], times[dtype] = _Layer().eval().to(dtype), []
            pack_linear(layers[dtype])
            layers[dtype](states.to(dtype))  # the first time there is more to do
        for _ in range(_ROUNDS):
            for dtype, layer in layers.items():
                given, began = states.to(dtype), clock()
                layer(given)
                times[dtype].append(clock() - began)
    return times


def processor() -> str:
    """What this processor is and can, as far as the system says it."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        text = ""
    facts = re.findall(r"^(?:model name|flags|Features|CPU part)\s*:.*$", text, re.MULTILINE)
    first = sorted(set(facts)) or [platform.processor()]
    return "\n".join([platform.machine(), *first, os.environ.get("ONEDNN_MAX_CPU_ISA", "")])
