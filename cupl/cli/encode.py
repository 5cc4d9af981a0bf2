"""``cupl encode``: a prompt bank to class vectors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cupl.cli.output import check_target, count, say
from cupl.encoders import DEFAULT_ENCODER

if TYPE_CHECKING:
    from cupl.bank import PromptBank
    from cupl.encoders.base import Encoder
    from cupl.vectors import ClassVectors

EncoderName = Annotated[
    str,
    typer.Option(help="Hub name or local directory of a CLIP model, or mini."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Pooling = Annotated[
    Literal["normalized-mean", "mean", "similarity"] | None,
    typer.Option(help="How prompts become one vector. [default: normalized-mean]"),
]
Templates = Annotated[
    str | None, typer.Option(help="Add hand-written templates: photo, or a YAML file.")
]
Combine = Annotated[
    Literal["concat", "average"] | None,
    typer.Option(
        help="Templates: in one list with the prompts, or averaged with them. [default: concat]"
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="A prompt too long for the encoder is an error.")
]
SHOWN = 5


def encode(
    bank: Annotated[Path, typer.Argument(help="Prompt bank.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write (.safetensors).")],
    encoder: EncoderName = DEFAULT_ENCODER,
    device: Device = "auto",
    pooling: Pooling = None,
    templates: Templates = None,
    combine: Combine = None,
    strict: Strict = False,
) -> None:
    """Encode a bank into one vector for each class."""
    from cupl.bank import PromptBank

    check_target(output, bank)
    vectors, _ = encode_with(
        PromptBank.load(bank), encoder, device, pooling, templates, combine, strict
    )
    vectors.save(output)
    rows, width = vectors.matrix.shape
    say(f"wrote {output}: {count(rows, 'class vector')} of {width} numbers by {encoder}")
    say(f"next: cupl classify IMAGE... --vectors {output}")


def encode_with(
    bank: "PromptBank",
    encoder: str,
    device: str,
    pooling: Pooling,
    templates: Templates,
    combine: Combine,
    strict: Strict,
) -> "tuple[ClassVectors, Encoder]":
    """Class vectors of a bank and the encoder; says which prompts it could not read whole."""
    from cupl.encoders import load_encoder
    from cupl.pooling import DEFAULT_POOLING
    from cupl.questions import TemplateSet
    from cupl.vectors import encode_bank

    if combine and not templates:
        raise typer.BadParameter("--combine says what becomes of --templates; name them too")
    written = TemplateSet.load(templates).templates if templates else ()
    loaded = load_encoder(encoder, device)
    vectors = encode_bank(
        bank, loaded, pooling or DEFAULT_POOLING,
        templates=written, combine=combine or "concat", strict=strict,
    )  # fmt: skip
    truncated = vectors.provenance.truncated
    if truncated:
        say(f"{count(len(truncated), 'prompt')} longer than {loaded.max_tokens} tokens, cut:")
        for name, text in truncated[:SHOWN]:
            say(f"  {name}: {text[:80]}...")
    return vectors, loaded
