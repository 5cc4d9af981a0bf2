"""What made a result: enough to make it again, and to know two results apart.

A date stands in reports only, never in a bank or in vectors. No key is ever in it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from cupl.encoders.joined_names import change_paths
from cupl.io.command import this_command
from cupl.io.version import cupl_version
from cupl.io.words import number_of

if TYPE_CHECKING:
    from cupl.bank.model import PromptBank
    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.encoders.protocol import Encoder

_DIGITS = 16
"""Of a digest, where a person reads it; the files have all."""


class _Fact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BankFacts(_Fact):
    """A prompt bank: its name, and the digest that tells it from every other."""

    name: str
    digest: str | None = None
    """Of :attr:`cupl.PromptBank.digest`; None of class vectors that were made of no bank."""
    classes: int | None = None
    prompts: int | None = None
    """None where only its class vectors were given."""
    model: str | None = None
    """The language model that wrote it, where it says so."""
    file: str | None = None
    """As it was given; None of what a program gave."""

    @classmethod
    def of(cls, bank: PromptBank, file: str | None = None) -> BankFacts:
        """A bank that is at hand."""
        return cls(
            name=bank.name, digest=bank.digest, classes=len(bank), prompts=bank.size,
            model=bank.source.model if bank.source else None, file=file,
        )  # fmt: skip

    def __str__(self) -> str:
        size = None if self.prompts is None else number_of(self.prompts, "prompt")
        digest = self.digest and f"digest {self.digest[:_DIGITS]}"
        model = self.model and f"by {self.model}"
        return ", ".join(filter(None, (self.name, self.file, model, size, digest)))


class EncoderFacts(_Fact):
    """An encoder: its name, its revision on the model hub, and the digest of its weights."""

    name: str
    revision: str | None = None
    fingerprint: str
    precision: str | None = None

    @classmethod
    def of(cls, encoder: Encoder) -> EncoderFacts:
        """An encoder that is loaded."""
        return cls(
            name=_below_here(encoder.id), revision=encoder.revision,
            fingerprint=encoder.fingerprint, precision=encoder.precision,
        )  # fmt: skip

    def __str__(self) -> str:
        revision = self.revision and f"revision {self.revision}"
        fingerprint = f"fingerprint {self.fingerprint[:_DIGITS]}"
        return ", ".join(filter(None, (self.name, revision, fingerprint, self.precision)))


class DataFacts(_Fact):
    """The images: where they were, how many, and the digest of them and their labels."""

    path: str | None = None
    """As it was given; None of what a program gave."""
    images: int
    labels: str | None = None
    """The file of labels, where it is another."""
    digest: str | None = None
    """See :func:`cupl.evaluation.labelled.digest_of_data`; None where there are no labels."""

    def __str__(self) -> str:
        labels = self.labels and f"labels of {self.labels}"
        digest = self.digest and f"digest {self.digest[:_DIGITS]}"
        number = number_of(self.images, "image")
        return ", ".join(filter(None, (self.path, number, labels, digest)))


class MadeBy(_Fact):
    """What made a report or a page.

    Of several encoders, banks and data sets there are several, in the order of the run.
    """

    date: str
    """In UTC, ISO 8601, such as 2026-01-31T12:00:00Z."""
    cupl: str
    command: str | None = None
    """As it can be copied into a shell; None where a program called the library."""
    encoders: tuple[EncoderFacts, ...] = ()
    banks: tuple[BankFacts, ...] = ()
    data: tuple[DataFacts, ...] = ()
    controls: tuple[str, ...] = ()
    seeds: int | None = None
    """Draws of each control that is drawn at random; the seeds are 0 to this less 1."""
    templates: tuple[str, ...] = ()
    pooling: tuple[str, ...] = ()
    combine: str | None = None
    """How templates and prompts were combined; None without templates."""
    software: tuple[str, ...] = ()
    """Name and version of each package that decides the numbers, as installed."""
    settings: dict[str, str] = {}
    """All else that changes a result, by its name: threshold, temperature, ..."""

    def rows(self) -> list[tuple[str, str]]:
        """Names and values to show, of what is known."""
        texts: list[tuple[str, str | None]] = [
            ("Command", self.command),
            ("Date", self.date),
            ("cupl", self.cupl),
            ("Software", ", ".join(self.software)),
            *(("Encoder", str(one)) for one in self.encoders),
            *(("Bank", str(one)) for one in self.banks),
            *(("Images", str(one)) for one in self.data),
            ("Controls", ", ".join(self.controls)),
            ("Draws", None if self.seeds is None else str(self.seeds)),
            ("Templates", " | ".join(self.templates)),
            ("Pooling", ", ".join(self.pooling)),
            ("Combined by", self.combine),
            *((name.capitalize(), value) for name, value in self.settings.items()),
        ]
        return [(name, text) for name, text in texts if text]


def made_now(
    *,
    encoders: Sequence[EncoderFacts] = (),
    banks: Sequence[BankFacts] = (),
    data: Sequence[DataFacts] = (),
    **settings: object,
) -> MadeBy:
    """The record of what is being made; date, version and command are found out here.

    Args:
        encoders: see :class:`MadeBy`, as all further arguments.
        banks: of the run.
        data: of the run.
        **settings: the fields of :class:`MadeBy`; others are put among its ``settings``, unless
            they are None or False.

    """
    fields = {name: settings.pop(name) for name in list(settings) if name in MadeBy.model_fields}
    more = {
        name.replace("_", " "): "yes" if value is True else str(value)
        for name, value in settings.items()
        if value is not None and value is not False
    }
    return MadeBy.model_validate(
        {
            "date": _now(), "cupl": cupl_version(), "command": this_command(),
            "encoders": tuple(encoders), "banks": tuple(banks), "data": tuple(data),
            "settings": more, "software": _software(), **fields,
        }
    )  # fmt: skip


def made_of(classifier: ZeroShotClassifier, images: int, **settings: object) -> MadeBy:
    """The record of predictions: encoder, bank and what its class vectors say of themselves.

    Args:
        classifier: that made them.
        images: how many.
        **settings: see :func:`made_now`.

    """
    made_by, bank = classifier.vectors.provenance, classifier.bank
    encoder = EncoderFacts(
        name=made_by.encoder, revision=made_by.revision, fingerprint=made_by.fingerprint
    )
    return made_now(
        encoders=[encoder],
        banks=[
            BankFacts(
                name=made_by.bank or "no bank",
                digest=made_by.bank_digest,
                classes=len(classifier.labels),
                prompts=None if bank is None else bank.size,
            )
        ],
        data=[DataFacts(images=images)],
        templates=made_by.templates,
        pooling=(made_by.pooling,),
        combine=made_by.combine,
        **{"temperature": made_by.temperature, **settings},
    )


def _below_here(name: str) -> str:
    """A folder below the working directory without what leads to that: who runs it is private."""
    here = os.path.join(os.path.realpath(os.curdir), "")  # noqa: PTH118
    return change_paths(name, lambda path: path.removeprefix(here)) or name


def _software() -> tuple[str, ...]:
    found = []
    for package in ("torch", "transformers", "Pillow"):
        with suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return tuple(found)


def _now() -> str:
    """Of the clock, or of ``SOURCE_DATE_EPOCH`` where outputs are to be the same bytes again."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(given), UTC) if given.isdecimal() else datetime.now(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
