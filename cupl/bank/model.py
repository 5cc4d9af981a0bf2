"""Prompt banks: for each class the prompts that describe it, in a YAML file a person can edit."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PrivateAttr,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)

from cupl.bank.labels import ClassLabel, check_label, check_labels
from cupl.errors import InputError
from cupl.io.atomic import write_atomically
from cupl.io.complaints import own_words
from cupl.io.file_kinds import BANK
from cupl.io.yaml import dump_yaml, read_yaml

BY_HAND = ""
"""The question of prompts that answer none: a plain list in the file."""

_Count = Annotated[int, Field(ge=0)]


_FACTS = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class PruningFacts(BaseModel):
    """How prompts were dropped from a bank; see :func:`cupl.embedding.pruning.prune`.

    Attributes:
        by: the rule.
        threshold: what a prompt's score was compared with.
        keep: prompts that every class kept where it had as many.
        encoder: name of the model whose embeddings were judged.
        dropped: how many prompts went.

    """

    model_config = _FACTS

    by: StrictStr
    threshold: float
    keep: _Count
    encoder: StrictStr
    dropped: _Count


class AboutFacts(BaseModel):
    """How the questions of a bank were found: the language model wrote them for one's data.

    Attributes:
        data: what the data are, in the words of who has them.
        questions: what was written, with a place for the class each.
        dropped: answers and lines that were no question.

    """

    model_config = _FACTS

    data: StrictStr
    questions: list[StrictStr]
    dropped: _Count


class PairFacts(BaseModel):
    """Prompts that tell classes apart, added to a bank.

    Attributes:
        model: who was asked.
        server: its address without credentials; None where ``model`` says it.
        by: how the pairs were chosen.
        pairs: the two classes of each.
        dropped: attributes and answers that were of no use.

    """

    model_config = _FACTS

    model: StrictStr
    server: StrictStr | None = None
    by: StrictStr
    pairs: list[list[StrictStr]]
    dropped: _Count


class ContrastFacts(BaseModel):
    """How the classes of a bank were found: the language model named what is none of a list.

    Attributes:
        classes: how many the list had.
        names: look-alikes asked for about each, and as many siblings.
        dropped: answers and names that are no class of this bank.

    """

    model_config = _FACTS

    classes: _Count
    names: _Count
    dropped: _Count


class SubclassFacts(BaseModel):
    """How the sub-classes of a bank were found: the language model listed kinds of each class.

    Attributes:
        names: kinds asked for of each class.
        dropped: answers and names that are no sub-class of this bank.

    """

    model_config = _FACTS

    names: _Count
    dropped: _Count


class Source(BaseModel):
    """How the prompts came to be; the same source and answers give the same bank.

    Attributes:
        server: address of the server that answered, without credentials; None where ``model`` says
            it, as for OpenAI's own and the embedded one.
        about: how the questions were found, where a language model wrote them.
        contrast: how the classes were found, where they are none of a list.
        subclasses: how the sub-classes were found.
        pairs: what was asked since to tell classes apart, the first time first.
        pruned: what was dropped since, the first time first.
        edited: labels or prompts were changed since. cupl notices what is changed in Python; who
            changes the file in an editor can write it there.

    """

    model_config = _FACTS

    model: StrictStr | None = None
    weights: StrictStr | None = None
    server: StrictStr | None = None
    api: Literal["chat", "completions"] | None = None
    questions: StrictStr | None = None
    samples: _Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: _Count | None = None
    stop: list[StrictStr] | None = None
    seed: int | None = None
    extra: dict[str, JsonValue] | None = None
    preamble: StrictStr | None = None
    filters: list[StrictStr] | None = None
    min_prompts: _Count | None = None
    imported: StrictStr | None = None
    sha256: StrictStr | None = None
    about: AboutFacts | None = None
    contrast: ContrastFacts | None = None
    subclasses: SubclassFacts | None = None
    pairs: list[PairFacts] | None = None
    pruned: list[PruningFacts] | None = None
    edited: bool | None = None


class ClassPrompts(BaseModel):
    """One class and the prompts of each question."""

    model_config = ConfigDict(extra="forbid")

    name: StrictStr
    id: StrictStr | None = None
    aliases: list[StrictStr] = []
    prompts: dict[StrictStr, list[StrictStr]]
    subclasses: list[ClassPrompts] = []
    """Kinds of the class, each with prompts of its own; an image of one has the class's label."""

    @field_validator("prompts", mode="before")
    @classmethod
    def _accept_plain_list(cls, prompts: Any) -> Any:
        if not isinstance(prompts, list | dict):
            raise InputError("prompts must be a list, or questions with a list each")
        return {BY_HAND: prompts} if isinstance(prompts, list) else prompts

    @model_validator(mode="after")
    def _check(self) -> ClassPrompts:
        check_label(self.label)
        if not self.texts:
            raise InputError(f"the class {str(self.label)!r} has no prompts")
        if not all(text.strip() for text in self.texts):
            raise InputError(f"the class {str(self.label)!r} has an empty prompt")
        if any(kind.subclasses or kind.id is not None for kind in self.subclasses):
            raise InputError(f"a sub-class of {str(self.label)!r} has an id, or sub-classes itself")
        if self.subclasses:
            check_labels([kind.label for kind in self.subclasses])
        return self

    @property
    def question_prompt_pairs(self) -> list[tuple[str, str]]:
        """Question and text of every prompt, in the order of the file."""
        return [(question, text) for question, texts in self.prompts.items() for text in texts]

    @property
    def texts(self) -> list[str]:
        """All prompts, flat, in the order of the file."""
        return [text for texts in self.prompts.values() for text in texts]

    @property
    def size(self) -> int:
        """Prompts, with those of the sub-classes."""
        return len(self.texts) + sum(kind.size for kind in self.subclasses)

    @property
    def label(self) -> ClassLabel:
        """What names this class."""
        return ClassLabel(self.name, self.id, tuple(self.aliases))

    def to_yaml(self) -> dict[str, Any]:
        """The entry as the file holds it: what is empty is left out."""
        entry: dict[str, Any] = {"name": self.name}
        if self.id is not None:
            entry["id"] = self.id
        if self.aliases:
            entry["aliases"] = self.aliases
        plain = list(self.prompts) == [BY_HAND]
        entry["prompts"] = self.prompts[BY_HAND] if plain else self.prompts
        if self.subclasses:
            entry["subclasses"] = [kind.to_yaml() for kind in self.subclasses]
        return entry


def _content(entry: ClassPrompts) -> list[Any]:
    """What decides the vectors of a class; as before there were sub-classes where it has none."""
    kinds = [_content(kind) for kind in entry.subclasses]
    return [entry.name, entry.id, entry.aliases, entry.prompts, *([kinds] if kinds else [])]


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

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[ClassPrompts]:  # type: ignore[override]
        return iter(self.classes)

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
        content = [_content(entry) for entry in self.classes]
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
            raise InputError(f"the bank {self.name!r:.100} cannot be saved: {why}") from error
        except (AttributeError, TypeError) as error:
            raise InputError(
                f"the bank {self.name!r:.100} cannot be saved: something in it is no class, prompt "
                "or source"
            ) from error
        return dump_yaml(data)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the bank, whole or not at all.

        Raises:
            MissingFileError: the folder does not exist.
            InputError: the file cannot be written.

        """
        write_atomically(Path(path), self.to_bytes())
