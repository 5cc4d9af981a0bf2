import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cupl.embedding import image_runs, image_shards
from cupl.embedding.image_vectors import load_embeddings
from tests.cli.conftest import Cupl
from tests.models import save_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with five images, and the place to work in."""
    (tmp_path / "photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 40, 60, 3), dtype=np.uint8)
    for i in range(5):
        Image.fromarray(pixels[i]).save(tmp_path / "photos" / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_images_become_vectors(cupl: Cupl, clip: Path, work: Path) -> None:
    outcome = cupl("embed", "photos", "-o", "v", "--encoder", clip, "--shard-size", 2)
    assert outcome.code == 0, outcome.err
    assert f"wrote v: 5 images in 3 shards by {clip} in float32\n" in outcome.err
    assert "  or: cupl evaluate v --bank BANK.yaml\n" in outcome.err
    assert "with --labels LABELS.csv" in outcome.err
    assert "images: 5 of 5" in outcome.err
    assert outcome.out == ""
    embeddings = load_embeddings("v")
    assert [shard.vectors.shape for shard in embeddings] == [(2, 16), (2, 16), (1, 16)]
    assert [path for shard in embeddings for path in shard.paths] == [
        os.path.join("photos", f"{i}.png") for i in range(5)
    ]


def test_images_that_cannot_be_read_are_counted(cupl: Cupl, clip: Path, work: Path) -> None:
    missing = [f"{i}\x1b.png" for i in range(8)]
    outcome = cupl("embed", "photos", *missing, "-o", "v", "--encoder", clip)
    assert outcome.code == 3
    assert "8 images of 13 could not be read:\n  0\\x1b.png: there is no such file" in outcome.err
    assert outcome.err.endswith(
        "  ... and 3 more; images-*.parquet names them all\n"
        "8 images may be read another time: the same command with --resume tries them again\n"
    )
    assert outcome.err.count("no such file") == 5
    again = cupl("embed", "photos", *missing, "-o", "v", "--encoder", clip, "--resume")
    assert (again.code, again.err.count("no such file")) == (3, 5)


def test_ctrl_c_says_how_to_go_on(
    cupl: Cupl, clip: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["embed", "photos", "--encoder", clip, "--shard-size", 2]
    cupl(*command, "-o", "one")

    def write(
        directory: Path, metadata: image_shards.ShardMetadata, shard: image_shards.Shard
    ) -> None:
        if metadata.shard == 1:
            signal.raise_signal(signal.SIGINT)
        image_shards.write_shard(directory, metadata, shard)

    # A run in the background may have been told to ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with monkeypatch.context() as patch:
        patch.setattr(image_runs, "write_shard", write)
        outcome = cupl(*command, "-o", "two")
    signal.signal(signal.SIGINT, before)
    assert outcome.code == 130
    assert "2 of 5 images are in two; the same command with --resume continues" in outcome.err
    assert outcome.err.splitlines()[-1] == "interrupted"
    assert cupl(*command, "-o", "two").code == 1
    assert cupl(*command, "-o", "two", "--resume").code == 0
    for path in (work / "one").iterdir():
        assert (work / "two" / path.name).read_bytes() == path.read_bytes()


def test_another_encoder_is_refused(cupl: Cupl, clip: Path, work: Path) -> None:
    other = save_clip(work / "other", seed=1)
    assert cupl("embed", "photos", "-o", "v", "--encoder", clip).code == 0
    outcome = cupl("embed", "photos", "-o", "v", "--encoder", other, "--resume")
    assert outcome.code == 1
    assert str(clip) in outcome.err
    assert str(other) in outcome.err
    assert outcome.err.count("\n") == 1


def test_defaults_are_those_of_the_library(cupl: Cupl) -> None:
    text = " ".join(cupl("embed", "--help").out.split())
    assert f"[default: {image_runs.SHARD_SIZE}; 1<=x<={image_shards.MAX_SHARD_SIZE}]" in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["photos"], 2, "--output"),
        (["-o", "v"], 2, "images"),
        (["photos", "-o", "v", "--shard-size", "0"], 2, "shard-size"),
        (["photos", "-o", "v", "--batch-size", "0"], 2, "batch-size"),
        (["photos", "-o", "no/v"], 1, "does not exist"),
        (["photos", "-o", "photos/1.png"], 1, "it is not a folder"),
        (["*.gif", "-o", "v"], 1, "no image matches"),
        (["photos", "-o", "v", "--encoder", "./no"], 1, "no"),
        (["photos", "-o", "v", "--device", "tpu"], 1, "tpu"),
    ],
)
def test_wrong_arguments(
    cupl: Cupl, work: Path, arguments: list[Any], code: int, message: str
) -> None:
    outcome = cupl("embed", *arguments)
    assert outcome.code == code
    assert message in outcome.err
    assert [path.name for path in work.iterdir()] == ["photos"]


def test_shards_are_not_put_beside_the_files_of_a_model(cupl: Cupl, work: Path) -> None:
    (work / "model").mkdir()
    outcome = cupl("embed", "photos", "--encoder", "model", "-o", "model")
    assert outcome.code == 1
    assert "it is also what is read" in outcome.err
