"""Kinds of each class that a language model lists and describes: sub-classes (CHiLS).

Source: "CHiLS: Zero-Shot Image Classification with Hierarchical Label Sets" (Novack et al., ICML
2023, arXiv 2302.02551). An image of a kind has the label of its class; how the two are scored
together is said in :mod:`cupl.embedding.parts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Unpack

from cupl.bank.labels import MAX_NAME, ClassLabel
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.same_name import name_words, names_of, same_name
from cupl.bank.source import SubclassFacts
from cupl.bank.templates import Questions
from cupl.errors import InputError
from cupl.generation.asking import Asking
from cupl.generation.cache.store import ResponseCache
from cupl.generation.collect import CollectedPrompts
from cupl.generation.event_loop import blocking
from cupl.generation.listing import AnsweredList, ask_for_names, listing_plan, lists_in
from cupl.generation.pipeline import generate_answers
from cupl.generation.plan import Plan
from cupl.generation.run_settings import RunSettings, open_run

_EXAMPLE = "a kind of some length"
"""As long as most names are, for an estimate."""


@dataclass(frozen=True)
class NamedSubclasses:
    """The kinds of classes, by the name of the class, and what became of the other names."""

    of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def labels(self) -> list[ClassLabel]:
        """All kinds, class after class."""
        return [ClassLabel(name) for names in self.of.values() for name in names]


def subclass_plan(plan: Plan, most: int) -> Plan:
    """What asks for so many kinds of each class of a plan.

    Raises:
        InputError: ``most`` is out of range.

    """
    return listing_plan(plan, (f"Name {most} kinds of {{}}:",), most)


def subclass_names(classes: Sequence[ClassLabel], lists: Iterable[AnsweredList]) -> NamedSubclasses:
    """The kinds in the lists, each with the name of its class: "beagle" of "dog" is "beagle dog".

    Dropped and counted are names of a class of the list (the class itself, another one, what one
    is a kind of), kinds of another class of the list, what is named for several classes, and
    kinds of a name that several classes have.
    """
    dropped: Counter[str] = Counter()
    bearers = Counter(label.name for label in classes)
    classes_of = {
        name_words(text): label.name for label in classes for text in (label.name, *label.aliases)
    }
    taken = names_of(classes)
    ends = {words[start:] for words in classes_of for start in range(1, len(words))}
    named: dict[str, dict[str, str]] = {}
    for answered in lists:
        dropped += answered.found.dropped
        parent = answered.label
        for name in answered.found.names:
            words = name_words(name)
            suffixes = (words[start:] for start in range(len(words)))
            longest = next((classes_of[end] for end in suffixes if end in classes_of), None)
            if bearers[parent.name] > 1:
                dropped["kinds of a name that several classes have"] += 1
            elif same_name(name) in taken:
                dropped["a class of the list"] += 1
            elif words in ends:
                dropped["what a class of the list is a kind of"] += 1
            elif longest not in (None, parent.name):
                dropped["a kind of another class of the list"] += 1
            else:
                whole = _with_class(name, parent)
                named.setdefault(same_name(name), {})[parent.name] = whole
    kept: dict[str, list[str]] = {}
    for owners in named.values():
        if len(owners) > 1:
            dropped["named for several classes"] += len(owners)
            continue
        ((owner, whole),) = owners.items()
        if same_name(whole) in taken or len(whole) > MAX_NAME:
            dropped["a class of the list"] += 1
        else:
            kept.setdefault(owner, []).append(whole)
    of = {label.name: tuple(kept[label.name]) for label in classes if label.name in kept}
    return NamedSubclasses(of, dropped)


def _with_class(name: str, parent: ClassLabel) -> str:
    """A kind by a name that says of what it is one, as the word alone may mean much else."""
    said = name_words(name)
    names = (name_words(text) for text in (parent.name, *parent.aliases))
    within = any(
        said[start : start + len(words)] == words
        for words in names
        for start in range(len(said) - len(words) + 1)
    )
    return name if within else f"{name} {parent.name}"


async def find_subclasses(plan: Plan, asking: Asking, most: int) -> NamedSubclasses:
    """Ask for kinds of the classes of a plan.

    Raises:
        InputError: no name is left, answers are missing offline, or there is no such key.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed.

    """
    lists = await ask_for_names(subclass_plan(plan, most), most, asking)
    found = subclass_names(plan.labels, lists)
    if not found.of:
        reasons = ", ".join(f"{number:,} {why}" for why, number in found.dropped.most_common(3))
        raise InputError(
            f"the model {plan.model} named no kind of any class (dropped: {reasons}); ask another "
            "model",
            arguments={"model": ...},
        )
    return found


def with_subclasses(plan: Plan, found: NamedSubclasses) -> Plan:
    """The plan of the descriptions of classes and of their kinds."""
    return replace(plan, labels=(*plan.labels, *found.labels))


def most_subclasses(plan: Plan, cache: ResponseCache, most: int) -> Plan:
    """A plan of the descriptions as far as it is known before the kinds are: an upper bound."""
    lists = list(lists_in(subclass_plan(plan, most), most, cache))
    known = subclass_names(plan.labels, lists)
    missing = len({label.name for label in plan.labels}) - len(lists)
    unknown = [ClassLabel(f"{_EXAMPLE} {number}") for number in range(missing * most)]
    return replace(plan, labels=(*plan.labels, *known.labels, *unknown))


def subclass_bank(
    collected: CollectedPrompts, name: str, classes: int, found: NamedSubclasses, most: int
) -> tuple[PromptBank, int]:
    """The bank of what was described, and how many kinds kept no prompt and are not in it.

    Args:
        collected: the classes, then the kinds.
        name: of the bank.
        classes: how many of these are classes.
        found: whose the kinds are.
        most: kinds of each class that were asked for.

    Raises:
        InputError: a class kept no prompt.

    """
    own, rest = collected.prompts[:classes], collected.prompts[classes:]
    described = {label.name: prompts for label, prompts in rest if prompts}
    bare = len(rest) - len(described)
    whole = replace(collected, prompts=own).bank(name)
    entries = [
        entry.model_copy(
            update={
                "subclasses": [
                    ClassPrompts(name=kind, prompts=described[kind])
                    for kind in found.of.get(entry.name, ())
                    if kind in described
                ]
            }
        )
        for entry in whole
    ]
    facts = SubclassFacts(names=most, dropped=found.dropped.total() + bare)
    source = whole.source and whole.source.model_copy(update={"subclasses": facts})
    return PromptBank(name=name, source=source, classes=entries), bare


async def agenerate_subclasses(
    classes: Iterable[str | ClassLabel],
    questions: Questions = "base",
    *,
    most: int,
    name: str = "bank",
    **settings: Unpack[RunSettings],
) -> PromptBank:
    """Have a language model list kinds of each class, and describe the classes and the kinds.

    The kinds are in ``entry.subclasses`` of each class of the bank. They decide where they are
    close to an image; the label is the class. ``generate_subclasses`` waits for the bank.

    Args:
        classes: names or labels.
        questions: with which classes and kinds are described.
        most: kinds of each class to ask for.
        name: the bank's name.
        settings: as those of :func:`cupl.generation.pipeline.agenerate`; the limits are for all
            requests together.

    Raises:
        InputError: bad settings, no kind of any class, or missing answers offline.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed; what arrived is in the cache.

    """
    with open_run(classes, questions, name, **settings) as run:
        found = await find_subclasses(run.plan, run.asking, most)
        described = replace(run, plan=with_subclasses(run.plan, found))
        collected = await generate_answers(described)
    return subclass_bank(collected, name, len(run.plan.labels), found, most)[0]


generate_subclasses = blocking(agenerate_subclasses, "generate_subclasses")
