"""``cupl index``: the library of photos, and how photos get into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cupl.cli import encoder_options
from cupl.cli.encoder_choice import EncoderChoice
from cupl.cli.made_elsewhere import image_vectors_of
from cupl.cli.output import HOW, count, progress, quoted, say, say_next, say_unreadable, say_warning
from cupl.encoders.loading import DEFAULT_ENCODER
from cupl.errors import MissingFileError
from cupl.index.cluster import shown_place
from cupl.io.reasons import broken_link
from cupl.io.terminal import printable

if TYPE_CHECKING:
    from cupl.embedding.left_out import LeftOut
    from cupl.embedding.stored_vectors import Embeddings
    from cupl.index.changes import IndexChanges
    from cupl.index.photo_index import PhotoIndex

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
        list[str],
        typer.Argument(
            help="Image files, folders (recursive) or glob patterns; or a folder that cupl embed "
            "wrote, or embeddings made elsewhere (.npy, .npz, .parquet, .safetensors), whose "
            "vectors are taken."
        ),
    ],
    index: IndexOption,
    encoder: Annotated[
        str | None,
        typer.Option(
            help=f"{encoder_options.ENCODERS}. [default: the index's, for a new one "
            f"{DEFAULT_ENCODER}]"
        ),
    ] = None,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
    embedding_cache: encoder_options.TextCacheOption = None,
    all_files: encoder_options.AllFilesOption = False,
) -> None:
    """Put photos into an index, which is made where there is none.

    What it has already is skipped, what was moved keeps its vector and tags, and what has changed
    is encoded anew. An image that cannot be read is named; the others go on and the exit code is 3.
    """
    from cupl.embedding.image_cache import beside_texts
    from cupl.embedding.left_out import LeftOut

    encoder_options.check_there(images)
    choice = EncoderChoice(encoder, revision, device, precision, batch_size)
    stored, left = _stored(images, index, choice), LeftOut()
    how = {"device": device, "precision": precision, "batch_size": batch_size}
    opened = _opened(index, encoder, revision, stored, how)
    with _told_where_stopped(index, opened), progress("images") as update:
        opened.add(
            images if stored is None else stored, all_files=all_files, left_out=left,
            image_cache=beside_texts(embedding_cache), progress=update,
            before_compact=_say_compacting,
        )  # fmt: skip
    changes = opened.changes
    said = _in_words(changes) or "nothing new"
    say(f"{shown_place(index)}: {said}; {count(len(opened), 'photo')} in all")
    place = quoted(shown_place(index))
    say_next(f'cupl search "WHAT IS TO BE SEEN" --index {place}', carry=HOW)
    _end(changes, left)


@index_app.command("update")
def index_update_command(
    index: IndexOption,
    folders: Annotated[
        list[str] | None, typer.Argument(help="Only what is in these. [default: all]")
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Take out photos whose files are gone.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
    embedding_cache: encoder_options.TextCacheOption = None,
    all_files: encoder_options.AllFilesOption = False,
) -> None:
    """Bring an index to what is in its folders now.

    They are those that were named to cupl index add; photos that were named themselves are looked
    at where they are. Files are only read.
    """
    from cupl.embedding.image_cache import beside_texts
    from cupl.embedding.left_out import LeftOut

    left = LeftOut()
    opened = existing_index(index, device=device, precision=precision, batch_size=batch_size)
    with _told_where_stopped(index, opened), progress("images") as update:
        changes = opened.update(
            folders or None, prune=prune, dry_run=dry_run, all_files=all_files, left_out=left,
            image_cache=beside_texts(embedding_cache), progress=update,
            before_compact=_say_compacting,
        )  # fmt: skip
    said = _in_words(changes) or "nothing has changed"
    say(
        f"{shown_place(index)}: {said}"
        + (" (nothing was done)" if dry_run and _in_words(changes) else "")
    )
    for folder in changes.absent:
        say_warning(
            f"no photo is left in {folder}, as if its drive was not there: what the index has of "
            "it was left as it is"
        )
    for folder, photos in changes.empty.items():
        say_warning(
            f"{printable(folder)} is empty, as the place of a drive that is not there: its "
            f"{count(photos, 'photo')} {'stays' if photos == 1 else 'stay'} in the index"
        )
        say_next(f"cupl index remove {quoted(folder)} --index {quoted(shown_place(index))}")
    if changes.gone:
        where = f" {quoted(*folders)}" if folders else ""
        say(f"no longer in their folders, and still in the index: {count(changes.gone, 'photo')}")
        say_next(
            f"cupl index update{where} --prune --index {quoted(shown_place(index))}", carry=HOW
        )
    _end(changes, left)


def existing_index(index: str, **how: Any) -> PhotoIndex:
    """An index that is there.

    Args:
        index: where.
        how: device, precision and batch size of its encoder.

    Raises:
        MissingFileError: there is none.

    """
    from cupl.index.opening import open_store
    from cupl.index.photo_index import PhotoIndex

    try:
        return PhotoIndex(open_store(index), **how)
    except MissingFileError as error:
        if broken_link(index):
            raise
        raise MissingFileError(f"{error}; cupl index add makes one") from error


def _say_compacting() -> None:
    say("building the index for quick searches")


def _stored(images: Sequence[str], index: str, choice: EncoderChoice) -> Embeddings | None:
    """Vectors in place of images; those made elsewhere by the encoder that is named."""
    from cupl.embedding.foreign_vectors import is_vector_file
    from cupl.index.photo_index import PhotoIndex

    made_by = None
    if any(map(is_vector_file, images)):
        with suppress(MissingFileError):  # a new one
            made_by = PhotoIndex.open(index).store.metadata.provenance
    return image_vectors_of(images, choice, made_by)


def _opened(
    index: str, encoder: str | None, revision: str | None, stored: Embeddings | None, how: Any
) -> PhotoIndex:
    """The index, made where there is none."""
    from cupl.embedding.foreign_vectors import ForeignEmbeddings
    from cupl.index.photo_index import PhotoIndex

    if isinstance(stored, ForeignEmbeddings):
        return PhotoIndex.open(index, stored, **how)
    if encoder is None:
        try:
            opened = PhotoIndex.open(index, stored, **how)
        except MissingFileError as error:
            if "encoder" not in error.arguments:
                raise
        else:
            if revision is not None:
                raise typer.BadParameter("--revision goes with --encoder: this index has its own")
            return opened
    return PhotoIndex.open(index, encoder or DEFAULT_ENCODER, revision=revision, **how)


@contextmanager
def _told_where_stopped(index: str, opened: PhotoIndex) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        done = _in_words(opened.changes) or "nothing was changed"
        say(f"{shown_place(index)}: {done}, and is kept; the same command goes on")
        raise


def _in_words(changes: IndexChanges) -> str:
    """``3 photos added, 1 moved``: what there is of it; unchanged ones where there is any."""
    kinds = ("added", "changed", "moved", "removed", "unchanged")
    numbers = [(getattr(changes, kind), kind) for kind in kinds if getattr(changes, kind)]
    if not numbers or numbers[0][1] == "unchanged":
        return ""
    (first, kind), *rest = numbers
    return ", ".join([f"{count(first, 'photo')} {kind}", *(f"{n:,} {kind}" for n, kind in rest)])


def _end(changes: IndexChanges, left: LeftOut) -> None:
    for note in left.notes():
        say(note)
    if changes.failed:
        _say_failed(changes.failed, changes.written + changes.unchanged, changes.examples)
    if changes.failed or left.closed or changes.absent or changes.empty:
        raise typer.Exit(3)


def _say_failed(failed: int, others: int, examples: Sequence[tuple[str, str]]) -> None:
    shown = [(printable(path), why) for path, why in examples]
    say_unreadable(failed, failed + others, shown, "  ... and {} more")
    say("what the index had of them is kept; the same command tries them again")
