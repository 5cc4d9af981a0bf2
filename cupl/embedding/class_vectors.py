"""Class vectors: one row a class, with everything needed to use them later."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, StrictStr, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from cupl.bank.labels import ClassLabel, check_labels
from cupl.embedding.given_arrays import (
    LEAST,
    MOST,
    check_directions,
    class_labels,
    real_matrix,
    real_number,
)
from cupl.embedding.normalize import has_direction
from cupl.embedding.parts import ClassParts, PartsFacts
from cupl.embedding.provenance import ELSEWHERE, Provenance
from cupl.embedding.revisions import another_revision
from cupl.encoders.loading import load_recorded_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.io.atomic import write_atomically
from cupl.io.file_kinds import kind_of_file
from cupl.io.json import check_brackets, parse_json
from cupl.io.reasons import missing, reason
from cupl.io.text import MAX_TEXT_BYTES
from cupl.io.version import cupl_version

MAX_DIM = 2**16
"""Numbers in a vector."""
_ROUNDING = 1e-3
_FROM_ARRAYS = "ClassVectors.from_arrays makes class vectors of arrays"


class _Metadata(BaseModel):
    """What the file says beside the matrix. One JSON text: safetensors shuffles several."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["cupl-vectors/1"] = "cupl-vectors/1"
    labels: list[ClassLabel]
    provenance: Provenance
    parts: PartsFacts | None = None
    sha256: StrictStr | None = None
    """Of this text, with nothing in this place, and the tensors; 0.1.0 wrote none."""

    def to_json(self) -> str:
        """The text; without what these class vectors do not have, as files had it before."""
        return self.model_dump_json(exclude={"parts"} if self.parts is None else None)


@dataclass(frozen=True, eq=False)
class ClassVectors:
    """One vector a class, its label, and where it comes from.

    Attributes:
        labels: the classes, one a row.
        matrix: float32 ``[classes, dim]``; rows have length 1 but for the pooling ``similarity``.
        provenance: the encoder, the bank and the settings.
        parts: further vectors of each class, where its score is not of one alone.

    """

    labels: list[ClassLabel]
    matrix: torch.Tensor
    provenance: Provenance
    parts: ClassParts | None = None

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
        if (parts := self.parts) is not None and (len(parts.counts), parts.vectors.shape[1]) != (
            self.matrix.shape
        ):
            raise InputError("the parts of the classes do not fit the class vectors")

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

        Raises:
            MissingFileError: the folder does not exist.
            InputError: the file cannot be written.

        """
        metadata = _Metadata(labels=self.labels, provenance=self.provenance, sha256="")
        tensors = {"vectors": self.matrix.cpu().contiguous()}
        if (parts := self.parts) is not None:
            metadata.parts = PartsFacts(counts=parts.counts, share=parts.share, most=parts.most)
            tensors["parts"] = parts.vectors.cpu().contiguous()
        # As safetensors lays them out: by their names, where their types are equal.
        numbers = b"".join(tensors[name].numpy().tobytes() for name in sorted(tensors))
        metadata.sha256 = _digest(metadata.to_json(), numbers)
        write_atomically(Path(path), save(tensors, {"cupl": metadata.to_json()}))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ClassVectors:
        """Read what :meth:`save` wrote.

        Raises:
            MissingFileError: there is no such file.
            InputError: the file is damaged, or holds something other than class vectors.

        """
        if not os.path.exists(path):  # noqa: PTH110 (Path.exists raises for over-long names)
            raise missing(path, f"{path}: no such file")
        try:
            # Not with safe_open, which wants a name that is UTF-8.
            metadata, tensors = _read(Path(path))
            facts, parts = metadata.parts, None
            if facts is not None:
                parts = ClassParts(tensors["parts"], facts.counts, facts.share, facts.most)
            result = cls(metadata.labels, tensors["vectors"], metadata.provenance, parts)
            result._check_lengths()
            return result
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "JSON"
            raise InputError(f"{path}: no class vectors: {where!r:.100}: {first['msg']}") from error
        except InputError as error:
            raise InputError(f"{path}: no class vectors: {error}") from error
        except (SafetensorError, OSError, ValueError) as error:
            if kind := kind_of_file(path):
                arrays = "" if "git lfs" in kind else f"; {_FROM_ARRAYS}"
                raise InputError(
                    f"{path}: not a whole safetensors file but {kind}{arrays}"
                ) from error
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
                f"these class vectors were made outside of cupl by {made_by.encoder!r:.100}, so "
                "their encoder cannot be loaded: classify image vectors of it with them "
                "(predict_vectors)"
            )
        return load_recorded_encoder(
            made_by.encoder, made_by.revision, device, precision, batch_size
        )

    def check_encoder(self, encoder: Encoder) -> None:
        """Accept only the encoder that made these vectors; equal width proves nothing.

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
        if encoder.fingerprint != made_by.fingerprint:
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


def _digest(text: str, numbers: bytes) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass") + numbers).hexdigest()


def _read(path: Path) -> tuple[_Metadata, dict[str, torch.Tensor]]:
    """What is in a file; no more is read than vectors of its classes take.

    Raises:
        InputError: cupl did not write it, or something has changed in it.
        OSError, ValueError: it cannot be read, or is no safetensors file.

    """
    if not path.is_file():  # a pipe would wait for a writer
        raise OSError("no regular file")
    with path.open("rb") as file:
        begin = file.read(8)
        size = int.from_bytes(begin, "little")
        if size > MAX_TEXT_BYTES:
            raise ValueError("it does not begin with its header")
        begin += file.read(size)
        header = parse_json(begin[8:])
        header = header if isinstance(header, dict) else {}
        text = (header.get("__metadata__") or {}).get("cupl")
        if text is None or "vectors" not in header:
            raise InputError("cupl did not write them")
        check_brackets(text)
        metadata = _Metadata.model_validate_json(text)
        rows = len(metadata.labels) + sum(metadata.parts.counts if metadata.parts else ())
        if metadata.parts is not None and "parts" not in header:
            raise InputError("the parts of the classes are missing")
        most = max(rows, 1) * MAX_DIM * 4
        if path.stat().st_size - len(begin) > most:
            raise InputError(f"larger than vectors of {len(metadata.labels):,} classes can be")
        numbers = file.read(most)
    tensors = load(begin + numbers)
    found = metadata.sha256
    if found is not None and _digest(text.replace(found, "", 1), numbers) != found:
        raise InputError("they are damaged (another checksum): encode the bank again")
    return metadata, tensors
