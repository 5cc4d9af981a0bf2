"""Descriptions of photos, where other programs see them: ``dc:description`` in XMP sidecars.

What a person has written stays, in the sidecar and in the photo.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from cupl.embedding.elsewhere import check_on_disk
from cupl.errors import InputError
from cupl.index.exiv2 import need_exiv2
from cupl.index.holders import PhotoOutcome, WrittenReport, change_sidecar, remove_unfinished_beside
from cupl.index.image_keywords import is_described
from cupl.index.keywords import PhotoPath
from cupl.index.rewriting import read_whole, real_file
from cupl.index.sidecars import describe_in_sidecar, has_their_description, sidecar_of
from cupl.index.xmp_packets import description_of
from cupl.progress import Progress, counted, ignore


def write_descriptions(
    descriptions: Mapping[PhotoPath, str], *, progress: Progress = ignore
) -> WrittenReport:
    """Describe photos in ``photo.jpg.xmp`` beside each, in place of what cupl wrote there before.

    A photo that a person has described stays as it is: in its sidecar or, for JPEG, PNG, TIFF and
    WebP, as XMP or IPTC in itself. :func:`~cupl.index.keywords.remove_keywords` takes descriptions
    away, too.

    Args:
        descriptions: of each photo. Control characters in them become spaces, and what is longer
            than 2,000 characters is cut; one that is empty is not written.
        progress: told how many photos are done, and of how many.

    Raises:
        InputError: a description is no text. What is wrong with one photo is in the report.
        MissingPackageError: pyexiv2 is not installed.

    """
    if not isinstance(descriptions, Mapping):
        raise InputError(f"descriptions are those of each path, not {descriptions!r:.80}")
    for given in descriptions.values():
        if not isinstance(given, str):
            raise InputError(f"a description is a text, not {given!r:.80}")
    check_on_disk(descriptions, "to write beside them")
    need_exiv2()
    remove_unfinished_beside(descriptions)
    report = WrittenReport()
    for path, text in counted(descriptions.items(), progress, len(descriptions)):
        report.tell(path, partial(_describe, text=description_of(text)))
    return report


def _describe(photo: Path, text: str) -> PhotoOutcome:
    if not text:
        return "same"
    if _has_theirs(photo):
        return "theirs"
    return change_sidecar(photo, lambda old: describe_in_sidecar(old, text))


def _has_theirs(photo: Path) -> bool:
    sidecar = real_file(sidecar_of(photo))
    if os.path.lexists(sidecar) and has_their_description(read_whole(sidecar)):
        return True
    try:
        return is_described(read_whole(photo))
    except InputError:  # what exiv2 cannot read has a sidecar all the same
        return False
