"""Texts as prefix trees, for causal text towers: what texts begin with in common is computed once.

A causal tower sees of a token only what stands before it, so all texts that begin with the same
tokens have the same states there. The texts of a tree lie in one row; a token attends to those on
its way from the root and no others, and knows its place by that way's length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from cupl.encoders.batching import Tokens


@dataclass
class Tree:
    """One row: a node a token, parents before their children."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    """Index of the token before; its own index at the root."""
    texts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """Node at which each of the texts ends."""


def plant(tokens: Sequence[Tokens], width: int) -> Iterator[Tree]:
    """Trees of at most ``width`` nodes that hold all texts.

    In lexicographic order no earlier text shares a longer beginning with one than the text just
    before it, so comparing neighbours finds all there is to share within a row.

    Args:
        tokens: token ids of each text, at least one each, no two texts the same.
        width: at least the length of the longest text.

    """
    tree, path, before = Tree(), list[int](), list[int]()
    for text in sorted(range(len(tokens)), key=tokens.__getitem__):
        sequence = tokens[text]
        shared = _common(before, sequence)
        if len(tree.ids) + len(sequence) - shared > width:
            yield tree
            tree, path, shared = Tree(), [], 0
        del path[shared:]
        for position in range(shared, len(sequence)):
            node = len(tree.ids)
            tree.ids.append(sequence[position])
            tree.positions.append(position)
            tree.parents.append(path[-1] if path else node)
            path.append(node)
        tree.texts.append(text)
        tree.ends.append(path[-1])
        before = sequence
    if tree.texts:
        yield tree


def _common(first: Tokens, second: Tokens) -> int:
    """How many tokens two texts begin with in common."""
    length = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        length += 1
    return length


@dataclass(frozen=True)
class Packed:
    """Trees as a batch.

    Attributes:
        ids: int64 ``[rows, width]``, filled up with the first token of each row.
        positions: int64 ``[rows, width]``.
        visible: bool ``[rows, width, width]``; whether a token (second index) attends to another.
        ends: int64 ``[rows, most]``, index of each text's last token in its row, in the order of
            the texts of its tree; filled up with -1.

    """

    ids: torch.Tensor
    positions: torch.Tensor
    visible: torch.Tensor
    ends: torch.Tensor


def pack(trees: Sequence[Tree]) -> Packed:
    """Trees as rows of the width of the largest."""
    rows, width = len(trees), max(len(tree.ids) for tree in trees)
    ids = np.empty((rows, width), np.int64)
    positions = np.zeros((rows, width), np.int64)
    visible = np.zeros((rows, width, width), np.bool_)
    visible[:, range(width), range(width)] = True  # what attended to nothing would be NaN
    ends = np.full((rows, max(len(tree.ends) for tree in trees)), -1, np.int64)
    for row, tree in enumerate(trees):
        ids[row] = tree.ids[0]
        ids[row, : len(tree.ids)] = tree.ids
        positions[row, : len(tree.ids)] = tree.positions
        for node, parent in enumerate(tree.parents):
            visible[row, node] |= visible[row, parent]
        ends[row, : len(tree.ends)] = tree.ends
    return Packed(
        torch.from_numpy(ids),
        torch.from_numpy(positions),
        torch.from_numpy(visible),
        torch.from_numpy(ends),
    )
