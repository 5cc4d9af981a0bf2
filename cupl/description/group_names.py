"""Names of groups of photos, by a model that sees the photos closest to the centre of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cupl.bank.labels import ClassLabel
from cupl.bank.same_name import same_name
from cupl.description.photo_choice import ChosenPhotos
from cupl.description.seeing import questions_that_name_nothing
from cupl.generation.cache.store import ResponseCache
from cupl.generation.listing import AnsweredList, listing_plan, lists_in
from cupl.generation.plan import Plan

NAMES_OF_A_GROUP = 3
"""Names that are asked for: where the best is taken by a larger group, the next one is used."""
GROUP_QUESTIONS = questions_that_name_nothing(
    "groups",
    "These photos are one group of a collection. Give 3 short names, of one to three words each, "
    "for what all of them show, the most fitting first:",
)


@dataclass(frozen=True)
class GroupNames:
    """The name of each group, and what became of the other names."""

    labels: list[ClassLabel]
    unnamed: int
    """Groups for which no name was given: they are numbered."""
    dropped: Counter[str]


def numbered_labels(number: int) -> list[ClassLabel]:
    """Labels of groups that have no names yet."""
    return [ClassLabel(f"group {place}") for place in range(1, number + 1)]


def naming_plan(plan: Plan, chosen: ChosenPhotos) -> Plan:
    """What asks for names, all photos of a group in one request.

    Args:
        plan: of the descriptions; it names the model.
        chosen: the photos of each group, whose labels are :func:`numbered_labels`.

    """
    asked = listing_plan(plan, ("{}",), NAMES_OF_A_GROUP, list(chosen.images))
    shown = {label: [tuple(images)] for label, images in chosen.images.items()}
    return replace(asked, questions=GROUP_QUESTIONS, pictures=shown)


def names_in(plan: Plan, cache: ResponseCache) -> GroupNames:
    """The names that a cache holds of a :func:`naming_plan`."""
    return unique_names(plan.labels, list(lists_in(plan, NAMES_OF_A_GROUP, cache)))


def unique_names(labels: Sequence[ClassLabel], lists: Sequence[AnsweredList]) -> GroupNames:
    """A name for each group, no two of which name the same; the first group chooses first.

    Args:
        labels: of the groups, from :func:`numbered_labels`.
        lists: what was answered about them.

    """
    given = {answered.label.name: answered.found for answered in lists}
    dropped = sum((found.dropped for found in given.values()), Counter[str]())
    taken = {same_name(label.name) for label in labels}
    chosen, unnamed = list[ClassLabel](), 0
    for label in labels:
        found = given.get(label.name)
        names = found.names if found else ()
        free = [name for name in names if same_name(name) not in taken]
        name = free[0] if free else _numbered(names[0], taken) if names else label.name
        unnamed += not names
        dropped["the name of another group"] += 0 if free else len(names)
        taken.add(same_name(name))
        chosen.append(ClassLabel(name))
    return GroupNames(chosen, unnamed, +dropped)


def _numbered(name: str, taken: set[str]) -> str:
    """The name with the first number that makes it another."""
    number = 2
    while same_name(f"{name} {number}") in taken:
        number += 1
    return f"{name} {number}"
