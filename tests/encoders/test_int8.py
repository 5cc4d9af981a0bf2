import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.nn import Linear
from torch.nn.functional import cosine_similarity

from cupl.embedding.first_images import settle_on
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_stream import encode_sources
from cupl.embedding.image_vectors import load_embeddings
from cupl.encoders import device, int8
from cupl.encoders.device import resolve_precision
from cupl.encoders.int8 import Int8Linear, can_multiply_int8
from cupl.encoders.linear import PackedLinear
from cupl.encoders.loading import load_encoder
from cupl.errors import InputError
from tests.models import draw, save_clip, save_siglip

pytestmark = pytest.mark.skipif(not can_multiply_int8(), reason="no int8 products here")
_OUTLIER = 1e4
CPU = torch.device("cpu")


@given(
    rows=st.lists(st.integers(0, 5), max_size=3),
    sizes=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    bias=st.booleans(),
    seed=st.integers(0, 100),
)
def test_products_are_nearly_the_same(
    rows: list[int], sizes: tuple[int, int], bias: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    layer = Linear(*sizes, bias=bias)
    states = torch.randn(*rows, sizes[0])
    with torch.inference_mode():
        expected, found = layer(states), Int8Linear(layer)(states)
    assert found.shape == expected.shape
    # Half a level of each factor, for as many as are added.
    largest = layer.weight.detach().abs().max() * states.abs().max() if states.numel() else 0
    assert torch.allclose(found, expected, atol=float(largest * sizes[0] / 100) + 1e-6)


def test_a_large_row_costs_the_others_nothing() -> None:
    layer = Linear(64, 64)
    states = torch.randn(3, 64)
    with torch.inference_mode():
        alone = Int8Linear(layer)(states)
        states[1] *= 1e6
        beside = Int8Linear(layer)(states)
    assert torch.equal(alone[[0, 2]], beside[[0, 2]])


def test_zeros_are_zeros() -> None:
    layer = Linear(8, 4)
    with torch.inference_mode():
        layer.weight[1] = 0
        assert torch.equal(Int8Linear(layer)(torch.zeros(2, 8)), layer.bias.expand(2, 4))
        assert Int8Linear(layer)(torch.randn(2, 8))[0, 1] == layer.bias[1]


@pytest.fixture(params=["clip", "siglip"])
def good(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    make: Any = save_clip if request.param == "clip" else save_siglip
    folder: Path = make(tmp_path / "model")
    return folder


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """CLIP with one channel of its states so large that the others round to nothing beside it.

    As real towers have, if less so; in float32 the next weights make up for it.
    """
    folder = save_clip(tmp_path / "bad")
    weights = load_file(folder / "model.safetensors")
    for name, values in weights.items():
        if name.startswith("vision_model.encoder"):
            if "layer_norm" in name:
                values[0] *= _OUTLIER
            elif name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight", "fc1.weight")):
                values[:, 0] /= _OUTLIER
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    folder = tmp_path / "photos"
    folder.mkdir()
    paths = [str(folder / f"{seed:02}.png") for seed in range(20)]
    for seed, path in enumerate(paths):
        draw(60, 50, seed).save(path)
    return paths


def test_image_towers_in_int8_texts_as_usual(good: Path) -> None:
    images = [draw(60, 50, seed) for seed in range(3)]
    encoder, exact = load_encoder(good, precision="int8"), load_encoder(good)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = encoder.encode_images(images)
    expected = exact.encode_images(images)
    assert encoder.precision == "int8"
    assert not torch.allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert cosine_similarity(found, expected).min() > 0.999
    texts = ["a photo of a cat", "the dog"]
    assert torch.equal(encoder.encode_text(texts), exact.encode_text(texts))
    assert encoder.text_precision == "float32"  # type: ignore[attr-defined]


def test_texts_as_with_auto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = save_clip(tmp_path / "clip")
    monkeypatch.setenv("CUPL_PRECISION", "bfloat16")
    texts = ["a photo of a cat", "the dog"]
    found = load_encoder(model, precision="int8").encode_text(texts)
    assert torch.equal(found, load_encoder(model, precision="bfloat16").encode_text(texts))


def test_back_to_float32_where_images_come_out_otherwise(bad: Path) -> None:
    images = [draw(60, 50, seed) for seed in range(20)]
    encoder = load_encoder(bad, precision="int8")
    with pytest.warns(UserWarning, match=r"a cosine of 0\.\d+.*float32 is used") as said:
        found = encoder.encode_images(images)
    assert len(said) == 1
    assert encoder.precision == "float32"
    assert torch.equal(found, load_encoder(bad).encode_images(images))
    assert any(isinstance(part, PackedLinear) for part in encoder._model.vision_model.modules())  # type: ignore[attr-defined]
    assert not any(isinstance(part, Int8Linear) for part in encoder._model.modules())  # type: ignore[attr-defined]


def test_a_stream_is_tried_before_anything_is_kept(
    bad: Path, photos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUPL_IMAGE_CACHE_SIZE", "1GB")
    encoder, cache = load_encoder(bad, precision="int8"), tmp_path / "cache"
    with pytest.warns(UserWarning, match="float32 is used"):
        first = [one.vector for one in encode_sources(iter(photos), encoder, image_cache=cache)]
    exact = load_encoder(bad)
    monkeypatch.setattr(
        type(exact), "encode_prepared", lambda *_: pytest.fail("not from the cache")
    )
    for was, one in zip(first, encode_sources(photos, exact, image_cache=cache), strict=True):
        assert was is not None
        assert one.vector is not None
        assert torch.equal(was, one.vector)


@pytest.mark.parametrize("kind", ["good", "bad"])
def test_shards_say_what_was_used_and_go_on_in_it(
    kind: str, photos: list[str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue("bad") if kind == "bad" else save_clip(tmp_path / "good")
    output, used = tmp_path / "vectors", "float32" if kind == "bad" else "int8"

    def run(paths: list[str], resume: bool = False) -> None:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            encoder = load_encoder(model, precision="int8")
            embed_images(paths, encoder, output, shard_size=16, resume=resume)
        assert len(said) == (kind == "bad")
        assert encoder.precision == used

    run(photos[:16])
    assert load_embeddings(output).provenance.precision == used
    before = (output / "vectors-00000.safetensors").read_bytes()
    run(photos, resume=True)
    assert (output / "vectors-00000.safetensors").read_bytes() == before
    assert load_embeddings(output).provenance.precision == used
    assert sum(len(shard.vectors) for shard in load_embeddings(output)) == 20


def test_images_that_cannot_be_read_decide_nothing(
    bad: Path, photos: list[str], tmp_path: Path
) -> None:
    missing = [str(tmp_path / f"{number}.png") for number in range(20)]
    encoder = load_encoder(bad, precision="int8")
    settle_on(encoder, missing)
    assert encoder.undecided  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match="float32 is used"):
        vectors = [one.vector for one in encode_sources([*missing, *photos], encoder)]
    assert encoder.precision == "float32"
    exact = [one.vector for one in encode_sources(photos, load_encoder(bad))]
    assert torch.allclose(
        torch.stack([one for one in vectors if one is not None]),
        torch.stack([one for one in exact if one is not None]), atol=1e-5,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*float32 is used")
def test_a_run_that_begins_with_what_cannot_be_read(
    bad: Path, photos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUPL_IMAGE_CACHE_SIZE", "1GB")
    missing = [str(tmp_path / f"{number}.png") for number in range(20)]
    for cache in (tmp_path / "cache", tmp_path / "cache"):  # the second finds all in it
        output = tmp_path / f"vectors-{len(list(tmp_path.iterdir()))}"
        encoder = load_encoder(bad, precision="int8")
        embed_images([*missing, *photos], encoder, output, shard_size=16, image_cache=cache)
        found = load_embeddings(output)
        assert found.provenance.precision == encoder.precision == "float32"
        assert sum(sum(one is None for one in shard.errors) for shard in found) == len(photos)


def test_what_is_no_processor_for_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="int8 is for the CPU, not for cuda:1"):
        resolve_precision("int8", torch.device("cuda:1"))
    monkeypatch.setattr(device, "can_multiply_int8", lambda: False)
    with pytest.raises(InputError, match="multiplies no int8: use auto"):
        resolve_precision("int8", CPU)


@pytest.mark.parametrize("how", ["raises", "wrong"])
def test_products_that_are_wrong_are_none(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    def refuse(layer: Linear) -> None:
        raise RuntimeError("no such operator")

    made = refuse if how == "raises" else lambda layer: lambda states: layer(states).clamp(max=50)
    monkeypatch.setattr(int8, "Int8Linear", made)
    assert not can_multiply_int8()
