"""Getting along with a torchvision that was built for another PyTorch.

cupl does not need torchvision. Where it is installed transformers and open_clip import it, and
where its compiled operators do not fit the PyTorch beside it, as with the builds for CPUs alone,
that import fails and takes theirs with it. None of its operators is used here: they are declared,
and what is written in Python is imported without them.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.util import find_spec

import torch

_MISSING = re.compile(r"operator torchvision::(\w{1,40}) does not exist")
_MOST = 50
"""Operators that are declared before it is given up."""


def mend_torchvision() -> None:
    """Make torchvision importable, if it is installed; elsewhere nothing happens."""
    if "torchvision" in sys.modules or find_spec("torchvision") is None:
        return
    for _ in range(_MOST):
        try:
            import_module("torchvision")
        except RuntimeError as error:
            missing = _MISSING.search(str(error))
            _forget()
            if missing is None:
                return  # whoever imports it says what is wrong
            torch.library.define(f"torchvision::{missing[1]}", "(Tensor x) -> Tensor")
        except Exception:
            _forget()
            return
        else:
            return


def _forget() -> None:
    """What a failed import has left."""
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
