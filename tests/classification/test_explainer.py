import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.explanation import Explanation
from cupl.classification.prediction import Prediction
from cupl.embedding.adapter import Adapter
from cupl.errors import InputError
from tests.classification.colors import GREEN, image_of
from tests.models import HandMadeEncoder, bank_of


def test_explain_says_what_decided_about_each_image(
    classifier: ZeroShotClassifier, tmp_path: Path
) -> None:
    (tmp_path / "damaged.jpg").write_bytes(b"no image")
    image_of(GREEN).save(tmp_path / "green.png")
    explanations = classifier.explain([tmp_path / "green.png", tmp_path / "damaged.jpg"])
    green, damaged = explanations
    assert green.path == str(tmp_path / "green.png")
    assert green.winner is not None
    assert green.runner_up is not None
    assert (green.winner.label, green.runner_up.label) == ("leaf", "rose")
    (spoke,) = green.winner.supporting
    assert (spoke.text, spoke.question) == ("green", "What?")
    assert spoke.cosine == pytest.approx(0.8)
    assert [prompt.text for prompt in green.runner_up.opposing] == ["red"]
    assert damaged.winner is None
    assert damaged.path == str(tmp_path / "damaged.jpg")
    assert str(damaged.error).startswith("not an image")
    alone = classifier.explain(image_of(GREEN))
    assert alone == replace(green, path=None)


def test_a_prediction_carries_its_explanation(classifier: ZeroShotClassifier) -> None:
    without, with_it = (classifier.predict(image_of(GREEN), 2, explain=most) for most in (0, 1))
    assert without.explanation is None
    assert replace(with_it, explanation=None) == without
    assert with_it.explanation == classifier.explain(image_of(GREEN))
    vectors = torch.tensor([[math.nan, 0.0, 0.0], [0.6, 0.8, 0.0]])
    wrong, right = classifier.predict_vectors(vectors, 2, explain=1)
    assert wrong == Prediction(error="the image vector is zero or not finite")
    assert right.explanation == with_it.explanation


def test_vectors_alone_explain_nothing_until_the_bank_is_given(
    classifier: ZeroShotClassifier, encoder: HandMadeEncoder, tmp_path: Path
) -> None:
    classifier.save(tmp_path / "v")
    alone = ZeroShotClassifier.load(tmp_path / "v", encoder)
    with pytest.raises(InputError, match="the bank that the class vectors were made of is needed"):
        alone.explain(image_of(GREEN))
    assert classifier.bank is not None
    classifier.bank.save(tmp_path / "bank.yaml")
    told = ZeroShotClassifier.load(tmp_path / "v", encoder, bank=tmp_path / "bank.yaml")
    assert told.explain(image_of(GREEN)) == classifier.explain(image_of(GREEN))
    edited = bank_of({"rose": ["red"], "leaf": ["green", "blue"], "sky": ["blue"]})
    with pytest.raises(InputError, match="were not made of this bank 'animals'"):
        ZeroShotClassifier.load(tmp_path / "v", encoder, bank=edited)


def test_a_class_of_the_reject_bank_is_explained(encoder: HandMadeEncoder) -> None:
    classifier = ZeroShotClassifier.from_bank(
        bank_of({"rose": ["red"]}), encoder, reject=bank_of({"anything else": ["green"]})
    )
    prediction = classifier.predict(image_of(GREEN), explain=2)
    assert prediction.label is None
    assert prediction.explanation is not None
    assert prediction.explanation.winner is not None
    assert prediction.explanation.winner.label == "anything else"
    assert [prompt.text for prompt in prediction.explanation.winner.supporting] == ["green"]


def test_an_explanation_has_the_temperature_of_the_classifier(
    classifier: ZeroShotClassifier,
) -> None:
    before = classifier.predict(image_of(GREEN), explain=1)
    classifier.vectors = classifier.vectors.with_temperature(5.0)
    after = classifier.predict(image_of(GREEN), explain=1)
    for prediction in (before, after):
        assert prediction.explanation is not None
        assert prediction.explanation.winner is not None
        assert prediction.explanation.winner.probability == pytest.approx(prediction.probability)
    assert after.probability != before.probability


def test_no_prompts_to_name(classifier: ZeroShotClassifier) -> None:
    with pytest.raises(InputError, match="most is 0"):
        classifier.explain(image_of(GREEN), 0)


def adapted(classifier: ZeroShotClassifier) -> ZeroShotClassifier:
    """Examples have said that what is green is a rose."""
    bias = torch.tensor([0.5, 0.0, 0.0])
    adapter = Adapter(torch.zeros_like(classifier.vectors.matrix), bias)
    classifier.vectors = replace(classifier.vectors, adapter=adapter)
    return classifier


def test_what_photos_or_examples_decided_is_not_laid_to_the_prompts(
    classifier: ZeroShotClassifier,
) -> None:
    found = adapted(classifier).predict(image_of(GREEN), 2, explain=1)
    told = found.explanation
    assert told is not None
    assert told.winner is not None
    assert told.runner_up is not None
    assert found.label == told.winner.label == "rose"
    assert (told.winner.score, told.winner.probability) == (found.score, found.probability)
    assert told.winner.added == pytest.approx(0.5)
    assert told.runner_up.added == pytest.approx(-0.5)
    assert told.lead == "lead 0.300: prompts -0.200, photos or examples +0.500"
    assert [prompt.text for prompt in told.winner.opposing] == ["red"]
    assert Explanation.from_dict(told.to_dict()) == told


def test_with_a_reject_bank_too(classifier: ZeroShotClassifier, encoder: HandMadeEncoder) -> None:
    reject = bank_of({"none": ["blue"]}, name="others")
    whole = ZeroShotClassifier(classifier.vectors, encoder, bank=classifier.bank, reject=reject)
    told = adapted(whole).explain(image_of(GREEN))
    assert told.winner is not None
    assert told.winner.label == "rose"
    assert told.lead == "lead 0.300: prompts -0.200, photos or examples +0.500"


def test_prompts_alone_have_no_word_of_photos(classifier: ZeroShotClassifier) -> None:
    told = classifier.explain(image_of(GREEN))
    assert told.lead is None
    assert told.winner is not None
    assert "added" not in told.winner.to_dict()
