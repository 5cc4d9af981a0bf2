"""Banks without descriptions: hand-written templates with the names of the classes in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from cupl.bank.labels import ClassLabel, labels_from_names
from cupl.bank.model import BY_HAND, ClassPrompts, PromptBank
from cupl.bank.templates import TemplateSet, fill_templates
from cupl.errors import InputError

PHOTO = "photo"
"""The templates that are taken where none are named."""


def template_bank(
    classes: Iterable[str | ClassLabel],
    templates: str | os.PathLike[str] | Sequence[str] = PHOTO,
) -> PromptBank:
    """The prompts of each class are the templates with its name in them.

    Args:
        classes: names or labels.
        templates: the name or file of a set of them, which the bank is named after, or texts with
            ``{}`` for the name.

    Raises:
        MissingFileError: no set is called so, and there is no such file.
        InputError: the classes cannot be told apart, the file is no set of templates, or a text
            does not name the class.

    """
    labels = labels_from_names(classes)
    name = "templates"
    if isinstance(templates, str | os.PathLike):
        found = TemplateSet.load(Path(templates))
        name, templates = found.name, found.templates
    if not templates:
        raise InputError("give at least one template, such as 'a photo of a {}.'")
    entries = [
        ClassPrompts(
            name=label.name, id=label.id, aliases=list(label.aliases), prompts={BY_HAND: texts}
        )
        for label, texts in zip(labels, fill_templates(templates, labels), strict=True)
    ]
    return PromptBank(name=name, classes=entries)
