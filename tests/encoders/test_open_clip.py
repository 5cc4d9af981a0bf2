import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import cosine_similarity

from cupl.encoders.int8 import can_multiply_int8
from cupl.encoders.loading import load_encoder
from cupl.encoders.open_clip_names import import_open_clip
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from tests.models import draw
from tests.open_clip_models import CONFIGS, save_open_clip, write_config

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


def test_what_is_asked_for_does_not_change_the_vectors(load: Load) -> None:
    encoder = load("clip")[1]
    whole = encoder.encode_text([*TEXTS, *TEXTS])
    assert torch.equal(whole[: len(TEXTS)], whole[len(TEXTS) :])
    assert torch.allclose(encoder.encode_text(TEXTS[0]), whole[:1], atol=1e-5)
    assert encoder.encode_text([]).shape == (0, encoder.dim)
    assert encoder.count_tokens([]) == []
    assert encoder.encode_images([]).shape == (0, encoder.dim)
    many = [draw(40, 40, seed) for seed in range(2 * encoder.image_batch + 1)]
    together = encoder.encode_images(many)
    assert torch.allclose(encoder.encode_images(many[-1:]), together[-1:], atol=1e-5)


def test_half_precision(load: Load) -> None:
    folder, full = load("clip")
    for family in ("clip", "coca", "siglip2", "mobileclip"):
        folder, full = load(family)
        half = load_encoder(folder, "cpu", "bfloat16", batch_size=2)
        assert (half.precision, half.image_batch) == ("bfloat16", 2)
        assert half.fingerprint == full.fingerprint
        for ours, exact in [(half.encode_images(IMAGES), full.encode_images(IMAGES)),
                            (half.encode_text(TEXTS), full.encode_text(TEXTS))]:  # fmt: skip
            assert ours.dtype == torch.float32
            assert cosine_similarity(ours, exact).min() > 0.99


@pytest.mark.parametrize("family", CONFIGS)
def test_int8_is_near_or_refused(family: str, load: Load) -> None:
    if not can_multiply_int8():
        pytest.skip("this processor multiplies no int8")
    folder, encoder = load(family)
    try:
        rounded = load_encoder(folder, "cpu", precision="int8")
        vectors = rounded.encode_images(IMAGES)
    except InputError as error:
        if "cannot be computed" in str(error):
            return
        raise
    assert rounded.precision in ("int8", "float32")
    assert cosine_similarity(vectors, encoder.encode_images(IMAGES)).min() > 0.999
    assert torch.allclose(rounded.encode_text(TEXTS), encoder.encode_text(TEXTS), atol=1e-5)


def test_halves_a_batch_that_memory_does_not_hold(load: Load) -> None:
    encoder = load_encoder(load("clip")[0], "cpu")
    exact = encoder.encode_images(IMAGES), encoder.encode_text(TEXTS)

    def scarce(_: Any, args: tuple[torch.Tensor, ...]) -> None:
        if len(args[0]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")

    model = encoder._model  # type: ignore[attr-defined]
    model.visual.register_forward_pre_hook(scarce)
    model.token_embedding.register_forward_pre_hook(scarce)
    assert torch.allclose(encoder.encode_images(IMAGES), exact[0], atol=1e-5)
    assert torch.allclose(encoder.encode_text(TEXTS), exact[1], atol=1e-5)


def test_the_fingerprint_tells_models_apart(load: Load, tmp_path: Path) -> None:
    folder, encoder = load("clip")
    seen = {encoder.fingerprint}
    for changes in ({"quick_gelu": True}, {"vision_cfg": CONFIGS["clip"][0]["vision_cfg"]
                     | {"image_size": 40}}):  # fmt: skip
        other = save_open_clip(tmp_path / str(len(seen)), "clip", **changes)
        seen.add(load_encoder(other, "cpu").fingerprint)
    config = json.loads((folder / "open_clip_config.json").read_text())
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert load_encoder(copy, "cpu").fingerprint == encoder.fingerprint
    write_config(copy, config["model_cfg"], {"mean": [0.5] * 3})
    seen.add(load_encoder(copy, "cpu").fingerprint)
    weights = load_file(copy / "open_clip_model.safetensors")
    weights["visual.proj"][0, 0] += 1
    save_file(weights, copy / "open_clip_model.safetensors")
    seen.add(load_encoder(copy, "cpu").fingerprint)
    assert len(seen) == 5


def test_chance_is_the_callers(load: Load) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    load_encoder(load("clip")[0], "cpu")
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("preprocess", "said"),
    [({"resize_mode": "tile"}, "image preprocessing"), ({"std": [0, 0, 0]}, "three channels")],
)
def test_unusable_preprocessing(
    load: Load, tmp_path: Path, preprocess: dict[str, Any], said: str
) -> None:
    copy = shutil.copytree(load("clip")[0], tmp_path / "copy")
    write_config(copy, CONFIGS["clip"][0], preprocess)
    with pytest.raises(InputError, match=said):
        load_encoder(copy, "cpu")


def test_weights_that_are_not_finite(load: Load, tmp_path: Path) -> None:
    copy = shutil.copytree(load("clip")[0], tmp_path / "copy")
    weights = load_file(copy / "open_clip_model.safetensors")
    weights["visual.proj"][:] = float("nan")
    save_file(weights, copy / "open_clip_model.safetensors")
    with pytest.raises(InputError, match="image tower of .* gives no vectors of 32 finite numbers"):
        load_encoder(copy, "cpu")


def test_a_tower_of_another_size_than_its_images(load: Load, tmp_path: Path) -> None:
    copy = shutil.copytree(load("siglip2")[0], tmp_path / "copy")
    config = deepcopy(CONFIGS["siglip2"][0])
    config["vision_cfg"]["image_size"] = 96
    write_config(copy, config, {})
    with pytest.raises(InputError, match=r"cannot be computed: .*\(96\)"):
        load_encoder(copy, "cpu")


def test_prompts_with_and_without_a_full_stop(load: Load) -> None:
    """SigLIP's texts have no punctuation in open_clip; those of the other families do."""
    for family in ("siglip", "siglip2", "clip"):
        encoder = load(family)[1]
        bare, stopped = encoder.encode_text(["a photo of a cat", "A photo of a cat."])
        assert torch.equal(bare, stopped) == (family != "clip")
