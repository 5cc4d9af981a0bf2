"""Classes from the structures that JSON and YAML files of others keep them in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cupl.bank.labels import ClassLabel, check_label
from cupl.errors import InputError
from cupl.io.csv import read_rows
from cupl.io.paths import prompts_dir

SYNSET = r"[nvars]\d{8}"
"""How ImageNet names a set of synonyms."""

CONTAINERS = (
    "id2label",
    "names",
    "classes",
    "categories",
    "class_names",
    "labels",
    "label2id",
    "class_to_idx",
)
"""Keys that hold a list of classes: of transformers, YOLO, COCO, torchvision and others."""

NAME_KEYS = ("name", "class_name", "class", "label", "category", "title")
ID_KEYS = ("id", "class_id", "category_id", "wnid", "synset", "synset_id", "index")
ALIAS_KEYS = ("aliases", "alias", "synonyms")

MAX_CLASSES = 1_000_000
"""A hundred times as many as anything has that people give names to."""
_WORDS = 4
"""Of a sentence at least; few names have as many."""

ACCEPTED = (
    'a list of names, {"0": "tench"}, {"0": ["n01440764", "tench"]}, {"tench": 0}, '
    '{"n01440764": "tench, Tinca tinca"}, a list of objects with a name (and an id), or one of '
    'these under "id2label", "names", "classes" or "categories"'
)


def labels_from_data(data: Any) -> list[ClassLabel]:
    """Classes of a structure, in the order of their numbers where it has numbers.

    Args:
        data: lists, objects, texts and numbers, as JSON has them.

    Returns:
        The classes, each checked; not yet together.

    Raises:
        InputError: it is none of what is accepted; the message says what is.

    """
    if isinstance(data, Mapping | list) and len(data) > MAX_CLASSES:
        raise InputError(f"more than {MAX_CLASSES:,} classes")
    if isinstance(data, Mapping):
        for key in CONTAINERS:
            if isinstance(data.get(key), list | dict) and not _are_prompts(data):
                return labels_from_data(data[key])
        labels = _from_mapping(data)
    elif isinstance(data, list):
        labels = [_from_item(item, f"item {number}") for number, item in enumerate(data, 1)]
    else:
        raise InputError(f"no class list; accepted are {ACCEPTED}")
    for label in labels:
        check_label(label)
    return labels


def first_of(row: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """What stands under the first of the keys that says something."""
    return next((row[key] for key in keys if row.get(key) not in (None, "")), None)


def synonyms(id: str | None, text: str) -> ClassLabel:
    """A class of its names, which commas separate: "tench, Tinca tinca"."""
    names = [name for part in text.split(",") if (name := part.strip())] or [""]
    return ClassLabel(names[0], id, tuple(dict.fromkeys(names[1:])))


def numbered(pairs: Sequence[tuple[str, str]]) -> list[ClassLabel]:
    """Classes of numbers and names; a comma is part of a name but in ImageNet's lists.

    "tench, Tinca tinca" are two names and "rock, paper, scissors" is one: only where most of what
    stands before commas are names of ImageNet do they separate.
    """
    first = [text.partition(",")[0].strip() for _, text in pairs if "," in text]
    if len(first) > 1 and 2 * len(_all_imagenet_names().intersection(first)) > len(first):
        return [synonyms(id, text) for id, text in pairs]
    return [ClassLabel(text.strip(), id) for id, text in pairs]


def imagenet_names() -> dict[str, str]:
    """The names of ImageNet's 1,000 classes by their WordNet ids."""
    return {row["id"] or "": row["name"] or "" for _, row in _imagenet()}


def _all_imagenet_names() -> set[str]:
    texts = (f"{row['name']}|{row['aliases'] or ''}" for _, row in _imagenet())
    return {name for text in texts for name in text.split("|") if name}


def _imagenet() -> Iterator[tuple[str, dict[str, str | None]]]:
    return read_rows(prompts_dir() / "classes" / "imagenet.csv", lambda columns: True, "")


def _are_prompts(data: Mapping[str, Any]) -> bool:
    """Whether it is a class with prompts that happens to be called "names"."""
    texts = [text for value in data.values() if isinstance(value, list) for text in value]
    written = [isinstance(text, str) and _is_sentence(text) for text in texts]
    return all(isinstance(value, list) for value in data.values()) and all(written)


def _is_sentence(text: str) -> bool:
    return len(text.split()) >= _WORDS or text.rstrip().endswith(".")


def _from_mapping(data: Mapping[str, Any]) -> list[ClassLabel]:
    values = list(data.values())
    if data and all(map(_is_number, data)):
        ordered = sorted(data.items(), key=lambda pair: int(pair[0]))
        if all(isinstance(value, str) for value in values):
            return numbered(ordered)
        return [_from_item(value, f"number {key}", key) for key, value in ordered]
    if values and all(map(_is_number, values)) and len(set(map(int, values))) == len(values):
        pairs = sorted((int(value), name) for name, value in data.items())
        return [ClassLabel(name.strip(), str(number)) for number, name in pairs]
    if data and all(re.fullmatch(SYNSET, key) for key in data):
        return [_from_synset(key, value) for key, value in data.items()]
    if values and all(isinstance(value, str) and re.fullmatch(SYNSET, value) for value in values):
        return [ClassLabel(name.strip(), value) for name, value in data.items()]
    if values and all(isinstance(value, list) for value in values):
        raise InputError(
            "an object of lists, as of classes with their prompts: make a bank of it first (cupl "
            "bank import)"
        )
    raise InputError(f"no class list; accepted are {ACCEPTED}")


def _from_synset(id: str, value: Any) -> ClassLabel:
    return synonyms(id, value) if isinstance(value, str) else _from_item(value, id, id)


def _from_item(item: Any, where: str, number: str | None = None) -> ClassLabel:
    """A name; a list of an id and names; an object with a name."""
    if isinstance(item, str):
        return ClassLabel(item.strip(), number)
    if isinstance(item, list) and item and all(isinstance(text, str) for text in item):
        texts = [text.strip() for text in item]
        if len(texts) > 1 and (re.fullmatch(SYNSET, texts[0]) or _is_number(texts[0])):
            return ClassLabel(texts[1], texts[0], tuple(texts[2:]))
        if number is not None:
            return ClassLabel(texts[0], number, tuple(texts[1:]))
    if isinstance(item, Mapping):
        row = {str(key).strip().lower(): value for key, value in item.items()}
        name, id = first_of(row, NAME_KEYS), first_of(row, ID_KEYS)
        aliases = first_of(row, ALIAS_KEYS) or []
        parts = aliases.split("|") if isinstance(aliases, str) else aliases
        if (
            isinstance(name, str)
            and (id is None or isinstance(id, str) or _is_number(id))
            and isinstance(parts, list)
            and all(isinstance(part, str) for part in parts)
        ):
            written = number if id is None else str(id).strip()
            kept = tuple(alias for part in parts if (alias := part.strip()))
            return ClassLabel(name.strip(), written, kept)
    raise InputError(f"{where} is no class: {item!r:.80}; accepted are {ACCEPTED}")


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdecimal() and len(value) <= 10
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**10
