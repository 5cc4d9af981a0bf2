from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from cupl.encoders.prefix_tree import Tree, pack, plant

some_tokens = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=30, unique_by=tuple
)
widths = st.integers(6, 15)


def way_to(tree: Tree, node: int) -> list[int]:
    """Nodes from the root to this one."""
    way = [node]
    while tree.parents[way[0]] != way[0]:
        way.insert(0, tree.parents[way[0]])
    return way


@given(some_tokens, widths)
def test_every_text_is_the_way_to_its_end(tokens: list[list[int]], width: int) -> None:
    trees = list(plant(tokens, width))
    assert sorted(text for tree in trees for text in tree.texts) == list(range(len(tokens)))
    for tree in trees:
        assert 0 < len(tree.ids) <= width
        for text, end in zip(tree.texts, tree.ends, strict=True):
            way = way_to(tree, end)
            assert [tree.ids[node] for node in way] == tokens[text]
            assert [tree.positions[node] for node in way] == list(range(len(way)))


@given(some_tokens, widths)
def test_no_beginning_is_in_a_tree_twice(tokens: list[list[int]], width: int) -> None:
    for tree in plant(tokens, width):
        beginnings = [
            tuple(tree.ids[step] for step in way_to(tree, node)) for node in range(len(tree.ids))
        ]
        assert len(set(beginnings)) == len(beginnings)


@given(some_tokens, widths)
def test_a_tree_ends_only_where_the_next_text_does_not_fit(
    tokens: list[list[int]], width: int
) -> None:
    for tree, after in pairwise(plant(tokens, width)):
        together = {
            tuple(tokens[text][:end])
            for text in (*tree.texts, after.texts[0])
            for end in range(1, len(tokens[text]) + 1)
        }
        assert len(together) > width


@given(some_tokens, widths)
def test_a_token_sees_its_way_from_the_root(tokens: list[list[int]], width: int) -> None:
    trees = list(plant(tokens, width))
    packed = pack(trees)
    rows, columns = packed.ids.shape
    assert (rows, columns) == (len(trees), max(len(tree.ids) for tree in trees))
    for row, tree in enumerate(trees):
        for node in range(columns):
            seen = packed.visible[row, node].nonzero().flatten().tolist()
            assert seen == (way_to(tree, node) if node < len(tree.ids) else [node])
        found = packed.ends[row][packed.ends[row] >= 0].tolist()
        assert found == tree.ends
        assert set(packed.ends[row, len(found) :].tolist()) <= {-1}
    assert packed.visible.dtype == torch.bool
