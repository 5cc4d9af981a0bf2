import itertools
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from cupl.embedding import image_shards
from cupl.embedding.image_files import find_images
from cupl.embedding.image_runs import ImageTally, embed_images
from cupl.embedding.image_vectors import load_embeddings
from cupl.encoders.loading import load_encoder
from cupl.errors import InputError
from cupl.io.atomic import write_atomically
from tests.models import HandMadeEncoder, save_clip
from tests.processes import forked


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class StoppedError(Exception):
    pass


def stop_at(image: int) -> Any:
    def progress(done: int, total: int) -> None:
        if done == image:
            raise StoppedError

    return progress


@pytest.mark.parametrize("image", [1, 8, 9, 20])
@pytest.mark.parametrize("shard_size", [7, 8])
def test_resuming_gives_what_one_run_gives(
    image: int, shard_size: int, encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    paths = find_images([photos])
    embed_images(paths, encoder, tmp_path / "one", shard_size=shard_size)
    stopped = ImageTally()
    with pytest.raises(StoppedError):
        embed_images(
            paths, encoder, tmp_path / "two",
            shard_size=shard_size, tally=stopped, progress=stop_at(image),
        )  # fmt: skip
    assert stopped.images == (image - 1) // shard_size * shard_size
    encoder.image_calls.clear()
    said: list[int] = []
    tally = embed_images(
        paths, encoder, tmp_path / "two",
        shard_size=shard_size, resume=True, progress=lambda done, total: said.append(done),
    )  # fmt: skip
    assert said == list(range(stopped.images + 1, 21))
    assert sum(encoder.image_calls) == 20 - stopped.images - sum(
        i >= stopped.images for i in (5, 13)
    )
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert (tally.images, tally.failed, len(tally.examples)) == (20, 2, 2)


def test_resuming_what_is_done_changes_nothing(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    paths = find_images([photos])
    first = embed_images(paths, encoder, tmp_path / "v", shard_size=8)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "v").iterdir()}
    encoder.image_calls.clear()
    assert embed_images(paths, encoder, tmp_path / "v", shard_size=8, resume=True) == first
    assert encoder.image_calls == []
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "v").iterdir()} == before


