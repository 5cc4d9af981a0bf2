"""Text models of sentence-transformers: equal to their library, and nothing of theirs is run."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer

from cupl.encoders.sentence_tower import SentenceTower
from cupl.errors import CuplError, InputError, MissingFileError, MissingPackageError
from tests.two_models import edit, save_sentences

CPU = torch.device("cpu")
TEXTS = ["", "a cat", "Ein kleiner Frosch!", "一只猫", "dog " * 30, "a cat", "A Cat", "ü"]


@pytest.fixture(scope="module", params=["dense", "normalized", "prompted"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kinds: dict[str, dict[str, Any]] = {
        "dense": {"out": 16},
        "normalized": {"normalize": True},
        "prompted": {"prompt": "ein cat: "},
    }
    return save_sentences(tmp_path_factory.mktemp("text") / "model", **kinds[request.param])


@pytest.fixture
def copy(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.getbasetemp() / "dense"
    if not made.exists():
        save_sentences(made, out=16)
    return Path(shutil.copytree(made, tmp_path / "copy"))


def load(folder: Path, dtype: torch.dtype = torch.float32) -> SentenceTower:
    return SentenceTower.load(str(folder), CPU, dtype)


def test_vectors_are_those_of_the_library(folder: Path) -> None:
    tower = load(folder)
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    vectors = tower.encode(TEXTS)
    torch.testing.assert_close(vectors, torch.from_numpy(expected), rtol=0, atol=1e-5)
    assert vectors.dtype == torch.float32
    assert torch.pdist(vectors[:5]).min() > 1e-3
    torch.testing.assert_close(tower.encode(TEXTS * 40)[-len(TEXTS) :], vectors, rtol=0, atol=1e-5)
    assert tower.encode([]).shape == (0, tower.dim)
    assert torch.equal(tower.encode("a cat"), tower.encode(["a cat"]))


def test_what_it_says_of_itself(folder: Path) -> None:
    tower = load(folder)
    assert tower.id == str(folder)
    assert tower.revision is None
    assert tower.max_tokens == 12
    again = load(folder)
    assert again.fingerprint == tower.fingerprint
    rounded = load(folder, torch.bfloat16)
    assert rounded.fingerprint == tower.fingerprint
    torch.testing.assert_close(rounded.encode(TEXTS), tower.encode(TEXTS), rtol=0.1, atol=0.1)


def test_special_tokens_are_text(copy: Path) -> None:
    tower = load(copy)
    assert tower.count_tokens(["a cat", "[SEP]", "dog " * 30])[::2] == [4, 32]
    assert tower.count_tokens(["[SEP]"]) > [3]


def test_progress_ends_at_all_different_texts(copy: Path) -> None:
    told: list[tuple[int, int]] = []
    load(copy).encode([f"a {n}" for n in range(300)] * 2, lambda *done: told.append(done))
    assert told == [(256, 300), (300, 300)]


@pytest.mark.parametrize("change", ["length", "prompt", "pooling", "weights", "tokenizer"])
def test_fingerprint_is_of_all_that_decides_a_vector(copy: Path, change: str) -> None:
    before = load(copy).fingerprint
    match change:
        case "length":
            edit(copy / "sentence_bert_config.json", max_seq_length=5)
        case "prompt":
            file = copy / "config_sentence_transformers.json"
            edit(file, prompts={"x": "a "}, default_prompt_name="x")
        case "pooling":
            edit(copy / "1_Pooling" / "config.json", pooling_mode="cls")
        case "weights":
            other = save_sentences(copy.parent / "other", out=16, seed=1)
            shutil.copy(other / "2_Dense" / "model.safetensors", copy / "2_Dense")
        case "tokenizer":
            text = (copy / "tokenizer.json").read_text("utf-8")
            (copy / "tokenizer.json").write_text(text.replace("frosch", "fresch"), "utf-8")
    assert load(copy).fingerprint != before


@pytest.mark.parametrize(
    ("type_", "path"),
    [
        ("os.system", ""),
        ("custom.Transformer", ""),
        ("sentence_transformers.models.CLIPModel", ""),
        ("sentence_transformers.models.Transformer", "../copy"),
        ("sentence_transformers.models.Transformer", "/etc"),
        ("sentence_transformers.models.Pooling", "1_Pooling"),
    ],
)
def test_modules_of_others_are_refused(copy: Path, type_: str, path: str) -> None:
    edit(copy / "modules.json", type=type_, path=path)
    with pytest.raises(InputError, match=r"only those of|outside of it|begin with a transformer"):
        load(copy)


@pytest.mark.parametrize("activation", ["os.abort", "torch.hub.load", "torch.nn.modules.x()", 7])
def test_activations_of_others_are_refused(copy: Path, activation: object) -> None:
    edit(copy / "2_Dense" / "config.json", activation_function=activation)
    with pytest.raises(InputError, match="only those of PyTorch"):
        load(copy)


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", '[{"type": 1}]', "[" * 10_000])
def test_damaged_list_of_modules_is_refused(copy: Path, text: str) -> None:
    (copy / "modules.json").write_text(text)
    with pytest.raises(InputError, match=r"unusable|begin with a transformer|only those of"):
        load(copy)


def test_padding_without_a_place_in_the_model_is_refused(copy: Path) -> None:
    edit(copy / "tokenizer_config.json", pad_token="int8")
    with pytest.raises(InputError, match="cannot be loaded as a model of sentence-transformers"):
        load(copy)


def test_pickles_that_run_code_are_refused(copy: Path) -> None:
    class Bad:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (Path.touch, (Path(str(copy / "ran")),))  # type: ignore[return-value]

    for folder in (copy, copy / "2_Dense"):
        (folder / "model.safetensors").unlink()
        torch.save({"linear.weight": Bad()}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be loaded as a model of sentence-transformers"):
        load(copy)
    assert not (copy / "ran").exists()


def test_what_is_missing_is_named(copy: Path, tmp_path: Path) -> None:
    (copy / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"has no weights: .* in .*2_Dense"):
        load(copy)
    (copy / "modules.json").unlink()
    with pytest.raises(InputError, match="no model of sentence-transformers"):
        load(copy)
    with pytest.raises(MissingFileError, match="no such directory"):
        load(tmp_path / "nothing")
    with pytest.raises(CuplError, match="not on this machine"):
        SentenceTower.load("org/model", CPU, torch.float32, download=False)


def test_missing_package_names_the_extra(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'cupl\[sentences\]'"):
        load(copy)


def test_cut_weights_are_refused(copy: Path) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be loaded"):
        load(copy)
