import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch

from cupl.bank.labels import ClassLabel
from cupl.embedding.image_files import find_images
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_shards import (
    ImageProvenance,
    Shard,
    ShardMetadata,
    vectors_file,
    write_shard,
)
from cupl.errors import InputError, MissingFileError
from cupl.evaluation.dataset import read_labelled
from cupl.evaluation.labelled import (
    LabelledImages,
    encode_labelled,
    explain_unmatched,
)
from tests.evaluation.pictures import (
    ANIMALS,
    BLUE,
    ODD,
    RED,
    encoder,
    named,
    save,
    write_csv,
)


def write_shards(
    directory: Path, *shards: Mapping[str, str | None], fingerprint: str = "f"
) -> Path:
    """Shards of images and their errors; an image's vector is its number."""
    directory.mkdir()
    maker, number = encoder(fingerprint), 0
    provenance = ImageProvenance.of(maker)
    for place, images in enumerate(shards):
        rows = list(range(number, number + len(images)))
        readable = [row for row, why in zip(rows, images.values(), strict=True) if why is None]
        vectors = torch.tensor([[float(row), 1.0] for row in readable]).reshape(-1, 2)
        metadata = ShardMetadata(shard=place, shard_size=1000, provenance=provenance)
        write_shard(directory, metadata, Shard([*images], [*images.values()], vectors))
        number += len(images)
    return directory


def rows_of(found: LabelledImages) -> list[int]:
    """Numbers of the images whose vectors were kept."""
    assert found.vectors is not None
    assert len(found.vectors) == len(found.paths) == len(found.targets)
    return [int(row) for row, _ in found.vectors.tolist()]


def test_what_cupl_embed_wrote(tmp_path: Path) -> None:
    for name, color in {"cat/1": RED, "cat/2": BLUE, f"dog/{ODD}": BLUE, "ufo/3": RED}.items():
        save(tmp_path / "set" / f"{name}.png", color)
    (tmp_path / "set" / "dog" / "broken.png").write_bytes(b"")
    embed_images(find_images([tmp_path / "set"]), encoder(), tmp_path / "v", shard_size=2)
    found = encode_labelled(read_labelled(tmp_path / "v", ANIMALS), encoder())
    assert named(found) == {"1.png": "cat", "2.png": "cat", f"{ODD}.png": "dog"}
    assert found.vectors is not None
    assert found.vectors.tolist() == [[1, 0], [0, 1], [0, 1]]
    assert found.unmatched == {"ufo": 1}
    broken = str(tmp_path / "set" / "dog" / "broken.png")
    assert found.unreadable == [(broken, "the file is empty")]


def test_the_images_need_not_be_there_any_more(tmp_path: Path) -> None:
    save(tmp_path / "set" / "cat" / "1.png")
    embed_images(find_images([tmp_path / "set"]), encoder(), tmp_path / "v")
    shutil.rmtree(tmp_path / "set")
    found = encode_labelled(read_labelled(tmp_path / "v", ANIMALS), encoder())
    assert named(found) == {"1.png": "cat"}


def test_the_nearest_folder_that_means_a_class(tmp_path: Path) -> None:
    paths = [
        "/set/cat/dog/more/1.png", "/set/dog/2.png", "/set/Tree-Frog/x/3.png",
        "/set/zebra/new/4.png", f"/set/{ODD}/5.png",
    ]  # fmt: skip
    found = read_labelled(write_shards(tmp_path / "v", dict.fromkeys(paths)), ANIMALS)
    assert named(found) == {"1.png": "dog", "2.png": "dog", "3.png": "tree frog"}
    assert rows_of(found) == [0, 1, 2]
    assert found.unmatched == {"new": 1, ODD: 1}


def test_a_folder_that_all_images_are_in_names_no_class(tmp_path: Path) -> None:
    home = "/home/cat/photos"
    found = read_labelled(
        write_shards(tmp_path / "v", {f"{home}/husky/1.png": None, f"{home}/dog/2.png": None}),
        ANIMALS,
    )
    assert named(found) == {"2.png": "dog"}
    assert found.unmatched == {"husky": 1}
    found = read_labelled(write_shards(tmp_path / "w", {f"{home}/1.png": None}), ANIMALS)
    assert found.unmatched == {"photos": 1}


def test_all_images_of_one_class(tmp_path: Path) -> None:
    paths = {"set/cat/1.png": None, "set/cat/2.png": None}
    found = read_labelled(write_shards(tmp_path / "v", paths), ANIMALS)
    assert named(found) == {"1.png": "cat", "2.png": "cat"}


@pytest.mark.parametrize("path", ["1.png", "/1.png"])
def test_an_image_in_no_folder_has_no_label(tmp_path: Path, path: str) -> None:
    found = read_labelled(write_shards(tmp_path / "v", {path: None, "/cat/2": None}), ANIMALS)
    assert found.unmatched == {"": 1}
    assert rows_of(found) == [1]
    assert explain_unmatched(found, ANIMALS) == ["no label (1 image)"]


def test_several_shards_and_what_could_not_be_read(tmp_path: Path) -> None:
    directory = write_shards(
        tmp_path / "v", {"s/cat/0": None, "s/cat/1": "cut off"}, {"s/dog/2": "empty"},
        {"s/ufo/3": None, "s/dog/4": None, "s/x/5": "gone"},
    )  # fmt: skip
    found = read_labelled(directory, ANIMALS)
    assert named(found) == {"0": "cat", "4": "dog"}
    assert rows_of(found) == [0, 4]
    reasons = [("s/cat/1", "cut off"), ("s/dog/2", "empty"), ("s/x/5", "gone")]
    assert found.unreadable == reasons


