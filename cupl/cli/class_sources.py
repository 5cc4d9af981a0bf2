"""What ``cupl classify`` compares images with: a bank, class vectors, or names alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from cupl.cli import encoder_options
from cupl.cli.encoder_choice import EncoderChoice
from cupl.cli.generate_options import labels_of
from cupl.cli.made_elsewhere import image_vectors_of
from cupl.cli.output import say
from cupl.io.reasons import missing

if TYPE_CHECKING:
    from cupl.bank.labels import ClassLabel
    from cupl.bank.model import PromptBank
    from cupl.embedding.class_vectors import ClassVectors
    from cupl.embedding.image_shards import ImageProvenance
    from cupl.embedding.stored_vectors import Embeddings
    from cupl.encoders.protocol import Encoder

BankOption = Annotated[Path | None, typer.Option(help="Prompt bank (.yaml).")]
VectorsOption = Annotated[
    Path | None,
    typer.Option(
        help="Class vectors (.safetensors), or class embeddings made elsewhere (.npy, .npz, "
        ".parquet, .safetensors)."
    ),
]
LogitScaleOption = Annotated[
    float | None,
    typer.Option(
        help="Of class embeddings made elsewhere: what cosines are multiplied by before the "
        "softmax; it decides no label. [default: the encoder's, or 100]"
    ),
]
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
    logit_scale: float | None = None

    @property
    def by_names(self) -> bool:
        """Whether there are names alone."""
        return bool(self.names) or self.classes is not None

    @property
    def foreign(self) -> bool:
        """Whether the class vectors were made elsewhere; names say then which each is of."""
        from cupl.embedding.foreign_classes import is_class_file

        return self.vectors is not None and is_class_file(self.vectors)

    @property
    def files(self) -> list[str | Path | None]:
        """What is read of them."""
        return [self.bank, self.vectors, self.classes, self.templates]

    def check(self, explain: bool) -> None:
        """Accept options that go together."""
        named = self.by_names and not self.foreign
        ways = [self.bank is not None, self.vectors is not None, named]
        if self.logit_scale is not None and not self.foreign:
            raise typer.BadParameter(
                "--logit-scale goes with --vectors that were made elsewhere; others carry theirs"
            )
        if self.vectors is not None and (
            self.pooling or self.templates or self.combine or self.strict
        ):
            raise typer.BadParameter(
                "--pooling, --templates, --combine and --strict go with --bank; vectors are made"
            )
        if explain and ways == [False, True, False]:
            raise typer.BadParameter("--explain needs the --bank that the vectors were made of")
        if self.vectors is not None and named and not os.path.lexists(self.vectors):
            raise missing(self.vectors, f"{self.vectors}: no such file")
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
        prompts = self.prompts()
        if (made := self.class_vectors(choice)) is not None:
            encoder_options.say_twins(made)
            ready(made.labels)
            if self.foreign and choice.name is None and self.logit_scale is None:
                say("probabilities by the logit scale 100; --logit-scale takes another")
            return prompts, made, encoder_of_vectors(made, choice, stored, needs_encoder)
        assert prompts is not None  # noqa: S101 (one way is given)
        texts = () if self.by_names else encoder_options.templates_of(self.templates, self.combine)
        ready([entry.label for entry in prompts])
        encoder = encoder_of_images(choice, stored)
        made = encoder_options.encode_with(
            prompts, encoder, self.pooling, texts, self.combine, self.strict, self.text_cache
        )
        return prompts, made, encoder

    def class_vectors(self, choice: EncoderChoice) -> ClassVectors | None:
        """Those that are there; where they were made elsewhere, by the encoder that is named."""
        from cupl.embedding.array_files import check_arrays
        from cupl.embedding.class_vectors import ClassVectors
        from cupl.embedding.foreign_classes import load_class_file

        if self.vectors is None:
            return None
        if not self.foreign:
            return ClassVectors.load(self.vectors)
        check_arrays(self.vectors)
        names = labels_of(self.classes, self.names or []) if self.by_names else None
        encoder = None if choice.name is None else choice.named
        return load_class_file(self.vectors, names, encoder, self.logit_scale)

    def image_vectors(self, images: Sequence[str], choice: EncoderChoice) -> Embeddings | None:
        """The image vectors that are named, if there are any; see ``made_elsewhere``."""
        from cupl.embedding.foreign_vectors import is_vector_file

        foreign = any(map(is_vector_file, images))
        return image_vectors_of(images, choice, self.class_vectors(choice) if foreign else None)

    def made_with(self, encoder: Callable[[], Encoder]) -> ClassVectors:
        """The class vectors; the encoder is loaded where they are not made yet."""
        from cupl.embedding.class_vectors import ClassVectors

        prompts = self.prompts()
        if self.vectors is not None or prompts is None:
            return ClassVectors.load(self.vectors or "")
        texts = () if self.by_names else encoder_options.templates_of(self.templates, self.combine)
        return encoder_options.encode_with(
            prompts, encoder(), self.pooling, texts, self.combine, self.strict, self.text_cache
        )

    def prompts(self) -> PromptBank | None:
        """The bank, or that of the names alone; None where there are class vectors only."""
        from cupl.bank.model import PromptBank
        from cupl.bank.template_banks import PHOTO, template_bank

        if self.by_names and not self.foreign:
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
    unnamed = choice.name is None and choice.revision is None
    if stored is not None and not needs_encoder and (unnamed or _is_foreign(stored)):
        return None
    if unnamed:
        return made.load_encoder(*how)
    if choice.name is not None:
        return choice.named
    return load_encoder(made.provenance.encoder, *how, revision=choice.revision, download=False)


def _is_foreign(stored: HasProvenance) -> bool:
    """Whether the encoder that was named is that of these vectors, which has been compared."""
    from cupl.embedding.foreign_vectors import ForeignEmbeddings

    return isinstance(stored, ForeignEmbeddings)


def encoder_of_images(choice: EncoderChoice, stored: HasProvenance | None) -> Encoder:
    """The encoder that is named, else that of stored image vectors, else the usual one."""
    from cupl.encoders.loading import load_encoder, load_recorded_encoder

    how = (choice.device, choice.precision, choice.batch_size)
    if stored is None:
        return choice.named
    made_by = stored.provenance
    if choice.name is None and choice.revision is None:
        encoder = load_recorded_encoder(made_by.encoder, made_by.revision, *how)
    else:
        encoder = (
            choice.named
            if choice.name is not None
            else load_encoder(made_by.encoder, *how, revision=choice.revision, download=False)
        )
    made_by.check_encoder(encoder)
    return encoder
