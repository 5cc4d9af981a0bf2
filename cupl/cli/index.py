"""``cupl index``: the library of photos."""

from pathlib import Path
from typing import Annotated

import typer

from cupl.cli import encoder_options
from cupl.cli.output import count, progress, say, say_unreadable, show_line
from cupl.encoders.loading import DEFAULT_ENCODER

index_app = typer.Typer(
    name="index", help="A library of photos that can be searched.", no_args_is_help=True
)
IndexOption = Annotated[
    str,
    typer.Option(
        "--index",
        help="Folder (photos.lance), URL of an object store, or address of a Milvus cluster.",
    ),
]


@index_app.command("add")
def index_add_command(
    images: Annotated[
        list[str], typer.Argument(help="Image files, folders (recursive) or glob patterns.")
    ],
    index: IndexOption,
    encoder: encoder_options.UsualEncoderOption = None,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
    embedding_cache: encoder_options.TextCacheOption = None,
    all_files: encoder_options.AllFilesOption = False,
) -> None:
    """Put photos into an index, which is made where there is none."""
    from cupl.embedding.image_cache import beside_texts
    from cupl.encoders.loading import load_encoder
    from cupl.index.photo_index import PhotoIndex

    paths, complete = encoder_options.images_of(images, all_files)
    loaded = load_encoder(encoder or DEFAULT_ENCODER, device, precision, batch_size,
                          revision=revision)  # fmt: skip
    opened = PhotoIndex.open(index, loaded)
    with progress("images") as update:
        opened.add(paths, image_cache=beside_texts(embedding_cache), progress=update)
    changes = opened.changes
    say(f"{index}: {count(changes.added, 'photo')} added, {len(opened):,} in all")
    if changes.failed:
        say_unreadable(changes.failed, len(paths), changes.examples, "  ... and {} more")
    if changes.failed or not complete:
        raise typer.Exit(3)


@index_app.command("info")
def index_info_command(index: Annotated[Path, typer.Argument(help="The index.")]) -> None:
    """What an index holds."""
    from cupl.index.photo_index import PhotoIndex

    show_line(f"{count(len(PhotoIndex.open(index)), 'photo')}")
