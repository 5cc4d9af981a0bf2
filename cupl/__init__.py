"""cupl: class names in, zero-shot image classifier out.

A language model describes each class, the descriptions become one text vector a class, and an image
gets the class whose vector it is closest to::

    bank = cupl.generate(["tree frog", "newt"], model="gpt-4.1-mini")
    classifier = cupl.ZeroShotClassifier.from_bank(bank, encoder="openai/clip-vit-base-patch32")
    classifier.predict("pond.jpg").label

Names are imported at first use, so that ``import cupl`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cupl.bank.class_lists import read_classes as read_classes
    from cupl.bank.labels import ClassLabel as ClassLabel
    from cupl.bank.model import ClassPrompts as ClassPrompts
    from cupl.bank.model import PromptBank as PromptBank
    from cupl.bank.templates import QuestionSet as QuestionSet
    from cupl.bank.templates import TemplateSet as TemplateSet
    from cupl.classification.classifier import ZeroShotClassifier as ZeroShotClassifier
    from cupl.classification.content_filter import ContentFilter as ContentFilter
    from cupl.classification.explanation import Explanation as Explanation
    from cupl.classification.prediction import Prediction as Prediction
    from cupl.classification.sort_undo import undo_sort as undo_sort
    from cupl.classification.sorting import sort_images as sort_images
    from cupl.description.captions import acaption_images as acaption_images
    from cupl.description.captions import caption_images as caption_images
    from cupl.description.describing import adescribe_images as adescribe_images
    from cupl.description.describing import describe_images as describe_images
    from cupl.embedding.bank_encoding import encode_bank as encode_bank
    from cupl.embedding.class_vectors import ClassVectors as ClassVectors
    from cupl.embedding.image_files import find_images as find_images
    from cupl.embedding.image_runs import embed_images as embed_images
    from cupl.embedding.image_vectors import load_embeddings as load_embeddings
    from cupl.embedding.ray_engine import RayEngine as RayEngine
    from cupl.encoders.loading import load_encoder as load_encoder
    from cupl.encoders.protocol import Encoder as Encoder
    from cupl.errors import CuplError as CuplError
    from cupl.evaluation.label_sample import sample_to_label as sample_to_label
    from cupl.generation.about import agenerate_about as agenerate_about
    from cupl.generation.about import generate_about as generate_about
    from cupl.generation.contrast import agenerate_contrast as agenerate_contrast
    from cupl.generation.contrast import generate_contrast as generate_contrast
    from cupl.generation.pair_contrast import acontrast_pairs as acontrast_pairs
    from cupl.generation.pair_contrast import contrast_pairs as contrast_pairs
    from cupl.generation.pipeline import agenerate as agenerate
    from cupl.generation.pipeline import generate as generate
    from cupl.generation.subclasses import agenerate_subclasses as agenerate_subclasses
    from cupl.generation.subclasses import generate_subclasses as generate_subclasses
    from cupl.index.descriptions import write_descriptions as write_descriptions
    from cupl.index.keywords import read_keywords as read_keywords
    from cupl.index.keywords import remove_keywords as remove_keywords
    from cupl.index.keywords import write_keywords as write_keywords
    from cupl.index.photo_index import PhotoIndex as PhotoIndex
    from cupl.llm.protocol import LLM as LLM
    from cupl.llm.protocol import Request as Request
    from cupl.llm.protocol import Response as Response
    from cupl.llm.protocol import Sampling as Sampling
    from cupl.report.evaluating import evaluate as evaluate
    from cupl.report.plotting import plot as plot

    __version__: str

_HOME = {
    "CandidateSpec": "evaluation.candidate_spec",
    "ClassLabel": "bank.labels",
    "ClassPrompts": "bank.model",
    "ClassVectors": "embedding.class_vectors",
    "ContentFilter": "classification.content_filter",
    "CuplError": "errors",
    "Encoder": "encoders.protocol",
    "Explanation": "classification.explanation",
    "LLM": "llm.protocol",
    "PhotoIndex": "index.photo_index",
    "Prediction": "classification.prediction",
    "PromptBank": "bank.model",
    "QuestionSet": "bank.templates",
    "RayEngine": "embedding.ray_engine",
    "Request": "llm.protocol",
    "Response": "llm.protocol",
    "Sampling": "llm.protocol",
    "TemplateSet": "bank.templates",
    "ZeroShotClassifier": "classification.classifier",
    "acaption_images": "description.captions",
    "acontrast_pairs": "generation.pair_contrast",
    "adescribe_images": "description.describing",
    "agenerate": "generation.pipeline",
    "agenerate_about": "generation.about",
    "agenerate_contrast": "generation.contrast",
    "agenerate_subclasses": "generation.subclasses",
    "caption_images": "description.captions",
    "contrast_pairs": "generation.pair_contrast",
    "describe_images": "description.describing",
    "embed_images": "embedding.image_runs",
    "encode_bank": "embedding.bank_encoding",
    "evaluate": "report.evaluating",
    "evaluate_grid": "report.grid_run",
    "find_images": "embedding.image_files",
    "generate": "generation.pipeline",
    "generate_about": "generation.about",
    "generate_contrast": "generation.contrast",
    "generate_subclasses": "generation.subclasses",
    "load_embeddings": "embedding.image_vectors",
    "load_encoder": "encoders.loading",
    "plot": "report.plotting",
    "read_classes": "bank.class_lists",
    "read_keywords": "index.keywords",
    "remove_keywords": "index.keywords",
    "sample_to_label": "evaluation.label_sample",
    "sort_images": "classification.sorting",
    "undo_sort": "classification.sort_undo",
    "write_descriptions": "index.descriptions",
    "write_keywords": "index.keywords",
}

__all__ = [
    "LLM",
    "CandidateSpec",
    "ClassLabel",
    "ClassPrompts",
    "ClassVectors",
    "ContentFilter",
    "CuplError",
    "Encoder",
    "Explanation",
    "PhotoIndex",
    "Prediction",
    "PromptBank",
    "QuestionSet",
    "RayEngine",
    "Request",
    "Response",
    "Sampling",
    "TemplateSet",
    "ZeroShotClassifier",
    "acaption_images",
    "acontrast_pairs",
    "adescribe_images",
    "agenerate",
    "agenerate_about",
    "agenerate_contrast",
    "agenerate_subclasses",
    "caption_images",
    "contrast_pairs",
    "describe_images",
    "embed_images",
    "encode_bank",
    "evaluate",
    "evaluate_grid",
    "find_images",
    "generate",
    "generate_about",
    "generate_contrast",
    "generate_subclasses",
    "load_embeddings",
    "load_encoder",
    "plot",
    "read_classes",
    "read_keywords",
    "remove_keywords",
    "sample_to_label",
    "sort_images",
    "undo_sort",
    "write_descriptions",
    "write_keywords",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from cupl.io.version import cupl_version

        value: Any = cupl_version()
    elif name in _HOME:
        value = getattr(import_module(f"cupl.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module 'cupl' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
