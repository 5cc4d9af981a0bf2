"""Class vectors: one row a class, with everything needed to use them later."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from cupl.bank import PromptBank
from cupl.classes import ClassLabel, check_labels
from cupl.embeddings import embed
from cupl.encoders.base import Encoder
from cupl.errors import InputError, MissingFileError
from cupl.files import write_atomically
from cupl.pooling import DEFAULT_POOLING, average, check_pooling, pool
from cupl.progress import Progress, ignore
from cupl.questions import TemplateSet, check_template, fill

Combine = Literal["concat", "average"]


class Provenance(BaseModel):
    """Where class vectors come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: StrictStr
    revision: StrictStr | None = None
    fingerprint: StrictStr
    logit_scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    logit_bias: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """``None`` where the probabilities are a softmax; see :meth:`probabilities`."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """What the logits are divided by; see :func:`cupl.calibration.fit_temperature`."""
    bank: StrictStr | None = None
    bank_digest: StrictStr | None = None
    pooling: StrictStr
    templates: tuple[StrictStr, ...] = ()
    combine: Combine | None = None
    """How the templates were combined with the bank; ``None`` where there was only one."""
    truncated: tuple[tuple[StrictStr, StrictStr], ...] = ()
    """Class and text of every prompt that the encoder could not read to its end."""
    cupl: StrictStr = "0"

    def probabilities(self, scores: torch.Tensor) -> torch.Tensor:
        """Probabilities of the classes, as the encoder was trained to give them.

        Without a bias they are a softmax and sum to 1 (CLIP, Radford et al., arXiv 2103.00020).
        With one they are a sigmoid each, whatever the other classes are (SigLIP, Zhai et al.,
        arXiv 2303.15343).

        Args:
            scores: cosines, ``[images, classes]``.

        Returns:
            Of the same shape.

        """
        logits = self.logits(scores)
        return logits.softmax(dim=1) if self.logit_bias is None else logits.sigmoid()

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        """What the softmax or sigmoid is taken of; of the same shape as ``scores``."""
        logits = scores * (self.logit_scale / self.temperature)
        return logits if self.logit_bias is None else logits + self.logit_bias / self.temperature


class _Metadata(BaseModel):
    """What the file says beside the matrix. One JSON text: safetensors shuffles several."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["cupl-vectors/1"] = "cupl-vectors/1"
    labels: list[ClassLabel]
    provenance: Provenance


