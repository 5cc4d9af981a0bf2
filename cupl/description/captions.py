"""One caption a photo, by a model that sees it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

from cupl.bank.labels import ClassLabel
from cupl.description.describing import warn_of_unreadable
from cupl.description.seeing import questions_that_name_nothing, settings_to_see
from cupl.description.sent_photos import IMAGE_SIDE, PreparedPhoto, SentPhotos
from cupl.embedding.image_files import find_images
from cupl.embedding.image_sources import ImageSource, one_or_many
from cupl.errors import InputError
from cupl.generation.collect import CollectedPrompts
from cupl.generation.event_loop import blocking
from cupl.generation.pipeline import generate_answers
from cupl.generation.plan import Plan
from cupl.generation.run_settings import RunSettings, open_run
from cupl.io.csv import csv_lines
from cupl.llm.request_image import Detail

CAPTION_QUESTIONS = questions_that_name_nothing("caption", "Describe this photo in one sentence:")
NO_CAPTION = "no usable answer"


@dataclass(frozen=True, slots=True)
class Caption:
    """What is said of a photo.

    Attributes:
        path: as it was given; None for an image that is not a file.
        text: the caption; None where there is none.
        error: why there is none.

    """

    path: str | None
    text: str | None
    error: str | None = None


def labels_of_photos(photos: Iterable[PreparedPhoto]) -> list[ClassLabel]:
    """One for each photo that can be sent, and one for those that are the same.

    Raises:
        InputError: there is none.

    """
    digests = dict.fromkeys(photo.image.digest for photo in photos if photo.image is not None)
    if not digests:
        raise InputError("none of the photos can be read")
    return [ClassLabel(digest) for digest in digests]


def caption_plan(plan: Plan, photos: Iterable[PreparedPhoto]) -> Plan:
    """The plan with a question about each photo, whose labels are :func:`labels_of_photos`."""
    images = {photo.image.digest: photo.image for photo in photos if photo.image is not None}
    shown = {label: [(images[label.name],)] for label in plan.labels}
    return replace(plan, questions=CAPTION_QUESTIONS, pictures=shown)


def captions_of(photos: Iterable[PreparedPhoto], collected: CollectedPrompts) -> list[Caption]:
    """The caption of each photo, in order."""
    texts = {
        label.name: next((texts[0] for texts in prompts.values()), None)
        for label, prompts in collected.prompts
    }
    captions = list[Caption]()
    for photo in photos:
        text = None if photo.image is None else texts.get(photo.image.digest)
        error = photo.error or (None if text else NO_CAPTION)
        captions.append(Caption(photo.path, text, error))
    return captions


async def acaption_images(
    images: ImageSource | Iterable[ImageSource],
    *,
    image_side: int = IMAGE_SIDE,
    detail: Detail | None = None,
    **settings: Unpack[RunSettings],
) -> list[Caption]:
    """Have a language model that sees say in a sentence what each photo shows.

    What is sent is an upright JPEG without metadata, path or name. Captions are kept by what was
    sent, so that none is asked again. ``caption_images`` waits for them.

    Args:
        images: a file, folder or pattern, see :func:`~cupl.embedding.image_files.find_images`; or
            any images.
        image_side: pixels of the longer side of a photo as it is sent, at most.
        detail: how closely the server is to look, where its API has such a setting.
        settings: as those of :func:`cupl.generation.pipeline.agenerate`; one sample of at most 100
            tokens unless they say otherwise, and a ``preamble`` to say what captions should be
            like.

    Returns:
        One a photo, in order; one that cannot be read, or of which nothing of use was said, has an
        ``error``.

    Warns:
        UserWarning: photos were left out, or a run waits or tries again.

    Raises:
        InputError: bad settings, a model that cannot see, no photo that can be read, or missing
            answers offline.
        ServerError: the model cannot be asked, or takes no images.
        BudgetError: a limit would have been passed; what arrived is in the cache.

    """
    settings = settings_to_see(settings, samples=1)
    with SentPhotos(image_side, detail) as sent:
        photos = list(sent.prepare(_listed(images)))
        labels = labels_of_photos(photos)
        warn_of_unreadable([(one.path or "an image", one.error) for one in photos if one.error])
        with open_run(labels, CAPTION_QUESTIONS, "captions", **settings) as run:
            shown = replace(run, plan=caption_plan(run.plan, photos))
            return captions_of(photos, await generate_answers(shown))


caption_images = blocking(acaption_images, "caption_images")


def _listed(images: ImageSource | Iterable[ImageSource]) -> Iterable[ImageSource]:
    if isinstance(images, str | os.PathLike):
        return find_images(images)
    return one_or_many(images)[1]


def caption_rows(captions: Iterable[Caption]) -> Iterator[str]:
    """CSV: ``path,caption,error``."""
    yield from csv_lines([
        ("path", "caption", "error"),
        *((one.path or "", one.text or "", one.error or "") for one in captions),
    ])  # fmt: skip


def caption_lines(captions: Iterable[Caption]) -> Iterator[str]:
    """A JSON object a photo, ASCII, so that names which are not valid text survive."""
    for one in captions:
        yield json.dumps({"path": one.path, "caption": one.text, "error": one.error}) + "\n"


CAPTION_FORMATS: dict[str, Callable[[Sequence[Caption]], Iterator[str]]] = {
    ".csv": caption_rows,
    ".jsonl": caption_lines,
}
"""By the ending of the file."""


def check_caption_file(path: Path) -> None:
    """Accept a name whose ending says how captions are written.

    Raises:
        InputError: it says something else.

    """
    if path.suffix.lower() not in CAPTION_FORMATS:
        endings = " or ".join(CAPTION_FORMATS)
        raise InputError(f"captions are written as {endings}, not as {path.name!r:.100}")


def caption_bytes(captions: Sequence[Caption], path: Path) -> bytes:
    """The file of captions, in the format that its name says."""
    lines = CAPTION_FORMATS[path.suffix.lower()](captions)
    return "".join(lines).encode("utf-8", "surrogateescape")
