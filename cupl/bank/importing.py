"""Banks from other formats: JSON objects of class to prompts, or of class to descriptors."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from cupl.bank.folder_names import labels_of_folders
from cupl.bank.labels import ClassLabel
from cupl.bank.model import BY_HAND, ClassPrompts, PromptBank, Source
from cupl.bank.templates import with_article
from cupl.bank.wording import same_text
from cupl.errors import InputError
from cupl.io.complaints import own_words
from cupl.io.json import parse_json
from cupl.io.text import name_as_text, read_text

ImportKind = Literal["auto", "prompts", "descriptors"]

_VERB = r"(?:has|have|is|are|was|may|can|could|will|does|lives?|grows?|looks?|comes?|contains?)\b"
_PREDICATE = re.compile(rf"(?:\w+ly |often |sometimes )?{_VERB}", re.IGNORECASE)
_COLOR = (
    r"(?:(?:light|dark|pale|bright) )?"
    r"(?:black|white|brown|gr[ae]y|red|blue|green|yellow|orange|(?:[\w-]+-)?colou?red)"
)
_PARTICIPLE = re.compile(
    r"(?:\w+ly|often|sometimes|used|made|found|known|worn|covered|shaped|located|served)\b"
    rf"|(?:hairless|(?:[\w-]+(?:,? and|,? or|,) )*{_COLOR}(?: in colou?r)?)$",
    re.IGNORECASE,
)
_THINGS = (
    "animal|mammal|breed|dog|cat|bird|fish|insect|reptile|creature|plant|flower|tree|fruit|vehicle"
    "|building|structure|device|tool|machine|instrument|dish|food|person|object"
)
_KIND = re.compile(
    rf"(?:an? )?(?:[\w-]+,? (?:to )?){{0,6}}?(?:{_THINGS})(?:$| (?:of|that|with|which)\b)",
    re.IGNORECASE,
)


def import_json(path: Path, kind: ImportKind = "auto") -> tuple[PromptBank, Counter[str]]:
    """Read an object of class name to list of texts.

    Args:
        path: UTF-8 JSON.
        kind: ``prompts`` (the published CuPL files), ``descriptors`` ("pointed ears", as Menon &
            Vondrick publish them, arXiv 2210.07183), or ``auto``: descriptors where most texts
            are no sentences.

    Returns:
        The bank, and how many texts were changed or dropped for each reason.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not such an object, or a class keeps no text.

    """
    if kind not in ("auto", "prompts", "descriptors"):
        raise InputError(f"no kind of import is called {kind!r}: use prompts or descriptors")
    text = read_text(path, "a JSON object of class to prompts")
    texts_of = _parse(text, path)
    if kind == "auto":
        kind = "descriptors" if _are_descriptors(texts_of) else "prompts"
    changes: Counter[str] = Counter()
    tidy = [_tidy(raw, changes) for raw in texts_of.values()]
    labels = _labels([" ".join(key.split()) for key in texts_of])
    pairs = list(zip(labels, tidy, strict=True))
    if kind == "descriptors":
        pairs = [(one, [describe(one.name, text) for text in texts]) for one, texts in pairs]
    if bare := [label.name for label, texts in pairs if not texts]:
        raise InputError(
            f"{path}: the class {bare[0]!r} has no usable text; take it out or add one"
        )
    try:
        bank = PromptBank(
            name=name_as_text(path.stem),
            source=Source(imported=kind, sha256=hashlib.sha256(text.encode()).hexdigest()),
            classes=[
                ClassPrompts(name=one.name, id=one.id, prompts={BY_HAND: texts})
                for one, texts in pairs
            ],
        )
    except ValidationError as error:
        raise InputError(f"{path}: {own_words(error.errors()[0])}") from error
    return bank, changes


def _labels(keys: Sequence[str]) -> list[ClassLabel]:
    """Classes of the keys; those that were folders are called as those of an ImageFolder."""
    if any("_" in key for key in keys):
        return labels_of_folders(keys)[0]
    return [ClassLabel(key) for key in keys]


def describe(name: str, descriptor: str) -> str:
    """A sentence about the class from one of its descriptors.

    "pointed ears" becomes "tabby cat, which has pointed ears." and "a breed of cat" becomes
    "tabby cat, which is a breed of cat.".
    """
    descriptor = descriptor.rstrip(". ")
    if _PREDICATE.match(descriptor):
        clause = descriptor
    elif _KIND.match(descriptor):
        clause = f"is {with_article(descriptor)}"
    elif _PARTICIPLE.match(descriptor):
        clause = f"is {descriptor}"
    else:
        clause = f"has {descriptor}"
    return f"{name}, which {clause}."


def _parse(text: str, path: Path) -> dict[str, list[str]]:
    try:
        content = parse_json(text, keys="class")
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: must be a JSON object of class name to list of texts")
    for name, texts in content.items():
        if not isinstance(texts, list) or not all(isinstance(item, str) for item in texts):
            raise InputError(f"{path}: the class {name!r} must have a list of texts")
    return content


def _are_descriptors(texts_of: dict[str, list[str]]) -> bool:
    texts = [text.strip() for texts in texts_of.values() for text in texts if text.strip()]
    return sum(text.endswith((".", "!", "?")) for text in texts) * 2 < len(texts)


def _tidy(texts: Sequence[str], changes: Counter[str]) -> list[str]:
    """Texts on one line each, without those that say nothing or say it again."""
    kept: dict[str, str] = {}
    for text in texts:
        # Half a surrogate pair is legal JSON and cannot be written as UTF-8.
        line = " ".join(text.encode("utf-8", "replace").decode().split())
        if not (said := same_text(line)):
            changes["empty, dropped"] += 1
        elif said in kept:
            changes["duplicate, dropped"] += 1
        else:
            kept[said] = line
            if "\n" in text or "\r" in text:
                changes["line breaks joined"] += 1
    return list(kept.values())
