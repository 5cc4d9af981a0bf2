from pathlib import Path

import pytest
import torch

from cupl.encoders.open_clip_causal import CausalTexts, is_causal
from cupl.encoders.open_clip_names import import_open_clip
from tests.open_clip_models import save_open_clip


@pytest.mark.parametrize(
    ("family", "expected"),
    [("clip", True), ("worldwide", True), ("coca", False), ("clipa", False), ("roberta", False)],
)
def test_padding_is_left_out_where_it_does_not_count(
    family: str, expected: bool, tmp_path: Path
) -> None:
    folder = save_open_clip(tmp_path, family)
    open_clip = import_open_clip()
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    assert is_causal(model) == expected
    if not expected:
        return
    ids = open_clip.get_tokenizer(f"local-dir:{folder}")(["a cat", "a " * 200, "", "a dog has"])
    seen: list[int] = []
    model.transformer.register_forward_pre_hook(lambda _, states: seen.append(states[0].shape[1]))
    with torch.inference_mode():
        ours = CausalTexts(model).encode(ids.tolist())
        assert max(seen) <= 77
        assert torch.allclose(ours, model.encode_text(ids), atol=1e-5)
        seen.clear()
        CausalTexts(model).encode(ids[[0, 2, 3]].tolist())
        assert max(seen) < 10
        unread = ids[:1].clamp(min=5)  # of "worldwide" a text without its end: read at the first
        assert torch.allclose(
            CausalTexts(model).encode(unread.tolist()), model.encode_text(unread), atol=1e-5
        )
