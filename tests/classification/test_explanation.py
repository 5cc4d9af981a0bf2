import math
from pathlib import Path
from typing import Any

import pytest
import torch

from cupl.bank.model import BY_HAND, ClassPrompts, PromptBank
from cupl.classification.explanation import Explanation, PromptScore, explain_vectors
from cupl.embedding.bank_encoding import TEMPLATE, bank_embeddings, encode_bank
from cupl.embedding.pooling import POOLINGS
from cupl.embedding.provenance import Combine
from cupl.encoders.loading import load_encoder
from cupl.errors import InputError
from tests.models import HandMadeEncoder, bank_of, save_clip

TEXTS = {
    "red petals": [1.0, 0.0, 0.0],
    "thorns": [3.0, 4.0, 0.0],
    "flat": [0.0, 2.0, 0.0],
    "veined": [0.6, 0.8, 0.0],
    "wide": [0.0, 0.0, 1.0],
    "a photo of a rose": [0.0, 3.0, 4.0],
    "a photo of a leaf": [0.0, 1.0, 0.0],
    "a photo of a sky": [0.0, 0.0, 2.0],
}
BANK = PromptBank(
    name="garden",
    classes=[
        ClassPrompts(name="rose", id="n1", prompts={"What?": ["red petals"], "How?": ["thorns"]}),
        ClassPrompts(name="leaf", prompts={"What?": ["flat", "veined"]}),
        ClassPrompts(name="sky", prompts={BY_HAND: ["wide"]}),
    ],
)
IMAGE = torch.tensor([[8.0, 6.0, 0.0]])


def explain(bank: PromptBank, images: torch.Tensor, **settings: Any) -> list[Explanation]:
    encoder = HandMadeEncoder(TEXTS)
    vectors = encode_bank(bank, encoder, **settings)
    embeddings = bank_embeddings(bank, encoder, vectors.provenance.templates)
    return explain_vectors(images, bank, embeddings, vectors, most=99)


def test_the_prompts_that_decided() -> None:
    (found,) = explain(BANK, IMAGE, pooling="similarity")
    # The scores are the means 0.88 and 0.78 of the cosines.
    assert found.winner is not None
    assert found.runner_up is not None
    assert (found.winner.label, found.winner.id, found.runner_up.label) == ("rose", "n1", "leaf")
    assert found.winner.score == pytest.approx(0.88)
    exponentials = [math.exp(10 * score) for score in (0.88, 0.78, 0.0)]
    assert found.winner.probability == pytest.approx(exponentials[0] / sum(exponentials))
    assert [(one.text, one.question) for one in found.winner.supporting] == [
        ("thorns", "How?"),
        ("red petals", "What?"),
    ]
    assert [one.cosine for one in found.winner.supporting] == pytest.approx([0.96, 0.8])
    assert found.winner.opposing == ()
    assert [(one.text, one.question) for one in found.runner_up.supporting] == [("veined", "What?")]
    assert [one.text for one in found.runner_up.opposing] == ["flat"]
    assert found.runner_up.opposing[0].cosine == pytest.approx(0.6)
    assert (found.path, found.error) == (None, None)


def test_no_more_prompts_than_asked_for_and_the_strongest_first() -> None:
    encoder = HandMadeEncoder({str(i): [math.cos(i / 9), math.sin(i / 9)] for i in range(10)})
    bank = bank_of({"all": list("3109248756"), "last": ["5"]})
    vectors = encode_bank(bank, encoder, "similarity")
    embeddings = bank_embeddings(bank, encoder)
    (found,) = explain_vectors(torch.tensor([[1.0, 0.0]]), bank, embeddings, vectors, most=2)
    assert found.runner_up is not None
    assert found.winner is not None
    both = {side.label: side for side in (found.winner, found.runner_up)}
    assert [prompt.text for prompt in both["all"].supporting] == ["0", "1"]
    assert [prompt.text for prompt in both["all"].opposing] == ["9", "8"]


