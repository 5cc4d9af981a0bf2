"""Photos that are in an index more than once: the same file, or nearly the same picture.

Files with the same content are known by their hash. Two pictures are nearly the same where the
cosine of their vectors is high and their perceptual hashes differ in few bits: vectors alone take
two photos of one thing for one, hashes alone two skies. Only photos near by cosine are opened.
What is the same as a third is the same (connected components). Only photos whose files are as the
index knows them are compared, and names of one file are one photo: what is found may be deleted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cupl.errors import InputError
from cupl.index.files_now import FilesNow, is_link
from cupl.index.found import FoundPhoto
from cupl.index.lookup import rows_by_id
from cupl.index.near_pairs import NearPairs, near_pairs
from cupl.index.photo_hashes import BITS, PhotoHashes
from cupl.index.rows import COLUMNS, ID, VECTOR, PhotoRow, paths_of, rows_of, vector_matrix
from cupl.index.store import PhotoStore
from cupl.index.unusable import are_usable
from cupl.index.where import Where
from cupl.io.arguments import check_numbers, check_whole
from cupl.progress import Progress, ignore

MIN_COSINE = 0.85
MAX_DISTANCE = 10
"""Chosen in tests/benchmarks/bench_duplicates.py."""


@dataclass(frozen=True, slots=True, eq=False)
class DuplicateGroup:
    """Photos of one picture.

    Attributes:
        photos: the first is the best: that with the most pixels, then the largest, then one that
            is no link, then the oldest file. Scores are cosines with it.
        exact: of each whether one before it has the same content: without those for which it holds,
            one of each content is left.

    """

    photos: Sequence[FoundPhoto]
    exact: Sequence[bool]


@dataclass(frozen=True, slots=True, eq=False)
class Duplicates:
    """What was found.

    Attributes:
        groups: those with the most photos first.
        unread: path and reason of photos that were near another by cosine and could not be opened;
            only copies with the same content are known of them.
        gone: photos that were left out as their files are not there.
        changed: the same, as their files have another size or time than the index knows.
        links: the same, as they are further names of a file.
        unusable: the same, as their vectors in the index are damaged.

    """

    groups: Sequence[DuplicateGroup]
    unread: Sequence[tuple[str, str]]
    gone: int = 0
    changed: int = 0
    links: int = 0
    unusable: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Photos:
    """All photos, those with the same content once."""

    members: list[list[str]]
    """Keys of those with each content."""
    paths: list[str]
    vectors: npt.NDArray[np.floating[Any]]
    unusable: int
    """Photos left out as their vectors are damaged."""


def find_duplicates(
    store: PhotoStore,
    *,
    min_cosine: float = MIN_COSINE,
    max_distance: int = MAX_DISTANCE,
    where: Where | None = None,
    progress: Progress = ignore,
) -> Duplicates:
    """Groups of photos that show one picture; nothing is changed.

    Args:
        store: of the index.
        min_cosine: of two photos that are nearly the same, at least.
        max_distance: bits of 64 in which their perceptual hashes differ, at most; with 64 no photo
            is opened, and the cosine alone decides.
        where: only of photos for which it holds.
        progress: told how many photos are compared with all, and of how many.

    Raises:
        InputError: a limit is none.
        MissingPackageError: imagehash is not installed.

    """
    _check(min_cosine, max_distance)
    files = FilesNow()
    photos = _scanned(store, where, files.keys(store, where))
    counts = np.cumsum([len(keys) for keys in photos.members]).tolist()

    def told(done: int, _: int) -> None:
        progress(counts[done - 1], counts[-1])

    hashes = None if max_distance == BITS else PhotoHashes(photos.paths)
    group_of = np.arange(len(photos.members))
    for pairs in near_pairs(photos.vectors, min_cosine, told):
        apart = _those(pairs, group_of[pairs[0]] != group_of[pairs[1]])
        if hashes is not None and len(apart[0]):
            apart = _those(apart, hashes.distances(*apart) <= max_distance)
        if len(apart[0]):
            group_of = _joined(group_of, *apart)
    errors = {} if hashes is None else hashes.errors
    unread = [(photos.paths[number], why) for number, why in sorted(errors.items())]
    groups = _groups(store, photos, group_of, files)
    return Duplicates(groups, unread, files.gone, files.changed, files.links, photos.unusable)


def _check(min_cosine: float, max_distance: int) -> None:
    check_numbers(min_cosine=min_cosine)
    check_whole(max_distance=max_distance)
    if not 0 < min_cosine <= 1:
        raise InputError(
            f"the lowest cosine of duplicates is above 0 and at most 1, not {min_cosine}",
            arguments={"min_cosine": ...},
        )
    if not 0 <= max_distance <= BITS:
        raise InputError(
            f"perceptual hashes differ in 0 to {BITS} bits, not {max_distance}",
            arguments={"max_distance": ...},
        )


def _scanned(store: PhotoStore, where: Where | None, keys: Set[str]) -> _Photos:
    places: dict[str, int] = {}
    members: list[list[str]] = []
    paths: list[str] = []
    unusable = 0
    numbers = store.metadata.numbers
    parts = [np.empty((0, store.metadata.dim), numbers)]
    for table in store.scan([ID, "path", "raw_path", "sha256", VECTOR], where):
        new, usable = [], are_usable(table).tolist()
        named = zip(table.column(ID).to_pylist(), table.column("sha256").to_pylist(),
                    paths_of(table), strict=True)  # fmt: skip
        for row, (id, content, path) in enumerate(named):
            if id not in keys or not usable[row]:
                unusable += id in keys
                continue
            place = places.setdefault(content or id, len(members))
            if place == len(members):
                members.append([])
                paths.append(path)
                new.append(row)
            members[place].append(id)
        parts.append(vector_matrix(table)[new].astype(numbers))
    return _Photos(members, paths, np.concatenate(parts), unusable)


def _those(pairs: NearPairs, which: npt.NDArray[np.bool_]) -> NearPairs:
    return pairs[0][which], pairs[1][which]


def _joined(
    group_of: npt.NDArray[np.int64],
    first: npt.NDArray[np.integer[Any]],
    second: npt.NDArray[np.integer[Any]],
) -> npt.NDArray[np.int64]:
    """The groups, those of each pair made one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number = len(group_of)
    ends = (np.concatenate([group_of[first], group_of]),
            np.concatenate([group_of[second], np.arange(number)]))  # fmt: skip
    graph = coo_array((np.ones(len(ends[0]), bool), ends), shape=(number, number))
    _, labels = connected_components(graph, directed=False)
    joined: npt.NDArray[np.int64] = np.asarray(labels, np.int64)
    return joined


