"""A bank that is edited over and over has the class vectors of one that is encoded at once."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.renaming import with_names
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.edited_bank import EditedBankEncoder
from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.web.bank_changes import (
    class_added,
    class_removed,
    prompt_changed,
    prompt_removed,
    prompts_added,
)

LONG = "A heron that " + "stands and waits and " * 300 + "eats."
KINDS = [ClassPrompts(name="grey heron", prompts={"": ["A grey heron.", LONG]})]
BANK = PromptBank(
    name="pond",
    classes=[
        ClassPrompts(name="newt", prompts={"": ["A newt in a pond.", "A small amphibian."]}),
        ClassPrompts(name="heron", prompts={"": ["A tall bird.", LONG]}, subclasses=KINDS),
        ClassPrompts(name="frog", prompts={"": ["A green frog.", "A frog on a leaf.", "A frog."]}),
    ],
)
EDITS: list[Callable[[PromptBank], PromptBank]] = [
    lambda bank: bank,
    lambda bank: prompts_added(bank, 0, [("", "A newt with a crest.")]),
    lambda bank: prompt_changed(bank, 2, 1, "A frog that leaps."),
    lambda bank: class_added(bank, "dragonfly", ["A dragonfly over water."]),
    lambda bank: prompt_removed(bank, 1, 0),
    lambda bank: with_names(bank, {0: "triton"}),
    lambda bank: class_removed(bank, 1),
]


class Counting:
    """Notes which texts are embedded."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.texts: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        self.texts += texts
        return self._encoder.encode_text(texts)


def same(one: ClassVectors, other: ClassVectors) -> None:
    assert one.labels == other.labels
    assert one.provenance == other.provenance
    torch.testing.assert_close(one.matrix, other.matrix, atol=1e-6, rtol=0)
    assert (one.parts is None) == (other.parts is None)
    if one.parts is not None and other.parts is not None:
        assert one.parts.counts == other.parts.counts
        assert (one.parts.share, one.parts.most) == (other.parts.share, other.parts.most)
        torch.testing.assert_close(one.parts.vectors, other.parts.vectors, atol=1e-6, rtol=0)


@pytest.mark.parametrize("templates", [(), ("a photo of a {}.", "a drawing of {a}.")])
@pytest.mark.parametrize("pooling", ["normalized-mean", "mean", "similarity", "top"])
def test_each_step_gives_what_encode_bank_gives(pooling: str, templates: tuple[str, ...]) -> None:
    mini = load_encoder("mini")
    edited, bank, steps = EditedBankEncoder(mini), BANK, [BANK]
    for edit in EDITS:
        bank = edit(bank)
        steps.append(bank)
        same(edited.encode(bank, pooling, templates), encode_bank(bank, mini, pooling, templates=templates))  # fmt: skip # noqa: E501
    for earlier in reversed(steps):  # undone
        same(edited.encode(earlier, pooling, templates), encode_bank(earlier, mini, pooling, templates=templates))  # fmt: skip # noqa: E501


def test_only_what_is_new_is_embedded() -> None:
    counting: Any = Counting(load_encoder("mini"))
    edited = EditedBankEncoder(counting, False)
    edited.encode(BANK)
    edited.encode(BANK, "top")
    assert sorted(counting.texts) == sorted({text for one in BANK.entries for text in one.texts})
    counting.texts.clear()
    after = prompt_changed(BANK, 2, 0, "A frog in the grass.")
    edited.encode(after)
    edited.encode(BANK)
    edited.texts.encode_text(after.classes[2].texts)
    assert counting.texts == ["A frog in the grass."]


def test_two_threads_embed_each_text_once() -> None:
    counting: Any = Counting(load_encoder("mini"))
    edited = EditedBankEncoder(counting, False)
    texts = [f"A thing of kind {n}." for n in range(1200)]
    bank = PromptBank(name="many", classes=[ClassPrompts(name="thing", prompts={"": texts})])
    told: list[tuple[int, int]] = []
    other = threading.Thread(target=edited.encode, args=(bank,))
    other.start()
    edited.learn(bank, lambda done, total: told.append((done, total)))
    other.join()
    assert sorted(counting.texts) == sorted(texts)
    assert told == [(512, 1200), (1024, 1200), (1200, 1200)]
