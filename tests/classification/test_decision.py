import functools
import math
from copy import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.decision import find_classes, read_class_thresholds
from cupl.classification.prediction import Prediction
from cupl.embedding.bank_encoding import encode_bank
from cupl.errors import InputError, MissingFileError
from tests.models import HandMadeEncoder, bank_of

TEXTS = {
    "red": [1.0, 0.0, 0.0, 0.0],
    "green": [0.0, 2.0, 0.0, 0.0],
    "wall": [0.0, 0.0, 1.0, 0.0],
    "noise": [0.0, 0.0, 0.0, 1.0],
}
BANK = bank_of({"rose": ["red"], "leaf": ["green"]})
NONE = bank_of({"a wall": ["wall"], "nothing": ["noise"]}, name="none of these")
SCALE = 10.0


def classifier(
    bias: float | None = None, reject: PromptBank | None = None, temperature: float = 1.0
) -> ZeroShotClassifier:
    encoder = HandMadeEncoder(TEXTS, logit_scale=SCALE, logit_bias=bias)
    vectors = encode_bank(BANK, encoder).with_temperature(temperature)
    return ZeroShotClassifier(vectors, encoder, bank=BANK, reject=reject)


def predict(made: ZeroShotClassifier, *row: float, **rule: Any) -> Prediction:
    (prediction,) = made.predict_vectors(torch.tensor([row]), **rule)
    return prediction


def sigmoid(logit: float) -> Any:
    return pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-5)


def softmax(first: float, *others: float) -> Any:
    exponentials = [math.exp(SCALE * cosine) for cosine in (first, *others)]
    return pytest.approx(exponentials[0] / sum(exponentials), abs=1e-5)


def test_below_the_threshold_there_is_no_label() -> None:
    made = classifier()
    sure = predict(made, 0.8, 0.6, 0.0, 0.0, threshold=0.88)
    assert (sure.label, sure.rejected, sure.probability) == ("rose", None, softmax(0.8, 0.6))
    unsure = predict(made, 0.8, 0.6, 0.0, 0.0, threshold=0.89)
    assert (unsure.label, unsure.id) == (None, None)
    assert unsure.rejected == "below the threshold 0.89: rose"
    assert [score.label for score in unsure.top] == ["rose", "leaf"]
    assert (unsure.score, unsure.probability) == (sure.score, sure.probability)
    assert (unsure.labels, unsure.error) == ((), None)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(InputError, match="is no probability"):
        predict(classifier(), 1.0, 0.0, 0.0, 0.0, threshold=threshold)


def test_what_is_closest_to_the_reject_bank_has_no_label() -> None:
    made = classifier(reject=NONE)
    known = predict(made, 0.8, 0.0, 0.6, 0.0)
    assert (known.label, known.rejected) == ("rose", None)
    assert known.probability == softmax(0.8, 0.0, 0.6, 0.0)
    unknown = predict(made, 0.6, 0.0, 0.0, 0.8)
    assert (unknown.label, unknown.rejected) == (None, "none of these: nothing")
    assert [score.label for score in unknown.top] == ["rose", "leaf"]
    assert unknown.probability == softmax(0.6, 0.0, 0.0, 0.8)
    tie = predict(made, 0.5, 0.0, 0.5, 0.0)
    assert tie.label == "rose"


def test_none_of_these_is_said_before_the_threshold() -> None:
    prediction = predict(classifier(reject=NONE), 0.6, 0.0, 0.8, 0.0, threshold=0.9)
    assert prediction.rejected == "none of these: a wall"


def test_sigmoids_do_not_feel_the_reject_bank() -> None:
    made = classifier(bias=-4.0, reject=NONE)
    unknown = predict(made, 0.6, 0.0, 0.8, 0.0)
    assert unknown.rejected == "none of these: a wall"
    assert unknown.probability == sigmoid(6 - 4)


