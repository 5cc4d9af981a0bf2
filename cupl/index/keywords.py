"""Keywords of photos, where other programs see them: in XMP sidecars or in the photos themselves.

Nothing is written that was not asked for, and nothing of a person's is taken away: their keywords
stay, those of cupl come beside them once and can be taken away again, and the original of every
file that is changed is kept (:mod:`cupl.index.rewriting`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, get_args

from cupl.embedding.elsewhere import check_on_disk
from cupl.errors import InputError
from cupl.index.exiv2 import need_exiv2
from cupl.index.holders import (
    IN_PHOTO,
    IN_SIDECAR,
    WrittenReport,
    change_sidecar,
    holders_of,
    remove_unfinished_beside,
)
from cupl.index.image_keywords import add_keywords, keywords_in
from cupl.index.rewriting import Note, Undone, read_whole, real_file
from cupl.index.rewritten import RewrittenRows
from cupl.index.sidecars import add_to_sidecar, keywords_of_sidecar, sidecar_of
from cupl.index.xmp_packets import Keywords, keyword_of
from cupl.io.arguments import check_path, several
from cupl.io.reasons import reason
from cupl.progress import Progress, counted, ignore

if TYPE_CHECKING:
    from cupl.index.photo_index import PhotoIndex

KeywordPlace: TypeAlias = Literal["xmp", "exif"]
"""Where keywords are written: into sidecars, or into the photos' own metadata."""
PhotoPath = TypeVar("PhotoPath", bound=str | os.PathLike[str])


def write_keywords(
    keywords: Mapping[PhotoPath, Iterable[str]],
    place: KeywordPlace = "xmp",
    *,
    index: PhotoIndex | None = None,
    progress: Progress = ignore,
) -> WrittenReport:
    """Add keywords to photos, beside those that are there.

    ::

        cupl.write_keywords({"photos/pond.jpg": ["tree frog", "water"]})
        cupl.read_keywords("photos/pond.jpg").ours
        cupl.remove_keywords(["photos/pond.jpg"])

    Args:
        keywords: those of each photo. Control characters in them become spaces, and what is longer
            than 256 characters is cut. IPTC has room for 64 bytes: longer ones are in XMP alone.
        place: ``xmp``: into ``photo.jpg.xmp`` beside each photo. ``exif``: into the photo itself,
            as XMP and, unless it is WebP, IPTC; for JPEG, PNG, TIFF and WebP. Its pixels and what
            else it says are compared before and after, and its original is kept as
            ``photo.jpg_original``.
        index: of these photos. What is written into them changes their content: their rows are
            brought to that, and keep vector and tags. Else its next update reads them anew.
        progress: told how many photos are done, and of how many.

    Raises:
        InputError: there is no such place, or a keyword is no text. What is wrong with one photo
            is in the report.
        MissingPackageError: pyexiv2 is not installed.

    """
    if place not in get_args(KeywordPlace):
        raise InputError(f"keywords are written to xmp or exif, not to {place!r:.100}")
    if not isinstance(keywords, Mapping):
        raise InputError(f"keywords are those of each path, a mapping, not {keywords!r:.80}")
    words_of = {path: _words(given) for path, given in keywords.items()}
    check_on_disk(keywords, "to write into them")
    need_exiv2()
    remove_unfinished_beside(keywords)
    report = WrittenReport()
    with _rows_of(index) as rows:
        for path, words in counted(words_of.items(), progress, len(keywords)):
            report.tell(path, partial(_add, words=words, place=place, note=rows.note))
            report.older += _has_older(real_file(path), words, place)
            rows.save()
    return report


def remove_keywords(
    paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str],
    *,
    index: PhotoIndex | None = None,
    dry_run: bool = False,
    progress: Progress = ignore,
) -> WrittenReport:
    """Take away what cupl added to photos and their sidecars, descriptions too, and nothing else.

    Where the rest is as in the original that was kept, the photo is that original again, byte for
    byte. A sidecar in which nothing else stands goes.

    Args:
        paths: of the photos.
        index: as for :func:`write_keywords`.
        dry_run: only tell from which photos something would be taken.
        progress: told how many photos are done, and of how many.

    Raises:
        MissingPackageError: pyexiv2 is not installed.

    """
    need_exiv2()
    report, given = WrittenReport(), several(paths)
    for path in given:
        check_path(path, "a photo")
    check_on_disk(given, "to write into them")
    remove_unfinished_beside([] if dry_run else given)
    with _rows_of(index) as rows:
        for path in counted(given, progress, len(given)):
            report.tell(path, _look if dry_run else partial(_take, note=rows.note))
            rows.save()
    return report


def read_keywords(path: str | os.PathLike[str]) -> Keywords:
    """The keywords of a photo, in it and in its sidecar.

    Raises:
        InputError: one of the two cannot be read.
        MissingPackageError: pyexiv2 is not installed.

    """
    check_path(path, "a photo")
    photo = real_file(path)
    try:
        parts = [keywords_in(read_whole(photo))]
        if os.path.lexists(sidecar := real_file(sidecar_of(photo))):
            parts.append(keywords_of_sidecar(read_whole(sidecar)))
    except OSError as error:
        raise InputError(f"{path}: {reason(error, path)}") from error
    every, ours = ([word for one in parts for word in getattr(one, of)] for of in ("all", "ours"))
    return Keywords(tuple(dict.fromkeys(every)), tuple(dict.fromkeys(ours)))


@contextlib.contextmanager
def _rows_of(index: PhotoIndex | None) -> Iterator[RewrittenRows]:
    rows = RewrittenRows(None if index is None else index.store)
    try:
        yield rows
    finally:  # whoever interrupts a run has photos that were written
        rows.save(1)


def _words(given: object) -> list[str]:
    words = several(given)
    for one in words:
        if not isinstance(one, str):
            raise InputError(f"a keyword is a text, not {one!r:.80}")
    return list(filter(None, map(keyword_of, words)))


def _add(photo: Path, words: Sequence[str], place: KeywordPlace, note: Note) -> Undone:
    if place == "exif" and words:
        return IN_PHOTO.write(photo, lambda old: add_keywords(old, words), note)
    if words:
        return change_sidecar(photo, lambda old: add_to_sidecar(old, words))
    photo.stat()
    return "same"


def _has_older(photo: Path, words: Sequence[str], place: KeywordPlace) -> bool:
    """Whether keywords that cupl added at another time stand where these are written."""
    holder, path = (
        (IN_PHOTO, photo) if place == "exif" else (IN_SIDECAR, real_file(sidecar_of(photo)))
    )
    with contextlib.suppress(OSError, InputError):
        return bool({*holder.keywords(read_whole(path)).ours} - {*words})
    return False


def _look(photo: Path) -> Undone:
    has = any(holder.has_ours(read_whole(path)) for holder, path in holders_of(photo))
    return "changed" if has else "same"


def _take(photo: Path, note: Note) -> Undone:
    done = [holder.remove(path, note) for holder, path in holders_of(photo)]
    return max(done, key=get_args(Undone).index)
