"""Two banks as one: what each says of a class stands under it together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cupl.bank.class_prompts import ClassPrompts
from cupl.bank.lookup import ClassIndex, named_alike
from cupl.bank.source import MergedFacts, Source
from cupl.errors import InputError


def merge_classes(
    first: Sequence[ClassPrompts], second: Sequence[ClassPrompts], banks: tuple[str, str]
) -> list[ClassPrompts]:
    """The classes of the first, then those that only the second has, each in their order.

    A class of the second is one of the first if it has its id, or its name as
    :class:`~cupl.bank.lookup.ClassIndex` reads it. It keeps the name it has in the first, and what
    else it is called becomes an alias.

    Args:
        first: the classes of one bank.
        second: those of another.
        banks: names of both, for errors.

    Raises:
        InputError: they do not agree about ids, or what are two classes in one is one in the other.

    """
    merged = list(first)
    index = ClassIndex([entry.label for entry in first])
    taken: dict[int, ClassPrompts] = {}
    for entry in second:
        number = index.find_label(entry.label)
        if number is None:
            merged.append(entry)
            continue
        like = first[number]
        _check_one_class(like, entry, banks)
        if (other := taken.setdefault(number, entry)) is not entry:
            raise InputError(
                f"{str(other.label)!r:.80} and {str(entry.label)!r:.80} of the bank "
                f"{banks[1]!r:.80} are one class in {banks[0]!r:.80}, {str(like.label)!r:.80}: "
                "change its names there, or leave one of the two out"
            )
        merged[number] = _merged(like, entry, banks)
    return merged


def _check_one_class(one: ClassPrompts, other: ClassPrompts, banks: tuple[str, str]) -> None:
    """Accept two entries that have no different ids, nor one id with names of different things.

    Raises:
        InputError: they have.

    """
    both = (one.id, other.id)
    if None in both:
        return
    if one.id != other.id:
        raise InputError(
            f"the class {one.name!r:.80} has the id {one.id!r:.80} in the bank {banks[0]!r:.80} "
            f"and {other.id!r:.80} in {banks[1]!r:.80}: give it the same in both, or two classes "
            "other names"
        )
    names = [one.name, *one.aliases]
    if not any(named_alike(a, b) for a in names for b in (other.name, *other.aliases)):
        raise InputError(
            f"the id {one.id!r:.80} is {one.name!r:.80} in the bank {banks[0]!r:.80} and "
            f"{other.name!r:.80} in {banks[1]!r:.80}: change one id, or write one name as an "
            "alias of the other"
        )


def _merged(one: ClassPrompts, other: ClassPrompts, banks: tuple[str, str]) -> ClassPrompts:
    known, aliases = [one.name, *one.aliases], list[str]()
    for name in (other.name, *other.aliases):
        if not any(named_alike(name, one) for one in (*known, *aliases)):
            aliases.append(name)
    return one.model_copy(
        update={
            "id": other.id if one.id is None else one.id,
            "aliases": one.aliases + aliases,
            "prompts": _united(one, other),
            "subclasses": merge_classes(one.subclasses, other.subclasses, banks),
        }
    )


def _united(one: ClassPrompts, other: ClassPrompts) -> dict[str, list[str]]:
    """The prompts of both by question, without those of the other that stand in the first."""
    said, prompts = set(one.texts), dict(one.prompts)
    for question, texts in other.by_question().items():
        if new := [text for text in dict.fromkeys(texts) if text not in said]:
            prompts[question] = [*prompts.get(question, []), *new]
            said.update(new)
    return prompts


def merge_sources(banks: Iterable[tuple[str, Source | None]]) -> Source | None:
    """What is true of all prompts of banks that were merged, given by name and source.

    One source, if it is that of all; else all of them.
    """
    parts = list[MergedFacts]()
    for name, source in banks:
        known = source is not None and source == Source(merged=source.merged)
        of = source.merged if source is not None and known else None
        parts += of or [MergedFacts(bank=name, source=source)]
    different = [part for i, part in enumerate(parts) if part not in parts[:i]]
    if all(part.source == different[0].source for part in different):
        return different[0].source
    return Source(merged=different)