def test_the_reject_bank_is_pooled_and_worded_as_the_bank_is() -> None:
    more = {"a photo of rose": [1.0, 0.0, 1.0, 0.0], "a photo of sky": [0.0, 0.0, 3.0, 4.0]}
    encoder = HandMadeEncoder(TEXTS | more)
    made = ZeroShotClassifier.from_bank(
        bank_of({"rose": ["red"]}),
        encoder,
        pooling="similarity",
        templates=["a photo of {}"],
        reject=bank_of({"sky": ["wall"]}),
    )
    assert made.reject is not None
    assert made.reject.matrix[0].tolist() == pytest.approx([0.0, 0.0, 0.8, 0.4])


def test_a_class_cannot_be_in_both_banks() -> None:
    with pytest.raises(InputError, match="the reject bank 'animals': two classes are named 'leaf'"):
        classifier(reject=bank_of({"leaf": ["wall"]}))


def test_the_reject_bank_may_be_a_file_and_is_not_saved(tmp_path: Path) -> None:
    NONE.save(tmp_path / "none.yaml")
    made = classifier(reject=NONE)
    made.save(tmp_path / "v")
    row = torch.tensor([[0.6, 0.0, 0.8, 0.0]])
    again = ZeroShotClassifier.load(tmp_path / "v", made.encoder, reject=tmp_path / "none.yaml")
    assert again.predict_vectors(row) == made.predict_vectors(row)
    without = ZeroShotClassifier.load(tmp_path / "v", made.encoder)
    assert without.predict_vectors(row)[0].label == "rose"
    with pytest.raises(MissingFileError):
        ZeroShotClassifier.load(tmp_path / "v", made.encoder, reject=tmp_path / "gone.yaml")


def test_several_labels_of_a_model_of_sigmoids() -> None:
    made = classifier(bias=-5.0, temperature=2.0)
    both = predict(made, 0.8, 0.6, 0.0, 0.0, multi_label=True)
    assert [(score.label, score.probability) for score in both.labels] == [
        ("rose", sigmoid((8 - 5) / 2)),
        ("leaf", sigmoid((6 - 5) / 2)),
    ]
    assert (both.label, both.rejected) == ("rose", None)
    assert both.top == predict(made, 0.8, 0.6, 0.0, 0.0).top
    one = predict(made, 0.8, 0.6, 0.0, 0.0, multi_label=True, threshold=0.7)
    assert [score.label for score in one.labels] == ["rose"]
    none = predict(made, 0.1, 0.2, 0.0, 1.0, multi_label=True)
    assert (none.labels, none.label) == ((), None)
    assert none.rejected == "below the threshold 0.5: leaf"


def test_several_labels_are_named_beyond_the_top() -> None:
    prediction = predict(classifier(bias=0.0), 0.8, 0.6, 0.0, 0.0, multi_label=True, top_k=1)
    assert len(prediction.top) == 1
    assert len(prediction.labels) == 2


def test_several_labels_of_a_softmax_against_the_reject_bank() -> None:
    made = classifier(reject=NONE, temperature=0.5)
    both = predict(made, 0.5, 0.7, 0.4, 0.1, multi_label=True)
    length = math.sqrt(0.5**2 + 0.7**2 + 0.4**2 + 0.1**2)
    assert [(score.label, score.probability) for score in both.labels] == [
        ("leaf", sigmoid(SCALE * 0.3 / length / 0.5)),
        ("rose", sigmoid(SCALE * 0.1 / length / 0.5)),
    ]
    none = predict(made, 0.5, 0.4, 0.7, 0.1, multi_label=True)
    assert (none.labels, none.rejected) == ((), "none of these: a wall")
    lenient = predict(made, 0.5, 0.4, 0.6, 0.1, multi_label=True, threshold=0.01)
    assert (len(lenient.labels), lenient.rejected) == (2, None)


