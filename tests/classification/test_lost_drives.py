"""Drives that go away while a list of images is classified, and come back."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from cupl.classification.resumable import classify_to_file
from cupl.embedding import images as image_files
from cupl.errors import InputError
from tests.classification.runs import classifier_of, image_calls, stopping
from tests.models import HandMadeEncoder

FORMATS = ["csv", "jsonl", "parquet"]


@pytest.fixture
def many(tmp_path: Path) -> list[Path]:
    """Twenty images, of which the second is broken."""
    folder = tmp_path / "drive"
    folder.mkdir()
    for shade in range(20):
        Image.new("RGB", (3, 2), (shade, 0, 0)).save(folder / f"{shade:02}.png")
    (folder / "01.png").write_bytes(b"")
    return sorted(folder.iterdir())


@contextmanager
def lost(number: int, *stems: str) -> Iterator[None]:
    """While it lasts, these images cannot be opened."""

    def fail(path: str, flags: int) -> int:
        if Path(path).stem in stems:
            raise OSError(number, os.strerror(number), path)
        return os.open(path, flags)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_files, "open_without_blocking", fail)
        yield


def classified(images: list[Path], target: Path, **how: object) -> list[int]:
    classifier = classifier_of()
    classify_to_file(classifier, images, target, target.suffix[1:], 2, **how)  # type: ignore[arg-type]
    return image_calls(classifier)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENOENT])
def test_what_failed_is_tried_again(
    many: list[Path], tmp_path: Path, format: str, number: int
) -> None:
    whole, target = tmp_path / f"whole.{format}", tmp_path / f"out.{format}"
    classified(many, whole)
    with lost(number, "00", "09", "10"):
        classified(many, target)
    assert target.read_bytes() != whole.read_bytes()
    # Two batches of four, of which one has the broken image.
    assert classified(many, target, resume=True) == [3, 4]
    assert target.read_bytes() == whole.read_bytes()
    assert not target.with_name(f"out.{format}.part").exists()


@pytest.mark.parametrize("at", [6, 12, 19])
def test_a_run_that_was_stopped_too(many: list[Path], tmp_path: Path, at: int) -> None:
    whole, target = tmp_path / "whole.csv", tmp_path / "out.csv"
    classified(many, whole)
    with lost(errno.EIO, "02", "04"), pytest.raises(KeyboardInterrupt):
        classified(many, target, progress=stopping(at))
    classified(many, target, resume=True)
    assert target.read_bytes() == whole.read_bytes()


def test_what_is_still_missing_is_kept_as_it_was(many: list[Path], tmp_path: Path) -> None:
    whole, target = tmp_path / "whole.csv", tmp_path / "out.csv"
    classified(many, whole)
    aside = tmp_path / "aside.png"
    many[9].rename(aside)
    classified(many, target)
    before = target.read_bytes(), (tmp_path / "out.csv.part").read_bytes()
    assert classified(many, target, resume=True) == [], "nothing is encoded in vain"
    assert (target.read_bytes(), (tmp_path / "out.csv.part").read_bytes()) == before
    aside.rename(many[9])
    assert classified(many, target, resume=True) == [4]
    assert target.read_bytes() == whole.read_bytes()


def test_a_drive_that_goes_away_stops_the_run_and_loses_nothing(
    many: list[Path], tmp_path: Path
) -> None:
    images = [image for _ in range(5) for image in many]
    whole, target = tmp_path / "whole.csv", tmp_path / "out.csv"
    classified(images, whole)
    drive, gone = tmp_path / "drive", tmp_path / "gone"

    def unplug(done: int, total: int) -> None:
        if done == 30:
            drive.rename(gone)

    with pytest.raises(InputError) as caught:
        classified(images, target, progress=unplug)
    assert str(caught.value).startswith("50 images in a row could not be read, as if their drive")
    rows = [json.loads(line[9:]) for line in Path(f"{target}.part").read_bytes().splitlines()[1:]]
    kept = f"; {len(rows) - 50} of 100 images are done and kept in {target}.part, to go on with"
    assert str(caught.value).endswith(kept)
    assert caught.value.arguments == {"resume": True}
    assert [row["path"] for row in rows] == list(map(str, images[: len(rows)]))
    gone.rename(drive)
    classified(images, target, resume=True)
    assert target.read_bytes() == whole.read_bytes()


def test_a_second_try_that_is_stopped_keeps_the_first(many: list[Path], tmp_path: Path) -> None:
    whole, target = tmp_path / "whole.csv", tmp_path / "out.csv"
    classified(many, whole)
    with lost(errno.EIO, "05"):
        classified(many, target)
    before = (tmp_path / "out.csv.part").read_bytes()

    class Stopped(HandMadeEncoder):
        def encode_prepared(self, images: object) -> None:  # type: ignore[override]
            raise KeyboardInterrupt

    encoder = classifier_of().encoder
    assert isinstance(encoder, HandMadeEncoder)
    broken = Stopped(encoder._texts, encoder._images)
    with pytest.raises(KeyboardInterrupt):
        classify_to_file(classifier_of(broken), many, target, "csv", 2, resume=True)
    assert (tmp_path / "out.csv.part").read_bytes() == before
    classified(many, target, resume=True)
    assert target.read_bytes() == whole.read_bytes()


def test_printed_rows_stop_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="what came before is written"):
        classify_to_file(classifier_of(), [tmp_path / f"{i}.png" for i in range(60)], None, "jsonl")
    assert len(capsys.readouterr().out.splitlines()) == 50
