"""``cupl encode``: a prompt bank to class vectors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cupl.cli.output import check_target, count, say

if TYPE_CHECKING:
    from cupl.encoders import base as encoders
    from cupl.vectors import ClassVectors

EncoderName = Annotated[
    str,
    typer.Option(help="Hub name or local directory of a CLIP model, or mini."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Pooling = Annotated[
    Literal["normalized-mean", "mean", "similarity"],
    typer.Option(help="How prompts become one vector."),
]
Templates = Annotated[
    str | None, typer.Option(help="Add hand-written templates: photo, or a YAML file.")
]
CombineName = Literal["concat", "average"]
Combine = Annotated[
    CombineName, typer.Option(help="Templates: as one list with the prompts, or as a vector each.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="A prompt too long for the encoder is an error.")
]
DEFAULT_ENCODER = "openai/clip-vit-base-patch32"
SHOWN = 5


def encode(
    bank: Annotated[Path, typer.Argument(help="Prompt bank.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write (.safetensors).")],
    encoder: EncoderName = DEFAULT_ENCODER,
    device: Device = "auto",
    pooling: Pooling = "normalized-mean",
    templates: Templates = None,
    combine: Combine = "concat",
    strict: Strict = False,
) -> None:
    """Encode a bank into one vector for each class."""
    from cupl.encoders import load_encoder

    check_target(output)
    loaded = load_encoder(encoder, device)
    vectors = encode_file(bank, loaded, pooling, templates, combine, strict)
    vectors.save(output)
    rows, width = vectors.matrix.shape
    say(f"wrote {output}: {count(rows, 'class vector')} of {width} numbers by {encoder}")
    say(f"next: cupl classify IMAGE... --vectors {output}")


def encode_file(
    bank: Path,
    encoder: "encoders.Encoder",
    pooling: str,
    templates: str | None,
    combine: CombineName,
    strict: bool,
) -> "ClassVectors":
    """Class vectors of a bank's file; says which prompts the encoder could not read whole."""
    from cupl.bank import PromptBank
    from cupl.questions import TemplateSet
    from cupl.vectors import encode_bank

    prompts = PromptBank.load(bank)
    written = TemplateSet.load(templates).templates if templates else ()
    vectors = encode_bank(
        prompts, encoder, pooling, templates=written, combine=combine, strict=strict
    )
    truncated = vectors.provenance.truncated
    if truncated:
        say(f"{count(len(truncated), 'prompt')} longer than {encoder.max_tokens} tokens, cut:")
        for name, text in truncated[:SHOWN]:
            say(f"  {name}: {text[:80]}...")
    return vectors