def test_sigmoids_are_held_against_the_reject_bank_too() -> None:
    made = classifier(bias=-4.0, reject=NONE)
    prediction = predict(made, 0.6, 0.5, 0.55, 0.0, multi_label=True)
    assert [score.label for score in prediction.labels] == ["rose"]


def test_thresholds_of_the_classes() -> None:
    made = classifier()
    rule: dict[str, Any] = {"multi_label": True, "class_thresholds": {"leaf": 0.7, "rose": 0.4}}
    both = predict(made, 0.6, 0.8, 0.0, 0.0, **rule)
    assert [(score.label, score.probability) for score in both.labels] == [
        ("rose", sigmoid(SCALE * 0.2)),
        ("leaf", sigmoid(SCALE * 0.1)),
    ]
    one = predict(made, 0.8, 0.6, 0.0, 0.0, **rule)
    assert [score.label for score in one.labels] == ["rose"]
    # The best class is the one that is farthest above its threshold, not the one closest.
    assert predict(made, 0.5, 0.69, 0.0, math.sqrt(0.2739), **rule).label == "rose"


def test_a_softmax_alone_cannot_give_several_labels() -> None:
    with pytest.raises(InputError, match="'hand-made' are a softmax.* give a reject bank, which"):
        classifier().predict([], multi_label=True)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"class_thresholds": {"rose": 0.1, "leaf": 0.1}}, "add multi_label"),
        ({"multi_label": True, "class_thresholds": {"rose": 0.1}}, "1 class has .* first 'leaf'"),
        ({"multi_label": True, "class_thresholds": {"tree": 0.1}}, "'tree' means no class"),
        ({"multi_label": True, "class_thresholds": {"leaf": math.nan}}, "nan of 'leaf' is no cos"),
    ],
)
def test_wrong_thresholds_of_classes(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        classifier().predict([], **rule)


@functools.cache
def kept(bias: float | None, has_reject: bool) -> ZeroShotClassifier:
    return classifier(bias, NONE if has_reject else None)


@pytest.mark.parametrize("bias", [None, -3.0])
@pytest.mark.parametrize("has_reject", [False, True])
@given(
    rows=st.lists(st.tuples(*[st.floats(-1, 1)] * 4), min_size=1, max_size=4),
    temperature=st.floats(0.05, 20),
)
@settings(max_examples=50)
def test_a_temperature_changes_no_label_and_no_order(
    bias: float | None, has_reject: bool, rows: list[tuple[float, ...]], temperature: float
) -> None:
    made = kept(bias, has_reject)
    changed = copy(made)
    changed.vectors = made.vectors.with_temperature(temperature)
    before, after = (one.predict_vectors(torch.tensor(rows)) for one in (made, changed))
    for was, now in zip(before, after, strict=True):
        assert (was.label, was.rejected, was.error) == (now.label, now.rejected, now.error)
        assert [(s.label, s.score) for s in was.top] == [(s.label, s.score) for s in now.top]


def labelled(number: int, temperature: float, made: ZeroShotClassifier) -> tuple[Any, list[int]]:
    """Image vectors, and labels drawn at the probabilities of that temperature."""
    random = torch.Generator().manual_seed(3)
    vectors = torch.randn(number, 4, generator=random)
    scores = vectors / vectors.norm(dim=1, keepdim=True) @ made.vectors.matrix.T
    chances = (scores * SCALE / temperature).softmax(dim=1)
    return vectors, chances.multinomial(1, generator=random).flatten().tolist()


def test_calibrate_finds_the_temperature_and_keeps_it(tmp_path: Path) -> None:
    made = classifier()
    vectors, targets = labelled(20_000, 4.0, made)
    before = made.predict_vectors(vectors[:50])
    assert made.calibrate(vectors, targets) == pytest.approx(4.0, rel=0.05)
    after = made.predict_vectors(vectors[:50])
    assert [one.label for one in after] == [one.label for one in before]
    assert all(
        new.probability < old.probability
        for new, old in zip(after, before, strict=True)
        if new.probability is not None and old.probability is not None
    )
    made.save(tmp_path / "v")
    loaded = ZeroShotClassifier.load(tmp_path / "v", made.encoder)
    assert loaded.vectors.provenance.temperature == made.vectors.provenance.temperature
    assert loaded.predict_vectors(vectors[:50]) == after


def test_labels_of_every_kind_and_a_reject_bank_fit_the_same() -> None:
    vectors, targets = labelled(200, 2.0, classifier())
    expected = classifier().calibrate(vectors, targets)
    names = [BANK.classes[target].name for target in targets]
    kinds: list[Any] = [names, torch.tensor(targets), torch.tensor(targets).numpy()]
    for labels in kinds:
        assert classifier().calibrate(vectors, labels) == expected
    assert classifier().calibrate(vectors.numpy(), targets) == expected
    assert classifier(reject=NONE).calibrate(vectors, targets) == expected
    again = classifier(temperature=9.0)
    assert again.calibrate(vectors, targets) == expected


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0], "needs images with labels: 2, 1"),
        ([0, 2], "there is no class 2: they are 0 to 1"),
        ([0, -1], "there is no class -1"),
        (["rose", "tulip"], "'tulip' means no class"),
    ],
)
def test_labels_that_are_no_classes(labels: list[Any], message: str) -> None:
    made = classifier()
    with pytest.raises(InputError, match=message):
        made.calibrate(torch.ones(2, 4), labels)
    assert made.vectors.provenance.temperature == 1.0


