import platform

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import Linear, MultiheadAttention, Sequential

from cupl.encoders import linear
from cupl.encoders.linear import PackedLinear, can_pack, pack_linear

needs_onednn = pytest.mark.skipif(not can_pack(), reason="this build of PyTorch has no oneDNN")


@needs_onednn
@given(
    rows=st.lists(st.integers(0, 5), max_size=3),
    sizes=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    bias=st.booleans(),
    seed=st.integers(0, 100),
)
def test_products_are_the_same(
    rows: list[int], sizes: tuple[int, int], bias: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    layer = Linear(*sizes, bias=bias)
    states = torch.randn(*rows, sizes[0])
    with torch.inference_mode():
        expected, found = layer(states), PackedLinear(layer)(states)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5)


@needs_onednn
def test_what_lies_crosswise_is_read_as_it_is() -> None:
    layer = Linear(6, 4)
    states = torch.randn(6, 5).T
    with torch.inference_mode():
        assert torch.allclose(PackedLinear(layer)(states), layer(states), atol=1e-6)


@needs_onednn
def test_a_layer_that_stands_twice_is_packed_once() -> None:
    layer = Linear(3, 3)
    inner = Sequential(layer)
    model = Sequential(layer, torch.nn.ReLU(), inner)
    assert pack_linear(model)
    assert isinstance(model[0], PackedLinear)
    assert model[0] is inner[0]
    assert not list(model.parameters())


def test_what_is_read_by_its_weights_stays() -> None:
    model = Sequential(MultiheadAttention(4, 2))
    before = model[0].out_proj
    pack_linear(model)
    assert model[0].out_proj is before


@pytest.mark.skipif(not can_pack(torch.bfloat16), reason="oneDNN has no bfloat16 here")
@given(rows=st.integers(0, 5), sizes=st.tuples(st.integers(1, 70), st.integers(1, 70)))
def test_so_are_those_of_bfloat16(rows: int, sizes: tuple[int, int]) -> None:
    layer = Linear(*sizes).bfloat16()
    states = torch.randn(rows, sizes[0]).bfloat16()
    model = Sequential(layer)
    assert pack_linear(model)
    with torch.inference_mode():
        expected, found = layer(states), model(states)
    assert found.dtype == torch.bfloat16
    assert torch.allclose(found, expected, rtol=0.02, atol=0.02)


def test_other_numbers_stay() -> None:
    model = Sequential(Linear(2, 2).half(), Linear(2, 2).double())
    assert not pack_linear(model)
    assert isinstance(model[0], Linear)
    assert isinstance(model[1], Linear)


@pytest.mark.parametrize("how", ["raises", "wrong", "arm"])
def test_without_it_layers_stay(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    def refuse(layer: Linear) -> None:
        raise RuntimeError("no such operator")

    if how == "arm":
        monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    else:
        made = refuse if how == "raises" else lambda layer: lambda states: states * 0
        monkeypatch.setattr(linear, "PackedLinear", made)
    model = Sequential(Linear(2, 2))
    assert not pack_linear(model)
    assert isinstance(model[0], Linear)
