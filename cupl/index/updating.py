"""The folders of an index gone over: what is new, changed, moved or gone in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cupl.embedding.image_files import ImageSearch
from cupl.embedding.left_out import LeftOut
from cupl.errors import InputError, MissingFileError
from cupl.index.adding import Listing, add_listed, would_change
from cupl.index.changes import IndexChanges
from cupl.index.gone import GoneFiles
from cupl.index.known import ids_of
from cupl.index.reading import PhotoReader
from cupl.index.rows import ID, absolute, paths_of
from cupl.index.store import PhotoStore
from cupl.index.writing import PhotoWriter
from cupl.progress import Progress, ignore

_SHOWN = 3


@dataclass
class _Folders:
    """Where photos of the index are looked for.

    Attributes:
        listed: folders to go over, each with the length of the root that it is or lies in.
        roots: all these roots.
        absent: those of them that are not there, or hold nothing.

    """

    listed: dict[str, int] = field(default_factory=dict)
    roots: set[str] = field(default_factory=set)
    absent: list[str] = field(default_factory=list)


def update_photos(
    store: PhotoStore,
    reader: PhotoReader,
    changes: IndexChanges,
    folders: Iterable[str] | None = None,
    *,
    prune: bool = False,
    dry_run: bool = False,
    all_files: bool = False,
    left_out: LeftOut | None = None,
    progress: Progress = ignore,
) -> None:
    """Bring an index to what is in its folders now.

    Its folders are those that were named when photos were added. Photos that were named themselves
    are looked at where they are.

    Args:
        store: of the index.
        reader: knows what it has.
        changes: where all is counted.
        folders: only what is in these; by default all.
        prune: remove the photos whose files are gone, else they are counted only.
        dry_run: count all, and change nothing.
        all_files: see :func:`~cupl.embedding.image_files.find_images`.
        left_out: counts what the search passes over.
        progress: told how many photos have been read, and of how many.

    Raises:
        MissingFileError: a folder is not there, and nothing of it in the index.
        InputError: a folder is not of the index; one of the index is not there, or empty, and
            ``prune`` would take its photos for gone; or so many photos in a row cannot be read
            that their drive must be gone.

    """
    scope = None if folders is None else [absolute(folder) for folder in folders]
    places = _folders_of(store, scope)
    search = ImageSearch(all_files=all_files, left_out=left_out)
    listing = _listing(places, search)
    if places.absent and prune:
        raise _not_there(places.absent)
    changes.absent = places.absent
    listed = ids_of(listing.paths)
    _add_unlisted(store, scope, listed, listing)
    writer = PhotoWriter(store, reader.known, changes)
    if dry_run:
        would_change(listing, reader.known, writer, changes)
    else:
        add_listed(listing, writer, reader, changes, progress)
    still_there = writer.would_move
    gone = list(_gone(store, scope, listed, set(places.absent), still_there, changes.empty))
    if prune:
        changes.removed = len(gone)
        if not dry_run:
            store.delete(gone)
    else:
        changes.gone = len(gone)


def rows_in(
    store: PhotoStore, scope: Sequence[str] | None
) -> Iterator[tuple[Any, list[str], list[int]]]:
    """Keys, paths and roots of the photos that are some files or lie in some folders.

    Args:
        store: of the index.
        scope: absolute paths; None for all photos.

    Yields:
        Some thousand at a time.

    """
    below = None if scope is None else tuple(os.path.join(one, "") for one in scope)  # noqa: PTH118
    named = set(scope or ())
    for table in store.scan([ID, "path", "raw_path", "root"]):
        paths, roots = paths_of(table), table.column("root").to_pylist()
        ids = table.column(ID)
        if below is not None:
            kept = [i for i, p in enumerate(paths) if p in named or p.startswith(below)]
            ids = ids.take(pa.array(kept, pa.int64()))
            paths, roots = [paths[i] for i in kept], [roots[i] for i in kept]
        yield ids, paths, roots


def _folders_of(store: PhotoStore, scope: Sequence[str] | None) -> _Folders:
    found, unused = _Folders(), set(scope or ())
    for _, paths, roots in rows_in(store, scope):
        found.roots.update({path[:root] for path, root in zip(paths, roots, strict=True) if root})
        if unused:
            unused -= {one for one in unused if any(_is_in(path, one) for path in paths)}
    known = _all_roots(store) if unused else set[str]()
    for one in scope or ():
        if one in unused and not os.path.lexists(one):
            raise MissingFileError(
                f"there is no such folder: {one}; and the index has no photo in it"
            )
        around = [root for root in known if _is_in(one, root)] if one in unused else []
        found.roots.update(around)
        if around:
            unused.discard(one)
    if unused:
        raise InputError(
            f"the index has no photo in {min(unused)}: cupl index add puts its photos in"
        )
    for root in sorted(found.roots):
        if scope is None:
            found.listed[root] = len(root)
        for one in scope or ():
            if _is_in(one, root):
                found.listed[one] = len(root)
            elif _is_in(root, one):
                found.listed[root] = len(root)
    return found


def _all_roots(store: PhotoStore) -> set[str]:
    return {
        path[:root]
        for _, paths, roots in rows_in(store, None)
        for path, root in zip(paths, roots, strict=True)
        if root
    }


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))  # noqa: PTH118


def _listing(places: _Folders, search: ImageSearch) -> Listing:
    """The photos in all folders; notes those folders that are not there."""
    gone = GoneFiles()
    found: dict[str, int] = {}
    for folder, root in places.listed.items():
        images = search.folder(folder) if os.path.isdir(folder) else []  # noqa: PTH112
        for path in images:
            found.setdefault(path, root)
        if not gone.is_there(folder[:root]) or (len(folder) == root and not images):
            places.absent.append(folder[:root])
    return Listing(list(found), list(found.values()))


def _not_there(absent: Sequence[str]) -> InputError:
    them = ", ".join(absent[:_SHOWN]) + (" and others" if len(absent) > _SHOWN else "")
    return InputError(
        f"no photo is left in {them}, as if a drive was not there: nothing was changed; name the "
        "folders to update, or take those out with cupl index remove"
    )


def _add_unlisted(
    store: PhotoStore, scope: Sequence[str] | None, listed: Any, listing: Listing
) -> None:
    """Add to the listing the photos of the index that no folder lists, and that are there."""
    for ids, paths, roots in rows_in(store, scope):
        other = pc.invert(pc.is_in(ids, value_set=listed)).to_pylist()
        for path, root, wanted in zip(paths, roots, other, strict=True):
            if wanted and os.path.lexists(path):
                listing.paths.append(path)
                listing.roots.append(root)


def _gone(
    store: PhotoStore,
    scope: Sequence[str] | None,
    listed: Any,
    absent: set[str],
    moved: set[str],
    empty: dict[str, int],
) -> Iterator[str]:
    """Keys of the photos that are gone; those gone from an empty folder are counted by it."""
    is_gone = GoneFiles()
    for ids, paths, roots in rows_in(store, scope):
        other = pc.invert(pc.is_in(ids, value_set=listed)).to_pylist()
        for key, path, root, wanted in zip(ids.to_pylist(), paths, roots, other, strict=True):
            if not wanted or key in moved or path[:root] in absent or not is_gone(path, root):
                continue
            if folder := is_gone.empty_place(path):
                empty[folder] = empty.get(folder, 0) + 1
            else:
                yield key
