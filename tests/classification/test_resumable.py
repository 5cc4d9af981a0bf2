import itertools
import json
import os
import signal
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.decision import DecisionRule
from cupl.classification.resumable import classify_to_file
from cupl.classification.writers import FORMATS, FailedImages
from cupl.errors import InputError, MissingFileError
from tests.classification.runs import (
    BATCH,
    COLORS,
    classifier_of,
    image_calls,
    stop_at,
)
from tests.models import HandMadeEncoder, bank_of
from tests.processes import forked


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
    # One of the images is not there, and may be another time.
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out", "out.part"]
    assert (failures.count, failures.may_pass) == (2, 1)
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
    with pytest.warns(UserWarning, match="out held something else"):
        failures = classify_to_file(classifier, photos, target, format, 2, resume=True)
    assert target.read_bytes() == expected[format]
    # What lay there was of another kind. One of the images may be there another time.
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "out.old", "out.part"]
    assert (tmp_path / "out.old").read_text() == "old"
    assert (failures.count, failures.may_pass) == (2, 1)
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


@pytest.mark.parametrize("format", FORMATS)
@given(bit=st.integers(0))
def test_a_damaged_line_is_made_again(
    photos: list[Path], expected: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory,
    format: str, bit: int,
) -> None:  # fmt: skip
    target = tmp_path_factory.mktemp("damaged") / "out"
    partial = stop_at(9, photos, target, format)
    first, *lines = partial.read_bytes().splitlines(keepends=True)
    rows = bytearray(b"".join(lines))
    bit %= 8 * len(rows)
    rows[bit // 8] ^= 1 << bit % 8
    partial.write_bytes(first + rows)
    classify_to_file(classifier_of(), photos, target, format, 2, resume=True)
    assert target.read_bytes() == expected[format]


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
        run = forked(target=run_until_killed, args=(photos, target, format, at))
        run.start()
        run.join()
        assert run.exitcode == -signal.SIGKILL
        assert not target.exists()
        lines = (tmp_path / "out.part").read_bytes().splitlines()
        assert [json.loads(line[9:])["path"] for line in lines[1:]] == list(map(str, photos[:at]))
    classifier = classifier_of()
    classify_to_file(classifier, photos, target, format, 2, resume=True)
    assert image_calls(classifier) == [2]
    assert target.read_bytes() == expected[format]


def test_without_resume_nothing_that_was_done_is_thrown_away(
    tmp_path: Path, photos: list[Path], expected: dict[str, bytes]
) -> None:
    target = tmp_path / "out"
    partial = stop_at(9, photos, target)
    before = partial.read_bytes()
    classifier = classifier_of()
    with pytest.raises(InputError, match="9 .*: delete .*out.part to begin") as caught:
        classify_to_file(classifier, photos, target, "csv", 2)
    assert caught.value.arguments == {"resume": True}
    assert partial.read_bytes() == before
    partial.write_bytes(before.splitlines(keepends=True)[0])  # nothing was done yet
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
