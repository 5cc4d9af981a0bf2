"""What is particular to AltCLIP, Chinese-CLIP and ALIGN."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from tests.encoders.families import save_align, save_altclip, save_chinese_clip
from tests.encoders.files import edit_json
from tests.models import WORDS


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = save_chinese_clip(tmp_path_factory.mktemp("chinese"))
    assert not (folder / "tokenizer.json").exists()
    return load_encoder(str(folder), "cpu")


@pytest.fixture(scope="module")
def align(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_align(tmp_path_factory.mktemp("align"))


@settings(max_examples=15, deadline=None)
@given(texts=st.lists(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join), max_size=30))
def test_neighbours_order_and_padding_do_not_matter(chinese: Encoder, texts: list[str]) -> None:
    vectors = chinese.encode_text(texts + texts[::-1])
    assert torch.equal(vectors[: len(texts)], vectors[len(texts) :].flip(0))
    for text, vector in zip(texts, vectors, strict=False):
        torch.testing.assert_close(chinese.encode_text([text])[0], vector, rtol=0, atol=1e-5)


def test_chinese_is_cut_into_characters_and_capitals_do_not_matter(chinese: Encoder) -> None:
    assert chinese.count_tokens(["一只小猫"]) == [6]
    lower, upper = chinese.encode_text(["a small cat", "A SMALL Cat"])
    assert torch.equal(lower, upper)


def test_the_first_places_of_xlm_r_are_not_used(tmp_path: Path) -> None:
    encoder = load_encoder(str(save_altclip(tmp_path, max_position_embeddings=40)), "cpu")
    assert encoder.max_tokens == 38
    assert encoder.encode_text(["dog " * 100, "dog " * 36]).isfinite().all()


def test_towers_of_align_without_a_common_space_are_refused(align: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(align, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text("utf-8"))
    # The side of what is pooled at last: of larger maps more than one place would be left.
    edit_json(copy / "config.json", vision_config=config["vision_config"] | {"hidden_dim": 2})
    with pytest.raises(InputError, match="ALIGN model"):
        load_encoder(str(copy), "cpu")


def test_an_align_without_a_temperature_is_refused(align: Path, tmp_path: Path) -> None:
    from transformers import AlignModel

    copy = Path(shutil.copytree(align, tmp_path / "copy"))
    model = AlignModel.from_pretrained(copy)
    model.temperature.data.zero_()
    model.save_pretrained(copy)
    with pytest.raises(InputError, match="temperature"):
        load_encoder(str(copy), "cpu")


def test_a_model_that_pads_with_nothing_is_refused(align: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(align, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text("utf-8"))
    edit_json(copy / "config.json", text_config=config["text_config"] | {"pad_token_id": None})
    with pytest.raises(InputError, match="names no token to pad with"):
        load_encoder(str(copy), "cpu")
