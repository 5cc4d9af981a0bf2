"""Any image classifier and any sentence encoder as one encoder, joined by what classes are called.

This is ConSE (see :mod:`cupl.encoders.conse`) with models of one's own choice. What no class of the
classifier resembles has no place in it: it is for a text model, or a language, that no dual encoder
knows, and not in place of one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import torch
from PIL.Image import Image
from torch.nn.functional import normalize

from cupl.encoders.class_words import class_texts
from cupl.encoders.classifiers import NamedClassifier
from cupl.encoders.conse import ConseEncoder
from cupl.encoders.device import resolve_batch
from cupl.encoders.joined_names import BRIDGE, JoinedName, join_revisions
from cupl.encoders.sentence_tower import SentenceTower
from cupl.progress import Progress, ignore

_RECIPE = "1"
"""To be raised with every change of the code that moves a vector."""
_IMAGES_ON_CPU, _IMAGES_ON_GPU = 16, 256
_SURENESS = 1.4
"""Scale times spread of the anchors' cosines: 12.0 x 0.116 of mini; see :class:`BridgeEncoder`."""


class BridgeEncoder(ConseEncoder):
    """An image classifier and a sentence encoder.

    The scale of the logits is a guess that goes by the space: how far cosines lie apart differs
    between sentence encoders, so the scale is a constant over the root mean square of the cosines
    of different anchors. The constant is that of ``mini``, whose scale was measured. With labelled
    examples :func:`~cupl.classification.calibration.fit_temperature` does better.

    Args:
        classifier: of images; its classes must have names.
        sentences: the text tower; its vectors are made as long as each other.
        device: where the classifier computes.
        dtype: type of number that it computes with.
        batch_size: images at once; see :func:`~cupl.encoders.device.resolve_batch`.
        progress: told how many of the texts of the classes are embedded, where that was not done
            before.

    Raises:
        InputError: the classes have no names.

    """

    def __init__(
        self,
        classifier: NamedClassifier,
        sentences: SentenceTower,
        device: torch.device,
        dtype: torch.dtype,
        batch_size: int | str = "auto",
        progress: Progress = ignore,
    ) -> None:
        texts = class_texts(classifier.id, classifier.labels, classifier.names_in)
        self._classifier, self._sentences = classifier, sentences
        self.id = str(JoinedName(BRIDGE, classifier.id, sentences.id))
        self.revision = join_revisions(classifier.revision, sentences.revision)
        said = ["bridge", _RECIPE, texts, classifier.fingerprint, sentences.fingerprint]
        self.fingerprint = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        self.precision = str(dtype).removeprefix("torch.")
        self.dim, self.max_tokens = sentences.dim, sentences.max_tokens
        self.image_side = classifier.side
        self.image_batch = resolve_batch(batch_size, device, _IMAGES_ON_CPU, _IMAGES_ON_GPU)
        classifier.place(device, dtype)
        self.anchor(texts, "bridges", progress)
        self.logit_scale = _SURENESS / max(self.spread_of_anchors(), 1e-3)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before truncation, special tokens included."""
        return self._sentences.count_tokens(texts)

    def prepare(self, image: Image) -> torch.Tensor:
        """The pixels of an image as the classifier reads them, float32 ``[3, height, width]``."""
        return self._classifier.prepare(image)

    def classify(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of prepared images, float32 ``[len(images), classes]`` on the CPU."""
        return self._classifier.logits(images, self.image_batch)

    def embed(self, texts: Sequence[str], progress: Progress = ignore) -> torch.Tensor:
        """Sentence embeddings, float32 ``[len(texts), dim]`` on the CPU, of length 1."""
        return normalize(self._sentences.encode(texts, progress), dim=-1)
