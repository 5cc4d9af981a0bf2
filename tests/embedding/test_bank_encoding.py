import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPModel, CLIPTokenizer

from cupl.bank.labels import ClassLabel
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.templates import fill_templates
from cupl.embedding.bank_encoding import encode_bank, encode_templates
from cupl.embedding.image_runs import embed_images
from cupl.embedding.pooling import POOLINGS
from cupl.embedding.provenance import Combine, Provenance
from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from tests.models import HandMadeEncoder, bank_of, draw, save_clip

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


def test_ids_and_aliases_of_a_bank_are_kept() -> None:
    bank = PromptBank(
        name="x",
        classes=[
            ClassPrompts(name="cat", id="n1", aliases=["house cat"], prompts={"q": ["furry"]})
        ],
    )
    assert encode_bank(bank, HAND_MADE).labels == [ClassLabel("cat", "n1", ("house cat",))]


def test_an_encoder_may_be_given_by_its_name(real_size: Path, tmp_path: Path) -> None:
    bank = bank_of({"cat": ["a cat"]})
    named, loaded = encode_bank(bank, real_size), encode_bank(bank, load_encoder(real_size))
    assert torch.equal(named.matrix, loaded.matrix)
    draw(30, 20).save(tmp_path / "a.png")
    assert embed_images(tmp_path, str(real_size), tmp_path / "v").images == 1
