"""What an image classifier calls its classes, as texts for a sentence encoder."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cupl.errors import InputError

TEMPLATES = ("{}", "a photo of the {}")
_CODE = re.compile(r"(label|class|category|cls)?[ _-]?\d*|n\d{8}|/m/\w+", re.I)
_WORDNET = re.compile(r"n\d{8}[ _:]+")
_BETWEEN = re.compile(r"[,;](?![^(]*\))")


def names_in_label(label: str) -> list[str]:
    """The names in a label: ``tench, Tinca tinca`` has two.

    Commas and semicolons part them, but in brackets; underscores are spaces, and a WordNet id
    before the name is left out.
    """
    text = _WORDNET.sub("", label.replace("_", " ")) if _WORDNET.match(label) else label
    names = (" ".join(part.replace("_", " ").split()) for part in _BETWEEN.split(text))
    return list(dict.fromkeys(filter(None, names)))


def class_texts(model: str, labels: Sequence[str], where: str) -> list[list[str]]:
    """Texts about each class of a classifier: each of its names, alone and in a sentence.

    Args:
        model: its name.
        labels: of its outputs, in their order.
        where: what holds them, to be said where they are no words.

    Raises:
        InputError: labels are numbers or codes, or there are fewer than two.

    """
    codes = [label for label in labels if _CODE.fullmatch(label.strip())]
    if codes:
        raise InputError(
            f"the classes of {model} have no names ({codes[0]!r:.40} is one of {len(codes)}), and "
            f"only these tell what is in an image: write them into {where}, in the order of its "
            "outputs"
        )
    if len(labels) < 2:
        raise InputError(f"{model} has fewer than two classes, and describes no image")
    return [
        [
            template.format(name)
            for name in names_in_label(label) or [label]
            for template in TEMPLATES
        ]
        for label in labels
    ]
