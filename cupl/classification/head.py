"""A classifier as a module of PyTorch, for loops of one's own."""

from __future__ import annotations

import torch
from torch.nn.functional import linear, normalize

from cupl.bank.labels import ClassLabel
from cupl.classification.scoring import competing
from cupl.embedding.adapter import adapted_scores, added_to_cosines
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.parts import ClassParts


class ClassifierHead(torch.nn.Module):
    """Image vectors to logits, as a ``torch.nn.Linear`` of vectors at length 1.

    With x an image vector of any length and w_c the vector of class c,

        logit_c = scale * (x / |x|) . w_c + bias

    Where the classes have parts (:mod:`cupl.embedding.parts`), the product is blended with those
    of the parts that are closest.

    Their softmax is ``ZeroShotClassifier.predict_proba``, or their sigmoid where there is a bias.
    After adaptation the cosine has something added (:class:`~cupl.embedding.adapter.Adapter`).

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

    def __init__(self, vectors: ClassVectors, reject: ClassVectors | None = None) -> None:
        super().__init__()
        made_by, every = vectors.provenance, competing(vectors, reject)
        self.labels: list[ClassLabel] = list(every.labels)
        self.out_features, self.in_features = every.matrix.shape
        self.weight = torch.nn.Parameter(every.matrix.clone())
        self.parts: torch.nn.Parameter | None = None
        self._blend: ClassParts | None = every.parts
        if every.parts is not None:
            self.parts = torch.nn.Parameter(every.parts.vectors.clone())
        added = {} if vectors.adapter is None else vectors.adapter.tensors()
        self._adapted = list(added)
        for name, values in added.items():
            self.register_buffer(f"adapter_{name}", values.clone())
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
        images = normalize(image_vectors, dim=-1)
        logits = self.scale * self._scores(images)
        return logits if self.bias is None else logits + self.bias

    def _scores(self, images: torch.Tensor) -> torch.Tensor:
        """Cosines, ``[..., classes]``, and what is added to those of the classes."""
        cosines = linear(images, self.weight)
        if self.parts is not None and self._blend is not None:
            cosines = self._blend.mix(cosines, linear(images, self.parts))
        if not self._adapted:
            return cosines
        flat = cosines.reshape(-1, self.out_features)
        known, others = flat.tensor_split([len(self.get_buffer("adapter_bias"))], dim=1)
        tensors = {name: self.get_buffer(f"adapter_{name}") for name in self._adapted}
        text_only = tensors.pop("text_only", None)
        added = added_to_cosines(images.reshape(-1, self.in_features), **tensors)
        scores = adapted_scores(known, added, text_only)
        return torch.cat([scores, others], dim=1).reshape(cosines.shape)

    def extra_repr(self) -> str:
        """The sizes, as ``torch.nn.Linear`` shows them."""
        return f"in_features={self.in_features}, out_features={self.out_features}"


def _frozen(value: float) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(value), requires_grad=False)
