"""The options of the commands that take an encoder, and encoding a bank with them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cupl.cli.output import count, progress, say, say_warning
from cupl.encoders.joined_names import BRIDGE, PAIR, JoinedName, parts_of_name
from cupl.encoders.loading import DEFAULT_ENCODER
from cupl.encoders.names import OPEN_CLIP_PREFIX as PREFIX
from cupl.io.reasons import missing

if TYPE_CHECKING:
    from cupl.bank.model import PromptBank
    from cupl.embedding.class_vectors import ClassVectors
    from cupl.encoders.protocol import Encoder


def batch_size(text: str) -> Any:
    """Parser of ``auto`` or a number above 0."""
    if text != "auto" and not (text.isdecimal() and len(text) < _DIGITS and int(text) > 0):
        raise typer.BadParameter(
            f"{text[:_DIGITS]!r} is neither auto nor a number from 1 to 65,536"
        )
    return text if text == "auto" else int(text)


def embedding_cache(text: str) -> Any:
    """Parser of a folder, or ``none`` for no cache."""
    if not text:
        raise typer.BadParameter("name a folder, or none")
    return False if text.lower() == "none" else Path(text)


ENCODERS = (
    "Hub name or local directory of a model such as CLIP or SigLIP, open_clip:ARCHITECTURE/TAG, "
    "pair: or bridge: of two models, or mini; cupl encoders lists them"
)
"""What ``--encoder`` takes, for its help."""
EncoderOption = Annotated[
    str,
    typer.Option(help=f"{ENCODERS}."),
]
UsualEncoderOption = Annotated[
    str | None,
    typer.Option(help=f"{ENCODERS}. [default: the one that made the vectors, else a CLIP model]"),
]
TextEncoderOption = Annotated[
    str | None,
    typer.Option(
        help="Text tower in place of the encoder's own: a text model trained to "
        "fit it, for other languages. Short for --encoder pair:ENCODER+NAME."
    ),
]
SaidEncoderOption = Annotated[
    str | None,
    typer.Option(
        help="Of image embeddings made elsewhere: the encoder that made them. [default: that of "
        "class vectors that were made elsewhere, too]"
    ),
]
RevisionOption = Annotated[
    str | None,
    typer.Option(help="Commit, branch or tag of the model on the hub. [default: main]"),
]
AllFilesOption = Annotated[
    bool,
    typer.Option("--all-files", help="In folders open every file to see whether it is an image."),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
PrecisionOption = Annotated[
    Literal["auto", "float32", "bfloat16", "float16", "int8"],
    typer.Option(
        help="Numbers to compute with; auto is half precision on a GPU, and on a CPU where it is "
        "faster; int8, on a CPU, is checked on your first images."
    ),
]
BatchSizeOption = Annotated[
    Any,
    typer.Option(parser=batch_size, metavar="N|auto", help="Images to encode at once."),
]
PoolingOption = Annotated[
    Literal["normalized-mean", "mean", "similarity", "top"] | None,
    typer.Option(
        help="How prompts become one vector; top: and those closest to an image count more. "
        "[default: normalized-mean]"
    ),
]
TemplatesOption = Annotated[
    str | None,
    typer.Option(
        help="Add hand-written templates: photo, a file of them, or, with open_clip installed, "
        "openai (80) or imagenet-simple (7)."
    ),
]
CombineOption = Annotated[
    Literal["concat", "average"] | None,
    typer.Option(
        help="Templates: in one list with the prompts, or averaged with them. [default: concat]"
    ),
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="A prompt too long for the encoder is an error.")
]
TextCacheOption = Annotated[
    Any,
    typer.Option(
        "--embedding-cache",
        parser=embedding_cache,
        metavar="FOLDER|none",
        help="Where embeddings of prompts and images are kept. [default: ~/.cache/cupl/embeddings]",
    ),
]
_SHOWN = 5
_DIGITS = 20


def templates_of(templates: TemplatesOption, combine: CombineOption) -> Sequence[str]:
    """The templates that the options name."""
    from cupl.bank.templates import TemplateSet

    if combine and not templates:
        raise typer.BadParameter("--combine says what becomes of --templates; name them too")
    return TemplateSet.load(templates).templates if templates else ()


def with_text_encoder(encoder: str, text_encoder: str | None) -> str:
    """The name of an encoder, with another text tower where one is named."""
    if text_encoder is None:
        return encoder
    if encoder.startswith((PAIR, BRIDGE)):
        raise typer.BadParameter(
            f"--text-encoder: the encoder {encoder!r:.200} has a text model of its own"
        )
    return str(JoinedName(PAIR, encoder, text_encoder))


def joined_encoder(
    encoder: str | None, text_encoder: str | None, images: Sequence[str]
) -> str | None:
    """The same where the encoder may be that of image vectors, which is to be named then.

    Args:
        encoder: the option.
        text_encoder: the option.
        images: photos, or vectors of them; a library of photos counts as those.

    """
    if text_encoder is None:
        return encoder
    if encoder is None:
        from cupl.embedding.image_vectors import is_stored, load_embeddings
        from cupl.io.file_kinds import is_index

        made = [one for one in images if is_stored(one) or is_index(one)]
        if made:
            by = "" if is_index(made[0]) else f" {load_embeddings(made[0]).provenance.encoder}"
            raise typer.BadParameter(
                f"--text-encoder needs --encoder{by} beside it, the encoder that made the vectors "
                f"in {made[0]:.200}"
            )
    return with_text_encoder(encoder or DEFAULT_ENCODER, text_encoder)


def files_of(encoder: str | None) -> list[Path]:
    """The files of an encoder on this machine, which no result may take the place of."""
    return [file for part in parts_of_name(encoder or "") for file in _files_of(part)]


def _files_of(encoder: str) -> list[Path]:
    if encoder.startswith(PREFIX):
        encoder = encoder.removeprefix(PREFIX)
        parts = encoder.split("/")  # of which the first ones name the architecture
        files = [Path("/".join(parts[start:])) for start in range(1, len(parts))]
        if not os.path.isdir(encoder):  # noqa: PTH112
            return [file for file in files if os.path.isfile(file)]  # noqa: PTH113
    if not os.path.isdir(encoder):  # noqa: PTH112
        return []
    kinds = ("*.json", "*.txt", "*.bin", "*.model", "model*.safetensors", "open_clip*.safetensors",
             "*.pt", "*.pth")  # fmt: skip
    # A model of sentence-transformers has folders in its own.
    patterns = [pattern for kind in kinds for pattern in (kind, f"*/{kind}")]
    return [path for pattern in patterns for path in Path(encoder).glob(pattern)]


def encode_with(
    bank: PromptBank,
    encoder: Encoder,
    pooling: PoolingOption,
    templates: Sequence[str],
    combine: CombineOption,
    strict: StrictOption,
    text_cache: TextCacheOption,
) -> ClassVectors:
    """Class vectors of a bank; says which prompts the encoder could not read whole."""
    from cupl.embedding.bank_encoding import encode_bank
    from cupl.embedding.pooling import DEFAULT_POOLING

    with progress("prompts") as update:
        vectors = encode_bank(
            bank, encoder, pooling or DEFAULT_POOLING,
            templates=templates, combine=combine or "concat", strict=strict,
            text_cache=text_cache, progress=update,
        )  # fmt: skip
    say_truncated(vectors, encoder)
    say_twins(vectors)
    return vectors


def images_of(images: Sequence[str], all_files: bool) -> tuple[list[str], bool]:
    """The images that are meant, and whether those are all; what is left out is said.

    Raises:
        MissingFileError: one that is named is not there, nor a drive that it lies on.

    """
    from cupl.embedding.image_files import find_images
    from cupl.embedding.left_out import LeftOut

    check_there(images)
    left = LeftOut()
    paths = find_images(images, all_files=all_files, left_out=left)
    for note in left.notes():
        say(note)
    return paths, not left.closed


def check_there(images: Sequence[str]) -> None:
    """Refuse names of images where neither an image nor a drive that it may lie on is meant.

    Raises:
        MissingFileError: one that is named is not there.

    """
    from cupl.embedding.image_files import is_pattern
    from cupl.embedding.image_kinds import IMAGE_ENDINGS
    from cupl.embedding.image_sources import url_scheme
    from cupl.embedding.tar_files import numbered_names

    for name in (one for image in images for one in numbered_names(image)):
        # A file that is gone is an image that cannot be read; a folder may be a drive's.
        file = url_scheme(name) or Path(name).suffix.lower() in IMAGE_ENDINGS
        if not (file or is_pattern(name) or os.path.lexists(name)):
            raise missing(name, f"there is no file or folder {name}")


def say_twins(vectors: ClassVectors) -> None:
    """Warn of classes that no image can tell apart."""
    from cupl.embedding.twins import explain_twins

    if sentence := explain_twins(vectors):
        say_warning(sentence)


def say_truncated(vectors: ClassVectors, encoder: Encoder) -> None:
    """Which prompts the encoder could not read to their end."""
    truncated = vectors.provenance.truncated
    if truncated:
        say(f"{count(len(truncated), 'prompt')} longer than {encoder.max_tokens} tokens, cut:")
        for name, text in truncated[:_SHOWN]:
            say(f"  {name}: {text[:80]}...")
