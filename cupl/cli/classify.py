"""``cupl classify``: images to labels."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cupl.cli import encode as encoding
from cupl.cli.output import check_target, count, say
from cupl.encoders import DEFAULT_ENCODER

FORMATS = {".csv": "csv", ".jsonl": "jsonl"}


def classify(
    images: Annotated[
        list[str], typer.Argument(help="Image files, folders (recursive) or glob patterns.")
    ],
    bank: Annotated[Path | None, typer.Option(help="Prompt bank (.yaml).")] = None,
    vectors: Annotated[Path | None, typer.Option(help="Class vectors (.safetensors).")] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Hub name or local directory of a CLIP model, or mini. [default: the one that "
            f"made the vectors, or {DEFAULT_ENCODER}]"
        ),
    ] = None,
    device: encoding.Device = "auto",
    precision: encoding.Precision = "auto",
    batch_size: encoding.BatchSize = "auto",
    top_k: Annotated[int, typer.Option(min=1, help="Classes to name for each image.")] = 5,
    format: Annotated[
        Literal["table", "csv", "jsonl"] | None,
        typer.Option(help="[default: by the name of -o, else table]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write. [default: print]")
    ] = None,
    pooling: encoding.Pooling = None,
    templates: encoding.Templates = None,
    combine: encoding.Combine = None,
    strict: encoding.Strict = False,
) -> None:
    """Classify images with a prompt bank or with class vectors.

    An image that cannot be read becomes a row with the reason; the others go on and the exit
    code is 3.
    """
    from cupl.bank import PromptBank
    from cupl.classifier import ZeroShotClassifier
    from cupl.encoders import load_encoder
    from cupl.images import find_images
    from cupl.tables import write_predictions
    from cupl.vectors import ClassVectors

    if (bank is None) == (vectors is None):
        raise typer.BadParameter("give either --bank BANK.yaml or --vectors V.safetensors")
    if vectors is not None and (pooling or templates or combine or strict):
        raise typer.BadParameter(
            "--pooling, --templates, --combine and --strict go with --bank; vectors are made"
        )
    ending = output.suffix.lower() if output else ""
    if output is not None and format is None and ending not in FORMATS:
        raise typer.BadParameter(
            f"{output} does not say what to write: add --format table, csv or jsonl"
        )
    paths = find_images(images)
    if output is not None:
        check_target(output, bank, vectors, *paths)
    if vectors is not None:
        made = ClassVectors.load(vectors)
        loaded = load_encoder(encoder or made.provenance.encoder, device, precision, batch_size)
    else:
        assert bank is not None  # noqa: S101 (checked above)
        written, prompts = encoding.templates_of(templates, combine), PromptBank.load(bank)
        loaded = load_encoder(encoder or DEFAULT_ENCODER, device, precision, batch_size)
        made = encoding.encode_with(prompts, loaded, pooling, written, combine, strict)
    classifier = ZeroShotClassifier(made, loaded)
    top_k = min(top_k, len(classifier.labels))
    failed = write_predictions(
        classifier.predict(paths, top_k), top_k, format or FORMATS.get(ending, "table"), output
    )
    if output is not None:
        say(f"wrote {output}: {count(len(paths), 'image')}")
    if failed:
        say(f"{count(failed, 'image')} of {len(paths):,} could not be read")
        raise typer.Exit(3)
