"""``cupl classify``: images to labels."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cupl.cli import encode as encoding
from cupl.cli.output import check_target, count, progress, say, say_unreadable
from cupl.encoders import DEFAULT_ENCODER

if TYPE_CHECKING:
    from cupl.classifier import ZeroShotClassifier
    from cupl.tables import Failures

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}


def classify(
    images: Annotated[
        list[str], typer.Argument(help="Image files, folders (recursive) or glob patterns.")
    ],
    bank: Annotated[Path | None, typer.Option(help="Prompt bank (.yaml).")] = None,
    vectors: Annotated[Path | None, typer.Option(help="Class vectors (.safetensors).")] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Hub name or local directory of a CLIP or SigLIP model, or mini. [default: the "
            f"one that made the vectors, or {DEFAULT_ENCODER}]"
        ),
    ] = None,
    device: encoding.Device = "auto",
    precision: encoding.Precision = "auto",
    batch_size: encoding.BatchSize = "auto",
    top_k: Annotated[int, typer.Option(min=1, help="Classes to name for each image.")] = 5,
    format: Annotated[
        Literal["table", "csv", "jsonl", "parquet"] | None,
        typer.Option(help="[default: by the name of -o, else table]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write. [default: print]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a run with the same -o was stopped.")
    ] = False,
    pooling: encoding.Pooling = None,
    templates: encoding.Templates = None,
    combine: encoding.Combine = None,
    strict: encoding.Strict = False,
) -> None:
    """Classify images with a prompt bank or with class vectors.

    An image that cannot be read becomes a row with the reason; the others go on and the exit
    code is 3. What is done is kept in OUTPUT.part until all of it is.
    """
    from cupl.bank import PromptBank
    from cupl.classifier import ZeroShotClassifier
    from cupl.encoders import load_encoder
    from cupl.images import find_images
    from cupl.tables import check_format, write_predictions
    from cupl.vectors import ClassVectors

    if (bank is None) == (vectors is None):
        raise typer.BadParameter("give either --bank BANK.yaml or --vectors V.safetensors")
    if vectors is not None and (pooling or templates or combine or strict):
        raise typer.BadParameter(
            "--pooling, --templates, --combine and --strict go with --bank; vectors are made"
        )
    written = _format(format, output, resume)
    check_format(written, output)
    paths = find_images(images)
    if output is not None:
        # Only a file that is there can be one that is read.
        check_target(output, bank, vectors, *(map(Path, paths) if os.path.lexists(output) else ()))
    if vectors is not None:
        made = ClassVectors.load(vectors)
        loaded = load_encoder(encoder or made.provenance.encoder, device, precision, batch_size)
    else:
        assert bank is not None  # noqa: S101 (checked above)
        texts, prompts = encoding.templates_of(templates, combine), PromptBank.load(bank)
        loaded = load_encoder(encoder or DEFAULT_ENCODER, device, precision, batch_size)
        made = encoding.encode_with(prompts, loaded, pooling, texts, combine, strict)
    classifier = ZeroShotClassifier(made, loaded)
    top_k = min(top_k, len(classifier.labels))
    if output is None:
        failures = write_predictions(classifier.predict(paths, top_k), top_k, written, None)
    else:
        failures = _label(classifier, paths, output, written, top_k, resume)
        say(f"wrote {output}: {count(len(paths), 'image')}")
    if failures.count:
        examples = [(str(one.path), str(one.error)) for one in failures.first]
        rest = "  and {} more; their rows say why"
        say_unreadable(failures.count, len(paths), examples, rest)
        raise typer.Exit(3)


def _format(format: str | None, output: Path | None, resume: bool) -> str:
    ending = output.suffix.lower() if output else ""
    if output is None and resume:
        raise typer.BadParameter("--resume goes with -o: what was printed is not kept")
    if output is not None and format is None and ending not in FORMATS:
        raise typer.BadParameter(
            f"{output} does not say what to write: add --format table, csv, jsonl or parquet"
        )
    return format or FORMATS.get(ending, "table")


def _label(
    classifier: "ZeroShotClassifier",
    paths: Sequence[str],
    output: Path,
    format: str,
    top_k: int,
    resume: bool,
) -> "Failures":
    from cupl.labelling import label_images

    done = 0
    try:
        with progress("images") as update:

            def note(number: int, total: int) -> None:
                nonlocal done
                done = number
                update(number, total)

            return label_images(
                classifier, paths, output, format, top_k, resume=resume, progress=note
            )
    except KeyboardInterrupt:
        say(
            f"{done:,} of {count(len(paths), 'image')} done; the same command with --resume goes on"
        )
        raise
