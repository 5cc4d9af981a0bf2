"""One class of a bank, and its prompts."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, StrictStr, field_validator, model_validator

from cupl.bank.labels import ClassLabel, check_label, check_labels
from cupl.errors import InputError
from cupl.io.words import number_of

BY_HAND = ""
"""The question of prompts that answer none: a plain list in the file."""


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

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r:.100}{prompts_in_words(self)})"

    __str__ = __repr__

    @property
    def question_prompt_pairs(self) -> list[tuple[str, str]]:
        """Question and text of every prompt, in the order of the file."""
        return [
            (question, text) for question, texts in self.by_question().items() for text in texts
        ]

    @property
    def texts(self) -> list[str]:
        """All prompts, flat, in the order of the file.

        Raises:
            InputError: since the class was made, something took the place of a list of texts.

        """
        return [text for texts in self.by_question().values() for text in texts]

    def by_question(self) -> dict[str, list[str]]:
        """The prompts of each question, looked at, as ``prompts`` is free to be changed.

        Raises:
            InputError: since the class was made, something took the place of a list of texts.

        """
        if not isinstance(self.prompts, dict):
            raise self._no_list("prompts", self.prompts)
        for question, texts in self.prompts.items():
            if not isinstance(texts, list | tuple) or not all(isinstance(t, str) for t in texts):
                raise self._no_list(f"prompts[{question!r:.80}]", texts)
        return self.prompts

    def _no_list(self, what: str, given: object) -> InputError:
        like = f", such as [{given!r:.80}]" if isinstance(given, str) else ""
        return InputError(
            f"the class {str(self.name)!r:.80}: {what} must be a list of texts{like}, not "
            f"{given!r:.80}"
        )

    @property
    def size(self) -> int:
        """Prompts, with those of the sub-classes."""
        return len(self.texts) + sum(kind.size for kind in self.subclasses)

    @property
    def label(self) -> ClassLabel:
        """What names this class."""
        if isinstance(self.aliases, str):
            raise self._no_list("aliases", self.aliases)
        return ClassLabel(self.name, self.id, tuple(self.aliases))

    def to_yaml(self) -> dict[str, Any]:
        """The entry as the file holds it: what is empty is left out."""
        entry: dict[str, Any] = {"name": self.name}
        if self.id is not None:
            entry["id"] = self.id
        if self.aliases:
            entry["aliases"] = self.aliases
        prompts = self.by_question()
        entry["prompts"] = prompts[BY_HAND] if list(prompts) == [BY_HAND] else prompts
        if self.subclasses:
            entry["subclasses"] = [kind.to_yaml() for kind in self.subclasses]
        return entry


def prompts_in_words(of: Any) -> str:
    """How many prompts a class or a bank has, as the end of its repr; nothing if nobody can say."""
    try:
        return f", {number_of(of.size, 'prompt')}"
    except InputError:  # it was changed to something that has none
        return ""


def content_of(entry: ClassPrompts) -> list[Any]:
    """What decides the vectors of a class; as before there were sub-classes where it has none."""
    kinds = [content_of(kind) for kind in entry.subclasses]
    return [entry.name, entry.id, entry.aliases, entry.by_question(), *([kinds] if kinds else [])]
