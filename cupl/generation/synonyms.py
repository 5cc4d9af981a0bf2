"""Other names of classes, which a language model lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cupl.bank.labels import ClassLabel
from cupl.bank.same_name import names_of, same_name
from cupl.generation.asking import Asking
from cupl.generation.listing import AnsweredList, ask_for_names, listing_plan
from cupl.generation.plan import Plan

SYNONYMS = 5
"""Names of each class that are asked for."""


@dataclass(frozen=True)
class Synonyms:
    """Other names of classes, by the name of the class, and what became of the rest."""

    of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)


def synonym_plan(plan: Plan, most: int = SYNONYMS) -> Plan:
    """What asks for so many other names of each class of a plan.

    Raises:
        InputError: ``most`` is out of range.

    """
    return listing_plan(plan, (f"Name {most} other names of {{a}}:",), most)


def synonym_names(classes: Sequence[ClassLabel], lists: Iterable[AnsweredList]) -> Synonyms:
    """The names in the lists that a class does not have yet.

    Dropped and counted is what the class or another one is called already, and what is named for
    several classes.
    """
    dropped: Counter[str] = Counter()
    taken = names_of(classes)
    own = {label.name: names_of([label]) for label in classes}
    named: dict[str, dict[str, str]] = {}
    for answered in lists:
        dropped += answered.found.dropped
        parent = answered.label.name
        for name in answered.found.names:
            key = same_name(name)
            if key in own[parent]:
                dropped["a name that the class has"] += 1
            elif key in taken:
                dropped["another class of the bank"] += 1
            else:
                named.setdefault(key, {})[parent] = name
    kept: dict[str, list[str]] = {}
    for owners in named.values():
        if len(owners) > 1:
            dropped["named for several classes"] += len(owners)
        else:
            for owner, name in owners.items():
                kept.setdefault(owner, []).append(name)
    return Synonyms({owner: tuple(names) for owner, names in kept.items()}, dropped)


async def find_synonyms(plan: Plan, asking: Asking, most: int = SYNONYMS) -> Synonyms:
    """Ask for other names of the classes of a plan; there may be none.

    Raises:
        InputError: answers are missing offline, or there is no such key.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed.

    """
    lists = await ask_for_names(synonym_plan(plan, most), most, asking)
    return synonym_names(plan.labels, lists)
