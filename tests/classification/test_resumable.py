import itertools
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.decision import DecisionRule
from cupl.classification.prediction import Prediction
from cupl.classification.resumable import classify_to_file
from cupl.classification.writers import FORMATS, FailedImages, write_predictions
from cupl.embedding.class_vectors import ClassVectors
from cupl.errors import InputError, MissingFileError
from tests.models import HandMadeEncoder, bank_of

BATCH = 4
COLORS = {(shade, 0, 0): [1.0, shade / 7, 1 / (shade + 1)] for shade in range(20)}


def classifier_of(encoder: HandMadeEncoder | None = None, batch: int = BATCH) -> ZeroShotClassifier:
    texts = {"red": [1.0, 0.0, 0.0], "green": [0.0, 2.0, 0.0], "blue": [0.0, 0.0, 1.0]}
    encoder = encoder or HandMadeEncoder(texts, COLORS)
    encoder.image_batch = batch
    bank = bank_of({"rose": ["red"], "leaf": ["green"], "sky, blue": ["blue"]})
    return ZeroShotClassifier.from_bank(bank, encoder)


def image_calls(classifier: ZeroShotClassifier) -> list[int]:
    assert isinstance(classifier.encoder, HandMadeEncoder)
    return classifier.encoder.image_calls


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Ten files; two of them cannot be read, and one has a name that is not text."""
    folder = tmp_path_factory.mktemp("photos")
    names = [f"{number}, ü.png" for number in range(9)] + [os.fsdecode(b"9\xff\n.png")]
    for shade, name in enumerate(names):
        Image.new("RGB", (3, 2), (shade, 0, 0)).save(folder / name)
    (folder / names[2]).write_bytes(b"")
    (folder / names[7]).unlink()
    return [folder / name for name in names]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, photos: list[Path]) -> dict[str, bytes]:
    """What a run that is not stopped writes, by format."""
    target = tmp_path_factory.mktemp("expected") / "out"
    found = {}
    for format in FORMATS:
        write_predictions(classifier_of().predict(photos, 2), 2, format, target)
        found[format] = target.read_bytes()
    return found


def stopping(at: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == at:
            raise KeyboardInterrupt

    return progress


def stop_at(at: int, photos: Sequence[Path], target: Path, format: str = "csv") -> Path:
    """Leave what a run leaves that is stopped after so many images; returns the partial file."""
    with pytest.raises(KeyboardInterrupt):
        classify_to_file(classifier_of(), photos, target, format, 2, progress=stopping(at))
    return target.with_name(f"{target.name}.part")


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_as_from_write_predictions(
    tmp_path: Path, photos: list[Path], expected: dict[str, bytes], format: str
) -> None:
    told: list[tuple[int, int]] = []
    target = tmp_path / "out"
    failures = classify_to_file(
        *(classifier_of(), photos, target, format, 2),
        progress=lambda done, total: told.append((done, total)),
    )
    assert target.read_bytes() == expected[format]
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert failures.count == 2
    assert [(one.path, one.error) for one in failures.first] == [
        (str(photos[2]), "the file is empty"),
        (str(photos[7]), "there is no such file"),
    ]
    assert told == [(done, 10) for done in range(11)]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("at", [0, 1, 4, 5, 9, 10])
def test_a_stopped_run_goes_on(
    tmp_path: Path, photos: list[Path], expected: dict[str, bytes], format: str, at: int
) -> None:
    target = tmp_path / "out"
    target.write_text("old")
    stop_at(at, photos, target, format)
    assert target.read_text() == "old"
    assert [thread for thread in threading.enumerate() if "cupl" in thread.name] == []
    classifier = classifier_of()
    failures = classify_to_file(classifier, photos, target, format, 2, resume=True)
    assert target.read_bytes() == expected[format]
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert failures.count == 2
    # Batches of four, two of which have one image that cannot be read.
    left = [3, 3, 2] if at < 4 else [3, 2] if at < 8 else [2] if at < 10 else []
    assert image_calls(classifier) == left


@given(at=st.integers(0, 10), cut=st.floats(0, 1), junk=st.sampled_from([b"", b"\0\0", b"{}\n"]))
def test_whatever_a_kill_leaves_of_the_last_lines(
    tmp_path_factory: pytest.TempPathFactory,
    photos: list[Path],
    expected: dict[str, bytes],
    at: int,
    cut: float,
    junk: bytes,
) -> None:
    target = tmp_path_factory.mktemp("cut") / "out"
    partial = stop_at(at, photos, target)
    data = partial.read_bytes()
    first = data.index(b"\n") + 1
    kept = round(cut * len(data))
    partial.write_bytes(data[:kept] + (junk if kept >= first else b""))
    classify_to_file(classifier_of(), photos, target, "csv", 2, resume=True)
    assert target.read_bytes() == expected["csv"]


# Forked from a process that has imported everything, a run starts in milliseconds.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["cupl.classification.resumable", "tests.models"])


def run_until_killed(photos: list[Path], target: Path, format: str, at: int) -> None:
    def progress(done: int, total: int) -> None:
        if done == at:
            os.kill(os.getpid(), signal.SIGKILL)

    classify_to_file(classifier_of(), photos, target, format, 2, resume=True, progress=progress)


@pytest.mark.parametrize("format", FORMATS)
def test_killed_and_killed_again(
    tmp_path: Path, photos: list[Path], expected: dict[str, bytes], format: str
) -> None:
    target = tmp_path / "out"
    for at in (3, 6, 9):
        run = _context.Process(target=run_until_killed, args=(photos, target, format, at))
        run.start()
        run.join()
        assert run.exitcode == -signal.SIGKILL
        assert not target.exists()
        lines = (tmp_path / "out.part").read_bytes().splitlines()
        assert [json.loads(line)["path"] for line in lines[1:]] == list(map(str, photos[:at]))
    classifier = classifier_of()
    classify_to_file(classifier, photos, target, format, 2, resume=True)
    assert image_calls(classifier) == [2]
    assert target.read_bytes() == expected[format]


def test_without_resume_a_run_begins_again(
    tmp_path: Path, photos: list[Path], expected: dict[str, bytes]
) -> None:
    target = tmp_path / "out"
    stop_at(9, photos, target)
    classifier = classifier_of()
    classify_to_file(classifier, photos, target, "csv", 2)
    assert image_calls(classifier) == [3, 3, 2]
    assert target.read_bytes() == expected["csv"]


def test_nothing_to_go_on_with(
    tmp_path: Path, photos: list[Path], expected: dict[str, bytes]
) -> None:
    classify_to_file(classifier_of(), photos, tmp_path / "out", "csv", 2, resume=True)
    assert (tmp_path / "out").read_bytes() == expected["csv"]


def test_the_format_may_be_another(
    tmp_path: Path, photos: list[Path], expected: dict[str, bytes]
) -> None:
    stop_at(9, photos, tmp_path / "out", "csv")
    classify_to_file(classifier_of(), photos, tmp_path / "out", "jsonl", 2, resume=True)
    assert (tmp_path / "out").read_bytes() == expected["jsonl"]


def test_images_may_have_been_added_at_the_end(
    tmp_path: Path, photos: list[Path], expected: dict[str, bytes]
) -> None:
    partial = stop_at(6, photos[:6], tmp_path / "out")
    assert len(partial.read_bytes().splitlines()) == 7
    classify_to_file(classifier_of(), photos, tmp_path / "out", "csv", 2, resume=True)
    assert (tmp_path / "out").read_bytes() == expected["csv"]


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


@pytest.mark.parametrize("content", [b"a line\n", b"[]\n", b"{}\n", b"[" * 10_000 + b"\n"])
def test_a_file_of_that_name_from_elsewhere(
    tmp_path: Path, photos: list[Path], content: bytes
) -> None:
    (tmp_path / "out.part").write_bytes(content)
    with pytest.raises(InputError, match="out.part was made with format 'None'"):
        classify_to_file(classifier_of(), photos, tmp_path / "out", "csv", resume=True)
    assert (tmp_path / "out.part").read_bytes() == content


def test_top_k_above_the_classes_is_all_of_them(tmp_path: Path, photos: list[Path]) -> None:
    classify_to_file(classifier_of(), photos, tmp_path / "out", "csv", 1000)
    assert b"label_3" in (tmp_path / "out").read_bytes()
    assert b"label_4" not in (tmp_path / "out").read_bytes()


def test_no_images(tmp_path: Path) -> None:
    def share(done: int, total: int) -> None:
        assert done <= total > 0

    target = tmp_path / "out"
    assert classify_to_file(classifier_of(), [], target, "csv", progress=share) == FailedImages()
    assert (tmp_path / "out").read_text().count("\n") == 1


def test_what_cannot_be_written(tmp_path: Path, photos: list[Path]) -> None:
    with pytest.raises(InputError, match="no format is called 'xml'"):
        classify_to_file(classifier_of(), photos, tmp_path / "out", "xml")
    with pytest.raises(MissingFileError, match="gone does not exist"):
        classify_to_file(classifier_of(), photos, tmp_path / "gone" / "out", "csv")
    (tmp_path / "out.part").mkdir()
    with pytest.raises(InputError, match="cannot write .*out.part"):
        classify_to_file(classifier_of(), photos, tmp_path / "out", "csv")
    with pytest.raises(InputError, match="top_k is 0"):
        classify_to_file(classifier_of(), photos, tmp_path / "other", "csv", 0)


def test_a_pipe_is_written_directly(
    tmp_path: Path, photos: list[Path], expected: dict[str, bytes]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    classify_to_file(classifier_of(), photos, pipe, "jsonl", 2)
    reader.join()
    assert read == [expected["jsonl"]]
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"]


def test_an_encoder_that_fails_leaves_what_is_done(tmp_path: Path, photos: list[Path]) -> None:
    calls = itertools.count()

    class Full(HandMadeEncoder):
        def encode_prepared(self, images: torch.Tensor) -> torch.Tensor:
            if next(calls) == 1:
                raise InputError("the GPU has too little free memory")
            return super().encode_prepared(images)

    texts = {text: [float(text == other) for other in "rgb"] for text in "rgb"}
    classifier = ZeroShotClassifier.from_bank(
        bank_of({text: [text] for text in texts}), Full(texts, COLORS)
    )
    assert isinstance(classifier.encoder, Full)
    classifier.encoder.image_batch = BATCH
    with pytest.raises(InputError, match="too little free memory"):
        classify_to_file(classifier, photos, tmp_path / "out", "csv", 2)
    classify_to_file(classifier, photos, tmp_path / "out", "csv", 2, resume=True)
    assert image_calls(classifier) == [3, 3, 2]


NONE = bank_of({"none": ["blue"]}, name="none")


def rejecting(reject: bool = True) -> ZeroShotClassifier:
    """As ``classifier_of``, but two classes; the third can be the reject bank."""
    texts = {"red": [1.0, 0.0, 0.0], "green": [0.0, 2.0, 0.0], "blue": [0.0, 0.0, 1.0]}
    encoder = HandMadeEncoder(texts, COLORS)
    encoder.image_batch = BATCH
    bank = bank_of({"rose": ["red"], "leaf": ["green"]})
    return ZeroShotClassifier.from_bank(bank, encoder, reject=NONE if reject else None)


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


def test_what_cannot_be_used_is_refused_before_a_file_is_made(
    tmp_path: Path, photos: list[Path]
) -> None:
    with pytest.raises(InputError, match="softmax"):
        classify_to_file(
            classifier_of(), photos, tmp_path / "out", "csv", rule=DecisionRule(multi_label=True)
        )
    assert list(tmp_path.iterdir()) == []


def test_standard_output(photos: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    failures = classify_to_file(classifier_of(), photos, None, "jsonl", 2)
    assert failures.count == 2
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["path"] for line in lines] == list(map(str, photos))
