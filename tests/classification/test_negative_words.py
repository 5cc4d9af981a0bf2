import builtins
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch

from cupl.bank.labels import ClassLabel
from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.negative_words import (
    TEMPLATE_OF_WORDS,
    encode_words,
    far_words,
    nouns,
)
from cupl.embedding.bank_encoding import encode_templates
from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import MissingPackageError
from tests.models import bank_of, save_clip

pytest.importorskip("wonderwords")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_encoder(str(save_clip(tmp_path_factory.mktemp("clip"))), "cpu")


def test_the_list_is_of_different_nouns_and_in_order() -> None:
    words = nouns()
    assert len(words) > 5_000
    assert words == sorted(set(words))
    assert {"guitar", "horse", "kitchen"} <= set(words)
    assert all(word.strip() == word and word for word in words)


def test_the_words_are_the_lowest_by_the_quantile_of_the_rule() -> None:
    random = torch.Generator().manual_seed(0)
    words, classes = (
        torch.nn.functional.normalize(torch.randn(number, 6, generator=random))
        for number in (200, 11)
    )
    chosen = far_words(words, classes)
    near = [float((classes @ word).quantile(0.95)) for word in words]
    assert chosen.tolist() == sorted(sorted(range(200), key=near.__getitem__)[:30])
    assert far_words(words[:2], classes).tolist() in ([0], [1])


def test_words_of_a_clip_model_are_read_as_its_classes_are(clip: Encoder) -> None:
    labels = [ClassLabel("guitars"), ClassLabel("rocking horse", aliases=("kitchen",))]
    classes = encode_templates(labels, ["the {} has a tree", "a {}"], clip)
    words = encode_words(classes, clip, text_cache=False)
    names = {label.name for label in words.labels}
    assert not names & {"guitar", "horse", "horses", "kitchen"}
    assert 800 < len(names) < 1_100
    place = 17
    [expected] = encode_templates([words.labels[place]], ["the {} has a tree"], clip).matrix
    assert torch.allclose(words.matrix[place], expected, atol=1e-5)


def test_words_reject_what_is_rather_one_of_them(clip: Encoder) -> None:
    bank = bank_of({"cat": ["a photo of a cat."], "dog": ["a photo of a dog."]})
    ours = ZeroShotClassifier.from_bank(bank, clip, reject="words")
    assert ours.reject is None
    assert ours.words is not None
    assert ours.words.provenance.templates == (TEMPLATE_OF_WORDS,)
    rows = torch.cat([ours.vectors.matrix, ours.words.matrix[:1]])
    found = ours.predict_vectors(rows)
    assert [one.label for one in found[:2]] == ["cat", "dog"]
    assert found[2].rejected == f"none of these: {ours.words.labels[0].name}"
    # They have no share in the probabilities.
    alone = ZeroShotClassifier(ours.vectors, clip).predict_vectors(rows)
    assert [one.probability for one in found] == [one.probability for one in alone]
    again = ZeroShotClassifier.from_vectors(ours.vectors, clip, reject="words")
    assert again.predict_vectors(rows) == found


def test_words_stand_beside_classes_of_many_prompts(clip: Encoder) -> None:
    bank = bank_of({"cat": ["a photo of a cat.", "the small cat"], "dog": ["a photo of a dog."]})
    ours = ZeroShotClassifier.from_bank(bank, clip, pooling="top", reject="words")
    assert ours.words is not None
    found = ours.predict_vectors(torch.cat([ours.vectors.matrix, ours.words.matrix[:1]]))
    assert [one.label for one in found[:2]] == ["cat", "dog"]
    assert found[2].rejected == f"none of these: {ours.words.labels[0].name}"


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        if name == "wonderwords":
            raise ImportError(name)
        return real(name, globals, locals, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingPackageError, match=r"pip install 'cupl\[words\]'"):
        nouns()
