"""Edits of a bank: each gives a new bank, in which the classes that stay are the same objects.

What a class has beside its prompts (id, aliases, sub-classes) stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from cupl.bank.class_prompts import BY_HAND, ClassPrompts
from cupl.bank.labels import ClassLabel, check_label
from cupl.bank.model import PromptBank
from cupl.bank.renaming import with_names
from cupl.bank.template_banks import template_bank
from cupl.errors import InputError
from cupl.io.complaints import own_words


def class_added(bank: PromptBank, name: str, prompts: Sequence[str] = ()) -> PromptBank:
    """With one class more, the last; without prompts it begins with "a photo of a ...".

    Raises:
        InputError: the name is none, or a prompt is empty.

    """
    label = ClassLabel(name.strip())
    check_label(label)
    entry = template_bank([label]).classes[0]
    texts = _stripped(prompts) if prompts else entry.texts
    return _with(bank, [*bank.classes, ClassPrompts(name=label.name, prompts={BY_HAND: texts})])


def class_renamed(bank: PromptBank, number: int, name: str) -> PromptBank:
    """With another name for a class, in its prompts too; the old one becomes an alias.

    Raises:
        InputError: there is no such class, or another has the name.

    """
    _entry(bank, number)
    check_label(ClassLabel(name.strip()))
    try:
        return with_names(bank, {number: name.strip()})
    except ValidationError as error:
        raise InputError(own_words(error.errors()[0])) from None


def class_removed(bank: PromptBank, number: int) -> PromptBank:
    """Without a class.

    Raises:
        InputError: there is no such class, or no other.

    """
    _entry(bank, number)
    if len(bank) == 1:
        raise InputError("a bank has one class at least: add another one first")
    return _with(bank, [*bank.classes[:number], *bank.classes[number + 1 :]])


def prompts_added(bank: PromptBank, number: int, prompts: Iterable[tuple[str, str]]) -> PromptBank:
    """With further prompts of a class, given as question and text.

    Raises:
        InputError: there is no such class, a prompt is empty, or the class has it already.

    """
    entry = _entry(bank, number)
    listed = {question: list(texts) for question, texts in entry.by_question().items()}
    known = set(entry.texts)
    for question, text in prompts:
        [said] = _stripped([text])
        if said in known:
            raise InputError(f"the class {entry.name!r:.80} has this prompt already: {said!r:.100}")
        known.add(said)
        listed.setdefault(question, []).append(said)
    return _replaced(bank, number, listed)


def prompt_changed(bank: PromptBank, number: int, prompt: int, text: str) -> PromptBank:
    """With another text for a prompt, which is counted over all questions of its class.

    Raises:
        InputError: there is no such prompt, or the text is empty.

    """
    listed, question, place = _placed(bank, number, prompt)
    [listed[question][place]] = _stripped([text])
    return _replaced(bank, number, listed)


def prompt_removed(bank: PromptBank, number: int, prompt: int) -> PromptBank:
    """Without a prompt, counted as for :func:`prompt_changed`.

    Raises:
        InputError: there is no such prompt, or the class has no other.

    """
    listed, question, place = _placed(bank, number, prompt)
    if sum(map(len, listed.values())) == 1:
        raise InputError("a class has one prompt at least: add another one first")
    del listed[question][place]
    if not listed[question]:
        del listed[question]
    return _replaced(bank, number, listed)


def _entry(bank: PromptBank, number: int) -> ClassPrompts:
    if not 0 <= number < len(bank):
        raise InputError(f"the bank has no class {number}")
    return bank.classes[number]


def _placed(bank: PromptBank, number: int, prompt: int) -> tuple[dict[str, list[str]], str, int]:
    """A copy of the prompts of a class, and where in it a prompt is."""
    entry = _entry(bank, number)
    listed = {question: list(texts) for question, texts in entry.by_question().items()}
    places = [
        (question, place) for question, texts in listed.items() for place in range(len(texts))
    ]
    if not 0 <= prompt < len(places):
        raise InputError(f"the class {entry.name!r:.80} has no prompt {prompt}")
    return listed, *places[prompt]


def _stripped(texts: Iterable[str]) -> list[str]:
    """The texts in a line each, none of them empty."""
    found = [" ".join(text.split()) for text in texts]
    if not all(found):
        raise InputError("a prompt is empty")
    return found


def _replaced(bank: PromptBank, number: int, prompts: dict[str, list[str]]) -> PromptBank:
    entry = bank.classes[number].model_copy(update={"prompts": prompts})
    return _with(bank, [*bank.classes[:number], entry, *bank.classes[number + 1 :]])


def _with(bank: PromptBank, classes: list[ClassPrompts]) -> PromptBank:
    return bank.model_copy(update={"classes": classes})