@dataclass(frozen=True, eq=False)
class ClassVectors:
    """One vector a class, its label, and where it comes from.

    Attributes:
        labels: the classes, one a row.
        matrix: float32 ``[classes, dim]``; rows have length 1 but for the pooling ``similarity``.
        provenance: the encoder, the bank and the settings.

    """

    labels: list[ClassLabel]
    matrix: torch.Tensor
    provenance: Provenance

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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write safetensors, whole or not at all; equal class vectors give equal bytes.

        Raises:
            MissingFileError: the folder does not exist.
            InputError: the file cannot be written.

        """
        metadata = _Metadata(labels=self.labels, provenance=self.provenance)
        tensors = {"vectors": self.matrix.contiguous()}
        write_atomically(Path(path), save(tensors, {"cupl": metadata.model_dump_json()}))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ClassVectors:
        """Read what :meth:`save` wrote.

        Raises:
            MissingFileError: there is no such file.
            InputError: the file is damaged, or holds something other than class vectors.

        """
        if not os.path.exists(path):  # noqa: PTH110 (Path.exists raises for over-long names)
            raise MissingFileError(f"{path}: no such file")
        try:
            with safe_open(os.fspath(path), framework="pt") as file:
                text = (file.metadata() or {}).get("cupl")
                if text is None or "vectors" not in file.keys():  # noqa: SIM118 (no mapping)
                    raise InputError("cupl did not write them")
                metadata = _Metadata.model_validate_json(text)
                # A copy: the file may be replaced while the vectors are in use.
                matrix = file.get_tensor("vectors").clone()
            return cls(metadata.labels, matrix, metadata.provenance)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "JSON"
            raise InputError(f"{path}: no class vectors: {where!r:.100}: {first['msg']}") from error
        except InputError as error:
            raise InputError(f"{path}: no class vectors: {error}") from error
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: not a whole safetensors file ({error})") from error

    def with_temperature(self, temperature: float) -> ClassVectors:
        """The same classes, whose logits are divided by another temperature.

        Raises:
            InputError: it is not a number above 0.

        """
        if not 0 < temperature < math.inf:
            raise InputError(f"the temperature {temperature} is not a number above 0")
        changes = {"temperature": float(temperature)}
        return replace(self, provenance=self.provenance.model_copy(update=changes))

    def check_encoder(self, encoder: Encoder) -> None:
        """Accept only the encoder that made these vectors; equal width proves nothing.

        Raises:
            InputError: the fingerprints differ, or the width of a file made by hand.

        """
        made_by = self.provenance
        if encoder.fingerprint != made_by.fingerprint:
            raise InputError(
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


def encode_bank(
    bank: PromptBank,
    encoder: Encoder,
    pooling: str = DEFAULT_POOLING,
    *,
    templates: str | os.PathLike[str] | Sequence[str] = (),
    combine: Combine = "concat",
    strict: bool = False,
    progress: Progress = ignore,
) -> ClassVectors:
    """One vector for each class of a bank.

    Args:
        bank: the prompts of each class.
        encoder: its text tower embeds them, each different one once, and none that is cached.
        pooling: a name in :data:`cupl.pooling.POOLINGS`.
        templates: prompts for every class, with ``{}`` for its name: ``a photo of a {}.``; or
            the name or file of a set of them, such as ``photo``.
        combine: ``concat`` pools the prompts and the filled templates of a class as one list;
            ``average`` pools each list and takes the mean of the two vectors.
        strict: refuse a prompt longer than the encoder reads, in place of cutting it.
        progress: told how many different prompts are embedded, and of how many.

    Raises:
        InputError: an unknown pooling or combination, a template without a ``{}``, or with
            ``strict`` a prompt that is too long.

    """
    if combine not in ("concat", "average"):
        raise InputError(f"no combination is called {combine!r}: use concat or average")
    if isinstance(templates, str | os.PathLike):
        templates = TemplateSet.load(Path(templates)).templates
    labels = [entry.label for entry in bank.classes]
    described = [entry.texts for entry in bank.classes]
    lists = [described]
    if templates:
        filled = fill_templates(templates, labels)
        joined = [texts + more for texts, more in zip(described, filled, strict=True)]
        lists = [joined] if combine == "concat" else [described, filled]
    source = {
        "bank": bank.name,
        "bank_digest": bank.digest,
        "templates": tuple(templates),
        "combine": combine if templates else None,
    }
    return _encode(labels, lists, encoder, pooling, strict=strict, progress=progress, source=source)


def encode_templates(
    labels: Sequence[ClassLabel],
    templates: Sequence[str],
    encoder: Encoder,
    pooling: str = DEFAULT_POOLING,
    *,
    strict: bool = False,
    progress: Progress = ignore,
) -> ClassVectors:
    """One vector for each class from hand-written templates alone: the usual baseline.

    Args:
        labels: the classes.
        templates: at least one, such as ``a photo of a {}.``; see :func:`encode_bank`.
        encoder: as for :func:`encode_bank`.
        pooling: as for :func:`encode_bank`.
        strict: as for :func:`encode_bank`.
        progress: as for :func:`encode_bank`.

    Raises:
        InputError: as :func:`encode_bank`, or no template.

    """
    filled = fill_templates(templates, labels)
    source = {"templates": tuple(templates)}
    return _encode(
        labels, [filled], encoder, pooling, strict=strict, progress=progress, source=source
    )


def fill_templates(templates: Sequence[str], labels: Sequence[ClassLabel]) -> list[list[str]]:
    """For each class the templates with its name in them; a name is data, braces and all.

    Raises:
        InputError: a template has no placeholder, or one that is neither ``{}`` nor ``{a}``.

    """
    for template in templates:
        check_template(template)
    return [[fill(template, label.name) for template in templates] for label in labels]


def _encode(
    labels: Sequence[ClassLabel],
    lists: list[list[list[str]]],
    encoder: Encoder,
    pooling: str,
    *,
    strict: bool,
    progress: Progress,
    source: dict[str, Any],
) -> ClassVectors:
    """Class vectors from one or two lists of prompts for each class, encoded in one call."""
    check_pooling(pooling)  # before the encoding, which can take minutes
    owned = [
        (label.name, text)
        for prompts in lists
        for label, texts in zip(labels, prompts, strict=True)
        for text in texts
    ]

    def check(tokens: list[int]) -> None:
        if strict and (long := _too_long(owned, tokens, encoder)):
            raise InputError(_explain_too_long(long, encoder))

    embedded = embed([text for _, text in owned], encoder, check=check, progress=progress)
    parts = torch.split(embedded.vectors, [sum(map(len, prompts)) for prompts in lists])
    pooled = [
        pool(part, [len(texts) for texts in prompts], pooling)
        for part, prompts in zip(parts, lists, strict=True)
    ]
    return ClassVectors(
        list(labels),
        pooled[0] if len(pooled) == 1 else average(pooled[0], pooled[1], pooling),
        Provenance(
            encoder=encoder.id,
            revision=encoder.revision,
            fingerprint=encoder.fingerprint,
            logit_scale=encoder.logit_scale,
            logit_bias=encoder.logit_bias,
            pooling=pooling,
            truncated=tuple(_too_long(owned, embedded.tokens, encoder)),
            cupl=cupl_version(),
            **source,
        ),
    )


def _too_long(
    owned: list[tuple[str, str]], tokens: list[int], encoder: Encoder
) -> list[tuple[str, str]]:
    """Class and text of the prompts that the encoder cannot read to their end."""
    pairs = zip(owned, tokens, strict=True)
    return [entry for entry, number in pairs if number > encoder.max_tokens]


def _explain_too_long(long: list[tuple[str, str]], encoder: Encoder) -> str:
    name, text = long[0]
    return (
        f"{len(long)} prompts are longer than the {encoder.max_tokens} tokens that {encoder.id} "
        f"reads, the first for {name!r}: {text[:60]!r}; shorten them, or allow them to be cut"
    )


def cupl_version() -> str:
    """Version of the installed package; 0 where it is not installed."""
    try:
        return version("cupl")
    except PackageNotFoundError:
        return "0"
