"""Class labels, and reading lists of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cupl.errors import InputError

MAX_NAME = 500
_SEPARATORS = re.compile(r"[\s_-]+")
_JOINERS = "\u200c\u200d\u00ad"


@dataclass(frozen=True, slots=True)
class ClassLabel:
    """One class: the name a person reads, an id where names repeat, other names it goes by."""

    name: str
    id: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What tells this class from every other: the id where there is one, else the name."""
        return ("id", self.id) if self.id is not None else ("name", self.name)

    @property
    def telling_id(self) -> str | None:
        """The id; None where it is only the name as a folder has it."""
        if self.id is None or _SEPARATORS.sub(" ", self.id) == _SEPARATORS.sub(" ", self.name):
            return None
        return self.id

    def __str__(self) -> str:
        """The name, and the id where that is more than the name as a folder has it."""
        return self.name if self.telling_id is None else f"{self.name} ({self.telling_id})"


def check_label(label: ClassLabel) -> None:
    """Accept a label whose texts fit on a line each.

    Raises:
        InputError: an empty or over-long text, space around one, or a control character in one.

    """
    if isinstance(label.aliases, str):
        raise InputError(f"aliases is a list of names, such as [{label.aliases!r:.80}]")
    for text in (label.name, *([] if label.id is None else [label.id]), *label.aliases):
        if not text.strip():
            raise InputError("a class has an empty name, id or alias")
        if text != text.strip():
            raise InputError(f"the class name {text[:60]!r} begins or ends with a space")
        if len(text) > MAX_NAME:
            raise InputError(
                f"the class name {text[:60]!r}... is longer than {MAX_NAME} characters"
            )
        # Joiners are part of names in several scripts; everything else unprintable is damage.
        if odd := [char for char in text if not char.isprintable() and char not in _JOINERS]:
            raise InputError(
                f"the class name {text[:60]!r} holds {odd[0]!r}, a control character or unusual "
                "space; take it out"
            )


def check_labels(labels: Sequence[ClassLabel]) -> None:
    """Accept labels that can be told apart.

    Raises:
        InputError: no label, one that :func:`check_label` refuses, an id twice, or a name twice
            where not every bearer has an id.

    """
    if not labels:
        raise InputError("no classes: name at least one")
    ids: set[str] = set()
    by_name: dict[str, ClassLabel] = {}
    for label in labels:
        check_label(label)
        if label.id in ids:
            raise InputError(f"the class id {label.id!r} stands here twice; give each its own")
        if label.id is not None:
            ids.add(label.id)
        other = by_name.setdefault(label.name, label)
        if other is not label and (other.id is None or label.id is None):
            raise InputError(
                f"two classes are named {label.name!r}; take one out, or give each an id"
            )


def several_names(names: Iterable[str | ClassLabel]) -> list[str | ClassLabel]:
    """Names or labels of classes that were given as a list of them.

    Raises:
        InputError: they are a single text, a dict or something else.

    """
    if isinstance(names, str):
        pieces = [piece.strip() for piece in names.split(",")]
        raise InputError(f"classes is a list of names, such as {pieces!r:.80}")
    if isinstance(names, Mapping):
        raise InputError(
            "classes is a list of names, and a dict has more: PromptBank.from_dict makes a bank of "
            "names and their descriptions, for ZeroShotClassifier.from_bank"
        )
    if not isinstance(names, Iterable):
        raise InputError(f"classes is a list of names, not {type(names).__name__}")
    given = list(names)
    if wrong := [one for one in given if not isinstance(one, str | ClassLabel)][:1]:
        raise InputError(f"a class is a name or a ClassLabel, not {type(wrong[0]).__name__}")
    return given


def labels_from_names(names: Iterable[str | ClassLabel]) -> list[ClassLabel]:
    """Labels of plain names, or labels, checked."""
    labels = [
        one if isinstance(one, ClassLabel) else ClassLabel(one.strip())
        for one in several_names(names)
    ]
    check_labels(labels)
    return labels
