"""Prompt banks: for each class the prompts that describe it, in a YAML file a person can edit."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, StrictStr, ValidationError, model_validator

from cupl.bank.class_prompts import BY_HAND, ClassPrompts, content_of, prompts_in_words
from cupl.bank.labels import ClassLabel, check_labels
from cupl.bank.merging import merge_classes, merge_sources
from cupl.bank.selecting import ClassSelector
from cupl.bank.source import Source
from cupl.errors import InputError
from cupl.io.arguments import check_path
from cupl.io.complaints import own_words
from cupl.io.file_kinds import BANK
from cupl.io.replacing import write_with_warning
from cupl.io.words import number_of
from cupl.io.yaml import dump_yaml, read_yaml

__all__ = ["BY_HAND", "ClassPrompts", "PromptBank", "Source"]


class PromptBank(BaseModel):
    """Classes with their prompts, in order, and where they came from.

    Raises:
        pydantic.ValidationError: a ValueError; two classes cannot be told apart, or a class has no
            prompts. :meth:`load` turns it into an InputError.

    """

    model_config = ConfigDict(extra="forbid")

    format: Literal["cupl-bank/1"] = "cupl-bank/1"
    name: StrictStr
    source: Source | None = None
    classes: list[ClassPrompts]
    _digest_of_source: str | None = PrivateAttr(None)
    """Of the content that ``source`` speaks of; kept by copies of the bank."""

    @model_validator(mode="after")
    def _check(self) -> PromptBank:
        check_labels([entry.label for entry in self.classes])
        return self

    def model_post_init(self, context: Any) -> None:
        """Remember what the source speaks of, to know an edit."""
        self._digest_of_source = self.digest if self.source else None

    def __repr__(self) -> str:
        classes = number_of(len(self.classes), "class", "classes")
        return f"{type(self).__name__}({self.name!r:.100}, {classes}{prompts_in_words(self)})"

    __str__ = __repr__

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[ClassPrompts]:  # type: ignore[override]
        return iter(self.classes)

    def __getitem__(self, name: str) -> ClassPrompts:
        """A class by its name, id or alias, as written or nearly so.

        Raises:
            UnknownClassError: a KeyError; the name means none, or may mean several.

        """
        return self.classes[ClassSelector(self.classes, self.name).find(name)]

    def __contains__(self, name: object) -> bool:
        """Whether a name, id or alias means a class of the bank."""
        if isinstance(name, str):
            return name in ClassSelector(self.classes, self.name)
        return name in self.classes

    def __or__(self, other: PromptBank) -> PromptBank:
        """The classes of both, each with the prompts of both.

        Prompts are united by question, without those that stand in the class already. Classes are
        the same that have one id, or one name or alias; they keep the name, the order and the bank
        its name as in the first. ``source`` is that of both, or else has those of both in
        ``merged``.

        Raises:
            InputError: the two do not agree about ids, or what are two classes in one is one in the
                other.

        """
        if not isinstance(other, PromptBank):
            return NotImplemented
        classes = merge_classes(self.classes, other.classes, (self.name, other.name))
        banks = [(self.name, self.current_source), (other.name, other.current_source)]
        return self._of(name=self.name, source=merge_sources(banks), classes=classes)

    def select(self, names: Iterable[str | ClassLabel]) -> Self:
        """The bank with some of its classes.

        Args:
            names: names, ids or aliases, or labels of another list, in the order that the classes
                are to have.

        Raises:
            UnknownClassError: a KeyError; a name means no class, or may mean several.
            InputError: there is no name.

        """
        classes = ClassSelector(self.classes, self.name).take(names)
        source = self.current_source
        if source is not None and len(classes) < len(self) and source.selected_from is None:
            source = source.model_copy(update={"selected_from": len(self)})
        return self._of(name=self.name, source=source, classes=classes)

    @classmethod
    def from_dict(
        cls,
        prompts: Mapping[str, Sequence[str] | Mapping[str, Sequence[str]]],
        name: str = "bank",
    ) -> Self:
        """A bank of prompts by class: ``{"cup": ["A cup has a handle."]}``.

        Args:
            prompts: for each class a list of prompts, or of each question a list.
            name: of the bank.

        Raises:
            InputError: a class has no prompts, or something is no text.

        """
        if not isinstance(prompts, Mapping):
            raise InputError(f"a bank is made of a dict of class to prompts, not {prompts!r:.80}")
        classes = []
        for label, texts in prompts.items():
            given = dict(texts) if isinstance(texts, Mapping) else texts
            try:
                listed = given if isinstance(given, dict | str) else list(given)
                classes.append(ClassPrompts(name=label, prompts=listed))  # type: ignore[arg-type]
            except TypeError:
                raise InputError(
                    f"the class {label!r:.80}: prompts must be a list, or questions with a list "
                    "each"
                ) from None
            except ValidationError as error:
                raise InputError(_complaint(label, error)) from None
        return cls._of(name=name, classes=classes)

    @classmethod
    def _of(cls, **fields: Any) -> Self:
        """A bank of these fields, with what is wrong with it in a sentence."""
        try:
            return cls(**fields)
        except ValidationError as error:
            raise InputError(own_words(error.errors()[0])) from None

    @property
    def entries(self) -> Iterator[ClassPrompts]:
        """The classes, each before its sub-classes."""
        return (one for entry in self.classes for one in (entry, *entry.subclasses))

    @property
    def size(self) -> int:
        """Prompts of all classes together, and of their sub-classes."""
        return sum(entry.size for entry in self.classes)

    @property
    def digest(self) -> str:
        """sha256 over what decides the class vectors: labels and prompts, not their layout."""
        content = [content_of(entry) for entry in self.classes]
        text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def current_source(self) -> Source | None:
        """The source, marked as edited where the bank is not what was made or read any more."""
        if self.source is None or self._digest_of_source in (None, self.digest):
            return self.source
        return self.source.model_copy(update={"edited": True})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PromptBank:
        """Read a bank.

        Raises:
            MissingFileError: there is no such file.
            InputError: the file is no bank; the message names the line.

        """
        if isinstance(path, Mapping):
            raise InputError(
                "a bank is a PromptBank or its file; of a dict of class to prompts "
                "PromptBank.from_dict makes one"
            )
        check_path(path, "a bank")
        return read_yaml(Path(path), cls, BANK)

    def to_bytes(self) -> bytes:
        """The file; equal banks give equal bytes.

        Raises:
            InputError: a text cannot be written as UTF-8, or the bank was changed to something
                that could not be read again.

        """
        try:
            data: dict[str, Any] = {"format": self.format, "name": self.name}
            if source := self.current_source:
                data["source"] = source.model_dump(exclude_none=True)
            data["classes"] = [entry.to_yaml() for entry in self.classes]
            type(self).model_validate(data)
        except ValidationError as error:
            why = own_words(error.errors()[0])
            raise InputError(f"the bank {self.name!r:.100} cannot be saved: {why}") from None
        except InputError as error:
            raise InputError(f"the bank {self.name!r:.100} cannot be saved: {error}") from None
        except (AttributeError, TypeError) as error:
            raise InputError(
                f"the bank {self.name!r:.100} cannot be saved: something in it is no class, prompt "
                "or source"
            ) from error
        return dump_yaml(data)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the bank, whole or not at all.

        A file that says something else, such as a bank that was edited by hand, is kept as
        ``PATH.old``, and a warning says so.

        Raises:
            MissingFileError: the folder does not exist.
            InputError: the file cannot be written.

        """
        write_with_warning(Path(path), self.to_bytes())


def _complaint(label: object, error: ValidationError) -> str:
    """What is wrong with a class that was given with its prompts, in a sentence."""
    first = error.errors()[0]
    why, place, given = own_words(first), first["loc"], first["input"]
    if not place:  # of the class as a whole, which that names
        return why
    if place[0] == "name":
        return f"the name of a class {why}, not {given!r:.80}"
    if place[-1] == "[key]":
        why = f"a question {why}, not {given!r:.80}"
    elif len(place) == 2:
        like = f", such as [{given!r:.80}]" if isinstance(given, str) else f", not {given!r:.80}"
        why = f"the prompts of the question {place[1]!r:.80} must be a list of texts{like}"
    elif len(place) > 2:
        why = f"a prompt {why}, not {given!r:.80}"
    return f"the class {label!r:.80}: {why}"
