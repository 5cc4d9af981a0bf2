"""Keywords of photos, where other programs see them: in XMP sidecars or in the photos themselves.

Nothing is written that was not asked for, and nothing of a person's is taken away: their keywords
stay, those of cupl come beside them once and can be taken away again, and the original of every
file that is changed is kept (:mod:`cupl.index.rewriting`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar, get_args

from cupl.errors import InputError, MissingPackageError
from cupl.index.exiv2 import need_exiv2
from cupl.index.image_keywords import add_keywords, check_unharmed, keywords_in, take_keywords
from cupl.index.rewriting import Undone, read_whole, real_file, rewrite, take_back
from cupl.index.sidecars import (
    add_to_sidecar,
    check_sidecar,
    keywords_of_sidecar,
    sidecar_of,
    take_from_sidecar,
)
from cupl.index.xmp_packets import Keywords, keyword_of
from cupl.io.arguments import check_path, several
from cupl.io.atomic import own_file, remove_unfinished
from cupl.io.placing import rename_new
from cupl.io.reasons import reason
from cupl.progress import Progress, counted, ignore

KeywordPlace: TypeAlias = Literal["xmp", "exif"]
"""Where keywords are written: into sidecars, or into the photos' own metadata."""
PhotoPath = TypeVar("PhotoPath", bound=str | os.PathLike[str])


@dataclass(eq=False)
class KeywordReport:
    """What became of the keywords of photos.

    Attributes:
        changed: photos that were written to, or whose sidecars were.
        same: photos that were as they should be already.
        restored: of those changed, photos that are the originals again, byte for byte.
        errors: path and reason of those that could not be changed; they are as they were.

    """

    changed: int = 0
    same: int = 0
    restored: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)


def write_keywords(
    keywords: Mapping[PhotoPath, Iterable[str]],
    place: KeywordPlace = "xmp",
    *,
    progress: Progress = ignore,
) -> KeywordReport:
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
    need_exiv2()
    _tidy(keywords)
    report, add = KeywordReport(), {"xmp": _to_sidecar, "exif": _PHOTO.write}[place]
    for path, words in counted(words_of.items(), progress, len(keywords)):
        _tell(report, path, partial(add, words=words))
    return report


def remove_keywords(
    paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str],
    *,
    dry_run: bool = False,
    progress: Progress = ignore,
) -> KeywordReport:
    """Take away what cupl added to photos and their sidecars, and nothing else.

    Where the rest is as in the original that was kept, the photo is that original again, byte for
    byte. A sidecar in which nothing else stands goes.

    Args:
        paths: of the photos.
        dry_run: only tell from which photos something would be taken.
        progress: told how many photos are done, and of how many.

    Raises:
        MissingPackageError: pyexiv2 is not installed.

    """
    need_exiv2()
    report, given = KeywordReport(), several(paths)
    for path in given:
        check_path(path, "a photo")
    _tidy([] if dry_run else given)
    for path in counted(given, progress, len(given)):
        _tell(report, path, _look if dry_run else _take)
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


Change: TypeAlias = Callable[[Path], Undone]
"""Changes one photo."""


@dataclass(frozen=True)
class _Holder:
    """What holds keywords, a photo or a sidecar, as functions of its content."""

    keywords: Callable[[bytes], Keywords]
    add: Callable[[bytes, Sequence[str]], bytes]
    take: Callable[[bytes], bytes]
    check: Callable[[bytes, bytes], None]

    def write(self, path: Path, words: Sequence[str]) -> Undone:
        """Add keywords to a file that is there."""
        if not words:
            return "same"
        changed = rewrite(
            path, lambda old: self.add(old, words), self.check,
            lambda old: not self.keywords(old).ours,
        )  # fmt: skip
        return "changed" if changed else "same"

    def remove(self, path: Path) -> Undone:
        """Take away those of cupl."""
        return take_back(path, self.take, self.check, self._is_as)

    def _is_as(self, original: bytes, new: bytes) -> bool:
        try:
            self.check(original, new)
            return self.keywords(original) == self.keywords(new)
        except InputError:  # somebody else's, or damaged
            return False


_PHOTO = _Holder(keywords_in, add_keywords, take_keywords, check_unharmed)
_SIDECAR = _Holder(keywords_of_sidecar, add_to_sidecar, take_from_sidecar, check_sidecar)


def _words(given: object) -> list[str]:
    words = several(given)
    for one in words:
        if not isinstance(one, str):
            raise InputError(f"a keyword is a text, not {one!r:.80}")
    return list(filter(None, map(keyword_of, words)))


def _tidy(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Remove what killed runs have left half written beside photos."""
    for folder in {real_file(path).parent for path in paths}:
        remove_unfinished(folder)


def _tell(report: KeywordReport, path: str | os.PathLike[str], change: Change) -> None:
    try:
        done = change(real_file(path))
    except MissingPackageError:
        raise
    except OSError as error:
        report.errors.append((os.fspath(path), reason(error, path)))
    except InputError as error:
        report.errors.append((os.fspath(path), str(error)))
    else:
        report.changed += done != "same"
        report.same += done == "same"
        report.restored += done == "restored"


def _to_sidecar(photo: Path, words: Sequence[str]) -> Undone:
    photo.stat()
    sidecar = real_file(sidecar_of(photo))
    if os.path.lexists(sidecar):
        return _SIDECAR.write(sidecar, words)
    if not words:
        return "same"
    with own_file(sidecar.parent) as file:
        file.write(add_to_sidecar(b"", words))
        file.flush()
        os.fsync(file.fileno())
        rename_new(Path(file.name), sidecar)
    return "changed"


def _look(photo: Path) -> Undone:
    return "changed" if read_keywords(photo).ours else "same"


def _take(photo: Path) -> Undone:
    # The sidecar first: a photo that cannot be read must not keep it.
    sidecar = real_file(sidecar_of(photo))
    done = [_SIDECAR.remove(sidecar)] if os.path.lexists(sidecar) else []
    done.append(_PHOTO.remove(photo))
    return max(done, key=get_args(Undone).index)
