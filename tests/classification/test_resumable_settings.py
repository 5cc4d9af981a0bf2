import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.decision import DecisionRule
from cupl.classification.prediction import Prediction
from cupl.classification.resumable import classify_to_file
from cupl.classification.writers import FORMATS
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_vectors import load_embeddings
from cupl.embedding.stored_vectors import Embeddings
from cupl.errors import InputError
from tests.classification.runs import (
    COLORS,
    classifier_of,
    image_calls,
    rejecting,
    stop_at,
    stopping,
)
from tests.models import HandMadeEncoder


def _other_vectors() -> ZeroShotClassifier:
    made = classifier_of()
    vectors = ClassVectors(made.labels, made.vectors.matrix.flip(0), made.vectors.provenance)
    return ZeroShotClassifier(vectors, made.encoder)


def _other_labels() -> ZeroShotClassifier:
    made = classifier_of()
    labels = [replace(label, name=f"{label.name} 2") for label in made.labels]
    vectors = ClassVectors(labels, made.vectors.matrix, made.vectors.provenance)
    return ZeroShotClassifier(vectors, made.encoder)


def _other_encoder() -> ZeroShotClassifier:
    other = HandMadeEncoder({text: [1.0, 0, 0] for text in ("red", "green", "blue")}, COLORS)
    other.fingerprint = "another"
    return classifier_of(other)


def _other_precision() -> ZeroShotClassifier:
    made = classifier_of()
    assert isinstance(made.encoder, HandMadeEncoder)
    made.encoder.precision = "float16"
    return made


@pytest.mark.parametrize(
    ("make", "top_k", "message"),
    [
        (_other_vectors, 2, "with class vectors"),
        (_other_labels, 2, "with class vectors"),
        (_other_encoder, 2, "with class vectors"),
        (_other_precision, 2, "with precision 'float32', not 'float16'"),
        (lambda: classifier_of(batch=5), 2, "with batch size '4', not '5'"),
        (classifier_of, 3, "with top-k '2', not '3'"),
    ],
)
def test_another_classifier_is_refused(
    tmp_path: Path,
    photos: list[Path],
    make: Callable[[], ZeroShotClassifier],
    top_k: int,
    message: str,
) -> None:
    partial = stop_at(6, photos, tmp_path / "out")
    before = partial.read_bytes()
    with pytest.raises(InputError, match=message):
        classify_to_file(make(), photos, tmp_path / "out", "csv", top_k, resume=True)
    assert partial.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [lambda list: list[::-1], lambda list: list[1:], lambda list: list[:3], lambda list: []],
)
def test_another_list_of_images_is_refused(
    tmp_path: Path, photos: list[Path], change: Callable[[list[Path]], list[Path]]
) -> None:
    partial = stop_at(6, photos, tmp_path / "out")
    before = partial.read_bytes()
    with pytest.raises(InputError, match="is of another list of images: its image"):
        classify_to_file(classifier_of(), change(photos), tmp_path / "out", "csv", 2, resume=True)
    assert partial.read_bytes() == before


@pytest.mark.parametrize("content", [b"a line\n", b"[]\n", b"{}\n", b"[" * 10_000 + b"\n"])
def test_a_file_of_that_name_from_elsewhere(
    tmp_path: Path, photos: list[Path], content: bytes
) -> None:
    (tmp_path / "out.part").write_bytes(content)
    with pytest.raises(InputError, match="out.part: cupl did not make what is there; move it away"):
        classify_to_file(classifier_of(), photos, tmp_path / "out", "csv", resume=True)
    assert (tmp_path / "out.part").read_bytes() == content


@pytest.mark.parametrize("kind", ["vectors.npy", "directory"])
def test_vectors_that_were_written_anew_are_refused(
    tmp_path: Path, photos: list[Path], kind: str
) -> None:
    def write(number: int) -> Embeddings:
        if kind == "vectors.npy":
            np.save(tmp_path / kind, np.eye(3, dtype="f4")[[0, number, 2, 1]])
            return load_embeddings(tmp_path / kind, classifier_of().encoder)
        shutil.rmtree(tmp_path / kind, ignore_errors=True)
        embed_images(photos[:2], classifier_of().encoder, tmp_path / kind)
        return load_embeddings(tmp_path / kind)

    target = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        classify_to_file(classifier_of(), write(0), target, "csv", 2, progress=stopping(1))
    before = target.with_name("out.part").read_bytes()
    with pytest.raises(InputError, match="made with files of image vectors .*: give the same"):
        classify_to_file(classifier_of(), write(1), target, "csv", 2, resume=True)
    assert target.with_name("out.part").read_bytes() == before


