"""Texts about one thing, told of another: its names replaced where they stand as words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.templates import with_article


def renaming(old: Iterable[str], new: str) -> Callable[[str], tuple[str, int]]:
    """A function from a text to the same with another name, and how often that was put in."""
    # The longest first: of "tree frog" and "frog" the one that is meant.
    either = "|".join(re.escape(name) for name in sorted(set(old), key=len, reverse=True))
    pattern = re.compile(rf"(?<!\w)(an? )?(?:{either})(?!\w)", re.IGNORECASE)

    def put(match: re.Match[str]) -> str:
        if not match[1]:
            return new
        named = with_article(new)
        return named[0].upper() + named[1:] if match[1][0].isupper() else named

    return lambda text: pattern.subn(put, text)


def with_name(entry: ClassPrompts, name: str) -> ClassPrompts:
    """A class by another name, also in its questions and prompts; its own becomes an alias."""
    rename = renaming([entry.name, *entry.aliases], name)
    prompts: dict[str, list[str]] = {}
    for question, texts in entry.by_question().items():
        prompts.setdefault(rename(question)[0], []).extend(rename(text)[0] for text in texts)
    names = dict.fromkeys([entry.name, *entry.aliases])
    names.pop(name, None)
    return entry.model_copy(update={"name": name, "aliases": list(names), "prompts": prompts})


def with_names(bank: PromptBank, names: Mapping[int, str]) -> PromptBank:
    """The bank with other names for some classes, by their numbers.

    Raises:
        pydantic.ValidationError: a ValueError; two classes have one name then.

    """
    entries = [
        with_name(entry, names[number]) if number in names else entry
        for number, entry in enumerate(bank)
    ]
    PromptBank(name=bank.name, classes=entries)
    return bank.model_copy(update={"classes": entries})
