import json
import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import CLIPModel, CLIPTokenizer

from cupl.bank.labels import ClassLabel
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.templates import fill_templates
from cupl.embedding.bank_encoding import encode_bank, encode_templates
from cupl.embedding.class_vectors import ClassVectors, Combine, Provenance
from cupl.embedding.pooling import POOLINGS
from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError, MissingFileError
from tests.models import HandMadeEncoder, bank_of, save_clip

BANK = bank_of(
    {
        "cat": ["A cat has a small nose and large eyes.", "A cat."],
        "tree frog": [
            "A tree frog is a small frog with large toe pads.",
            "The photo of a tree frog has the colour green; 4.5 cm, it's wet!",
            "A tree frog is a small frog with large toe pads.",
            "frog " * 100,
        ],
        "Žluťoučký kůň": ["Ein großes Pferd — 馬 🐎"],
    }
)


@pytest.fixture(scope="module")
def real_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP whose text tower has the sizes of ViT-B/32; its weights are random."""
    sizes = {
        "hidden_size": 512,
        "intermediate_size": 2048,
        "num_hidden_layers": 12,
        "num_attention_heads": 8,
    }
    return save_clip(tmp_path_factory.mktemp("clip"), text=sizes, legacy_end=True)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_encoder(str(save_clip(tmp_path_factory.mktemp("tiny"))), "cpu")


def published_class_vector(model: Any, tokenizer: Any, prompts: list[str]) -> torch.Tensor:
    """norm(mean(norm(t))) with every prompt encoded alone and padded with zeros to 77."""
    vectors = []
    for prompt in prompts:
        ids = tokenizer(prompt, truncation=True, max_length=77)["input_ids"]
        padded = torch.tensor([ids + [0] * (77 - len(ids))])
        states = model.text_model(input_ids=padded).last_hidden_state  # [1, 77, width]
        vector = model.text_projection(states[0, len(ids) - 1])
        vectors.append(vector / vector.norm())
    mean = torch.stack(vectors).mean(dim=0)
    result: torch.Tensor = mean / mean.norm()
    return result


@torch.inference_mode()
def test_class_vectors_are_those_of_the_published_method(real_size: Path) -> None:
    model, tokenizer = (
        CLIPModel.from_pretrained(real_size),
        CLIPTokenizer.from_pretrained(real_size),
    )
    expected = torch.stack(
        [published_class_vector(model, tokenizer, entry.texts) for entry in BANK.classes]
    )
    result = encode_bank(BANK, load_encoder(str(real_size), "cpu"))
    torch.testing.assert_close(result.matrix, expected, rtol=0, atol=1e-5)
    assert torch.pdist(expected).min() > 0.01, "the classes must differ for this to prove anything"


def test_provenance_tells_everything(encoder: Encoder) -> None:
    result = encode_bank(BANK, encoder, templates=["a photo of a {}."])
    assert result.labels == [entry.label for entry in BANK.classes]
    assert result.provenance == Provenance(
        encoder=encoder.id,
        revision=None,
        fingerprint=encoder.fingerprint,
        logit_scale=encoder.logit_scale,
        logit_bias=None,
        bank="animals",
        bank_digest=BANK.digest,
        pooling="normalized-mean",
        templates=("a photo of a {}.",),
        combine="concat",
        truncated=(("tree frog", "frog " * 100),),
        cupl=result.provenance.cupl,
    )


def test_the_bias_of_the_encoder_goes_with_its_vectors() -> None:
    biased = HandMadeEncoder({"furry": [1.0, 0.0]}, logit_bias=-12.5)
    assert encode_bank(bank_of({"cat": ["furry"]}), biased).provenance.logit_bias == -12.5


COSINES = torch.tensor([[1.0, 0.5, -1.0], [0.2, 0.2, 0.2]])


def test_probabilities_without_a_bias_are_a_softmax() -> None:
    provenance = make_vectors().provenance.model_copy(update={"logit_scale": 2.0})
    exponentials = [math.exp(2), math.exp(1), math.exp(-2)]
    first, second = provenance.probabilities(COSINES).tolist()
    assert first == pytest.approx([e / sum(exponentials) for e in exponentials])
    assert second == pytest.approx([1 / 3] * 3)


def test_probabilities_with_a_bias_are_of_each_class_alone() -> None:
    changes = {"logit_scale": 2.0, "logit_bias": -0.5}
    provenance = make_vectors().provenance.model_copy(update=changes)
    first, second = provenance.probabilities(COSINES).tolist()
    assert first == pytest.approx([1 / (1 + math.exp(-x)) for x in (1.5, 0.5, -2.5)])
    assert second == pytest.approx([1 / (1 + math.exp(0.1))] * 3)


HAND_MADE = HandMadeEncoder(
    {
        "furry": [2.0, 0.0, 0.0],
        "green": [0.0, 1.0, 0.0],
        "a cat.": [0.0, 0.0, 1.0],
        "the cat.": [0.0, 0.0, 4.0],
        "a frog.": [0.0, 1.0, 0.0],
        "the frog.": [1.0, 0.0, 0.0],
    }
)
TWO = bank_of({"cat": ["furry"], "frog": ["green"]})


@pytest.mark.parametrize(
    ("combine", "pooling", "cat"),
    [
        ("concat", "normalized-mean", [1 / math.sqrt(5), 0, 2 / math.sqrt(5)]),
        ("concat", "mean", [2 / math.sqrt(29), 0, 5 / math.sqrt(29)]),
        ("concat", "similarity", [1 / 3, 0, 2 / 3]),
        ("average", "normalized-mean", [math.sqrt(0.5), 0, math.sqrt(0.5)]),
        ("average", "mean", [math.sqrt(0.5), 0, math.sqrt(0.5)]),
        ("average", "similarity", [1 / 2, 0, 1 / 2]),
    ],
)
def test_templates_are_combined_in_both_meanings(
    combine: Combine, pooling: str, cat: list[float]
) -> None:
    templates = ["a {}.", "the {}."]
    result = encode_bank(TWO, HAND_MADE, pooling, templates=templates, combine=combine)
    assert result.matrix[0].tolist() == pytest.approx(cat)


def test_templates_go_by_the_name_of_their_set(encoder: Encoder) -> None:
    by_name = encode_bank(BANK, encoder, templates="photo")
    given = encode_bank(BANK, encoder, templates=["a photo of a {}."])
    assert torch.equal(by_name.matrix, given.matrix)
    assert by_name.provenance == given.provenance


@pytest.mark.parametrize("pooling", POOLINGS)
def test_templates_alone(pooling: str) -> None:
    labels = [ClassLabel("cat", "n1"), ClassLabel("frog")]
    result = encode_templates(labels, ["a {}."], HAND_MADE, pooling)
    assert result.matrix.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert result.labels == labels
    assert result.provenance.bank is None
    assert result.provenance.combine is None


def test_each_different_prompt_is_encoded_once_over_the_whole_bank(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = bank_of({"cat": ["a cat", "small"], "frog": ["small", "a frog", "a cat"]})
    original: Any = encoder._encode_tokens  # type: ignore[attr-defined]
    rows: list[Any] = []

    def count(tokens: list[Any]) -> Any:
        rows.extend(tokens)
        return original(tokens)

    monkeypatch.setattr(encoder, "_encode_tokens", count)
    encode_bank(bank, encoder)
    assert len(rows) == 3


@given(st.text(alphabet=st.sampled_from("{}%\\$ab0 '\"馬")))
def test_a_name_is_data(name: str) -> None:
    assert fill_templates(["a %s {} \\1"], [ClassLabel(name)]) == [[f"a %s {name} \\1"]]


@pytest.mark.parametrize("template", ["", "a photo", "{0}", "{name} {}"])
def test_a_template_without_a_place_for_the_name_is_refused(template: str) -> None:
    with pytest.raises(InputError, match="never names|unknown placeholder"):
        encode_bank(TWO, HAND_MADE, templates=[template])


def test_no_template_and_no_bank_is_refused() -> None:
    with pytest.raises(InputError, match="every class needs at least one prompt"):
        encode_templates([ClassLabel("cat")], [], HAND_MADE)


def test_an_unknown_pooling_is_refused_before_anything_is_encoded() -> None:
    with pytest.raises(InputError, match="use normalized-mean, mean, similarity"):
        encode_bank(bank_of({"cat": ["a text without a vector"]}), HAND_MADE, "median")


def test_an_unknown_combination_is_refused() -> None:
    with pytest.raises(InputError, match="use concat or average"):
        encode_bank(TWO, HAND_MADE, combine="sum")  # type: ignore[arg-type]


def test_long_prompts_are_listed_or_refused() -> None:
    long, longer = "one two three four five six seven", "one two three four five six seven eight"
    exact = "one two three four five six"
    encoder = HandMadeEncoder({key: [1.0, 0.0] for key in (long, longer, exact)}, max_tokens=8)
    bank = bank_of({"cat": [exact, long], "frog": [longer, long]})
    result = encode_bank(bank, encoder)
    assert result.provenance.truncated == (("cat", long), ("frog", longer), ("frog", long))
    with pytest.raises(InputError, match=r"3 prompts are longer than the 8 tokens .* 'cat'"):
        encode_bank(bank, encoder, strict=True)
    encode_bank(bank_of({"cat": [exact]}), encoder, strict=True)


def make_vectors(names: list[str] | None = None) -> ClassVectors:
    labels = [ClassLabel(name, f"n{i}", ("x",)) for i, name in enumerate(names or ["cat", "frog"])]
    matrix = torch.nn.functional.normalize(torch.arange(1.0, 3 * len(labels) + 1).view(-1, 3))
    provenance = Provenance(
        encoder="org/clip",
        revision="abc",
        fingerprint="f" * 64,
        logit_scale=100.0,
        bank="animals",
        bank_digest="d" * 64,
        pooling="normalized-mean",
        templates=("a {}.",),
        combine="average",
        truncated=(("cat", "a long one"),),
    )
    return ClassVectors(labels, matrix, provenance)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    vectors = make_vectors()
    vectors.save(tmp_path / "v.safetensors")
    loaded = ClassVectors.load(tmp_path / "v.safetensors")
    assert loaded.labels == vectors.labels
    assert loaded.provenance == vectors.provenance
    assert torch.equal(loaded.matrix, vectors.matrix)


@pytest.mark.parametrize("bias", [None, 0.0, -12.932])
def test_the_bias_is_saved_and_loaded(bias: float | None, tmp_path: Path) -> None:
    vectors = make_vectors()
    provenance = vectors.provenance.model_copy(update={"logit_bias": bias})
    replace(vectors, provenance=provenance).save(tmp_path / "v")
    assert ClassVectors.load(tmp_path / "v").provenance == provenance


def test_a_file_from_before_there_was_a_bias_has_none(tmp_path: Path) -> None:
    before = {key: value for key, value in PROVENANCE.items() if key != "logit_bias"}
    write(tmp_path / "v", provenance=before)
    assert ClassVectors.load(tmp_path / "v").provenance == make_vectors().provenance


def test_a_file_from_before_there_was_a_temperature_has_one(tmp_path: Path) -> None:
    before = {key: value for key, value in PROVENANCE.items() if key != "temperature"}
    write(tmp_path / "v", provenance=before)
    assert ClassVectors.load(tmp_path / "v").provenance.temperature == 1.0


def test_the_temperature_is_saved_and_loaded(tmp_path: Path) -> None:
    warm = make_vectors().with_temperature(2.5)
    warm.save(tmp_path / "v")
    loaded = ClassVectors.load(tmp_path / "v")
    assert loaded.provenance == warm.provenance
    assert loaded.provenance.temperature == 2.5
    assert loaded.with_temperature(1).provenance == make_vectors().provenance


def test_equal_vectors_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_vectors().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_view_of_a_matrix_can_be_saved(tmp_path: Path) -> None:
    vectors = make_vectors()
    turned = replace(vectors, matrix=vectors.matrix.T.contiguous().T)
    turned.save(tmp_path / "v")
    assert torch.equal(ClassVectors.load(tmp_path / "v").matrix, vectors.matrix)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4, unique=True))
def test_names_of_any_script_survive(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    printable = ["馬" + "".join(filter(str.isprintable, name)) + ", {}" for name in names]
    file = tmp_path_factory.mktemp("names") / "v"
    make_vectors(printable).save(file)
    assert [label.name for label in ClassVectors.load(file).labels] == printable


def test_a_file_that_is_replaced_does_not_change_what_was_loaded(tmp_path: Path) -> None:
    file = tmp_path / "v"
    make_vectors().save(file)
    loaded = ClassVectors.load(file)
    with file.open("r+b") as raw:
        raw.seek(-4, 2)
        raw.write(struct.pack("<f", 0.5))
    assert torch.equal(loaded.matrix, make_vectors().matrix)


def metadata_of(file: Path) -> dict[str, Any]:
    with safe_open(file, framework="pt") as opened:
        metadata: dict[str, Any] = json.loads((opened.metadata() or {})["cupl"])
    return metadata


def write(file: Path, tensor: torch.Tensor | None = None, **changes: Any) -> None:
    """A file of class vectors with something else in it than there should be."""
    make_vectors().save(file)
    metadata = metadata_of(file) | changes
    tensor = make_vectors().matrix if tensor is None else tensor
    save_file({"vectors": tensor}, file, {"cupl": json.dumps(metadata)})


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.ones(2, 3, dtype=torch.float16), "a float32 matrix, not float16 of 2 dimensions"),
        (torch.ones(2, 3, dtype=torch.int64), "a float32 matrix, not int64 of 2 dimensions"),
        (torch.ones(2), "a float32 matrix, not float32 of 1 dimensions"),
        (torch.ones(3, 3), "3 class vectors for 2 labels"),
        (torch.tensor([[1.0, math.nan], [1.0, 0.0]]), "a number that is not finite"),
        (torch.tensor([[1.0, math.inf], [1.0, 0.0]]), "a number that is not finite"),
    ],
)
def test_a_wrong_matrix_is_refused(tensor: torch.Tensor, said: str, tmp_path: Path) -> None:
    write(tmp_path / "v", tensor)
    with pytest.raises(InputError, match=said) as caught:
        ClassVectors.load(tmp_path / "v")
    assert str(caught.value).startswith(f"{tmp_path / 'v'}: ")


PROVENANCE = make_vectors().provenance.model_dump(mode="json")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "cupl-vectors/9"}, "format"),
        ({"labels": "cat"}, "labels"),
        ({"labels": []}, "no classes"),
        ({"labels": [{"name": 1}, {"name": "b"}]}, "labels.0.name"),
        ({"labels": [{"name": "a"}, {"name": "a"}]}, "two classes are named 'a'"),
        ({"provenance": {}}, "provenance.encoder"),
        ({"provenance": PROVENANCE | {"logit_scale": -1}}, "provenance.logit_scale"),
        ({"provenance": PROVENANCE | {"logit_scale": math.nan}}, "provenance.logit_scale"),
        ({"provenance": PROVENANCE | {"temperature": 0}}, "provenance.temperature"),
        ({"provenance": PROVENANCE | {"logit_bias": math.inf}}, "provenance.logit_bias"),
        ({"provenance": PROVENANCE | {"logit_bias": "none"}}, "provenance.logit_bias"),
        ({"provenance": PROVENANCE | {"combine": "sum"}}, "provenance.combine"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_wrong_metadata_is_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    write(tmp_path / "v", **changes)
    with pytest.raises(InputError, match=said) as caught:
        ClassVectors.load(tmp_path / "v")
    assert str(caught.value).startswith(f"{tmp_path / 'v'}: no class vectors: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        ({"vectors": torch.ones(1, 2)}, None),
        ({"vectors": torch.ones(1, 2)}, {"other": "x"}),
        ({"weights": torch.ones(1, 2)}, {"cupl": "{}"}),
    ],
)
def test_safetensors_of_others_are_refused(
    tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None, tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / "v", metadata)
    with pytest.raises(InputError, match="v: no class vectors: cupl did not write them"):
        ClassVectors.load(tmp_path / "v")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1e999"])
def test_metadata_that_is_no_json_is_refused(text: str, tmp_path: Path) -> None:
    save_file({"vectors": torch.ones(1, 2)}, tmp_path / "v", {"cupl": text})
    with pytest.raises(InputError, match="v: no class vectors: "):
        ClassVectors.load(tmp_path / "v")


@pytest.mark.parametrize(
    "data", [b"", b"PK\3\4 not safetensors", struct.pack("<Q", 1 << 60) + b"{}", b"\0" * 64]
)
def test_what_is_no_safetensors_file_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(data)
    with pytest.raises(InputError, match="v: not a whole safetensors file") as caught:
        ClassVectors.load(tmp_path / "v")
    assert "\n" not in str(caught.value)


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    make_vectors().save(tmp_path / "v")
    (tmp_path / "v").write_bytes((tmp_path / "v").read_bytes()[:-5])
    with pytest.raises(InputError, match="v: not a whole safetensors file"):
        ClassVectors.load(tmp_path / "v")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="v: no such file"):
        ClassVectors.load(tmp_path / "v")
    with pytest.raises(InputError, match="not a whole safetensors file"):
        ClassVectors.load(tmp_path)


def test_another_encoder_of_the_same_width_is_refused() -> None:
    vectors = make_vectors()
    same = HandMadeEncoder({"a": [0.0, 0.0, 1.0]}, fingerprint="f" * 64)
    vectors.check_encoder(same)
    other = HandMadeEncoder({"a": [0.0, 0.0, 1.0]}, fingerprint="e" * 64)
    with pytest.raises(InputError, match=r"'org/clip' \(fingerprint 'f{12}'\), not by 'hand-made'"):
        vectors.check_encoder(other)


def test_a_file_with_a_borrowed_fingerprint_is_refused_by_width() -> None:
    narrow = HandMadeEncoder({"a": [0.0, 1.0]}, fingerprint="f" * 64)
    with pytest.raises(InputError, match="are 3 wide, but hand-made makes 2"):
        make_vectors().check_encoder(narrow)


def test_ids_and_aliases_of_a_bank_are_kept() -> None:
    bank = PromptBank(
        name="x",
        classes=[
            ClassPrompts(name="cat", id="n1", aliases=["house cat"], prompts={"q": ["furry"]})
        ],
    )
    assert encode_bank(bank, HAND_MADE).labels == [ClassLabel("cat", "n1", ("house cat",))]
