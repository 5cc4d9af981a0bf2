"""Vectors that were made elsewhere: whose they are, in the words of the person."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cupl.cli.output import say
from cupl.errors import InputError
from cupl.io.terminal import printable

if TYPE_CHECKING:
    from cupl.cli.encoder_choice import EncoderChoice
    from cupl.embedding.class_vectors import ClassVectors
    from cupl.embedding.foreign_vectors import Maker
    from cupl.embedding.image_shards import ImageProvenance
    from cupl.embedding.stored_vectors import Embeddings
    from cupl.evaluation.labelled import LabelledImages


def image_vectors_of(
    images: Sequence[str], choice: EncoderChoice, made: ClassVectors | ImageProvenance | None
) -> Embeddings | None:
    """Image vectors, where they are named: those of ``cupl embed``, or of files made elsewhere.

    Args:
        images: as the command line names them.
        choice: of the encoder, whose name is that of files made elsewhere, too.
        made: what the vectors are to be used with, where it is there already.

    """
    from cupl.embedding.array_files import check_arrays
    from cupl.embedding.foreign_vectors import is_vector_file
    from cupl.embedding.image_vectors import stored_images

    files = [Path(one) for one in images if is_vector_file(one)]
    if not files:
        return stored_images(images)
    for file in files:
        check_arrays(file)
    stored = stored_images(images, maker_of(choice, made))
    say_word(images[0], choice.name)
    return stored


def maker_of(choice: EncoderChoice, made: ClassVectors | ImageProvenance | None) -> Maker | None:
    """Who made vectors, as the person says; None where nothing is said.

    An encoder is loaded only where what the vectors are used with was not made by one of its name:
    whose vectors they are is the person's word in any case.
    """
    from cupl.embedding.class_vectors import ClassVectors

    known = made.provenance if isinstance(made, ClassVectors) else made
    if choice.name is None:
        return made if isinstance(made, ClassVectors) and made.provenance.made_elsewhere else None
    same = known is not None and choice.name == known.encoder
    if known is not None and same and choice.revision in (None, known.revision):
        return made
    return choice.named


def say_word(file: str | Path, encoder: str | None) -> None:
    """That nobody can check what the person says of a file."""
    name = printable(os.fspath(file))
    if encoder is None:
        say(f"{name}: taken as made by the encoder of the class vectors, which no file can tell")
    else:
        say(f"{name}: taken as made by {printable(encoder)}, as you say; no file can tell")


def check_labelled(images: LabelledImages, choice: EncoderChoice, made: ClassVectors) -> None:
    """Accept labelled vectors that were made elsewhere by the encoder of the class vectors.

    Raises:
        InputError: no encoder is named, or another, or the width is not that of its vectors.

    """
    from cupl.embedding.foreign_vectors import said_maker

    maker, source = maker_of(choice, made), images.source or ""
    provenance = said_maker(source, maker)
    made.check_embeddings(provenance)
    assert images.vectors is not None  # noqa: S101 (they are vectors)
    if images.vectors.shape[1] != provenance.dim:
        raise InputError(
            f"the vectors in {printable(source)} are {images.vectors.shape[1]:,} wide, and the "
            f"class vectors {provenance.dim:,}: name the encoder that made them",
            arguments={"encoder": ...},
        )
    say_word(source, choice.name)


def refuse_vector_file(
    source: str | os.PathLike[str], taken: str = "examples are images, or what cupl embed wrote"
) -> None:
    """Refuse vectors that were made elsewhere where they are not taken.

    Args:
        source: what is named.
        taken: what is, for the message.

    Raises:
        InputError: it is such a file.

    """
    from cupl.embedding.foreign_vectors import is_vector_file

    if is_vector_file(source):
        raise InputError(
            f"{printable(os.fspath(source))}: {taken}; vectors that were made elsewhere are taken "
            "by cupl evaluate and cupl adapt"
        )
