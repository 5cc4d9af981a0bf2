"""How many images a directory holds is told without reading their vectors."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.embedding import image_shards
from cupl.embedding.image_shards import images_file, vectors_file, write_shard
from cupl.embedding.image_vectors import load_embeddings
from cupl.errors import InputError
from tests.embedding.test_image_shards import folder, metadata_of, shard_of
from tests.models import draw

__all__ = ["folder"]


def test_its_length_is_the_number_of_images_readable_or_not(folder: Path) -> None:
    embeddings = load_embeddings(folder)
    assert len(embeddings) == 4
    assert embeddings.shards == 2
    assert sum(len(shard.paths) for shard in embeddings) == 4


@given(st.lists(st.integers(1, 3), min_size=1, max_size=5))
def test_any_number_of_shards_of_any_length(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int]
) -> None:
    directory = tmp_path_factory.mktemp("v")
    for number, length in enumerate(lengths):
        paths = [f"{number}-{image}.png" for image in range(length)]
        write_shard(directory, metadata_of(number), shard_of(*paths, unreadable="1-0.png"))
    embeddings = load_embeddings(directory)
    assert len(embeddings) == sum(lengths)
    assert embeddings.shards == len(list(embeddings)) == len(lengths)


def test_a_number_of_images_that_its_rows_deny_is_refused(folder: Path) -> None:
    file = images_file(folder, 0)
    data = file.read_bytes()
    assert data.count(b"\x16\x06\x19\x1c") == 1  # three rows, then the list of row groups
    file.write_bytes(data.replace(b"\x16\x06\x19\x1c", b"\x16\x02\x19\x1c"))
    with pytest.raises(InputError, match="does not say itself how many images it has"):
        load_embeddings(folder)


def test_vectors_are_not_read_to_be_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = load_embeddings(folder)
    for number in (0, 1):
        vectors_file(folder, number).unlink()
    read: list[Path] = []
    checked = image_shards._check_regular

    def watch(file: Path) -> None:
        read.append(file)
        checked(file)

    monkeypatch.setattr(image_shards, "_check_regular", watch)
    assert len(embeddings) == 4
    assert read == [images_file(folder, 0), images_file(folder, 1)]
    assert len(embeddings) == 4
    assert len(read) == 2, "it is counted once"


@pytest.mark.parametrize("data", [b"", b"PAR1 no table PAR1"])
def test_a_damaged_table_is_named(data: bytes, folder: Path) -> None:
    embeddings = load_embeddings(folder)
    images_file(folder, 1).write_bytes(data)
    with pytest.raises(InputError, match="images-00001.parquet: damaged, or not written by cupl"):
        len(embeddings)


def test_shards_of_two_encoders_are_not_counted_together(folder: Path) -> None:
    write_shard(folder, metadata_of(2, fingerprint="another"), shard_of("e.png"))
    with pytest.raises(InputError, match="images-00002.parquet: made by .* but the first shard by"):
        len(load_embeddings(folder))


def test_a_shard_that_is_gone_is_named(folder: Path) -> None:
    embeddings: Any = load_embeddings(folder)
    images_file(folder, 1).unlink()
    with pytest.raises(InputError, match="images-00001.parquet: it is missing"):
        len(embeddings)


def test_photos_beside_the_vectors_are_told(folder: Path) -> None:
    draw(8, 8).save(folder / "late.png")
    with pytest.warns(UserWarning, match="left out: 1 photo beside the vectors"):
        load_embeddings(folder)
