import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding import image_shards
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.image_files import find_images
from cupl.embedding.image_runs import _EXAMPLES, ImageTally, check_directory, embed_images
from cupl.embedding.image_vectors import load_embeddings
from cupl.errors import InputError, MissingFileError
from tests.models import HandMadeEncoder, bank_of


def test_vectors_paths_and_errors_in_order(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    paths = find_images([photos])
    tally = embed_images(paths, encoder, tmp_path / "v", shard_size=8)
    assert (tally.images, tally.shards, tally.failed) == (20, 3, 2)
    assert [path for path, _ in tally.examples] == [str(paths[5]), str(paths[13])]
    embeddings = list(load_embeddings(tmp_path / "v"))
    assert [len(shard.paths) for shard in embeddings] == [8, 8, 4]
    assert [path for shard in embeddings for path in shard.paths] == list(map(str, paths))
    errors = [error for shard in embeddings for error in shard.errors]
    assert [i for i, error in enumerate(errors) if error is not None] == [5, 13]
    assert errors[5] == "the file is empty"
    vectors = torch.cat([shard.vectors for shard in embeddings])
    assert vectors.tolist() == [[i, 1] for i in range(20) if i not in (5, 13)]
    readable = [path for shard in embeddings for path in shard.readable]
    assert readable == [str(path) for i, path in enumerate(paths) if i not in (5, 13)]


def test_the_vectors_classify(encoder: HandMadeEncoder, photos: Path, tmp_path: Path) -> None:
    paths = find_images([photos])
    embed_images(paths, encoder, tmp_path / "v", shard_size=8)
    bank = bank_of({"cat": ["A cat."], "dog": ["A dog."]})
    classifier = ZeroShotClassifier(encode_bank(bank, encoder), encoder)
    embeddings = load_embeddings(tmp_path / "v")
    embeddings.check_encoder(encoder)
    told = {
        path: prediction.top
        for shard in embeddings
        for path, prediction in zip(
            shard.readable, classifier.predict_vectors(shard.vectors), strict=True
        )
    }
    direct = classifier.predict(paths)
    assert told == {image.path: image.top for image in direct if image.error is None}


@pytest.mark.parametrize("kind", [str, Path, "pattern", "generator", "array"])
def test_images_are_named_in_any_way(
    kind: Any, encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    """One folder or pattern is searched as on the command line; others are paths, one by one."""
    found = find_images([photos])
    named: Any = {
        str: str(photos),
        Path: photos,
        "pattern": f"{photos}/*.png",
        "generator": iter(found),
        "array": np.array(found),
    }[kind]
    embed_images(named, encoder, tmp_path / "v", shard_size=8)
    paths = [path for shard in load_embeddings(tmp_path / "v") for path in shard.paths]
    assert paths == found


@pytest.mark.parametrize("given", [b"photos", [Image.new("RGB", (2, 2))], ["a.png", 5], [None]])
def test_what_is_no_path_is_called_so(given: Any, encoder: HandMadeEncoder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="images are embedded from paths, not"):
        embed_images(given, encoder, tmp_path / "v")
    assert not (tmp_path / "v").exists()


@pytest.mark.parametrize("shard_size", [1, 3, 4, 8, 20, 1024])
def test_each_shard_is_written_the_moment_it_is_done(
    shard_size: int, encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    seen: list[tuple[int, int, int]] = []

    def look(done: int, total: int) -> None:
        seen.append((done, total, len(list((tmp_path / "v").glob("images-*")))))

    embed_images(
        find_images([photos]), encoder, tmp_path / "v", shard_size=shard_size, progress=look
    )
    assert seen == [(done, 20, (done - 1) // shard_size) for done in range(1, 21)]


def test_batches_go_on_over_shards_where_they_end_together(
    encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    paths = [path for path in find_images([photos]) if Path(path).name not in ("05.png", "13.png")]
    embed_images(paths, encoder, tmp_path / "aligned", shard_size=8)
    assert encoder.image_calls == [4, 4, 4, 4, 2]
    encoder.image_calls.clear()
    embed_images(paths, encoder, tmp_path / "odd", shard_size=6)
    assert encoder.image_calls == [4, 2, 4, 2, 4, 2]


class Watched(list[str]):
    """Paths that remember how far they were read."""

    furthest = 0

    def __getitem__(self, key: Any) -> Any:
        self.furthest = max(self.furthest, key.stop)
        return super().__getitem__(key)


@pytest.mark.parametrize(("shard_size", "ahead"), [(4, 12), (6, 6)])
def test_images_are_read_a_little_ahead(
    shard_size: int, ahead: int, encoder: HandMadeEncoder, photos: Path, tmp_path: Path
) -> None:
    paths = Watched(map(str, find_images([photos])))
    seen: list[int] = []
    embed_images(
        paths, encoder, tmp_path / "v",
        shard_size=shard_size, workers=1, progress=lambda done, total: seen.append(paths.furthest),
    )  # fmt: skip
    assert seen[0] == ahead  # of 20: two batches of four and one image, or to the end of the shard


def test_many_links_to_one_file(encoder: HandMadeEncoder, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    for i in range(1500):
        (tmp_path / "links" / f"{i:04}.png").symlink_to(photos / "07.png")
    paths = find_images([tmp_path / "links"])
    encoder.image_batch = 64
    tally = embed_images(paths, encoder, tmp_path / "v", shard_size=500)
    assert (tally.images, tally.shards, tally.failed) == (1500, 3, 0)
    embeddings = list(load_embeddings(tmp_path / "v"))
    assert [path for shard in embeddings for path in shard.paths] == list(map(str, paths))
    assert all((shard.vectors == torch.tensor([7.0, 1.0])).all() for shard in embeddings)


@pytest.mark.skipif(os.name == "nt", reason="names there are no bytes")
def test_names_that_are_not_text(encoder: HandMadeEncoder, photos: Path, tmp_path: Path) -> None:
    odd = photos / os.fsdecode(b"z\xff.png")
    (photos / "07.png").rename(odd)
    paths = find_images([photos])
    embed_images(paths, encoder, tmp_path / "v")
    embed_images(paths, encoder, tmp_path / "v", resume=True)
    (shard,) = load_embeddings(tmp_path / "v")
    assert shard.readable[-1] == str(odd)
    assert shard.vectors[-1].tolist() == [7, 1]


def test_a_million_errors_are_counted_not_kept() -> None:
    tally = ImageTally()
    paths = [f"{i}.png" for i in range(100)]
    for _ in range(3):
        tally.add(image_shards.Shard(paths, ["gone"] * 100, torch.empty(0, 2)))
    assert tally.failed == 300
    assert tally.examples == [(path, "gone") for path in paths[:_EXAMPLES]]


def test_all_unreadable(encoder: HandMadeEncoder, tmp_path: Path) -> None:
    tally = embed_images(["no.png", "nor.png"], encoder, tmp_path / "v")
    assert (tally.images, tally.failed) == (2, 2)
    (shard,) = load_embeddings(tmp_path / "v")
    assert shard.vectors.shape == (0, 2)
    assert shard.errors == ["there is no such file"] * 2


@pytest.mark.parametrize("shard_size", [0, -1, 100_001])
def test_an_odd_shard_size_is_refused(
    shard_size: int, encoder: HandMadeEncoder, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"the shard size is {shard_size}; it goes from 1"):
        embed_images(["a.png"], encoder, tmp_path / "v", shard_size=shard_size)


def test_no_image_is_refused(encoder: HandMadeEncoder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no image to embed"):
        embed_images([], encoder, tmp_path / "v")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="the folder .*no does not exist"):
        check_directory(tmp_path / "no" / "v", resume=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="it is not a folder"):
        check_directory(tmp_path / "file", resume=True)
    (tmp_path / "link").symlink_to(tmp_path / "no")
    with pytest.raises(InputError, match="it is a link to .*no, which does not exist"):
        check_directory(tmp_path / "link", resume=True)


def test_a_name_that_is_too_long(encoder: HandMadeEncoder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="x{300}: its name is too long"):
        embed_images(["a.png"], encoder, "x" * 300)