def test_resume_with_nothing_there_begins(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    tally = embed_images(find_images([photos]), encoder, tmp_path / "v", resume=True)
    assert tally.images == 20


def test_a_list_that_has_grown_at_its_end(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    paths = find_images([photos])
    embed_images(paths, encoder, tmp_path / "one", shard_size=8)
    embed_images(paths[:13], encoder, tmp_path / "two", shard_size=8)
    embed_images(paths, encoder, tmp_path / "two", shard_size=8, resume=True)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_a_short_shard_that_is_made_again_may_be_interrupted(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, data: bytes) -> None:
        if path.suffix == ".parquet":
            raise StoppedError
        write_atomically(path, data)

    paths = find_images([photos])
    embed_images(paths[:13], encoder, tmp_path / "two", shard_size=8)
    with monkeypatch.context() as patch:
        patch.setattr(image_shards, "write_atomically", write)
        with pytest.raises(StoppedError):
            embed_images(paths, encoder, tmp_path / "two", shard_size=8, resume=True)
    assert len(load_embeddings(tmp_path / "two")) == 8
    embed_images(paths, encoder, tmp_path / "two", shard_size=8, resume=True)
    embed_images(paths, encoder, tmp_path / "one", shard_size=8)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_a_shard_that_was_lost_is_made_again(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    paths = find_images([photos])
    embed_images(paths, encoder, tmp_path / "v", shard_size=8)
    before = contents(tmp_path / "v")
    for name in ("images-00001.parquet", "vectors-00001.safetensors"):
        (tmp_path / "v" / name).unlink()
    encoder.image_calls.clear()
    embed_images(paths, encoder, tmp_path / "v", shard_size=8, resume=True)
    assert contents(tmp_path / "v") == before
    assert encoder.image_calls == [4, 3]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda paths: paths[1:], r"images-00000.parquet is of another list .*00.png there, .*01"),
        (lambda paths: paths[::-1], "00.png there, .*19.png in its place now"),
        (lambda paths: paths[:10], "images-00001.parquet is .*10.png there, nothing in its place"),
        (lambda paths: paths[:8], "08.png there, nothing in its place"),
        (lambda paths: [*paths[:12], "new.png", *paths[12:]], "12.png there, new.png in its place"),
    ],
)
def test_another_list_is_refused(
    change: Any, said: str, encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    paths = find_images([photos])
    embed_images(paths, encoder, tmp_path / "v", shard_size=8)
    before = contents(tmp_path / "v")
    with pytest.raises(InputError, match=said):
        embed_images(change(paths), encoder, tmp_path / "v", shard_size=8, resume=True)
    assert contents(tmp_path / "v") == before


def test_another_encoder_precision_or_shard_size_is_refused(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    paths = find_images([photos])
    embed_images(paths[:8], encoder, tmp_path / "v", shard_size=8)
    before = contents(tmp_path / "v")

    def refused(said: str, shard_size: int = 8) -> None:
        with pytest.raises(InputError, match=said):
            embed_images(paths, encoder, tmp_path / "v", shard_size=shard_size, resume=True)

    refused("was begun with shard_size=8, not 9", shard_size=9)
    encoder.precision = "bfloat16"
    refused("was begun with precision=float32, not bfloat16")
    encoder.fingerprint, encoder.id = "other", "other-model"
    refused("'hand-made' .fingerprint 'hand-made'.*'other-model' .fingerprint 'other'")
    assert contents(tmp_path / "v") == before


def test_a_damaged_shard_is_refused_and_left(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    paths = find_images([photos])
    embed_images(paths, encoder, tmp_path / "v", shard_size=8)
    file = tmp_path / "v" / "vectors-00001.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    before = contents(tmp_path / "v")
    with pytest.raises(InputError, match="vectors-00001.safetensors: damaged"):
        embed_images(paths, encoder, tmp_path / "v", shard_size=8, resume=True)
    assert contents(tmp_path / "v") == before


def test_a_directory_with_vectors_needs_resume(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    paths = find_images([photos])
    embed_images(paths, encoder, tmp_path / "v")
    (tmp_path / "v" / "images-00000.parquet").unlink()
    with pytest.raises(InputError, match="already holds image vectors: go on with them"):
        embed_images(paths, encoder, tmp_path / "v")


def test_what_is_not_ours_is_left_alone(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    foreign = {"notes.txt": b"mine", "images-0.parquet": b"x", ".images-00000.parquet": b"y"}
    for name, data in foreign.items():
        (photos / name).write_bytes(data)
    before = contents(photos)
    paths = find_images([photos])
    embed_images(paths, encoder, photos, shard_size=8)
    embed_images(paths, encoder, photos, shard_size=8, resume=True)
    after = contents(photos)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 6


@pytest.mark.parametrize("name", ["vectors-00001.safetensors", "images-00001.parquet"])
def test_a_file_of_that_name_that_is_not_ours(
    name: str, encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / name).write_bytes(b"mine")
    with pytest.raises(InputError, match=rf"{name}.*cupl"):
        embed_images(find_images([photos]), encoder, tmp_path / "v", shard_size=8, resume=True)
    assert (tmp_path / "v" / name).read_bytes() == b"mine"


def _run(clip: Path, photos: Path, output: Path, shard_size: int, moment: str, at: int) -> None:
    """Embed with ``--resume``; at a moment of the shard ``at``, say that it has come, and hang."""
    images_seen, files = itertools.count(), itertools.count()

    def hang() -> None:
        output.with_name("reached").touch()
        threading.Event().wait()

    def progress(done: int, total: int) -> None:
        if next(images_seen) == at * shard_size + 2 and moment == "in a shard":
            hang()

    def write(path: Path, data: bytes) -> None:
        shard, second = divmod(next(files), 2)
        if shard == at and moment == ("before the table" if second else "before the vectors"):
            hang()
        if shard == at and moment == "in a file":
            path.with_name(f".cupl-unfinished-{'0' * 8}").write_bytes(data[:9])
            hang()
        write_atomically(path, data)

    image_shards.write_atomically = write  # type: ignore[attr-defined]
    encoder = load_encoder(clip, "cpu", batch_size=4)
    paths = find_images([photos])
    embed_images(paths, encoder, output, shard_size=shard_size, resume=True, progress=progress)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.mark.skipif(os.name == "nt", reason="a process of POSIX")
@pytest.mark.parametrize("shard_size", [4, 5])  # batches end with shards, or not
def test_killed_at_every_kind_of_moment(
    shard_size: int, clip: Path, photos: Path, tmp_path: Path
) -> None:
    output, reached, whole = tmp_path / "v", tmp_path / "reached", 0
    moments = (
        ("in a shard", 1),
        ("before the vectors", 0),
        ("in a file", 0),
        ("before the table", 1),
    )
    for moment, at in moments:
        arguments = (clip, photos, output, shard_size, moment, at)
        run = forked(target=_run, args=arguments)
        run.start()
        while not reached.exists():
            run.join(0.01)
            assert run.is_alive(), f"it was done before the moment {moment!r}"
        run.kill()
        run.join()
        reached.unlink()
        whole += at
        assert len(list(output.glob("images-*"))) == whole
    assert len(list(output.glob("vectors-*"))) == whole + 1
    encoder = load_encoder(clip, "cpu", batch_size=4)
    paths = find_images([photos])
    tally = embed_images(paths, encoder, output, shard_size=shard_size, resume=True)
    assert tally == embed_images(paths, encoder, tmp_path / "one", shard_size=shard_size)
    assert contents(output) == contents(tmp_path / "one")


@pytest.mark.parametrize("name", ["images-00000.parquet", "vectors-00001.safetensors"])
def test_what_another_program_removed_is_not_counted(
    name: str, encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    def progress(done: int, total: int) -> None:
        if done == total:
            (tmp_path / "v" / name).unlink()

    paths = find_images([photos])
    with pytest.raises(InputError, match=f"another program has removed .*{name}"):
        embed_images(paths, encoder, tmp_path / "v", shard_size=8, progress=progress)
