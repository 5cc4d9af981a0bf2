"""The image tower of one encoder and the text tower of another model, trained to fit it.

A multilingual text tower is trained to give a sentence of any language the vector that CLIP's own
text tower gives its English translation (Reimers & Gurevych, arXiv 2004.09813): the image tower is
CLIP's as it was, and so are its vectors.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence

import torch
from PIL.Image import Image
from torch.nn.functional import normalize

from cupl.encoders.fingerprint import image_fingerprint
from cupl.encoders.joined_names import BRIDGE, PAIR, JoinedName, join_revisions
from cupl.encoders.one_tower import USUAL_CLASSIFIER
from cupl.encoders.placement import Undecided
from cupl.encoders.protocol import Encoder
from cupl.encoders.sentence_tower import SentenceTower
from cupl.errors import InputError

_SAMPLE = (
    "a photo of a dog", "two people ride bicycles through a city", "a bowl of soup on a table",
    "snow on high mountains", "a red sports car", "a page of printed text", "an airplane at night",
    "a yellow flower in a garden", "a horse jumps over a fence", "a fishing boat in a harbour",
)  # fmt: skip
_LEAST = 8
"""Of the sample, how many must be closest to themselves: by chance it is one of ten."""


class PairEncoder:
    """Two models as an :class:`~cupl.encoders.protocol.Encoder`: images by one, texts by the other.

    Images have the vectors that the image encoder gives them alone, so that those which it has
    made before can be used with the pair, and the other way round. Scale and bias are the image
    encoder's.

    Args:
        image: the encoder of the images.
        text: the tower of the texts.

    Raises:
        InputError: their vectors are of different widths.

    """

    def __init__(self, image: Encoder, text: SentenceTower) -> None:
        self.image, self.text = image, text
        self.id = str(JoinedName(PAIR, image.id, text.id))
        self.revision = join_revisions(image.revision, text.revision)
        digests = [image.fingerprint, text.fingerprint]
        self.fingerprint = hashlib.sha256(json.dumps(["pair", *digests]).encode()).hexdigest()
        self.image_fingerprint = image_fingerprint(image)
        self.dim, self.text_precision = image.dim, text.precision
        self.logit_scale, self.logit_bias = image.logit_scale, image.logit_bias
        self.image_side, self.image_batch = image.image_side, image.image_batch
        self.max_tokens = text.max_tokens
        if image.dim != text.dim:
            bridge = JoinedName(BRIDGE, USUAL_CLASSIFIER, text.id)
            raise InputError(
                f"the images of {image.id} are {image.dim} numbers and the texts of {text.id} are "
                f"{text.dim}: the two have no common space; a text model of any space is joined "
                f"to images by the words of an image classifier, {bridge}"
            )

    @property
    def precision(self) -> str:
        """Type of number that images are computed with; that of texts is ``text_precision``."""
        return self.image.precision

    @property
    def undecided(self) -> bool:
        """See :class:`~cupl.encoders.placement.Undecided`."""
        return isinstance(self.image, Undecided) and self.image.undecided

    def settle(self, images: torch.Tensor) -> None:
        """See :class:`~cupl.encoders.placement.Undecided`."""
        if isinstance(self.image, Undecided):
            self.image.settle(images)

    def check_alignment(self) -> None:
        """Warn where nothing shows that the texts lie in the space of the images.

        The text tower must find English sentences where the image encoder's own text tower has
        them. One that was not trained for that space does not, however wide its vectors are.
        """
        theirs = normalize(self.text.encode(_SAMPLE), dim=-1)
        ours = normalize(self.image.encode_text(_SAMPLE), dim=-1)
        closest = (theirs @ ours.T).argmax(dim=1)
        found = int((closest == torch.arange(len(_SAMPLE))).sum())
        if found < _LEAST:
            warnings.warn(
                f"nothing shows that the texts of {self.text.id} lie in the space of "
                f"{self.image.id}: of {len(_SAMPLE)} English sentences {found} are closest to "
                "themselves among those of its own text tower; unless it was trained for that "
                "model, in another language, all results are chance",
                stacklevel=3,
            )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before truncation, special tokens included."""
        return self.text.count_tokens(texts)

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        """See :meth:`~cupl.encoders.sentence_tower.SentenceTower.encode`."""
        return self.text.encode(texts)

    def encode_images(self, images: Sequence[Image]) -> torch.Tensor:
        """Embeddings by the image encoder, float32 ``[len(images), dim]``."""
        return self.image.encode_images(images)

    def prepare(self, image: Image) -> torch.Tensor:
        """An image as the image encoder reads it."""
        return self.image.prepare(image)

    def encode_prepared(self, images: torch.Tensor) -> torch.Tensor:
        """Embeddings of prepared images by the image encoder."""
        return self.image.encode_prepared(images)