@pytest.mark.parametrize("pooling", [name for name in POOLINGS if name != "top"])
@pytest.mark.parametrize(
    ("templates", "combine"), [([], "concat"), (["a {}"], "concat"), (["a {}", "b {}"], "average")]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_lead_of_a_class_is_the_mean_of_what_its_prompts_say(
    pooling: str, templates: list[str], combine: Combine, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    bank = bank_of({"x": ["1", "2", "3"], "y": ["4", "5"]})
    texts = [*"12345", *(t.format(name) for t in templates for name in "xy")]
    vectors_of = 0.1 + 3 * torch.rand(len(texts), 3, generator=random)
    encoder = HandMadeEncoder(dict(zip(texts, vectors_of.tolist(), strict=True)))
    vectors = encode_bank(bank, encoder, pooling, templates=templates, combine=combine)
    images = torch.rand(20, 3, generator=random)
    embeddings = bank_embeddings(bank, encoder, templates)
    explanations = explain_vectors(images, bank, embeddings, vectors, most=99)
    separate = combine == "average"
    for found, image in zip(explanations, images, strict=True):
        assert found.winner is not None
        assert found.runner_up is not None
        assert found.winner.score >= found.runner_up.score
        for side, other in ((found.winner, found.runner_up), (found.runner_up, found.winner)):
            said = [*side.supporting, *side.opposing]
            assert len(said) == len(bank.classes["xy".index(side.label)].texts) + len(templates)
            lists = [[prompt for prompt in said if prompt.question != TEMPLATE or not separate]]
            if separate:
                lists.append([prompt for prompt in said if prompt.question == TEMPLATE])
            leads = [
                count - other.score for count in _counts(lists, pooling, encoder, image).values()
            ]
            shares = [1 / len(prompts) / len(lists) for prompts in lists for _ in prompts]
            lead = sum(share * one for share, one in zip(shares, leads, strict=True))
            assert lead == pytest.approx(side.score - other.score, abs=1e-5)
            for prompt, one in zip((p for prompts in lists for p in prompts), leads, strict=True):
                assert (one > 0) == (prompt in side.supporting) or abs(one) < 1e-6


def _counts(
    lists: list[list[PromptScore]], pooling: str, encoder: HandMadeEncoder, image: torch.Tensor
) -> dict[str, float]:
    """What each prompt of a class counts, written out after the text at the head of the module."""
    means, counts = [], {}
    for prompts in lists:
        t = encoder.encode_text([prompt.text for prompt in prompts])
        if pooling != "mean":
            t = t / t.norm(dim=1, keepdim=True)
        length = t.mean(dim=0).norm() if pooling != "similarity" else torch.tensor(1.0)
        means.append(t.mean(dim=0) / length)
        for prompt, vector in zip(prompts, t, strict=True):
            counts[prompt.text] = (vector @ image / image.norm() / length).item()
    whole = torch.stack(means).mean(dim=0).norm().item() if pooling != "similarity" else 1.0
    return {text: count / whole for text, count in counts.items()}


def test_templates_are_prompts_too() -> None:
    settings = {"templates": ["a photo of a {}"], "pooling": "similarity"}
    (found,) = explain(BANK, torch.tensor([[0.0, 3.0, 4.0]]), **settings)
    assert found.winner is not None
    assert found.winner.label == "sky"
    assert [(one.text, one.question) for one in found.winner.supporting] == [
        ("wide", BY_HAND),
        ("a photo of a sky", TEMPLATE),
    ]
    assert found.runner_up is not None
    weak = [(one.text, one.question) for one in found.runner_up.opposing]
    assert ("a photo of a leaf", TEMPLATE) in weak


def test_a_class_alone_has_no_other_to_speak_for() -> None:
    (found,) = explain(bank_of({"rose": ["red petals", "thorns"]}), IMAGE)
    assert found.runner_up is None
    assert found.winner is not None
    assert [prompt.text for prompt in found.winner.supporting] == ["thorns", "red petals"]
    assert found.winner.opposing == ()


def test_an_image_without_a_direction_has_an_error() -> None:
    images = torch.tensor([[math.nan, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    *wrong, right = explain(BANK, images)
    assert wrong == [Explanation(error="the image vector is zero or not finite")] * 2
    assert right.winner is not None
    assert right.winner.label == "sky"


def test_no_images() -> None:
    assert explain(BANK, torch.empty(0, 3)) == []


def test_a_bank_that_does_not_belong_is_refused() -> None:
    encoder = HandMadeEncoder(TEXTS)
    vectors = encode_bank(BANK, encoder)
    other = bank_of({"rose": ["thorns"]})
    with pytest.raises(InputError, match="'animals' are not those"):
        explain_vectors(IMAGE, other, bank_embeddings(other, encoder), vectors)
    with pytest.raises(InputError, match="8 prompt vectors for 5 prompts"):
        explain_vectors(IMAGE, BANK, bank_embeddings(BANK, encoder, ["a photo of a {}"]), vectors)


def test_embeddings_of_a_real_model_and_progress(tmp_path: Path) -> None:
    encoder = load_encoder(str(save_clip(tmp_path)), "cpu")
    bank = bank_of({"cat": ["a small cat", "a cat"], "dog": ["a large dog", "a cat"]})
    told: list[tuple[int, int]] = []
    found = bank_embeddings(bank, encoder, progress=lambda *done: told.append(done))
    expected = encoder.encode_text(["a small cat", "a cat", "a large dog", "a cat"])
    torch.testing.assert_close(found, expected)
    assert told == [(3, 3)]
    assert torch.equal(bank_embeddings(bank, encoder), found)
