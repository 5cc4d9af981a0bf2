"""The texts that the embedded encoder knows ImageNet's classes by."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from contextlib import suppress

from cupl.bank.model import PromptBank
from cupl.bank.templates import fill
from cupl.errors import InputError
from cupl.io.kept import keep_in_cache
from cupl.io.paths import cache_dir, prompts_dir
from cupl.io.text import read_text

ANCHORS = "imagenet-mini.yaml"
"""The bank, among those that come with cupl, that describes ImageNet's classes."""

RECIPE = "1"
"""To be raised with every change of this or of the encoder's code that moves a vector."""
CLASSES = 1000
_TEMPLATES = ("{}", "a photo of the {}")


def anchor_texts(bank: PromptBank) -> list[list[str]]:
    """What anchors each class of ImageNet: its prompts in the bank, and its name with its kind.

    Args:
        bank: of ImageNet's 1,000 classes, each with its WordNet id.

    Raises:
        InputError: the bank has other classes.

    """
    prompts = {entry.id: entry.texts for entry in bank.classes}
    table = read_text(prompts_dir() / "classes" / "imagenet.csv")
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    if len(prompts) != len(bank) or prompts.keys() != {row["id"] for row in rows}:
        raise InputError(
            f"the bank {bank.name!r} cannot anchor the mini encoder: it must hold ImageNet's "
            f"{CLASSES} classes by their WordNet ids"
        )
    return [
        [fill(template, row["name"]) + f", a kind of {row['kind']}" for template in _TEMPLATES]
        + prompts[row["id"]]
        for row in rows
    ]


def shipped_texts() -> list[list[str]]:
    """:func:`anchor_texts` of the bank that comes with cupl.

    To read it takes half a second of a search, so the texts are kept in cupl's cache, under the
    hash of all that they are made of.
    """
    bank, table = (prompts_dir() / name for name in (f"banks/{ANCHORS}", "classes/imagenet.csv"))
    digest = hashlib.sha256(json.dumps([RECIPE, _TEMPLATES]).encode())
    for path in (bank, table):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    kept = cache_dir() / "mini" / f"texts-{digest.hexdigest()}.json"
    with suppress(OSError, ValueError):
        texts: list[list[str]] = json.loads(kept.read_bytes())
        if _are_texts(texts):
            return texts
    texts = anchor_texts(PromptBank.load(bank))
    keep_in_cache(kept, json.dumps(texts).encode())
    return texts


def _are_texts(texts: object) -> bool:
    return isinstance(texts, list) and all(
        isinstance(group, list) and all(isinstance(text, str) for text in group) for group in texts
    )