def _groups(
    store: PhotoStore, photos: _Photos, group_of: npt.NDArray[np.int64], files: FilesNow
) -> list[DuplicateGroup]:
    contents: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(group_of.tolist()):
        contents[group].append(place)
    several = [
        places
        for places in contents.values()
        if len(places) > 1 or len(photos.members[places[0]]) > 1
    ]
    ids = [id for places in several for place in places for id in photos.members[place]]
    rows = {
        row.id: row
        for table in rows_by_id(store, COLUMNS, ids)
        for row in rows_of(table)
        if files.is_known(row)  # also now: all pairs have been compared meanwhile
    }
    groups = [_group(photos, places, rows) for places in several]
    found = [group for group in groups if len(group.photos) > 1]  # none gone meanwhile
    return sorted(found, key=lambda group: (-len(group.photos), group.photos[0].path))


def _group(photos: _Photos, places: list[int], rows: dict[str, PhotoRow]) -> DuplicateGroup:
    there = [(rows[id], place) for place in places for id in photos.members[place] if id in rows]
    there.sort(key=lambda one: _worse(one[0]))
    vectors = photos.vectors[[place for _, place in there]].astype(np.float32)
    cosines = vectors @ vectors[0] if there else vectors[:, 0]
    scored = [
        FoundPhoto(min(1.0, float(cosine)), row)
        for cosine, (row, _) in zip(cosines, there, strict=True)
    ]
    seen = set[int]()
    exact = []
    for _, content in there:
        exact.append(content in seen)
        seen.add(content)
    return DuplicateGroup(scored, exact)


def _worse(row: PhotoRow) -> tuple[int, int, bool, int, str]:
    pixels = (row.width or 0) * (row.height or 0)
    return -pixels, -row.size, is_link(row.path), row.mtime_ns, row.path
