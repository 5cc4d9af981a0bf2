"""Labels that are numbers, as lists of data sets have them, and the classes they count."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from cupl.bank.lookup import ClassIndex
from cupl.errors import InputError
from cupl.io.words import number_of

_NUMBER = re.compile(r"-?[0-9]{1,9}(\.0*)?")  # tables that had a gap write 3 as 3.0


def class_numbers(labels: Iterable[str], index: ClassIndex) -> dict[str, int]:
    """The classes that labels mean which are all numbers; empty where they are not.

    A number is first a name or an id, also where it is written as ``3.0``. Where it is neither in
    any label, the numbers count the classes in the order of the bank, if they can count from 0 or
    from 1 only: 0 to N-1 at most with a 0, or 1 to N at most with an N.

    Raises:
        InputError: it cannot be told what they count.

    """
    distinct = set(labels)
    if not distinct or not all(map(_NUMBER.fullmatch, distinct)):
        return {}
    if named := {label: which for label in distinct if (which := _named(label, index)) is not None}:
        return named
    numbers = {label: _number(label) for label in distinct}
    first = _first(numbers.values(), index)
    return {label: number - first for label, number in numbers.items()}


def numbers_note(numbers: Mapping[str, int], index: ClassIndex) -> list[str]:
    """A sentence on what was made of numbers, unless they are names or ids."""
    if not numbers or any(_named(label, index) is not None for label in numbers):
        return []
    by_class = {number: label for label, number in numbers.items()}
    shown = [
        f"{by_class[number]} is {index.labels[number].name!r:.80}"
        for number in dict.fromkeys([min(by_class), max(by_class)])
    ]
    return [f"the labels are numbers: taken in the order of the bank, {', '.join(shown)}"]


def _number(label: str) -> int:
    return int(label.partition(".")[0])


def _named(label: str, index: ClassIndex) -> int | None:
    """The class that is called so."""
    exact = index.find(label)
    return index.find(str(_number(label))) if exact is None else exact


def _first(numbers: Collection[int], index: ClassIndex) -> int:
    """What the first class has for a number."""
    low, high, classes = min(numbers), max(numbers), len(index.labels)
    ids = [label.id for label in index.labels if label.id is not None]
    what = f"the labels are numbers, {low} to {high}, and no class of the bank is called so"
    way_out = "put names or ids of classes in their place"
    if ids and (len(ids) < classes or ids != sorted(ids)):
        raise InputError(f"{what}; nor are its classes in the order of their ids: {way_out}")
    if low == 0 and high < classes:
        return 0
    if low > 0 and high == classes:
        return 1
    if low < 0 or high > classes or low == 0:
        raise InputError(f"{what}; it has {number_of(classes, 'class', 'classes')}: {way_out}")
    raise InputError(f"{what}; of {classes:,} classes they may count from 0 or from 1: {way_out}")
