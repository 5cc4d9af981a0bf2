"""Pairs: the text tower of one model, the images of another."""

from pathlib import Path

import pytest
import torch

from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.image_shards import ImageProvenance
from cupl.encoders.loading import load_encoder, load_recorded_encoder
from cupl.encoders.pair import PairEncoder
from cupl.encoders.sentence_tower import SentenceTower
from cupl.errors import InputError
from tests.models import bank_of, draw, save_clip
from tests.two_models import save_sentences

BANK = bank_of({"frosch": ["ein Frosch"], "猫": ["一只猫"]})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("pair")
    return save_clip(root / "clip"), save_sentences(root / "text", out=16)


@pytest.fixture
def pair(folders: tuple[Path, Path]) -> PairEncoder:
    with pytest.warns(UserWarning, match="nothing shows that the texts"):
        loaded = load_encoder("pair:{}+{}".format(*folders), "cpu")
    assert isinstance(loaded, PairEncoder)
    return loaded


def test_images_by_one_and_texts_by_the_other(
    pair: PairEncoder, folders: tuple[Path, Path]
) -> None:
    clip = load_encoder(folders[0], "cpu")
    text = SentenceTower.load(str(folders[1]), torch.device("cpu"), torch.float32)
    images = [draw(60, 40)]
    assert torch.equal(pair.encode_images(images), clip.encode_images(images))
    assert torch.equal(pair.encode_text(["ein Frosch"]), text.encode(["ein Frosch"]))
    assert (pair.logit_scale, pair.dim) == (clip.logit_scale, clip.dim)
    assert pair.fingerprint not in (clip.fingerprint, text.fingerprint)
    assert pair.id == "pair:{}+{}".format(*folders)


@pytest.mark.filterwarnings("ignore:nothing shows")
def test_vectors_of_the_image_encoder_serve_the_pair_and_back(
    pair: PairEncoder, folders: tuple[Path, Path]
) -> None:
    clip = load_encoder(folders[0], "cpu")
    ImageProvenance.of(clip).check_encoder(pair)
    ImageProvenance.of(pair).check_encoder(clip)
    german = encode_bank(BANK, pair, text_cache=False)
    german.check_embeddings(ImageProvenance.of(clip))
    german.check_encoder(clip)
    again = load_recorded_encoder(german.provenance.encoder, german.provenance.revision, "cpu")
    assert again.fingerprint == pair.fingerprint == german.provenance.fingerprint
    english = encode_bank(BANK, clip, text_cache=False)
    assert "image_fingerprint" not in english.provenance.model_dump()
    other = load_encoder(save_clip(folders[0].parent / "other", seed=1), "cpu")
    for refused in (german.check_encoder, ImageProvenance.of(pair).check_encoder):
        with pytest.raises(InputError, match="made by"):
            refused(other)


def test_other_widths_are_refused_with_the_bridge(folders: tuple[Path, Path]) -> None:
    wide = save_sentences(folders[0].parent / "wide")
    with pytest.raises(InputError, match=r"are 16 numbers .* are 32: .*bridge:.*\+.*wide"):
        load_encoder(f"pair:{folders[0]}+{wide}", "cpu")


def test_a_text_model_alone_is_refused_with_both_ways_out(folders: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"is a text model: .*bridge:.*pair:"):
        load_encoder(folders[1], "cpu")
