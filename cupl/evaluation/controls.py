"""Control banks: what a bank has to beat before its descriptions can be said to help."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import chain

import numpy as np

from cupl.bank.model import BY_HAND, ClassPrompts, PromptBank
from cupl.bank.renaming import renaming
from cupl.bank.template_banks import template_bank
from cupl.bank.templates import fill
from cupl.errors import InputError, MissingFileError
from cupl.io.arguments import several

RANDOM_WORDS = "random-words"
CONTROLS = ("photo", "names", RANDOM_WORDS, "shuffled")
"""What banks are compared with unless somebody says otherwise; the first is the reference."""
NO_CONTROLS = "none"
"""In place of controls: nothing but the banks is compared."""
FRAME = "A photo of {a}, which has "
"""What stands before a random descriptor, as in WaffleCLIP."""


def names_bank(bank: PromptBank) -> PromptBank:
    """The one prompt of each class is its name."""
    return _with_prompts("names", bank, ({BY_HAND: [entry.name]} for entry in bank))


def random_words_bank(bank: PromptBank, seed: int) -> PromptBank:
    """As many prompts as in the bank, about as long, that describe nothing.

    The recipe is WaffleCLIP's (Roth et al., arXiv 2306.07282): "A photo of a NAME, which has
    RANDOM.", where RANDOM is by turns random words and random characters. One list of these is
    drawn and every class gets its beginning, so that only the name tells the classes apart. The
    paper takes words from a list of English words; here they are drawn from all words of the
    bank, which needs no such list and keeps to the bank's language. Whose words they were does not
    matter, as all classes share them. Characters are those of the same words.

    Raises:
        InputError: there is no word in the whole bank.

    """
    descriptors = _random_descriptors(bank, np.random.default_rng(seed))
    prompts = (
        {BY_HAND: [f"{frame}{text}." for text in descriptors[: _size(entry)]]}
        for entry in bank
        for frame in [fill(FRAME, entry.name)]
    )
    return _with_prompts(RANDOM_WORDS, bank, prompts)


def _random_descriptors(bank: PromptBank, rng: np.random.Generator) -> list[str]:
    words = sorted({word.lower() for entry in bank for word in _words(_joined(entry))})
    if not words:
        raise InputError(f"the bank {bank.name!r} holds no words to draw random ones from")
    letters = sorted(set(chain.from_iterable(words)))
    lengths = [
        max(1, len(text.split()) - frame)
        for entry in bank
        for frame in [len(fill(FRAME, entry.name).split())]
        for text in entry.texts
    ]

    def draw(index: int) -> str:
        drawn = [words[i] for i in rng.integers(len(words), size=rng.choice(lengths))]
        if index % 2 == 0:
            return " ".join(drawn)
        return ", ".join(
            "".join(letters[i] for i in rng.integers(len(letters), size=len(word)))
            for word in drawn
        )

    return [draw(index) for index in range(max(map(_size, bank)))]


def _words(text: str) -> list[str]:
    """Runs of letters. A fraction such as ¼ is none, though expressions count it among those."""
    return "".join(char if char.isalpha() else " " for char in text).split()


def _size(entry: ClassPrompts) -> int:
    return len(entry.texts)


def _joined(entry: ClassPrompts) -> str:
    return " ".join(entry.texts)


def shuffled_bank(bank: PromptBank, seed: int) -> PromptBank:
    """Every class gets the prompts of another, told of itself: only the description is wrong.

    The other's name and aliases are replaced where they stand as words, a or an before them
    too. A prompt in which none of them stands gets "NAME: " in front. A plural is left alone.

    Raises:
        InputError: the bank has one class only.

    """
    if len(bank) < 2:
        raise InputError("shuffled needs a bank of two classes or more")
    # Around a circle: nobody sits beside themselves.
    circle = np.random.default_rng(seed).permutation(len(bank))
    giver = dict(zip(circle.tolist(), np.roll(circle, 1).tolist(), strict=True))
    prompts = (_told_of(entry.name, bank.classes[giver[i]]) for i, entry in enumerate(bank))
    return _with_prompts("shuffled", bank, prompts)


def _told_of(name: str, other: ClassPrompts) -> dict[str, list[str]]:
    """The other's prompts, with ``name`` in place of its names."""
    rename = renaming([other.name, *other.aliases], name)
    prompts: dict[str, list[str]] = {}
    for question, texts in other.by_question().items():
        renamed = (rename(text) for text in texts)
        prompts.setdefault(rename(question)[0], []).extend(
            text if number else f"{name}: {text}" for text, number in renamed
        )
    return prompts


def _with_prompts(
    name: str, bank: PromptBank, prompts: Iterable[dict[str, list[str]]]
) -> PromptBank:
    classes = [
        ClassPrompts(name=entry.name, id=entry.id, aliases=entry.aliases, prompts=texts)
        for entry, texts in zip(bank, prompts, strict=True)
    ]
    return PromptBank(name=name, classes=classes)


SEEDED: dict[str, Callable[[PromptBank, int], PromptBank]] = {
    RANDOM_WORDS: random_words_bank,
    "shuffled": shuffled_bank,
}
"""Controls that are drawn at random."""


def listed_controls(controls: str | Iterable[str] | None) -> tuple[str, ...]:
    """Controls that were given as one or several; None, or "none", for none.

    Raises:
        InputError: one is no text.

    """
    given = () if controls is None else tuple(several(controls))
    if wrong := [one for one in given if not isinstance(one, str | os.PathLike)][:1]:
        raise InputError(f"a control is a name or a file of templates, not {wrong[0]!r:.80}")
    names = tuple(map(os.fspath, given))
    return () if names == (NO_CONTROLS,) else names


def control_banks(bank: PromptBank, control: str, seeds: int) -> list[PromptBank]:
    """The banks of a control.

    Args:
        bank: the classes, and for ``random-words`` and ``shuffled`` the prompts to draw from.
        control: ``names``, ``random-words``, ``shuffled``, or the name or file of a set of
            templates, such as ``photo``.
        seeds: how many banks to draw where the control is random; from seed 0 on.

    Returns:
        One bank; of a random control one for each seed.

    Raises:
        InputError: there is no such control, or it cannot be made of this bank.

    """
    if seeds < 1:
        raise InputError(f"the number of seeds is at least 1, not {seeds}")
    if control in SEEDED:
        return [SEEDED[control](bank, seed) for seed in range(seeds)]
    if control == "names":
        return [names_bank(bank)]
    try:
        return [template_bank([entry.label for entry in bank], control)]
    except MissingFileError as error:
        if os.path.lexists(control):  # a link that leads nowhere
            raise
        raise InputError(
            f"no control is called {control!r}: use names, photo, random-words or shuffled, or "
            "name a YAML file of templates"
        ) from error
