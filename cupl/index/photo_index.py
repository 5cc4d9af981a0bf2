"""A library of photos: their vectors and facts in a store, found by words, photos and classes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cupl.embedding.image_cache import ImageCache
from cupl.embedding.image_files import find_images
from cupl.embedding.image_shards import ImageProvenance
from cupl.encoders.loading import load_recorded_encoder, named_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError, MissingFileError
from cupl.index.adding import add_photos
from cupl.index.changes import IndexChanges
from cupl.index.found import FoundPhotos
from cupl.index.metadata import IndexMetadata
from cupl.index.opening import open_store
from cupl.index.rows import Numbers
from cupl.index.store import PhotoStore
from cupl.index.where import parse_where
from cupl.progress import Progress, ignore


class PhotoIndex:
    """Photos that can be searched.

    ::

        index = cupl.PhotoIndex.open("photos.lance", encoder="mini")
        index.add("photos/")
        for found in index.search("a red bicycle against a wall", k=20):
            print(found.score, found.path)

    Attributes:
        store: keeps the rows.
        changes: what the last :meth:`add` has changed.

    """

    def __init__(self, store: PhotoStore, encoder: Encoder | None = None) -> None:
        self.store, self.changes = store, IndexChanges()
        if encoder is not None:
            store.metadata.provenance.check_encoder(encoder)
            self.__dict__["encoder"] = encoder

    @classmethod
    def open(
        cls,
        place: str | os.PathLike[str],
        encoder: Encoder | str | os.PathLike[str] | None = None,
        *,
        numbers: Numbers = "float16",
    ) -> PhotoIndex:
        """Open an index; with an encoder it is made where there is none.

        Args:
            place: a folder such as ``photos.lance``, the URL of an object store (``s3://...``), or
                the address of a Milvus or Zilliz cluster (``https://...``, ``milvus://...``).
            encoder: that of its vectors; by default the one that made them, loaded when it is
                needed.
            numbers: type of number that a new index keeps vectors as.

        Raises:
            MissingFileError: there is none, and no encoder to make one with.
            InputError: it is no index, damaged, or of another encoder.
            ServerError: a cluster does not answer, or refuses.
            MissingPackageError: the package for it is not installed.

        """
        place = os.fspath(place)
        if encoder is None:
            try:
                return cls(open_store(place))
            except MissingFileError as error:
                raise MissingFileError(
                    f"{error}: name an encoder to make one", arguments={"encoder": ...}
                ) from error
        loaded = named_encoder(encoder)
        make = IndexMetadata(provenance=ImageProvenance.of(loaded), numbers=numbers)
        return cls(open_store(place, make), loaded)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder of its vectors."""
        made_by = self.store.metadata.provenance
        encoder = load_recorded_encoder(made_by.encoder, made_by.revision)
        made_by.check_encoder(encoder)
        return encoder

    def __len__(self) -> int:
        """How many photos there are."""
        return self.store.count()

    def __repr__(self) -> str:
        made_by = self.store.metadata.provenance
        return f"{type(self).__name__}({self.store.place!r:.200}, {made_by.encoder!r:.100})"

    def add(
        self,
        images: Iterable[str | os.PathLike[str]] | str | os.PathLike[str],
        *,
        all_files: bool = False,
        workers: int | None = None,
        image_cache: ImageCache = None,
        progress: Progress = ignore,
    ) -> PhotoIndex:
        """Put photos in; what became of them is in :attr:`changes`.

        Args:
            images: files, folders or patterns, see
                :func:`~cupl.embedding.image_files.find_images`.
            all_files: open every file of a folder to see whether it is an image.
            workers: threads that read images.
            image_cache: where vectors are looked up and kept, or False for nowhere.
            progress: told how many photos are done, and of how many.

        Returns:
            The index itself.

        """
        paths = find_images(
            images if isinstance(images, str | os.PathLike) else list(images), all_files=all_files
        )
        self.changes = add_photos(
            self.store, paths, self.encoder,
            workers=workers, image_cache=image_cache, progress=progress,
        )  # fmt: skip
        return self

    def search(
        self,
        text: str | None = None,
        *,
        vector: npt.ArrayLike | None = None,
        k: int = 20,
        where: str | None = None,
    ) -> FoundPhotos:
        """The photos that are closest to a text or a vector."""
        if (text is None) == (vector is None):
            raise InputError("a search is for a text, or for a vector")
        query = np.asarray(
            self.encoder.encode_text([text])[0] if text is not None else vector, np.float32
        )
        condition = None if where is None else parse_where(where)
        return FoundPhotos(self.store.search(query[None], k, condition)[0])
