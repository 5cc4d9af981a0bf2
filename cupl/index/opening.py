"""Where an index is: a folder or object store, or a cluster."""

from __future__ import annotations

from cupl.errors import MissingPackageError
from cupl.index.cluster import is_cluster
from cupl.index.metadata import IndexMetadata
from cupl.index.store import PhotoStore


def open_store(place: str, make: IndexMetadata | None = None) -> PhotoStore:
    """Open an index.

    Args:
        place: a folder, the URL of an object store, or the address of a cluster.
        make: what to make it as where there is none.

    Raises:
        MissingFileError: there is none.
        InputError: what is there is no index of cupl, or damaged.
        ServerError: a cluster does not answer, or refuses.
        MissingPackageError: the package for it is not installed.

    """
    try:
        if is_cluster(place):
            from cupl.index.milvus import open_milvus

            return open_milvus(place, make)
        from cupl.index.lance import open_lance

        return open_lance(place, make)
    except ImportError as error:
        if isinstance(error, MissingPackageError):
            raise
        extra = "milvus" if is_cluster(place) else "index"
        raise MissingPackageError(
            f"an index needs a package that is not installed: pip install 'cupl[{extra}]'"
        ) from error
