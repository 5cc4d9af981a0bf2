"""A cluster on loopback makes what one process makes, whatever happens to its machines."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.resumable import classify_to_file
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_vectors import load_embeddings
from cupl.embedding.ray_engine import RayEngine
from cupl.encoders.loading import load_encoder
from cupl.errors import InputError
from tests.models import bank_of, draw, save_clip
from tests.ray_cluster import NODE, ray_nodes, signal_worker
from tests.s3_server import s3_environment

SHARD = 8
_DRAWN = 13
"""Photos that differ; as no shard is a multiple of it, all shards do."""
BANK = bank_of({"cat": ["a small cat.", "a photo of a cat."], "dog": ["a large dog."]})


@pytest.fixture(scope="module")
def client_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, client_port: int, s3: str) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("home")
    with ray_nodes(folder, client_port, s3_environment(s3)) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, photos of which some cannot be read, and their vectors by this process."""
    folder = tmp_path_factory.mktemp("made")
    save_clip(folder / "clip")
    (folder / "photos").mkdir()
    for i in range(_DRAWN):  # large, so that there is somebody to kill
        draw(1600, 1200, i).save(folder / f"{i}.jpg", quality=50)
    for i in range(120):
        os.link(folder / f"{i % _DRAWN}.jpg", folder / "photos" / f"{i:03}.png")
    (folder / "photos" / "031.png").unlink()
    (folder / "photos" / "088.png").unlink()
    (folder / "photos" / "031.png").write_bytes(b"")
    (folder / "photos" / "047.png").rename(folder / "photos" / os.fsdecode(b"047\xff.png"))
    (folder / "photos" / "088.png").write_text("no image")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        embed_images("photos", load_encoder("clip"), "local", shard_size=SHARD, image_cache=False)
    return folder


@pytest.fixture
def place(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that paths are relative to; the workers stand elsewhere."""
    monkeypatch.chdir(made)
    return made


def contents(folder: str | Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}


def test_a_killed_worker_and_a_killed_node_change_no_bit(
    cluster: Any, place: Path, tmp_path: Path
) -> None:
    second = cluster.add_node(**NODE)
    counts: list[int] = []

    def kill() -> None:
        """A worker, and when the other node's is in the midst of a part, that node."""
        signal_worker(second, signal.SIGSTOP)
        signal_worker(cluster.head_node, signal.SIGKILL)
        signal_worker(cluster.head_node, 0)  # which encodes again, in another process
        cluster.remove_node(second, allow_graceful=False)

    with (
        RayEngine("clip", address=cluster.address) as engine,
        ThreadPoolExecutor(1) as pool,
    ):
        assert engine.workers == 2
        killed = pool.submit(kill)
        tally = embed_images(
            "photos", engine, tmp_path / "v", shard_size=SHARD,
            progress=lambda done, total: counts.append(done),
        )  # fmt: skip
        killed.result()
    assert counts == list(range(1, 121))
    assert (tally.images, tally.shards, tally.failed) == (120, 15, 2)
    assert contents(tmp_path / "v") == contents("local")


def test_a_stopped_run_goes_on_and_lost_images_are_tried_again(
    cluster: Any, place: Path, tmp_path: Path
) -> None:
    shutil.copytree("photos", tmp_path / "photos", copy_function=os.link)
    away = tmp_path / "photos" / "005.png"
    away.rename(tmp_path / "away.png")
    os.chdir(tmp_path)

    def stop(done: int, total: int) -> None:
        if done == 4 * SHARD + 1:
            raise KeyboardInterrupt

    with RayEngine(place / "clip", address=cluster.address) as engine:
        names = sorted(file.name for file in (place / "photos").iterdir())
        listed = [os.path.join("photos", name) for name in names]
        with pytest.raises(KeyboardInterrupt):
            embed_images(listed, engine, "v", shard_size=SHARD, progress=stop)
        assert len(contents("v")) == 2 * 4
        (tmp_path / "away.png").rename(away)
        tally = embed_images(listed, engine, "v", shard_size=SHARD, resume=True)
    assert tally.may_pass == 0
    assert contents("v") == contents(place / "local")


def test_labels_are_those_of_one_process(cluster: Any, place: Path, tmp_path: Path) -> None:
    classifier = ZeroShotClassifier.from_bank(BANK, load_encoder("clip"), image_cache=False)
    paths = sorted(map(str, Path("photos").iterdir()))
    local, there = tmp_path / "local.jsonl", tmp_path / "there.jsonl"
    classify_to_file(classifier, paths, local, "jsonl")

    def stop(done: int, total: int) -> None:
        if done == 50:
            raise KeyboardInterrupt

    with RayEngine("clip", address=cluster.address) as engine:
        with pytest.raises(KeyboardInterrupt):
            classify_to_file(classifier, paths, there, "jsonl", engine=engine, progress=stop)
        classify_to_file(classifier, paths, there, "jsonl", engine=engine, resume=True)
    assert there.read_bytes() == local.read_bytes()


def test_from_outside_of_the_cluster(
    cluster: Any, client_port: int, place: Path, tmp_path: Path
) -> None:
    with RayEngine("clip", address=f"ray://127.0.0.1:{client_port}") as engine:
        embed_images("photos", engine, tmp_path / "v", shard_size=SHARD)
    assert contents(tmp_path / "v") == contents("local")


def test_photos_of_an_object_store(
    cluster: Any, s3_bucket: str, place: Path, tmp_path: Path
) -> None:
    from s3fs import S3FileSystem

    S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"]).put(
        [str(photo) for photo in sorted(Path("photos").iterdir())[:20]], f"{s3_bucket}/photos/"
    )
    with RayEngine("clip", address=cluster.address) as engine:
        embed_images(f"{s3_bucket}/photos/", engine, tmp_path / "v", shard_size=SHARD)
    local = tmp_path / "local"
    embed_images(f"{s3_bucket}/photos/", "clip", local, shard_size=SHARD, image_cache=False)
    assert contents(tmp_path / "v") == contents(local)
    [first, *_] = load_embeddings(local)
    assert (first.paths[0], first.errors) == (f"{s3_bucket}/photos/000.png", [None] * SHARD)


def test_what_a_node_does_not_have_is_said(cluster: Any, place: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=rf"^on {socket.gethostname()}: .*nowhere"),
        RayEngine("./nowhere", address=cluster.address),
    ):
        pass
    with (
        pytest.raises(InputError, match="the Ray cluster has no GPU"),
        RayEngine("clip", "cuda", address=cluster.address),
    ):
        pass
    missing = [f"elsewhere/{i}.png" for i in range(60)]
    with (
        RayEngine("clip", address=cluster.address) as engine,
        pytest.raises(InputError, match="50 images in a row.*every machine of the cl"),
    ):
        embed_images(missing, engine, tmp_path / "v", shard_size=SHARD)
    assert len(load_embeddings(tmp_path / "v")) == 48
