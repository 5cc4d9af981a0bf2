"""Photos kept in a store: put in, brought up to date, taken out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Self, get_args

from cupl.embedding.image_cache import ImageCache
from cupl.embedding.image_files import find_images
from cupl.embedding.image_shards import ImageProvenance
from cupl.embedding.left_out import LeftOut
from cupl.embedding.stored_vectors import Embeddings
from cupl.encoders.loading import load_recorded_encoder, named_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import CuplError, InputError, MissingFileError
from cupl.index.adding import Listing, add_listed, add_vectors
from cupl.index.changes import IndexChanges
from cupl.index.given import PhotosOrVectors, check_workers, photos_or_vectors
from cupl.index.growing import compact_grown
from cupl.index.known import KnownPhotos
from cupl.index.metadata import IndexMetadata
from cupl.index.opening import check_place, open_store
from cupl.index.reading import PhotoReader
from cupl.index.removing import remove_photos
from cupl.index.rows import Numbers
from cupl.index.store import PhotoStore
from cupl.index.summary import IndexInfo, summarize
from cupl.index.updating import update_photos
from cupl.index.where import parse_where
from cupl.index.writing import PhotoWriter
from cupl.io.arguments import check_path, several
from cupl.io.reasons import broken_link
from cupl.io.terminal import printable
from cupl.progress import Progress, ignore


class KeptPhotos:
    """What a :class:`~cupl.index.photo_index.PhotoIndex` can do but search.

    Attributes:
        store: keeps the rows.
        changes: what the last :meth:`add` or :meth:`update` has changed, also while it runs.

    """

    def __init__(
        self,
        store: PhotoStore,
        encoder: Encoder | None = None,
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | str = "auto",
    ) -> None:
        if isinstance(store, str | os.PathLike):
            raise InputError(
                f"an index is opened by its place: {type(self).__name__}.open({str(store)!r:.200})"
            )
        self.store, self.changes = store, IndexChanges()
        self._how = (device, precision, batch_size)
        if encoder is not None:
            store.metadata.check_encoder(encoder, store.place)
            self.__dict__["encoder"] = encoder

    @classmethod
    def open(
        cls,
        place: str | os.PathLike[str],
        encoder: Encoder | Embeddings | str | os.PathLike[str] | None = None,
        *,
        numbers: Numbers = "float16",
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | str = "auto",
        revision: str | None = None,
    ) -> Self:
        """Open an index; with an encoder it is made where there is none.

        Args:
            place: a folder such as ``photos.lance``, the URL of an object store (``s3://...``), or
                the address of a Milvus or Zilliz cluster (``https://...``, ``milvus://...``).
            encoder: that of its vectors; by default the one that made them, loaded when it is
                needed. Of vectors on disk, the one that made these.
            numbers: type of number that a new index keeps vectors as.
            device: of an encoder that is loaded, see
                :func:`~cupl.encoders.loading.load_encoder`.
            precision: likewise.
            batch_size: likewise.
            revision: likewise, of one that is named.

        Raises:
            MissingFileError: there is none, and no encoder to make one with.
            InputError: it is no index, damaged, or of another encoder.
            ServerError: a cluster or object store does not answer, or refuses.
            MissingPackageError: the package for it is not installed.

        """
        check_path(place, "an index")
        place = os.fspath(place)
        if numbers not in get_args(Numbers):
            raise InputError(f"numbers is 'float16' or 'float32', not {numbers!r:.80}")
        if isinstance(encoder, str) and not encoder.strip():
            raise InputError(f"an encoder is a name, a folder or an Encoder, not {encoder!r:.80}")
        if encoder is None:
            try:
                store = open_store(place)
            except MissingFileError as error:
                if broken_link(place):
                    raise
                raise MissingFileError(
                    f"{error}: name an encoder to make one", arguments={"encoder": ...}
                ) from error
            return cls(store, device=device, precision=precision, batch_size=batch_size)
        if isinstance(encoder, Embeddings):
            store = open_store(place, IndexMetadata(provenance=encoder.provenance, numbers=numbers))
            store.metadata.check_vectors(encoder.provenance, str(encoder.directory))
            return cls(store, device=device, precision=precision, batch_size=batch_size)
        check_place(place, make=True)
        try:
            loaded = named_encoder(encoder, device, precision, batch_size, revision)
        except CuplError as error:
            raise _told_maker(error, place, encoder) from error
        make = IndexMetadata(provenance=ImageProvenance.of(loaded), numbers=numbers)
        return cls(open_store(place, make), loaded)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder of its vectors."""
        made_by = self.store.metadata.provenance
        encoder = load_recorded_encoder(made_by.encoder, made_by.revision, *self._how)
        self.store.metadata.check_encoder(encoder, self.store.place)
        return encoder

    def __len__(self) -> int:
        """How many photos there are."""
        return self.store.count()

    def __repr__(self) -> str:
        made_by = self.store.metadata.provenance
        return f"{type(self).__name__}({self.store.place!r:.200}, {made_by.encoder!r:.100})"

    def add(
        self,
        images: Iterable[PhotosOrVectors] | PhotosOrVectors,
        *,
        all_files: bool = False,
        left_out: LeftOut | None = None,
        workers: int | None = None,
        image_cache: ImageCache = None,
        progress: Progress = ignore,
        before_compact: Callable[[], object] | None = None,
    ) -> Self:
        """Put photos in; what became of them is in :attr:`changes`.

        What it has with the same size and time is not read, and of what it has under another path
        the vector is taken, with the label and tags; where that path is gone, the photo has moved.

        Args:
            images: files, folders or patterns, see
                :func:`~cupl.embedding.image_files.find_images`; or a folder that ``cupl embed``
                wrote (also as :func:`~cupl.embedding.image_vectors.load_embeddings` opens it),
                whose vectors are taken.
            all_files: open every file of a folder to see whether it is an image.
            left_out: counts what the search passes over; without it a warning says it.
            workers: threads that read images.
            image_cache: where vectors are looked up and kept, or False for nowhere.
            progress: told how many photos that have to be read are done, and of how many.
            before_compact: called where it has grown so large that it is compacted at the end.

        Returns:
            The index itself.

        Raises:
            MissingFileError: a folder that is named is not there, or no photo is.
            InputError: there is no photo, the vectors are of another encoder, or so many photos in
                a row cannot be read that their drive must be gone.
            CuplError: it cannot be written; what was written before is kept.

        """
        self.changes = IndexChanges()
        names, vectors = photos_or_vectors(images)
        reader = self._reader(workers, image_cache)
        writer = PhotoWriter(self.store, reader.known, self.changes)
        if vectors is not None:
            self.store.metadata.check_vectors(vectors.provenance, str(vectors.directory))
            add_vectors(vectors, writer, reader.known, self.changes, workers, progress)
            compact_grown(self.store, before_compact)
            return self
        found = find_images(names, all_files=all_files, left_out=left_out)
        folders = [os.fspath(name) for name in names if os.path.isdir(name)]  # noqa: PTH112
        add_listed(Listing.of(found, folders), writer, reader, self.changes, progress)
        compact_grown(self.store, before_compact)
        return self

    def update(
        self,
        folders: Iterable[str | os.PathLike[str]] | str | os.PathLike[str] | None = None,
        *,
        prune: bool = False,
        dry_run: bool = False,
        all_files: bool = False,
        left_out: LeftOut | None = None,
        workers: int | None = None,
        image_cache: ImageCache = None,
        progress: Progress = ignore,
        before_compact: Callable[[], object] | None = None,
    ) -> IndexChanges:
        """Bring it to what is in its folders now.

        Those are the folders that were named when photos were added. Photos that were named
        themselves are looked at where they are. Those whose vectors are damaged are encoded anew.

        Args:
            folders: only what is in these; by default in all.
            prune: remove the photos whose files are gone.
            dry_run: only count what would change.
            all_files: as for :meth:`add`.
            left_out: counts what the search passes over.
            workers: as for :meth:`add`.
            image_cache: as for :meth:`add`.
            progress: as for :meth:`add`.
            before_compact: as for :meth:`add`.

        Returns:
            What has changed, or would.

        Raises:
            InputError: a folder is not of the index; one of the index is not there, or empty, and
                ``prune`` would take its photos for gone; or as for :meth:`add`.
            CuplError: it cannot be written; what was written before is kept.

        """
        self.changes = IndexChanges()
        update_photos(
            self.store, self._reader(workers, image_cache, vectors=True), self.changes,
            None if folders is None else [os.fspath(one) for one in several(folders)],
            prune=prune, dry_run=dry_run, all_files=all_files, left_out=left_out, progress=progress,
        )  # fmt: skip
        if not dry_run:
            compact_grown(self.store, before_compact)
        return self.changes

    def remove(
        self,
        paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str] | None = None,
        *,
        where: str | None = None,
    ) -> int:
        """Take photos out; their files are left alone, and need not be there.

        Args:
            paths: files, and folders with all in them.
            where: a condition, such as ``date < '2010'``; with ``paths``, both have to hold.

        Returns:
            How many photos were taken out.

        Raises:
            InputError: one of the paths is not in it, which takes nothing out; or ``where`` is no
                condition.

        """
        return remove_photos(
            self.store,
            None if paths is None else [os.fspath(one) for one in several(paths)],
            None if where is None else parse_where(where),
        )

    def info(self) -> IndexInfo:
        """What it holds, in numbers."""
        return summarize(self.store)

    def compact(self) -> None:
        """Put small files together, drop what is no longer needed, and index what is large."""
        self.store.compact()

    def _reader(
        self, workers: int | None, image_cache: ImageCache, *, vectors: bool = False
    ) -> PhotoReader:
        check_workers(workers)
        known = KnownPhotos(self.store, vectors=vectors)
        return PhotoReader(known, lambda: self.encoder, workers, image_cache)


def _told_maker(error: CuplError, place: str, encoder: object) -> CuplError:
    """An error of loading an encoder, and whose an index is that there is already."""
    try:
        made_by = open_store(place).metadata.provenance.encoder
    except CuplError:
        return error
    if made_by == str(encoder):
        return error
    return InputError(f"{printable(place)} was made by {made_by}, and not {encoder}: {error}")
