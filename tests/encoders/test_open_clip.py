from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cosine_similarity

from cupl.encoders.loading import load_encoder
from cupl.encoders.open_clip_names import import_open_clip
from cupl.encoders.protocol import Encoder
from tests.models import draw
from tests.open_clip_models import CONFIGS, save_open_clip

TEXTS = ["a photo of a cat.", "A small FROG, with the tree!", "dog " * 100, "", "a_photo's 3&amp;4"]
IMAGES = [draw(50, 37), draw(31, 200, 1), draw(384, 384, 2)]
Load = Callable[[str], tuple[Path, Encoder]]


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """The directory and the encoder of a family, made at first use."""
    made: dict[str, tuple[Path, Encoder]] = {}

    def load(family: str) -> tuple[Path, Encoder]:
        if family not in made:
            folder = save_open_clip(tmp_path_factory.mktemp("models") / family, family)
            made[family] = folder, load_encoder(folder, "cpu")
        return made[family]

    return load


def _theirs(folder: Path) -> tuple[Any, Any, Any]:
    """Model, transform and tokenizer, as open_clip loads them."""
    open_clip = import_open_clip()
    name = f"local-dir:{folder}"
    model, _, transform = open_clip.create_model_and_transforms(name)
    return model.eval(), transform, open_clip.get_tokenizer(name)


@pytest.mark.parametrize("family", CONFIGS)
def test_every_family_equals_open_clip(family: str, load: Load) -> None:
    folder, encoder = load(family)
    model, transform, tokenizer = _theirs(folder)
    pixels = torch.stack([transform(image) for image in IMAGES])
    with torch.no_grad():
        images = model.encode_image(pixels, normalize=False)
        texts = model.encode_text(tokenizer(TEXTS), normalize=False)
    for ours, theirs in [(encoder.encode_images(IMAGES), images),
                         (encoder.encode_text(TEXTS), texts)]:  # fmt: skip
        assert ours.shape == theirs.shape == (len(ours), encoder.dim)
        assert ours.dtype == torch.float32
        assert torch.allclose(ours, theirs, atol=1e-5, rtol=1e-5)
        assert cosine_similarity(ours, theirs).min() > 1 - 1e-5
        assert theirs.std(0).max() > 1e-3  # else all would be alike, and equal to anything
    assert torch.equal(torch.stack([encoder.prepare(image) for image in IMAGES]), pixels)
    assert encoder.logit_scale == pytest.approx(model.logit_scale.exp().item())
    bias = None if model.logit_bias is None else model.logit_bias.item()
    assert encoder.logit_bias == bias
    assert encoder.max_tokens == tokenizer.context_length
    assert encoder.image_side == pixels.shape[-1]
