"""Photos that were found on a page: a contact sheet."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from cupl.evaluation.numbers import cosine
from cupl.index.found import FoundPhoto
from cupl.index.found_files import FoundList, pixels_in_words
from cupl.io.file_kinds import FOUND_PAGE
from cupl.report.cards import NO_PHOTO_YET, Card
from cupl.report.photo_page import PhotoPage


def found_page(found: FoundList, facts: Sequence[tuple[str, str]]) -> PhotoPage:
    """A page of photos, to be saved; those that are gone by then are said to be.

    Args:
        found: the photos.
        facts: names and values that stand at the beginning, such as the query.

    """
    folder = _folder_of([photo for _, photo in found.rows])
    duplicates = "keep" in found.columns
    template = "duplicates.html.j2" if duplicates else "found.html.j2"
    page = PhotoPage(template, FOUND_PAGE, [*facts, *([("Folder", folder)] if folder else [])])
    for row, photo in found.rows:
        own = dict(zip(found.columns, row, strict=True))
        first = next(iter(own.values()), None)
        label = f"group {first}" if duplicates else first
        labels = [*photo.photo.tags] if label is None else [str(label)]
        name = photo.path.removeprefix(folder).lstrip(os.sep) if folder else photo.path
        page.add_card(_card(name, photo, own, labels), photo.path, labels, photo.score)
    return page


def _card(name: str, found: FoundPhoto, own: Mapping[str, object], labels: list[str]) -> Card:
    photo = found.photo
    said = [", ".join(labels)] if labels else []
    said += [f"score {cosine(found.score)}"]
    if "keep" in own:
        kind = "the same file as another" if own["exact"] else "nearly the same"
        kept = "keep" if own["keep"] else kind
        said += [f"{pixels_in_words(photo)}, {photo.size:,} bytes", kept]
    said += [photo.date[:16]] if photo.date else []
    return Card(
        name=name, photo=NO_PHOTO_YET, problem=None, truth=None, correct=False,
        said="; ".join(said), bars=(), more=0, sides=(),
    )  # fmt: skip


def _folder_of(photos: Sequence[FoundPhoto]) -> str:
    """The folder that all lie in; nothing where that is the root."""
    if not photos:
        return ""
    try:
        folder = os.path.commonpath([os.path.dirname(one.path) for one in photos])  # noqa: PTH120
    except ValueError:
        return ""
    return folder if folder.strip(os.sep) else ""
