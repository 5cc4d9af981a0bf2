"""Groups of photos that have no labels yet, to a bank of what they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.description.describing import picture_bank, picture_facts, picture_plan
from cupl.description.group_names import numbered_labels
from cupl.description.grouping import PhotoGroups, PhotoVectors
from cupl.description.photo_choice import ChosenPhotos, choose_photos
from cupl.description.sent_photos import SentPhotos
from cupl.generation.collect import CollectedPrompts
from cupl.generation.plan import Plan
from cupl.io.csv import csv_lines
from cupl.progress import Progress, ignore


@dataclass(frozen=True, eq=False)
class GroupedPhotos:
    """Photos in groups, and those of each that a model is shown."""

    photos: PhotoVectors
    groups: PhotoGroups
    chosen: ChosenPhotos

    def plan(self, plan: Plan, labels: Sequence[ClassLabel]) -> Plan:
        """What asks for descriptions of the groups by these names."""
        images = dict(zip(labels, self.chosen.images.values(), strict=True))
        named = ChosenPhotos(images, self.chosen.unreadable)
        return picture_plan(replace(plan, labels=labels), named)

    def bank(
        self, collected: CollectedPrompts, name: str, sent: SentPhotos, per_class: int
    ) -> PromptBank:
        """The bank of what was said.

        Raises:
            InputError: a group keeps no prompt; the message names it.

        """
        facts = picture_facts(self.chosen, sent, per_class)
        model = Path(self.photos.encoder)  # of one on this disk no more than its name
        encoder = model.name if model.is_absolute() else self.photos.encoder
        of = {"groups": len(self.groups.groups), "encoder": encoder}
        return picture_bank(collected, name, facts.model_copy(update=of))

    def table(self, labels: Sequence[ClassLabel]) -> bytes:
        """CSV, ``path,label``: the group of each photo, in the order of the photos."""
        group_of = self.groups.group_of()
        rows = [(path, labels[group_of[at]].name) for at, path in enumerate(self.photos.paths)]
        text = "".join(csv_lines([("path", "label"), *rows]))
        return text.encode("utf-8", "surrogateescape")


def choose_of_groups(
    photos: PhotoVectors,
    groups: PhotoGroups,
    sent: SentPhotos,
    most: int,
    progress: Progress = ignore,
) -> GroupedPhotos:
    """Prepare the photos that are closest to the centre of each group.

    Raises:
        InputError: no photo of a group can be read.

    """
    labels = numbered_labels(len(groups.groups))
    classes = [
        (label, [photos.paths[photo] for photo in members])
        for label, members in zip(labels, groups.groups, strict=True)
    ]
    chosen = choose_photos(classes, sent, most, order=range, progress=progress)
    return GroupedPhotos(photos, groups, chosen)
