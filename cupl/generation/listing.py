"""Asking for lists of names about each class: look-alikes, siblings, sub-classes, synonyms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cupl.bank.labels import ClassLabel
from cupl.bank.templates import QuestionSet
from cupl.errors import InputError
from cupl.generation.asking import Asking, aside
from cupl.generation.cache.store import ResponseCache
from cupl.generation.listed_names import ListedNames, listed_names
from cupl.generation.plan import Plan
from cupl.io.arguments import check_whole
from cupl.llm.finish_reasons import finish_kind
from cupl.llm.protocol import Failure, Request, cache_key

CHAT_FOR_LISTS = (
    "Answer with a list of names alone, each on a line of its own: no sentences, no explanations."
)
COMPLETIONS_FOR_LISTS = """\
Name 3 kinds of bread:
bagel, baguette, pita

Name 3 things that look like a lighthouse in a photo but are something else:
water tower, factory chimney, minaret

Name 3 other names of a puma:
cougar, mountain lion, panther

{}
"""
"""A base model sees what a list is; it has to stop at the end of the line."""
_SHORTEST, _TOKENS_OF_A_NAME = 200, 12
"""Tokens that an answer may have at least: a list that was cut off has lost its last name."""


@dataclass(frozen=True)
class AnsweredList:
    """What one answer about a class listed."""

    label: ClassLabel
    question: str
    found: ListedNames


def listing_plan(
    plan: Plan, templates: Sequence[str], most: int, labels: Sequence[ClassLabel] | None = None
) -> Plan:
    """What asks the same model for lists, as another plan does for descriptions.

    The model, its server and the sampling are those of the plan; the preamble is one for lists, an
    answer may be as long as one needs to be, and each question is asked once.

    Args:
        plan: of the descriptions.
        templates: questions that ask for names, with ``{}`` or ``{a}`` for the class; they say how
            many.
        most: how many names that is.
        labels: the classes to ask about; None for those of the plan.

    Raises:
        InputError: ``most`` is out of range.

    """
    check_whole(most=most)
    if not 1 <= most <= 100:
        raise InputError(f"a model is asked for 1 to 100 names at once, not {most}")
    chat = plan.api == "chat"
    length = plan.sampling.max_tokens
    return replace(
        plan,
        labels=plan.labels if labels is None else labels,
        questions=QuestionSet(name="names", questions=tuple(templates)),
        preamble=CHAT_FOR_LISTS if chat else COMPLETIONS_FOR_LISTS,
        sampling=replace(
            plan.sampling,
            max_tokens=length and max(length, _SHORTEST, _TOKENS_OF_A_NAME * most),
            stop=None if chat else ("\n",),
        ),
        samples=1,
        more={},
    )


async def ask_for_names(plan: Plan, most: int, asking: Asking) -> list[AnsweredList]:
    """Ask what is missing of a plan of lists, and read the lists.

    Args:
        plan: from :func:`listing_plan`.
        most: names that each question asks for.
        asking: the cache, who answers, the limits.

    Returns:
        A list for each question about each class, in their order; an answer that was of no use
        at every try lists nothing, and its reason is counted.

    Raises:
        InputError: answers are missing offline, or there is no such key.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed.

    """
    await asking.ask(plan)
    return await aside(asking.cache, lambda: list(lists_in(plan, most, asking.cache)))


def lists_in(plan: Plan, most: int, cache: ResponseCache) -> Iterator[AnsweredList]:
    """The lists that a cache holds of a plan; what it does not hold is passed over."""
    for label in plan.asked_labels:
        for request in plan.requests(label):
            for sample in range(plan.samples_of(label)):
                found = _list_of(request, sample, most, cache)
                if found is not None:
                    yield AnsweredList(label, request.question, found)


def _list_of(request: Request, sample: int, most: int, cache: ResponseCache) -> ListedNames | None:
    entry = cache.get(cache_key(request.digest, sample))
    if entry is None:
        return None
    if isinstance(entry, Failure):
        return ListedNames(dropped=Counter({entry.reason: 1}))
    finished = finish_kind(entry.finish_reason) == "stop"
    return listed_names(entry.text, request.question, most=most, finished=finished)
