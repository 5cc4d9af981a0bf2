"""``cupl adapt``: class vectors to the photos that they will classify."""

from pathlib import Path
from typing import Annotated

import typer

from cupl.cli import encoder_options
from cupl.cli.adapt_examples import ExampleOptions, adapt_to_examples
from cupl.cli.output import check_target, quoted, say, say_next


def adapt_command(
    vectors: Annotated[Path, typer.Argument(help="Class vectors of cupl encode (.safetensors).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write (.safetensors).")],
    examples: Annotated[
        Path,
        typer.Option(
            help="Labelled images, a few of each class: an ImageFolder, a .csv of path and label, "
            "or a directory of cupl embed."
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(help="For cupl embed: a .csv of path and label. [default: folder names]"),
    ] = None,
    skip_unmatched: Annotated[
        bool, typer.Option("--skip-unmatched", help="Leave out images whose label means no class.")
    ] = False,
    all_files: encoder_options.AllFilesOption = False,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
) -> None:
    """Let labelled images decide with the texts, where that helps.

    Exit code 3 where some images could not be read; the others count.
    """
    from cupl.embedding.class_vectors import ClassVectors

    check_target(output, vectors, examples, labels)
    options = ExampleOptions(
        examples, labels, skip_unmatched, all_files, device, precision, batch_size
    )
    adapted, unreadable = adapt_to_examples(ClassVectors.load(vectors), options)
    adapted.save(output)
    say(f"wrote {output}")
    say_next(f"cupl classify IMAGE... --vectors {quoted(output)}", output)
    if unreadable:
        raise typer.Exit(3)
