"""Classes that are none of a list: look-alikes and siblings that a language model names (EOE).

Source: "Envisioning Outlier Exposure by Large Language Models for Out-of-Distribution Detection"
(ICML 2024), whose near outliers are three look-alikes a class; the far ones are here the siblings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Unpack

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.bank.same_name import name_words, names_of, same_name
from cupl.bank.source import ContrastFacts
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

NAMES = 3
"""Look-alikes of a class that are asked for, and as many siblings."""
_EXAMPLE = "a long name"
"""As long as most names are, for an estimate."""


@dataclass(frozen=True)
class ContrastNames:
    """What is to be told from the classes, and what became of the other names."""

    labels: tuple[ClassLabel, ...] = ()
    dropped: Counter[str] = field(default_factory=Counter)


def contrast_plan(plan: Plan, names: int = NAMES) -> Plan:
    """What asks for look-alikes and siblings of each class of a plan.

    Raises:
        InputError: ``names`` is out of range.

    """
    near = f"Name {names} things that look like {{a}} in a photo but are something else:"
    far = f"Name {names} other things of the same wider kind as {{a}}, none of which is {{a}}:"
    return listing_plan(plan, (near, far), names)


def contrast_names(classes: Sequence[ClassLabel], lists: Iterable[AnsweredList]) -> ContrastNames:
    """The names in the lists that mean no class, each once, in their order.

    Dropped and counted is what names a class of the list (also by an alias, in the plural, with an
    article or other spaces), a kind of one ("red tree frog" for "tree frog") or, less exactly, one
    itself ("frog"): images of the class would be rejected for them.
    """
    taken = names_of(classes)
    words = {name_words(name) for label in classes for name in (label.name, *label.aliases)}
    ends = {name[start:] for name in words for start in range(1, len(name))}
    dropped: Counter[str] = Counter()
    labels: dict[str, ClassLabel] = {}
    for answered in lists:
        dropped += answered.found.dropped
        for name in answered.found.names:
            key, said = same_name(name), name_words(name)
            if key in taken:
                dropped["a class of the list"] += 1
            elif any(said[start:] in words for start in range(1, len(said))):
                dropped["a kind of a class of the list"] += 1
            elif said in ends:
                dropped["what a class of the list is a kind of"] += 1
            elif key in labels:
                dropped["named for several classes"] += 1
            else:
                labels[key] = ClassLabel(name)
    return ContrastNames(tuple(labels.values()), dropped)


async def find_contrast(plan: Plan, asking: Asking, names: int = NAMES) -> ContrastNames:
    """Ask for look-alikes and siblings of the classes of a plan.

    Raises:
        InputError: no name is left, answers are missing offline, or there is no such key.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed.

    """
    found = contrast_names(
        plan.labels, await ask_for_names(contrast_plan(plan, names), names, asking)
    )
    if not found.labels:
        reasons = ", ".join(f"{number:,} {why}" for why, number in found.dropped.most_common(3))
        raise InputError(
            f"the model {plan.model} named nothing that is no class of the list (dropped: "
            f"{reasons}); ask another model",
            arguments={"model": ...},
        )
    return found


def most_contrast(plan: Plan, cache: ResponseCache, names: int = NAMES) -> Plan:
    """A plan of the descriptions as far as it is known before the names are.

    It holds the names that the cache knows, and for every answer that is missing as many as it can
    bring: an upper bound.
    """
    asked = contrast_plan(plan, names)
    lists = list(lists_in(asked, names, cache))
    known = contrast_names(plan.labels, lists).labels
    classes = {label.name for label in plan.labels}
    missing = len(classes) * len(asked.questions.questions) - len(lists)
    unknown = [ClassLabel(f"{_EXAMPLE} {number}") for number in range(missing * names)]
    return replace(plan, labels=(*known, *unknown))


def contrast_bank(
    collected: CollectedPrompts, name: str, classes: int, found: ContrastNames, names: int = NAMES
) -> tuple[PromptBank, int]:
    """The bank of what was described, and how many names kept no prompt and are not in it.

    Raises:
        InputError: no name kept a prompt.

    """
    described = [(label, prompts) for label, prompts in collected.prompts if prompts]
    bare = len(collected.prompts) - len(described)
    whole = replace(collected, prompts=described or collected.prompts).bank(name)
    facts = ContrastFacts(classes=classes, names=names, dropped=found.dropped.total() + bare)
    source = whole.source and whole.source.model_copy(update={"contrast": facts})
    return PromptBank(name=name, source=source, classes=whole.classes), bare


async def agenerate_contrast(
    classes: Iterable[str | ClassLabel],
    questions: Questions = "base",
    *,
    name: str = "reject",
    names: int = NAMES,
    **settings: Unpack[RunSettings],
) -> PromptBank:
    """Ask a language model what is easily taken for a class and is none, and describe that.

    The bank is an ordinary one, for ``reject=`` of a classifier. Each class is asked about twice:
    for look-alikes and for siblings; what is a class of the list is dropped, and what is named for
    several classes is described once. ``generate_contrast`` waits for the bank.

    Args:
        classes: names or labels of what is to be told from the rest.
        questions: with which what was named is described.
        name: the bank's name.
        names: look-alikes to ask for about each class, and as many siblings.
        settings: as those of :func:`cupl.generation.pipeline.agenerate`; the limits are for all
            requests together.

    Raises:
        InputError: bad settings, no name that is no class, or missing answers offline.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed; what arrived is in the cache.

    """
    with open_run(classes, questions, name, **settings) as run:
        found = await find_contrast(run.plan, run.asking, names)
        described = replace(run, plan=replace(run.plan, labels=found.labels))
        collected = await generate_answers(described)
    return contrast_bank(collected, name, len(run.plan.labels), found, names)[0]


generate_contrast = blocking(agenerate_contrast, "generate_contrast")
