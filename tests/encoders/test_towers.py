from typing import Any

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel
from transformers.activations import QuickGELUActivation

from cupl.encoders.towers import QuickGelu, replace_quick_gelu, states_at


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("masked", [False, True])
@torch.inference_mode()
def test_states_equal_those_of_the_whole_tower(layers: int, activation: str, masked: bool) -> None:
    torch.manual_seed(0)
    settings = CLIPTextConfig(
        hidden_size=32, num_attention_heads=4, intermediate_size=64, vocab_size=50,
        num_hidden_layers=layers, hidden_act=activation,
    )  # fmt: skip
    encoder: Any = CLIPTextModel(settings).encoder
    states, places = torch.randn(5, 9, 32), torch.randint(9, (5, 3))
    mask = torch.where(torch.rand(5, 1, 9, 9) < 0.5, torch.finfo().min, 0) if masked else None
    whole = encoder(inputs_embeds=states, attention_mask=mask, is_causal=False).last_hidden_state
    expected = whole[torch.arange(5)[:, None], places]
    replace_quick_gelu(encoder)
    kind = QuickGelu if activation == "quick_gelu" else torch.nn.Module
    assert isinstance(encoder.layers[0].mlp.activation_fn, kind)
    before = states.clone()
    found = states_at(encoder.layers, states, places, mask)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert torch.equal(states, before)
    assert (expected[:, 0] - expected[:, 1]).abs().max() > 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_quick_gelu_in_place_equals_that_of_transformers(dtype: torch.dtype) -> None:
    states = torch.linspace(-30, 30, 1001).to(dtype)
    expected = QuickGELUActivation()(states)
    found = QuickGelu()(states)
    tolerance = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    assert found.data_ptr() == states.data_ptr()
