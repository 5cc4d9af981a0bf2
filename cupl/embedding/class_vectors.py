"""Class vectors: one row a class, with everything needed to use them later."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy.typing as npt
import torch
from pydantic import ValidationError
from safetensors import SafetensorError

from cupl.bank.labels import ClassLabel, check_labels
from cupl.embedding.adapter import Adapter
from cupl.embedding.given_arrays import (
    LEAST,
    MOST,
    check_directions,
    class_labels,
    real_matrix,
    real_number,
)
from cupl.embedding.image_shards import ImageProvenance
from cupl.embedding.normalize import has_direction
from cupl.embedding.parts import ClassParts
from cupl.embedding.provenance import ELSEWHERE, Provenance
from cupl.embedding.revisions import another_revision
from cupl.embedding.vectors_file import PARTS, VECTORS, read_vectors, write_vectors
from cupl.encoders.fingerprint import image_fingerprint
from cupl.encoders.loading import load_recorded_encoder
from cupl.encoders.protocol import Encoder, EncoderIdentity
from cupl.errors import InputError
from cupl.io.arguments import check_path
from cupl.io.file_kinds import ARRAYS, CLASS_VECTORS, SAFETENSORS, check_own_kind, kind_of_file
from cupl.io.reasons import missing, reason
from cupl.io.version import cupl_version

_ADAPTER = "adapter."
"""Begins the names of its tensors in the file."""
_ROUNDING = 1e-3
_FROM_ARRAYS = "ClassVectors.from_arrays makes class vectors of arrays"


@dataclass(frozen=True, eq=False)
class ClassVectors:
    """One vector a class, its label, and where it comes from.

    Attributes:
        labels: the classes, one a row.
        matrix: float32 ``[classes, dim]``; rows have length 1 but for the pooling ``similarity``.
        provenance: the encoder, the bank and the settings.
        adapter: what photos or examples add to the cosines, where they do.
        parts: further vectors of each class, where its score is not of one alone.

    """

    labels: list[ClassLabel]
    matrix: torch.Tensor
    provenance: Provenance
    adapter: Adapter | None = None
    parts: ClassParts | None = None

    def __repr__(self) -> str:
        return f"ClassVectors({list(self.matrix.shape)}, {self.provenance.encoder!r:.100})"

    def __post_init__(self) -> None:
        check_labels(self.labels)
        if self.matrix.dtype != torch.float32 or self.matrix.ndim != 2:
            kind = str(self.matrix.dtype).removeprefix("torch.")
            raise InputError(
                f"class vectors are a float32 matrix, not {kind} of {self.matrix.ndim} dimensions"
            )
        if len(self.labels) != len(self.matrix):
            raise InputError(f"{len(self.matrix)} class vectors for {len(self.labels)} labels")
        if not self.matrix.isfinite().all():
            raise InputError("a class vector holds a number that is not finite")
        if not has_direction(self.matrix).all():
            raise InputError("a class vector is zero, or too long to be one")
        if self.adapter is not None and self.adapter.weights.shape != self.matrix.shape:
            shape = list(self.adapter.weights.shape)
            raise InputError(
                f"an adapter of {shape} for class vectors of {list(self.matrix.shape)}"
            )
        if (parts := self.parts) is not None:
            shape = [len(parts.counts), parts.vectors.shape[1]]
            if shape != list(self.matrix.shape):
                raise InputError(
                    f"parts of {shape[0]} classes, {shape[1]} wide, do not fit class vectors of "
                    f"{list(self.matrix.shape)}"
                )

    def cosines(self, directions: torch.Tensor) -> torch.Tensor:
        """Scores of images by the text alone, ``[images, classes]``.

        Args:
            directions: ``[images, dim]`` at length 1.

        """
        scores = directions @ self.matrix.T
        return scores if self.parts is None else self.parts.blend(scores, directions)

    @property
    def compared(self) -> int:
        """Vectors that an image is compared with."""
        return len(self.matrix) + (0 if self.parts is None else len(self.parts.vectors))

    @classmethod
    def from_arrays(
        cls,
        names: Iterable[str | ClassLabel],
        matrix: torch.Tensor | npt.ArrayLike,
        *,
        logit_scale: float = 100.0,
        logit_bias: float | None = None,
        temperature: float = 1.0,
        encoder: str = "unknown",
        revision: str | None = None,
        fingerprint: str | None = None,
        normalize: bool = True,
    ) -> ClassVectors:
        """Class vectors of text embeddings that were made elsewhere, such as by open_clip.

        They classify image vectors of the same encoder. Which that is, cupl cannot check without
        its fingerprint, and so takes none of its own for it.

        Args:
            names: the classes, one a row.
            matrix: ``[classes, dim]``, numpy or torch, of any real numbers; copied.
            logit_scale: factor on the cosine before the softmax or sigmoid. CLIP models were
                trained with at most 100 and end there; it decides probabilities, never a label.
            logit_bias: of models that were trained with a sigmoid, such as SigLIP.
            temperature: what the logits are divided by.
            encoder: its name, for people.
            revision: of the encoder, where it has one.
            fingerprint: of an encoder of cupl that made the rows
                (:attr:`~cupl.encoders.protocol.Encoder.fingerprint`).
            normalize: bring each row to length 1; else a score is the product with a row as it is.

        Raises:
            InputError: names or numbers that cannot be used, a row that is zero or not finite, or
                a scale, bias or temperature that is no number.

        """
        labels, values = class_labels(names), real_matrix(matrix)
        if values.ndim == 2 and len(labels) == len(values):
            check_directions(labels, values)
            values = torch.nn.functional.normalize(values, eps=0.0) if normalize else values
        numbers = values.float().contiguous()
        if fingerprint is None:
            content = numbers.numpy().tobytes() + encoder.encode("utf-8", "surrogatepass")
            fingerprint = ELSEWHERE + hashlib.sha256(content).hexdigest()
        provenance = Provenance(
            encoder=encoder,
            revision=revision,
            fingerprint=fingerprint,
            logit_scale=real_number("logit_scale", logit_scale),
            logit_bias=None if logit_bias is None else real_number("logit_bias", logit_bias),
            temperature=real_number("temperature", temperature),
            # What a reject bank is pooled by, to be comparable.
            pooling="normalized-mean" if normalize else "similarity",
            cupl=cupl_version(),
        )
        return cls(labels, numbers, provenance)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write safetensors, whole or not at all; equal class vectors give equal bytes.

        A file in its place that is no class vectors is kept as ``PATH.old``, and a warning says so.

        Raises:
            MissingFileError: the folder does not exist.
            InputError: the file cannot be written.

        """
        write_vectors(Path(path), self.labels, self.provenance, self.tensors())

    def tensors(self) -> dict[str, torch.Tensor]:
        """All matrices, by their names in the file."""
        added = {} if self.adapter is None else self.adapter.tensors()
        parts = {} if self.parts is None else self.parts.tensors()
        return {
            VECTORS: self.matrix,
            **{_ADAPTER + name: one for name, one in added.items()},
            **{PARTS + name: one for name, one in parts.items()},
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ClassVectors:
        """Read what :meth:`save` wrote.

        Raises:
            MissingFileError: there is no such file.
            InputError: the file is damaged, or holds something other than class vectors.

        """
        check_path(path, "a file of class vectors")
        if not os.path.exists(path):  # noqa: PTH110 (Path.exists raises for over-long names)
            raise missing(path, f"{path}: no such file")
        _check_kind(path)
        try:
            # Not with safe_open, which wants a name that is UTF-8.
            metadata, tensors = read_vectors(Path(path))
            matrix = tensors.pop(VECTORS)
            parts = ClassParts.of_tensors(
                {
                    name.removeprefix(PARTS): tensors.pop(name)
                    for name in list(tensors)
                    if name.startswith(PARTS)
                }
            )
            result = cls(metadata.labels, matrix, metadata.provenance, _adapter_of(tensors), parts)
            result._check_lengths()
            return result
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "JSON"
            raise InputError(f"{path}: no class vectors: {where!r:.100}: {first['msg']}") from error
        except InputError as error:
            raise InputError(f"{path}: no class vectors: {error}") from error
        except (SafetensorError, OSError, ValueError) as error:
            why = reason(error) if isinstance(error, OSError) else error
            raise InputError(f"{path}: not a whole safetensors file ({why})") from error

    def _check_lengths(self) -> None:
        """Notice what a disk has changed: one bit can make a score 10**38 times as large.

        Raises:
            InputError: a row has not the length that it was written with.

        """
        lengths = self.matrix.norm(dim=1)
        if self.provenance.pooling != "similarity":
            right = (lengths - 1).abs() < _ROUNDING
        elif self.provenance.made_elsewhere:
            return  # of any length
        else:  # means of vectors of length 1
            right = lengths < 1 + _ROUNDING
        if not right.all():
            label = self.labels[int(right.int().argmin())]
            raise InputError(f"the vector of {label} is damaged: encode the bank again")

    def with_temperature(self, temperature: float) -> ClassVectors:
        """The same classes, whose logits are divided by another temperature.

        Raises:
            InputError: it is not a number above 0.

        """
        if not LEAST <= temperature <= MOST:
            raise InputError(
                f"the temperature {temperature} is not a number above 0, from {LEAST:g} to {MOST:g}"
            )
        changes = {"temperature": float(temperature)}
        return replace(self, provenance=self.provenance.model_copy(update=changes))

    def load_encoder(
        self, device: str = "auto", precision: str = "auto", batch_size: int | str = "auto"
    ) -> Encoder:
        """Load the encoder that made these vectors, if it is on this machine.

        See :func:`~cupl.encoders.loading.load_recorded_encoder`.

        Raises:
            CuplError: it is not here, or cannot be loaded; or nothing is known of it.

        """
        made_by = self.provenance
        if made_by.made_elsewhere:
            raise InputError(
                f"these class vectors were made outside of cupl by {made_by.encoder!r:.100}: "
                "classify image vectors of that encoder, or name it where they are read",
                arguments={"encoder": ...},
            )
        return load_recorded_encoder(
            made_by.encoder, made_by.revision, device, precision, batch_size
        )

    def check_embeddings(self, theirs: ImageProvenance) -> None:
        """Accept only image vectors of the encoder that made these vectors.

        Raises:
            InputError: another one made them.

        """
        ours = self.provenance
        if (theirs.fingerprint, theirs.dim) != (ours.of_images, self.matrix.shape[1]):
            raise InputError(
                f"these image vectors were made by {theirs}, the class vectors by the encoder "
                f"{ours.encoder!r:.100} (fingerprint {ours.fingerprint[:12]!r}): encode both with "
                "the same"
            )

    def check_encoder(self, encoder: EncoderIdentity) -> None:
        """Accept only the encoder that made these vectors; equal width proves nothing.

        One whose text tower is another and whose images are the same will do, too: the images of
        CLIP alone for class vectors of a pair.

        Raises:
            InputError: the fingerprints differ, or the width of a file made by hand.

        """
        made_by = self.provenance
        if made_by.made_elsewhere:
            raise InputError(
                f"these class vectors were made outside of cupl by {made_by.encoder!r:.100}, "
                f"without a fingerprint that could tell whether {encoder.id} is the same: classify "
                "image vectors of their encoder with them (predict_vectors)"
            )
        if image_fingerprint(encoder) != made_by.of_images:
            raise another_revision(
                "class vectors", made_by.encoder, made_by.revision, encoder, "encode the bank again"
            ) or InputError(
                f"these class vectors were made by the encoder {made_by.encoder!r:.100} "
                f"(fingerprint {made_by.fingerprint[:12]!r}), not by {encoder.id!r} (fingerprint "
                f"{encoder.fingerprint[:12]!r}): use that encoder, or encode the bank again"
            )
        width = self.matrix.shape[1]
        if width != encoder.dim:
            raise InputError(
                f"these class vectors are {width} wide, but {encoder.id} makes {encoder.dim}: "
                f"use the encoder {made_by.encoder!r:.100}, or encode the bank again"
            )


def _check_kind(path: str | os.PathLike[str]) -> None:
    try:
        check_own_kind(path, CLASS_VECTORS, SAFETENSORS)
    except InputError as error:
        arrays = f"; {_FROM_ARRAYS}" if kind_of_file(path) in ARRAYS.values() else ""
        raise InputError(f"{error}{arrays}") from None


def _adapter_of(tensors: Mapping[str, torch.Tensor]) -> Adapter | None:
    """What a file holds beside the class vectors.

    Raises:
        InputError: it is no adapter.

    """
    try:
        found = {name.removeprefix(_ADAPTER): values for name, values in tensors.items()}
        return Adapter(**found) if found else None
    except TypeError as error:
        raise InputError(
            f"tensors that this cupl does not know: {', '.join(tensors):.100}"
        ) from error
