"""What ``cupl classify`` compares images with: a bank, class vectors, or names alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from cupl.cli import encoder_options
from cupl.cli.generate_options import labels_of
from cupl.encoders.loading import DEFAULT_ENCODER

if TYPE_CHECKING:
    from cupl.bank.labels import ClassLabel
    from cupl.bank.model import PromptBank
    from cupl.embedding.class_vectors import ClassVectors
    from cupl.embedding.image_shards import ImageProvenance
    from cupl.encoders.protocol import Encoder

BankOption = Annotated[Path | None, typer.Option(help="Prompt bank (.yaml).")]
VectorsOption = Annotated[Path | None, typer.Option(help="Class vectors (.safetensors).")]
ClassListOption = Annotated[
    str | None,
    typer.Option(
        "--classes",
        help="Class names in place of a bank: text file (a name a line), CSV (id,name), bank, "
        "ImageFolder, or 'imagenet'.",
    ),
]


class HasProvenance(Protocol):
    """Vectors of images that were made before: those of ``cupl embed``, or of an index."""

    @property
    def provenance(self) -> ImageProvenance:
        """Their encoder."""


@dataclass(frozen=True)
class EncoderChoice:
    """Which encoder, where and how."""

    name: str | None
    revision: str | None
    device: str
    precision: Any
    batch_size: Any


@dataclass(frozen=True)
class ClassSource:
    """The classes as the options name them, and how their prompts become vectors."""

    bank: Path | None
    vectors: Path | None
    names: list[str] | None
    classes: str | None
    templates: encoder_options.TemplatesOption
    text_cache: encoder_options.TextCacheOption
    pooling: encoder_options.PoolingOption = None
    combine: encoder_options.CombineOption = None
    strict: bool = False

    @property
    def by_names(self) -> bool:
        """Whether there are names alone."""
        return bool(self.names) or self.classes is not None

    @property
    def files(self) -> list[str | Path | None]:
        """What is read of them."""
        return [self.bank, self.vectors, self.classes, self.templates]

    def check(self, explain: bool) -> None:
        """Accept options that go together."""
        ways = [self.bank is not None, self.vectors is not None, self.by_names]
        if self.vectors is not None and (
            self.pooling or self.templates or self.combine or self.strict
        ):
            raise typer.BadParameter(
                "--pooling, --templates, --combine and --strict go with --bank; vectors are made"
            )
        if explain and ways == [False, True, False]:
            raise typer.BadParameter("--explain needs the --bank that the vectors were made of")
        if sum(ways) != 1 and not (explain and ways == [True, True, False]):
            raise typer.BadParameter(
                "name the classes in one way: --bank BANK.yaml, --vectors V.safetensors, or "
                "names alone, -c NAME -c NAME or --classes FILE"
            )
        if self.by_names and self.combine:
            raise typer.BadParameter(
                "--combine goes with --bank: names have no prompts beside the --templates"
            )

    def load(
        self,
        choice: EncoderChoice,
        stored: HasProvenance | None,
        needs_encoder: bool,
        ready: Callable[[Sequence[ClassLabel]], None],
    ) -> tuple[PromptBank | None, ClassVectors, Encoder | None]:
        """The bank, the class vectors and the encoder.

        What is missing of a person's own files is found out before a model is asked for.

        Args:
            choice: of the encoder.
            stored: the image vectors that are classified, where they are.
            needs_encoder: whether something else than ``stored`` is to be encoded.
            ready: called with the classes before the encoder is loaded.

        """
        from cupl.embedding.class_vectors import ClassVectors

        prompts = self._prompts()
        if self.vectors is not None:
            made = ClassVectors.load(self.vectors)
            encoder_options.say_twins(made)
            ready(made.labels)
            return prompts, made, encoder_of_vectors(made, choice, stored, needs_encoder)
        assert prompts is not None  # noqa: S101 (one way is given)
        texts = () if self.by_names else encoder_options.templates_of(self.templates, self.combine)
        ready([entry.label for entry in prompts])
        encoder = encoder_of_images(choice, stored)
        made = encoder_options.encode_with(
            prompts, encoder, self.pooling, texts, self.combine, self.strict, self.text_cache
        )
        return prompts, made, encoder

    def made_with(self, encoder: Callable[[], Encoder]) -> ClassVectors:
        """The class vectors; the encoder is loaded where they are not made yet."""
        from cupl.embedding.class_vectors import ClassVectors

        prompts = self._prompts()
        if self.vectors is not None or prompts is None:
            return ClassVectors.load(self.vectors or "")
        texts = () if self.by_names else encoder_options.templates_of(self.templates, self.combine)
        return encoder_options.encode_with(
            prompts, encoder(), self.pooling, texts, self.combine, self.strict, self.text_cache
        )

    def _prompts(self) -> PromptBank | None:
        from cupl.bank.model import PromptBank
        from cupl.bank.template_banks import PHOTO, template_bank

        if self.by_names:
            return template_bank(labels_of(self.classes, self.names or []), self.templates or PHOTO)
        return None if self.bank is None else PromptBank.load(self.bank)


def reject_bank(reject: str | None) -> PromptBank | str | None:
    """The bank of what is none of the classes, where a file is named."""
    from cupl.bank.model import PromptBank

    return reject if reject in (None, "words") else PromptBank.load(str(reject))


def encoder_of_vectors(
    made: ClassVectors, choice: EncoderChoice, stored: HasProvenance | None, needs_encoder: bool
) -> Encoder | None:
    """The encoder that made the class vectors, where it is needed."""
    from cupl.encoders.loading import load_encoder

    how = (choice.device, choice.precision, choice.batch_size)
    if stored is not None:
        made.check_embeddings(stored.provenance)
    if choice.name is None and choice.revision is None:
        unneeded = stored is not None and not needs_encoder
        return None if unneeded else made.load_encoder(*how)
    name = choice.name or made.provenance.encoder
    download = choice.name is not None
    return load_encoder(name, *how, revision=choice.revision, download=download)


def encoder_of_images(choice: EncoderChoice, stored: HasProvenance | None) -> Encoder:
    """The encoder that is named, else that of stored image vectors, else the usual one."""
    from cupl.encoders.loading import load_encoder, load_recorded_encoder

    how = (choice.device, choice.precision, choice.batch_size)
    if stored is None:
        return load_encoder(choice.name or DEFAULT_ENCODER, *how, revision=choice.revision)
    made_by = stored.provenance
    if choice.name is None and choice.revision is None:
        encoder = load_recorded_encoder(made_by.encoder, made_by.revision, *how)
    else:
        name, download = choice.name or made_by.encoder, choice.name is not None
        encoder = load_encoder(name, *how, revision=choice.revision, download=download)
    made_by.check_encoder(encoder)
    return encoder
