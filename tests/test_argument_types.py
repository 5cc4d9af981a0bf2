"""An argument of another type than is wanted is one clear error, or what was plainly meant."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cupl
from cupl.classification.filter_thresholds import FilterThresholds
from cupl.errors import InputError
from cupl.evaluation.grid import EvaluationGrid
from cupl.evaluation.schema import Evaluation
from cupl.report.grid_run import evaluate_grid
from tests.models import HandMadeEncoder, bank_of

BANK = bank_of({"cat": ["A cat."], "dog": ["A dog."]})
ENCODER = HandMadeEncoder(
    {"A cat.": [1.0, 0.0], "A dog.": [0.0, 1.0], "cat": [1.0, 0.1], "dog": [0.1, 1.0]}
)
PAIR: Any = (np.eye(2), ["cat", "dog"])
CLASSIFIER = cupl.ZeroShotClassifier(cupl.ClassVectors.from_arrays(["cat", "dog"], np.eye(2)))
FILTER = cupl.ContentFilter(CLASSIFIER.vectors, thresholds=FilterThresholds(0, 1))
DICT: Any = {"dog": ["A dog."]}


def evaluated(banks: Any = BANK, **settings: Any) -> Evaluation:
    given: dict[str, Any] = {"encoder": ENCODER, "controls": "names"} | settings
    return cupl.evaluate(PAIR, banks, **given)


def grid(data: Any = None, **settings: Any) -> EvaluationGrid:
    given: dict[str, Any] = {"banks": BANK, "encoders": ENCODER, "controls": "names"} | settings
    return evaluate_grid({"x": PAIR} if data is None else data, **given)


def generated(**settings: Any) -> object:
    return cupl.generate(["cup"], offline=True, **settings)


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "names": (lambda: cupl.ZeroShotClassifier.from_names(DICT), "from_dict.*from_bank"),
    "classes": (lambda: cupl.generate(DICT, offline=True), "from_dict.*from_bank"),
    "select": (lambda: BANK.select(DICT), "from_dict"),
    "number": (lambda: BANK.select(5), "list of names, not int"),  # type: ignore[arg-type]
    "bank": (lambda: cupl.ZeroShotClassifier.from_bank(DICT), "from_dict"),
    "banks": (lambda: evaluated(DICT), "from_dict"),
    "one bank": (lambda: evaluated(5), "not from 5"),
    "a bank": (lambda: evaluated([5]), "not from 5"),
    "load": (lambda: cupl.PromptBank.load(b"x"), "not from b'x'"),  # type: ignore[arg-type]
    "vectors": (lambda: cupl.ClassVectors.load(b"x"), "not from b'x'"),  # type: ignore[arg-type]
    "read": (lambda: cupl.read_classes(b"x"), "not from b'x'"),  # type: ignore[arg-type]
    "threshold": (
        lambda: CLASSIFIER.predict_vectors(np.eye(2), threshold="0.6"),  # type: ignore[arg-type]
        "threshold must be a number, not '0.6'",
    ),
    "class_thresholds": (
        lambda: CLASSIFIER.predict_vectors(
            np.eye(2),
            multi_label=True,
            class_thresholds={"cat": "0.6", "dog": 1},  # type: ignore[dict-item]
        ),
        "threshold of 'cat' must be a number",
    ),
    "top_k": (
        lambda: CLASSIFIER.predict_vectors(np.eye(2), top_k="3"),  # type: ignore[arg-type]
        "top_k must be a whole number",
    ),
    "encoder": (lambda: evaluated(encoder=5), "an encoder is a name"),
    "encoders": (lambda: grid(encoders=5), "an encoder is a name"),
    "folds": (lambda: evaluated(folds="5"), "folds must be a whole number"),
    "subsample": (lambda: evaluated(subsample="5"), "subsample must be a whole number"),
    "seeds": (lambda: evaluated(seeds="5"), "^seeds must be a whole number, not '5'$"),
    "control": (lambda: evaluated(controls=[5]), "a control is a name"),
    "candidate": (lambda: evaluated(candidates=5), "a candidate is a CandidateSpec"),
    "candidates": (lambda: evaluated(candidates={"a": BANK}), "a candidate is a CandidateSpec"),
    "some classes": (lambda: evaluated(classes="dog,cat"), r"such as \['dog', 'cat'\]"),
    "samples": (lambda: generated(samples="1"), "samples must be a whole number"),
    "concurrency": (lambda: generated(concurrency="1"), "concurrency must be a whole number"),
    "timeout": (lambda: generated(timeout="1"), "timeout must be a number"),
    "max_requests": (lambda: generated(max_requests="1"), "max_requests must be a whole"),
    "similarity": (lambda: generated(similarity="90"), "similarity must be a number"),
    "min_prompts": (lambda: generated(min_prompts="1"), "min_prompts must be a whole number"),
    "most": (
        lambda: cupl.generate_subclasses(["cup"], most="1", offline=True),  # type: ignore[arg-type]
        "most must be a whole number",
    ),
    "photos": (lambda: cupl.describe_images(5, offline=True), "a folder of photos is read from"),  # type: ignore[arg-type]
    "photos of a class": (
        lambda: cupl.describe_images({"cup": 5}, offline=True),  # type: ignore[arg-type]
        "is no image, nor an iterable of images",
    ),
    "captions": (lambda: cupl.caption_images(5, offline=True), "is no image, nor an iterable"),  # type: ignore[arg-type]
    "per_class": (
        lambda: cupl.describe_images({"cup": "x.jpg"}, offline=True, per_class="4"),  # type: ignore[arg-type]
        "per_class must be a whole number",
    ),
    "image_side": (
        lambda: cupl.caption_images("x.jpg", offline=True, image_side="4"),  # type: ignore[arg-type]
        "image_side must be a whole number",
    ),
    "a data set": (lambda: grid(5), "data sets are folders"),
    "a pair": (lambda: grid(PAIR), "a dict that names each"),
    "what is unwanted": (lambda: cupl.ContentFilter(DICT, ["x"], ENCODER), "from_dict"),
    "a number unwanted": (
        lambda: cupl.ContentFilter(5, encoder=ENCODER),  # type: ignore[arg-type]
        "list of names, not int",
    ),
    "a miss rate": (
        lambda: FILTER.fit(np.eye(2), np.eye(2), "0.1"),  # type: ignore[arg-type]
        "miss_rate must be a number",
    ),
    "a path to sort": (
        lambda: cupl.sort_images(["a.jpg"], "sorted"),  # type: ignore[list-item]
        "what predict gives of images, not 'a.jpg'",
    ),
    "paths to label": (
        lambda: cupl.sample_to_label("a.jpg"),  # type: ignore[arg-type]
        "what predict gives, not 'a.jpg'",
    ),
    "number to label": (
        lambda: cupl.sample_to_label([], "5"),  # type: ignore[arg-type]
        "number must be a whole number",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_another_type_is_one_error(
    what: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call, message = WRONG[what]
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("controls", [None, "none", ["none"], ()])
def test_no_controls(controls: Any) -> None:
    assert [one.name for one in evaluated(controls=controls).candidates] == ["animals"]


def test_a_single_prediction_is_a_list_of_one() -> None:
    one = cupl.Prediction(path="a.jpg", error="damaged")
    with pytest.raises(InputError, match="no photo could be read"):
        cupl.sample_to_label(one)  # type: ignore[arg-type]


@pytest.mark.parametrize("candidates", [BANK, [BANK], [cupl.CandidateSpec((BANK,))]])
def test_a_bank_is_a_candidate_by_itself(candidates: Any) -> None:
    found = evaluated((), candidates=candidates)
    assert [one.name for one in found.candidates] == ["animals", "names"]
    assert grid(banks=(), candidates=candidates).candidates == ["animals", "names"]


def test_a_file_of_a_bank_is_a_candidate_by_itself(tmp_path: Any) -> None:
    BANK.save(tmp_path / "animals.yaml")
    found = evaluated((), candidates=tmp_path / "animals.yaml")
    assert [one.name for one in found.candidates] == ["animals", "names"]
