"""cupl: class names in, zero-shot image classifier out.

Names are imported at first use, so that ``import cupl`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cupl.bank import ClassPrompts as ClassPrompts
    from cupl.bank import PromptBank as PromptBank
    from cupl.classes import ClassLabel as ClassLabel
    from cupl.classes import read_classes as read_classes
    from cupl.classifier import Prediction as Prediction
    from cupl.classifier import ZeroShotClassifier as ZeroShotClassifier
    from cupl.encoders import load_encoder as load_encoder
    from cupl.errors import CuplError as CuplError
    from cupl.generation import generate as generate
    from cupl.vectors import ClassVectors as ClassVectors

_HOME = {
    "ClassLabel": "classes",
    "ClassPrompts": "bank",
    "ClassVectors": "vectors",
    "CuplError": "errors",
    "Prediction": "classifier",
    "PromptBank": "bank",
    "ZeroShotClassifier": "classifier",
    "generate": "generation",
    "load_encoder": "encoders",
    "read_classes": "classes",
}

__all__ = [
    "ClassLabel",
    "ClassPrompts",
    "ClassVectors",
    "CuplError",
    "Prediction",
    "PromptBank",
    "ZeroShotClassifier",
    "generate",
    "load_encoder",
    "read_classes",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cupl' has no attribute {name!r}")
    value = getattr(import_module(f"cupl.{_HOME[name]}"), name)
    globals()[name] = value
    return value
