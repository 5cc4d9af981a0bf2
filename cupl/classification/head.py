"""A classifier as a module of PyTorch, for loops of one's own."""

from __future__ import annotations

import torch
from torch.nn.functional import linear, normalize

from cupl.bank.labels import ClassLabel
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.parts import ClassParts


class ClassifierHead(torch.nn.Module):
    """Image vectors to logits, as a ``torch.nn.Linear`` of vectors at length 1.

    With x an image vector of any length and w_c the vector of class c,

        logit_c = scale * (x / |x|) . w_c + bias

    Where the classes have parts (:mod:`cupl.embedding.parts`), the product is blended with those
    of the parts that are closest.

    Their softmax is ``ZeroShotClassifier.predict_proba``, or their sigmoid where there is a bias.

    Attributes:
        weight: ``[classes, dim]``, the class vectors, then those of the reject bank: a trainable
            copy, which is not normalised again.
        parts: ``[parts, dim]``, a trainable copy of the vectors of the parts, if there are any.
        scale: logit scale / temperature; a parameter that is frozen, ``requires_grad_()`` frees it.
        bias: logit bias / temperature, frozen likewise; None for a softmax.
        labels: the class of each row of ``weight``.
        in_features: dim.
        out_features: the number of rows.

    """

    def __init__(self, vectors: ClassVectors) -> None:
        super().__init__()
        made_by = vectors.provenance
        self.labels: list[ClassLabel] = list(vectors.labels)
        self.out_features, self.in_features = vectors.matrix.shape
        self.weight = torch.nn.Parameter(vectors.matrix.clone())
        self.parts: torch.nn.Parameter | None = None
        self._blend: ClassParts | None = vectors.parts
        if vectors.parts is not None:
            self.parts = torch.nn.Parameter(vectors.parts.vectors.clone())
        self.scale = _frozen(made_by.logit_scale / made_by.temperature)
        self.bias: torch.nn.Parameter | None = None
        if made_by.logit_bias is not None:
            self.bias = _frozen(made_by.logit_bias / made_by.temperature)

    def forward(self, image_vectors: torch.Tensor) -> torch.Tensor:
        """Logits of images.

        Args:
            image_vectors: ``[..., dim]``, of the type and on the device of ``weight``. A row of
                zeros has cosines of 0, so that one such image does not spoil a training step.

        Returns:
            ``[..., classes]``.

        """
        towards = normalize(image_vectors, dim=-1)
        scores = linear(towards, self.weight)
        if self.parts is not None and self._blend is not None:
            scores = self._blend.mix(scores, linear(towards, self.parts))
        logits = self.scale * scores
        return logits if self.bias is None else logits + self.bias

    def extra_repr(self) -> str:
        """The sizes, as ``torch.nn.Linear`` shows them."""
        return f"in_features={self.in_features}, out_features={self.out_features}"


def _frozen(value: float) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(value), requires_grad=False)