def test_nothing_could_be_read(tmp_path: Path) -> None:
    directory = write_shards(tmp_path / "v", {"s/cat/0": "cut off"})
    with pytest.raises(InputError, match="no labelled image that can be read"):
        read_labelled(directory, ANIMALS)


def test_vectors_of_another_encoder_are_refused(tmp_path: Path) -> None:
    found = read_labelled(write_shards(tmp_path / "v", {"cat/1": None}), ANIMALS)
    with pytest.raises(InputError, match="made by the encoder 'hand-made'"):
        encode_labelled(found, encoder("another"))


def test_a_run_that_did_not_finish_a_shard(tmp_path: Path) -> None:
    vectors_file(tmp_path, 0).touch()
    with pytest.raises(InputError, match=r"images-00000\.parquet is missing beside its vectors"):
        read_labelled(tmp_path, ANIMALS)


def test_labels_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path counts from the file's folder, or stands as cupl embed was given it."""
    work = tmp_path / "work"
    (work / "photos").mkdir(parents=True)
    (tmp_path / "link").symlink_to(work)
    monkeypatch.chdir(work)
    paths = [f"photos/{i}.png" for i in range(5)] + [f"{work}/photos/{i}.png" for i in (5, 6)]
    directory = write_shards(tmp_path / "v", dict.fromkeys(paths))
    rows = ["photos/0.png,cat", "./photos//1.png,dog", "../work/photos/2.png,n7",
            f"{work}/photos/3.png,cat", f"{tmp_path}/link/photos/4.png,dog",
            "photos/5.png,cat", f"{work}/./photos/6.png,ufo"]  # fmt: skip
    expected = ["cat", "dog", "tree frog", "cat", "dog", "cat"]
    for file in ("labels.csv", "photos/../labels.csv"):
        write_csv(work / file, *rows)
        found = read_labelled(directory, ANIMALS, file)
        assert list(named(found).values()) == expected
        assert found.unmatched == {"ufo": 1}
    # As written, wherever the file lies.
    elsewhere = write_csv(tmp_path / "x.csv", "photos/0.png,cat", "./photos/1.png,dog")
    found = read_labelled(directory, ANIMALS, elsewhere)
    assert list(named(found).values()) == ["cat", "dog"]
    assert found.unmatched == {"": 5}
    assert explain_unmatched(found, ANIMALS) == ["no label (5 images)"]


def test_labels_of_links(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        (tmp_path / name).symlink_to(tmp_path / "store")
    paths = {str(tmp_path / "1.png"): None, str(tmp_path / "2.png"): None}
    file = write_csv(tmp_path / "x.csv", "1.png,cat", "2.png,dog")
    found = read_labelled(write_shards(tmp_path / "v", paths), ANIMALS, file)
    assert named(found) == {"1.png": "cat", "2.png": "dog"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["s/0,cat", "./s/0,dog"], "'./s/0' has two labels, 'cat', 'dog'"),
        (["t/0,cat"], r"names no image of .*, such as 's/0'"),
        (["s/0,"], "line 2"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, rows: Sequence[str], message: str) -> None:
    directory = write_shards(tmp_path / "v", {"s/0": None})
    with pytest.raises(InputError, match=message):
        read_labelled(directory, ANIMALS, write_csv(tmp_path / "x.csv", *rows))


def test_a_file_of_labels_goes_with_vectors(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "1.png")
    file = write_csv(tmp_path / "x.csv", "cat/1.png,cat")
    with pytest.raises(InputError, match="holds no vectors that cupl embed wrote"):
        read_labelled(tmp_path, ANIMALS, file)
    directory = write_shards(tmp_path / "v", {"s/0": None})
    with pytest.raises(MissingFileError, match="no.csv: no such file"):
        read_labelled(directory, ANIMALS, tmp_path / "no.csv")


def test_the_same_image_twice(tmp_path: Path) -> None:
    directory = write_shards(tmp_path / "v", {"s/cat/0": None, "s/dog/1": None, "s/cat/2": None})
    file = write_csv(tmp_path / "x.csv", "s/cat/0,cat", "s/cat/./0,cat", "s/dog/1,dog")
    assert rows_of(read_labelled(directory, ANIMALS, file)) == [0, 1]
    again = write_shards(tmp_path / "w", {"s/cat/0": None, "s/dog/1": None, "./s/cat/0": None})
    found = read_labelled(again, ANIMALS)
    assert rows_of(found) == [0, 1]
    assert found.notes == ["1 repeated image left out: each counts once"]


def test_the_time_grows_with_the_images_and_not_faster(tmp_path: Path) -> None:
    """100,000 images of 1,000 classes take about half a second, of a file 1.5."""
    labels = [ClassLabel(f"class {i}", f"n{i}", (f"alias {i}",)) for i in range(1000)]
    paths = [f"/set/class_{i // 100}/{i}.png" for i in range(100_000)]
    directory = write_shards_of(tmp_path / "v", paths)
    file = write_csv(
        tmp_path / "x.csv", *(f"{path},Class-{i // 100}" for i, path in enumerate(paths))
    )
    for label_file in (None, file):
        begin = time.process_time()
        found = read_labelled(directory, labels, label_file)
        assert time.process_time() - begin < 6
        assert found.targets == [i // 100 for i in range(100_000)]


def write_shards_of(directory: Path, paths: Sequence[str]) -> Path:
    directory.mkdir()
    metadata = ShardMetadata(shard=0, shard_size=100_000, provenance=ImageProvenance.of(encoder()))
    shard = Shard([*paths], [None] * len(paths), torch.ones(len(paths), 2))
    write_shard(directory, metadata, shard)
    return directory
