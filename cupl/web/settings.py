"""How the photos in view are judged: what a person changes to see at once what it does."""

from __future__ import annotations

import threading
from collections import OrderedDict
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import ConfigDict, Field

from cupl.errors import InputError
from cupl.web.answers import Body

if TYPE_CHECKING:
    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.classification.prediction import Prediction
    from cupl.embedding.class_vectors import ClassVectors
    from cupl.embedding.edited_bank import EditedBankEncoder
    from cupl.embedding.text_cache import TextCache
    from cupl.encoders.protocol import Encoder
    from cupl.web.bank_edits import BankEditor
    from cupl.web.photo_list import PhotoList

TEMPLATES_SHOWN = ("none", "photo", "openai", "imagenet-simple")
POOLINGS_SHOWN = ("normalized-mean", "mean", "similarity", "top")
_KEPT = 16


class ViewSettings(Body):
    """Of one view; two tabs may have others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    templates: Literal["none", "photo", "openai", "imagenet-simple"] = "none"
    pooling: Literal["normalized-mean", "mean", "similarity", "top"] = "normalized-mean"
    adaptation: Literal["none", "photos", "examples"] = "none"
    temperature: Annotated[float, Field(ge=0.01, le=100)] | None = None
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None


def template_choices(fixed: bool) -> list[str]:
    """The templates that there are here; none where the class vectors are made."""
    if fixed:
        return ["none"]
    there = find_spec("open_clip") is not None
    return [one for one in TEMPLATES_SHOWN if there or one in ("none", "photo")]


class ViewSource(Protocol):
    """What class vectors are made of: a :class:`~cupl.web.workspace.Workspace`."""

    editor: BankEditor | None
    vectors: ClassVectors | None
    photos: PhotoList
    text_cache: TextCache

    @property
    def encoder(self) -> Encoder:
        """The model."""

    def basis(self, adaptation: str) -> Any:
        """What an adaptation depends on beside the class vectors."""

    def adapt(self, vectors: ClassVectors, adaptation: str) -> ClassVectors:
        """Class vectors that know photos."""


class ClassViews:
    """Class vectors of the bank as it stands, under settings; the last few are kept.

    After an edit only what is new is embedded, and only the classes that changed are pooled.
    """

    def __init__(self, source: ViewSource) -> None:
        self._space = source
        self._lock = threading.RLock()
        self._made: OrderedDict[Any, Any] = OrderedDict()
        self._edited: EditedBankEncoder | None = None

    def classifier(self, settings: ViewSettings) -> tuple[ZeroShotClassifier, int]:
        """What judges by them, and the revision of the bank.

        Raises:
            InputError: they cannot be used, or no classes are there.

        """
        from cupl.classification.classifier import ZeroShotClassifier

        space = self._space
        bank, revision = (None, 0) if space.editor is None else space.editor.snapshot()

        def make() -> ZeroShotClassifier:
            vectors = self._adapted(settings, bank, revision)
            if settings.temperature is not None:
                vectors = vectors.with_temperature(settings.temperature)
            encoder = None if bank is None else self.bank_encoder.texts
            return ZeroShotClassifier(
                vectors, encoder, bank=bank, text_cache=False, image_cache=False
            )

        plain = settings.model_copy(update={"threshold": None})
        found: ZeroShotClassifier = self._kept(
            ("classifier", revision, plain, self._basis(settings)), make
        )
        return found, revision

    @property
    def bank_encoder(self) -> EditedBankEncoder:
        """What encodes the bank, with the embeddings of its prompts in memory."""
        from cupl.embedding.edited_bank import EditedBankEncoder

        with self._lock:
            if self._edited is None:
                self._edited = EditedBankEncoder(self._space.encoder, self._space.text_cache)
            return self._edited

    def predictions(
        self, settings: ViewSettings, numbers: list[int], top_k: int = 1
    ) -> tuple[list[Prediction], int]:
        """One for each of these photos of the list, and the revision of the bank.

        Raises:
            InputError: a photo has no vector, or the settings cannot be used.

        """
        classifier, revision = self.classifier(settings)
        rows = self._space.photos.vectors(numbers)
        return classifier.predict_vectors(rows, top_k, threshold=settings.threshold), revision

    def _adapted(self, settings: ViewSettings, bank: Any, revision: int) -> ClassVectors:
        plain: ClassVectors = self._kept(
            ("vectors", revision, settings.templates, settings.pooling),
            lambda: self._encoded(settings, bank),
        )
        if settings.adaptation == "none":
            return plain
        key = ("adapted", revision, settings.templates, settings.pooling, self._basis(settings))
        adapted: ClassVectors = self._kept(
            key, lambda: self._space.adapt(plain, settings.adaptation)
        )
        return adapted

    def _encoded(self, settings: ViewSettings, bank: Any) -> ClassVectors:
        from cupl.bank.templates import TemplateSet

        if bank is None:
            if self._space.vectors is None:
                raise InputError("there are no classes: start cupl serve with a bank")
            if settings.templates != "none" or settings.pooling != "normalized-mean":
                raise InputError("templates and pooling are those of the class vectors here")
            return self._space.vectors
        texts = (
            () if settings.templates == "none" else TemplateSet.load(settings.templates).templates
        )
        return self.bank_encoder.encode(bank, settings.pooling, texts)

    def _basis(self, settings: ViewSettings) -> Any:
        """What an adaptation depends on beside the bank."""
        return self._space.basis(settings.adaptation)

    def _kept(self, key: Any, make: Any) -> Any:
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
                while len(self._made) > _KEPT:
                    self._made.popitem(last=False)
            self._made.move_to_end(key)
            return self._made[key]
