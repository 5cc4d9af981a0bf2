"""Descriptions of classes by a model that is shown photos of them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, Unpack

from cupl.bank.labels import ClassLabel, labels_from_names
from cupl.bank.model import PromptBank
from cupl.bank.source import PictureFacts
from cupl.bank.templates import Questions
from cupl.description.photo_choice import ChosenPhotos, choose_photos, photos_of_folders
from cupl.description.seeing import PICTURE_QUESTIONS, settings_to_see
from cupl.description.sent_photos import IMAGE_SIDE, SentPhotos
from cupl.embedding.image_sources import ImageSource, one_or_many
from cupl.generation.collect import CollectedPrompts
from cupl.generation.event_loop import blocking
from cupl.generation.pipeline import generate_answers
from cupl.generation.plan import Plan
from cupl.generation.run_settings import RunSettings, open_run
from cupl.io.arguments import check_path
from cupl.io.words import number_of
from cupl.llm.request_image import Detail

PER_CLASS = 4
"""Photos of each class that are sent."""

ClassImages: TypeAlias = (
    "str | os.PathLike[str] | Mapping[str, Sequence[ImageSource]] "
    "| Mapping[ClassLabel, Sequence[ImageSource]]"
)
"""A folder whose folders are the classes, or the photos of each class."""


def picture_plan(plan: Plan, chosen: ChosenPhotos) -> Plan:
    """The plan with each question asked about each of the photos of a class."""
    return replace(plan, pictures=chosen.one_by_one)


def picture_facts(chosen: ChosenPhotos, sent: SentPhotos, per_class: int) -> PictureFacts:
    """What the bank says of the photos: nothing by which one of them could be known."""
    return PictureFacts(
        photos=chosen.number, per_class=per_class, side=sent.side, detail=sent.detail
    )


def picture_bank(collected: CollectedPrompts, name: str, facts: PictureFacts) -> PromptBank:
    """The bank of what was said.

    Raises:
        InputError: a class keeps no prompt; the message names it.

    """
    bank = collected.bank(name)
    source = bank.source and bank.source.model_copy(update={"pictures": facts})
    return PromptBank(name=name, source=source, classes=bank.classes)


async def adescribe_images(
    images: ClassImages,
    questions: Questions = PICTURE_QUESTIONS,
    *,
    name: str = "bank",
    per_class: int = PER_CLASS,
    image_side: int = IMAGE_SIDE,
    detail: Detail | None = None,
    **settings: Unpack[RunSettings],
) -> PromptBank:
    """Show a language model photos of classes, and make a prompt bank of what it says of them.

    Each photo goes with each question in a request of its own: as an upright JPEG without metadata,
    path or name. Answers are kept by what was sent, so that none is asked again, whatever the file
    is called. ``describe_images`` waits for the bank.

    Args:
        images: a folder whose folders are the classes; or the photos of each class.
        questions: as for :func:`cupl.generation.pipeline.agenerate`.
        name: the bank's name.
        per_class: photos of each class that are sent, spread over its list; the first so many of
            a larger number are the same.
        image_side: pixels of the longer side of a photo as it is sent, at most.
        detail: how closely the server is to look, where its API has such a setting.
        settings: as those of :func:`cupl.generation.pipeline.agenerate`; 3 samples of at most 100
            tokens unless they say otherwise.

    Warns:
        UserWarning: photos were left out, or as for the others.

    Raises:
        InputError: bad settings, a model that cannot see, a class without a photo that can be read
            or without a usable answer, or missing answers offline.
        ServerError: the model cannot be asked, or takes no images.
        BudgetError: a limit would have been passed; what arrived is in the cache.

    """
    settings = settings_to_see(settings)
    classes = _classes_of(images)
    with SentPhotos(image_side, detail) as sent:
        labels = [label for label, _ in classes]
        with open_run(labels, questions, name, **settings) as run:
            chosen = choose_photos(classes, sent, per_class)
            warn_of_unreadable(chosen.unreadable)
            shown = replace(run, plan=picture_plan(run.plan, chosen))
            collected = await generate_answers(shown)
    return picture_bank(collected, name, picture_facts(chosen, sent, per_class))


describe_images = blocking(adescribe_images, "describe_images")


def warn_of_unreadable(unreadable: Sequence[tuple[str, str]]) -> None:
    """Say how many photos are left out, and of the first why."""
    if unreadable:
        path, why = unreadable[0]
        number = number_of(len(unreadable), "photo")
        warnings.warn(f"{number} left out, the first {path}: {why}", stacklevel=4)


def _classes_of(images: ClassImages) -> list[tuple[ClassLabel, Sequence[ImageSource]]]:
    if isinstance(images, Mapping):
        labels = labels_from_names(list(images))
        photos = [list(one_or_many(some)[1]) for some in images.values()]
        return list(zip(labels, photos, strict=True))
    check_path(images, "a folder of photos")
    found = photos_of_folders(images)
    for note in found.notes:
        warnings.warn(note, stacklevel=5)
    return list(found.classes)
