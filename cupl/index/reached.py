"""Photos that links lead to, out of the folders in which they were looked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

from cupl.embedding.image_files import is_pattern
from cupl.index.rows import absolute
from cupl.index.store import PhotoStore
from cupl.index.updating import rows_in


def reached_by_links(paths: Iterable[str], named: Iterable[str]) -> set[str]:
    """Those of some photos that lie in none of the folders that were named.

    Args:
        paths: of the photos.
        named: files, which may be links to anywhere, folders, and patterns.

    """
    files, folders = set[str](), set[str]()
    for one in named:
        is_folder = os.path.isdir(one)  # noqa: PTH112 (of any name)
        if is_pattern(one) and not os.path.lexists(one):
            folders.add(str(Path(*takewhile(lambda part: not is_pattern(part), Path(one).parts))))
        else:
            (folders if is_folder else files).add(one)
    return _outside(paths, folders, set(map(absolute, files)))


def reached_from_index(paths: Iterable[str], store: PhotoStore) -> set[str]:
    """Those of some photos of an index that lie in none of its folders, nor were named alone."""
    files, folders = set[str](), set[str]()
    for _, some, roots in rows_in(store, None):
        folders |= {path[:root] for path, root in zip(some, roots, strict=True) if root}
        files |= {path for path, root in zip(some, roots, strict=True) if not root}
    return _outside(paths, folders, files)


def _outside(paths: Iterable[str], folders: set[str], files: set[str]) -> set[str]:
    real = tuple(os.path.join(os.path.realpath(one), "") for one in folders)  # noqa: PTH118
    return {
        path
        for path in paths
        if absolute(path) not in files and not os.path.realpath(path).startswith(real)
    }
