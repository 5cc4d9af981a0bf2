import errno
import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.embedding import image_retries
from cupl.embedding import images as image_files
from cupl.embedding.image_errors import may_pass
from cupl.embedding.image_files import find_images
from cupl.embedding.image_retries import LOST_IN_A_ROW, tried_again, until_lost
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_sources import ImageSource
from cupl.embedding.image_stream import Encoded, encode_sources
from cupl.errors import InputError
from tests.models import HandMadeEncoder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def no_drive(number: int, from_image: int = 0) -> Callable[..., int]:
    """In place of opening a file: what a drive that is gone says from some image on."""
    opened, lock = set[str](), threading.Lock()

    def fail(path: str, flags: int) -> int:
        with lock:
            opened.add(os.fspath(path))
            lost = Path(path).stem >= f"{from_image:02}"
        if lost:
            raise OSError(number, os.strerror(number), path)
        return os.open(path, flags)

    return fail


MACHINE = [errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.EACCES, errno.EMFILE,
           errno.ENFILE, errno.ENOTCONN, errno.ETIMEDOUT, errno.ENOENT, errno.ENOMEM,
           errno.EHOSTDOWN]  # fmt: skip


@pytest.mark.parametrize("number", MACHINE, ids=lambda number: errno.errorcode[number])
def test_what_the_machine_says_may_pass(
    number: int, encoder: HandMadeEncoder, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_files, "open_without_blocking", no_drive(number))
    [found] = encode_sources([photos / "00.png"], encoder)
    assert may_pass(found.error), found.error


def test_what_is_wrong_with_the_image_does_not(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("text")
    wrong: list[ImageSource] = [
        photos / "05.png",
        photos / "13.png",
        tmp_path / "text.png",
        photos,
        "http://a/b.png",
    ]
    errors = [image.error for image in encode_sources(wrong, encoder)]
    assert all(errors)
    assert not any(map(may_pass, errors))


def test_memory_may_be_there_another_time(
    encoder: HandMadeEncoder, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(image_files, "upright_rgb", full)
    [found] = encode_sources([photos / "00.png"], encoder)
    assert may_pass(found.error)


def test_a_file_object_on_a_drive_that_is_gone(encoder: HandMadeEncoder, photos: Path) -> None:
    class Gone:
        def read(self, size: int = -1) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    [found] = encode_sources([Gone()], encoder)  # type: ignore[list-item]
    assert found.error == "the file cannot be read: Input/output error"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOENT, errno.ESTALE])
@pytest.mark.parametrize("shard_size", [7, 8])
def test_shards_of_a_run_with_faults_become_those_of_one_without(
    number: int,
    shard_size: int,
    encoder: HandMadeEncoder,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = find_images([photos])
    embed_images(paths, encoder, tmp_path / "one", shard_size=shard_size)
    with monkeypatch.context() as patch:
        patch.setattr(image_files, "open_without_blocking", no_drive(number, 9))
        tally = embed_images(paths, encoder, tmp_path / "two", shard_size=shard_size)
        assert (tally.failed, tally.may_pass) == (12, 11)
    encoder.image_calls.clear()
    tally = embed_images(paths, encoder, tmp_path / "two", shard_size=shard_size, resume=True)
    assert (tally.images, tally.failed, tally.may_pass) == (20, 2, 0)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert sum(encoder.image_calls) < 18, "the first batches are not read again"


def test_a_drive_that_is_still_gone_costs_nothing_that_is_there(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = find_images([photos])
    (photos / "03.png").rename(tmp_path / "03.png")
    embed_images(paths, encoder, tmp_path / "v", shard_size=8)
    before = contents(tmp_path / "v")
    photos.rename(tmp_path / "gone")
    embed_images(paths, encoder, tmp_path / "v", shard_size=8, resume=True)
    assert contents(tmp_path / "v") == before
    # The image is back, but nothing else of its batch.
    photos.mkdir()
    (tmp_path / "03.png").rename(photos / "03.png")
    tally = embed_images(paths, encoder, tmp_path / "v", shard_size=8, resume=True)
    assert tally.failed == 2


def test_many_in_a_row_stop_the_run(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [*find_images([photos])[:5], *(str(photos / f"no{i}.png") for i in range(60))]
    monkeypatch.setattr(image_retries, "_can_be_opened", lambda path: False)  # nothing else is
    with pytest.raises(InputError) as caught:
        embed_images(paths, encoder, tmp_path / "v", shard_size=4)
    assert str(caught.value) == (
        f"50 images in a row could not be read, as if their drive was gone, the first {paths[5]}: "
        f"there is no such file; 52 of 65 images are kept in {tmp_path / 'v'}, to go on with"
    )
    assert caught.value.arguments == {"resume": True}
    assert len(contents(tmp_path / "v")) == 26, "whole shards stay"


@pytest.mark.parametrize("before", [0, 5])
def test_files_that_are_gone_are_no_lost_drive(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path, before: int
) -> None:
    found = find_images([photos])
    lost = [str(photos / f"no{i}.png") for i in range(3 * LOST_IN_A_ROW)]
    paths = [*found[:before], *lost, *found[before:]]
    tally = embed_images(paths, encoder, tmp_path / "v")
    assert (tally.images, tally.failed) == (len(paths), len(lost) + 2)


@given(st.lists(st.sampled_from([None, "there is no such file", "damaged"]), max_size=200))
def test_the_run_stops_exactly_where_so_many_came(errors: list[str | None]) -> None:
    errors += ["there is no such file"] * (LOST_IN_A_ROW - 1)
    images = [Encoded("a", None, error) for error in errors]
    runs = [len(list(run)) for bad, run in itertools.groupby(map(may_pass, errors)) if bad]
    if max(runs) < LOST_IN_A_ROW:
        assert list(until_lost(images, ["a"], str, {})) == images
    else:
        with pytest.raises(InputError, match="50 images in a row"):
            list(until_lost(images, ["a"], str, {}))


@given(
    st.lists(st.sampled_from(["there is no such file", "bad", None]), max_size=20),
    st.lists(st.sampled_from(["there is no such file", "bad", None]), min_size=20, max_size=20),
    st.integers(1, 6),
)
def test_nothing_that_was_read_is_lost(
    then: list[str | None], now: list[str | None], size: int
) -> None:
    old = [Encoded(__file__, None, error) for error in then]
    number = itertools.count()

    def encode(paths: list[str]) -> list[Encoded]:
        return [Encoded(path, None, now[next(number)]) for path in paths]

    new = list(tried_again(old, size, encode))
    assert len(new) == len(old)
    for before, after in zip(old, new, strict=True):
        assert after is before or not may_pass(after.error)
