"""Photos out of an index; their files are left alone."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from cupl.errors import InputError
from cupl.index.rows import ID, absolute
from cupl.index.store import PhotoStore
from cupl.index.updating import rows_in
from cupl.index.where import Where


def remove_photos(
    store: PhotoStore, paths: Iterable[str] | None = None, where: Where | None = None
) -> int:
    """Take photos out of an index.

    Args:
        store: of the index.
        paths: files, and folders with all in them; nothing has to be there. By default all.
        where: only photos for which it holds.

    Returns:
        How many were in it.

    Raises:
        InputError: none of one of these paths is in it; then nothing is removed.

    """
    gone: list[str] | None = None
    if paths is not None:
        gone = []
        for path in dict.fromkeys(map(absolute, paths)):
            found = [key for ids, _, _ in rows_in(store, [path]) for key in ids.to_pylist()]
            if not found:
                raise InputError(
                    f"the index has no photo {path}, and none in a folder of that name"
                )
            gone += found
    if where is not None:
        holds = [key for part in store.scan([ID], where) for key in part.column(ID).to_pylist()]
        kept = pa.array(holds, pa.string())
        gone = holds if gone is None else [
            key for key, inside in zip(
                gone, pc.is_in(pa.array(gone, pa.string()), value_set=kept).to_pylist(), strict=True
            ) if inside
        ]  # fmt: skip
    if gone is None:
        raise InputError(
            "say which photos to remove: files, folders, or a condition", arguments={"where": ...}
        )
    gone = list(dict.fromkeys(gone))
    store.delete(gone)
    return len(gone)