SEVERAL = DecisionRule(0.6, multi_label=True)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("rule", [DecisionRule(0.9), SEVERAL])
def test_a_run_with_every_option_goes_on(
    tmp_path: Path, photos: list[Path], format: str, rule: DecisionRule
) -> None:
    how: dict[str, Any] = {"rule": rule, "explain": 2}
    classify_to_file(rejecting(), photos, tmp_path / "whole", format, 2, **how)
    target = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        classify_to_file(rejecting(), photos, target, format, 2, progress=stopping(5), **how)
    seen: list[Prediction] = []
    classify_to_file(
        rejecting(), photos, target, format, 2, on_prediction=seen.append, resume=True, **how
    )
    assert target.read_bytes() == (tmp_path / "whole").read_bytes()
    expected = rejecting().predict(photos, 2, **asdict(rule), explain=2)
    assert seen == list(expected)
    assert any(one.rejected for one in seen)
    assert any(one.label for one in seen)


@pytest.mark.parametrize(
    ("rule", "reject", "explain", "message"),
    [
        (DecisionRule(0.8, multi_label=True), True, 2, "threshold '0.6', not '0.8'"),
        (DecisionRule(0.6), True, 2, "several labels 'True', not 'None'"),
        (
            DecisionRule(0.6, True, {"rose": 0.5, "leaf": 0.5}),
            True,
            2,
            "thresholds of the classes 'None'",
        ),
        (
            DecisionRule(0.6, True, {"rose": 0.5, "leaf": 0.5}),
            False,
            2,
            "thresholds of the classes 'None'",
        ),
        (SEVERAL, True, 0, "explanations '2', not 'None'"),
        (SEVERAL, True, 3, "explanations '2', not '3'"),
    ],
)
def test_a_run_goes_on_with_the_same_options_only(
    tmp_path: Path, photos: list[Path], rule: DecisionRule, reject: bool, explain: int, message: str
) -> None:
    target = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        classify_to_file(
            *(rejecting(), photos, target, "csv", 2),
            rule=SEVERAL,
            explain=2,
            progress=stopping(5),
        )
    before = (tmp_path / "out.part").read_bytes()
    with pytest.raises(InputError, match=message):
        classify_to_file(
            *(rejecting(reject), photos, target, "csv", 2),
            rule=rule,
            explain=explain,
            resume=True,
        )
    assert (tmp_path / "out.part").read_bytes() == before


def test_a_run_goes_on_with_the_same_reject_bank_and_temperature_only(
    tmp_path: Path, photos: list[Path]
) -> None:
    target = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        classify_to_file(rejecting(), photos, target, "csv", 2, progress=stopping(5))
    with pytest.raises(InputError, match="made with reject bank"):
        classify_to_file(rejecting(False), photos, target, "csv", 2, resume=True)
    warmer = rejecting()
    warmer.vectors = warmer.vectors.with_temperature(2.0)
    with pytest.raises(InputError, match="made with class vectors"):
        classify_to_file(warmer, photos, target, "csv", 2, resume=True)
    classify_to_file(rejecting(), photos, target, "csv", 2, resume=True)


def test_a_run_from_before_there_were_these_options_goes_on(
    tmp_path: Path, photos: list[Path], expected: dict[str, bytes]
) -> None:
    partial = stop_at(6, photos, tmp_path / "out")
    first, *rows = partial.read_bytes().splitlines(keepends=True)
    before = {name: value for name, value in json.loads(first).items() if value is not None}
    assert list(before) == ["format", "class vectors", "precision", "batch size", "top-k"]
    partial.write_bytes(json.dumps(before).encode() + b"\n" + b"".join(rows))
    classifier = classifier_of()
    classify_to_file(classifier, photos, tmp_path / "out", "csv", 2, resume=True)
    assert image_calls(classifier) == [3, 2]
    assert (tmp_path / "out").read_bytes() == expected["csv"]