def test_vectors_that_cannot_be_calibrated_with() -> None:
    with pytest.raises(InputError, match="image vector 1: the image vector is zero"):
        classifier().calibrate(torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0]]), [0, 1])
    with pytest.raises(InputError, match=r"do not fit: \[images, 4\]"):
        classifier().calibrate(torch.ones(2, 3), [0, 1])
    with pytest.raises(InputError, match="needs images with labels: 0, 0"):
        classifier().calibrate(torch.ones(0, 4), [])


def test_classes_by_id_name_and_index() -> None:
    labels = [ClassLabel("missile", "n1"), ClassLabel("missile", "n2"), ClassLabel("n1", "n3")]
    assert find_classes(["n2", "n1", 2, "n3"], labels) == [1, 0, 2, 2]
    with pytest.raises(InputError, match="'missile' means no class: may be any of 2"):
        find_classes(["missile"], labels)


def test_thresholds_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text('class,cosine,note\n"toad, brown",0.25,\nfrog,-0.1,x\n')
    assert read_class_thresholds(file) == {"toad, brown": 0.25, "frog": -0.1}
    file.write_text(" Class ,cosine\n'=toad,0.25\n")  # as a spreadsheet is kept from running it
    assert read_class_thresholds(file) == {"=toad": 0.25}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: must name the columns: class,cosine"),
        ("class;cosine\nfrog;0,5\n", "line 2: the class 'frog' needs a cosine"),
        ("name,cosine\nfrog,1\n", "line 1: must name the columns: class,cosine"),
        ("class,cosine\nfrog,0.2\nfrog,0.3\n", "line 3: the class 'frog' stands here twice"),
        ("class,cosine\nfrog,2\n", "line 2: the class 'frog' needs a cosine from -1 to 1"),
        ("class,cosine\nfrog,nan\n", "line 2: the class 'frog' needs a cosine"),
        ("class,cosine\nfrog\n", "line 2: the class 'frog' needs a cosine"),
        ('class,cosine\n"frog"s,1\n', "not valid CSV"),
    ],
)
def test_files_that_are_no_thresholds(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        read_class_thresholds(tmp_path / "t.csv")


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_a_temperature_is_above_zero(temperature: float) -> None:
    with pytest.raises(InputError, match="is not a number above 0"):
        classifier(temperature=temperature)
