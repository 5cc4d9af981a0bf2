"""cupl: class names in, zero-shot image classifier out.

Names are imported at first use, so that ``import cupl`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cupl.bank.class_lists import read_classes as read_classes
    from cupl.bank.labels import ClassLabel as ClassLabel
    from cupl.bank.model import ClassPrompts as ClassPrompts
    from cupl.bank.model import PromptBank as PromptBank
    from cupl.classification.classifier import ZeroShotClassifier as ZeroShotClassifier
    from cupl.classification.prediction import Prediction as Prediction
    from cupl.embedding.class_vectors import ClassVectors as ClassVectors
    from cupl.encoders.loading import load_encoder as load_encoder
    from cupl.errors import CuplError as CuplError
    from cupl.generation.pipeline import agenerate as agenerate
    from cupl.generation.pipeline import generate as generate

_HOME = {
    "ClassLabel": "bank.labels",
    "ClassPrompts": "bank.model",
    "ClassVectors": "embedding.class_vectors",
    "CuplError": "errors",
    "Prediction": "classification.prediction",
    "PromptBank": "bank.model",
    "ZeroShotClassifier": "classification.classifier",
    "agenerate": "generation.pipeline",
    "generate": "generation.pipeline",
    "load_encoder": "encoders.loading",
    "read_classes": "bank.class_lists",
}

__all__ = [
    "ClassLabel",
    "ClassPrompts",
    "ClassVectors",
    "CuplError",
    "Prediction",
    "PromptBank",
    "ZeroShotClassifier",
    "agenerate",
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
