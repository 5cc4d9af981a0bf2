"""``cupl embed``: images to vectors on disk."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cupl.cli import encoder_options, engine_options
from cupl.cli.output import (
    HOW,
    count,
    progress,
    quoted,
    say,
    say_next,
    say_passing,
    say_unreadable,
)
from cupl.encoders.joined_names import parts_of_name
from cupl.encoders.loading import DEFAULT_ENCODER
from cupl.io.outputs import check_folder_target


def embed_command(
    images: Annotated[
        list[str],
        typer.Argument(
            help="Image files, folders (recursive), glob patterns, tars or URLs (s3://...)."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory to write into.")],
    encoder: encoder_options.EncoderOption = DEFAULT_ENCODER,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
    embedding_cache: encoder_options.TextCacheOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what the same command has begun.")
    ] = False,
    shard_size: Annotated[
        int, typer.Option(min=1, max=100_000, help="Images a file, written when it is full.")
    ] = 1024,
    all_files: encoder_options.AllFilesOption = False,
    engine: engine_options.EngineOption = "local",
    address: engine_options.AddressOption = None,
    workers: engine_options.WorkersOption = None,
) -> None:
    """Encode images into vectors: safetensors, with paths and errors in Parquet.

    An image that cannot be read becomes a row with the reason; the others go on and the exit
    code is 3.
    """
    from cupl.embedding.image_cache import beside_texts
    from cupl.embedding.image_runs import ImageTally, check_directory, embed_images

    engine_options.check_engine(engine, address, workers)
    model = [part for part in parts_of_name(encoder) if os.path.isdir(part)]  # noqa: PTH112
    check_folder_target(output, *model, *images)
    check_directory(output, resume=resume)
    paths, complete = encoder_options.images_of(images, all_files)
    check_folder_target(output, *{os.path.dirname(path) for path in paths})  # noqa: PTH120
    where = (engine, address, workers)
    opened = engine_options.opened_encoder(
        *where, encoder, device, precision, batch_size, revision=revision
    )
    tally = ImageTally()
    try:
        with opened as loaded, progress("images") as update:
            embed_images(
                paths, loaded, output,
                shard_size=shard_size, resume=resume,
                image_cache=beside_texts(embedding_cache), tally=tally, progress=update,
            )  # fmt: skip
    except KeyboardInterrupt:
        say(
            f"{tally.images:,} of {count(len(paths), 'image')} are in {output}; the same command "
            "with --resume continues"
        )
        raise
    say(
        f"wrote {output}: {count(tally.images, 'image')} in {count(tally.shards, 'shard')} by "
        f"{encoder} in {loaded.precision}"
    )
    say_next(f"cupl classify {quoted(output)} --bank BANK.yaml", carry=HOW)
    adapted = f"cupl adapt VECTORS.safetensors --photos {quoted(output)} -o adapted.safetensors"
    say_next(adapted, other=True)
    say_next(f"cupl evaluate {quoted(output)} --bank BANK.yaml", carry=HOW, other=True)
    say("      where no folder names the class, with --labels LABELS.csv")
    if tally.failed:
        rest = "  ... and {} more; images-*.parquet names them all"
        say_unreadable(tally.failed, tally.images, tally.examples, rest)
        if tally.may_pass:
            say_passing(tally.may_pass)
    if tally.failed or not complete:
        raise typer.Exit(3)
