"""A table of images that somebody else made: what it says is bounded before it is believed."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_shards import images_file, write_shard
from cupl.embedding.image_tables import open_image_table, read_image_table, write_image_table
from cupl.embedding.image_vectors import load_embeddings
from cupl.errors import InputError
from tests.embedding.test_image_shards import metadata_of, shard_of
from tests.models import HandMadeEncoder

SCHEMA = pa.schema(
    {"path": pa.string(), "path_bytes": pa.binary(), "row": pa.int32(), "error": pa.string()}
)
LONG = "x" * 1_000_000


def write(file: Path, rows: int = 1000, compression: str = "snappy", **columns: Any) -> Path:
    data = {"path": ["a"] * rows, "path_bytes": [None] * rows,
            "row": list(range(rows)), "error": [None] * rows} | columns  # fmt: skip
    table = pa.table(data, SCHEMA)
    pq.write_table(table, file, compression=compression, dictionary_pagesize_limit=2**30)
    return file


@pytest.mark.parametrize(
    "columns",
    [
        {"path": [LONG] * 1000},
        {"path_bytes": [LONG.encode()] * 1000},
        {"error": [LONG] * 1000, "row": [None] * 1000},
        {"path": [LONG] * 150, "path_bytes": [LONG.encode()] * 150, "rows": 150},
    ],
)
def test_a_long_text_that_is_stored_once_for_all_rows(
    columns: dict[str, Any], tmp_path: Path
) -> None:
    file = write(tmp_path / "t.parquet", **columns)
    assert file.stat().st_size < 2_000_000
    with open_image_table(file) as table, pytest.raises(InputError, match="larger than 256 MiB"):
        read_image_table(table)


@pytest.mark.parametrize("compression", ["snappy", "none", "zstd"])
def test_what_is_written_is_read(compression: str, tmp_path: Path) -> None:
    with open_image_table(write(tmp_path / "t.parquet", 3, compression)) as table:
        assert read_image_table(table) == (["a"] * 3, [None] * 3)


def test_a_path_with_a_nul(tmp_path: Path) -> None:
    write_shard(tmp_path, metadata_of(), shard_of("a.png"))
    file = images_file(tmp_path, 0)
    metadata = pq.read_metadata(file).metadata
    table = pq.read_table(file).set_column(0, "path", pa.array(["a\0.png"]))
    pq.write_table(table.cast(SCHEMA).replace_schema_metadata(metadata), file)
    with pytest.raises(InputError, match="a path with a NUL"):
        load_embeddings(tmp_path)
    with pytest.raises(InputError, match="no name that a file can have"):
        embed_images(["a\0.png"], HandMadeEncoder(), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_changed_bit_is_noticed(tmp_path: Path) -> None:
    """In whatever page it lies; else a path or an error would be another."""
    paths = [f"photos/cat-{number}.jpg" for number in range(20)]
    errors = [None if number % 3 else "cut off" for number in range(20)]
    file = tmp_path / "t.parquet"
    with file.open("wb") as stream:
        write_image_table(paths, errors, {}, stream)
    good = file.read_bytes()
    footer = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
    refused = 0
    for place in range(4, footer, 3):
        file.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        try:
            with open_image_table(file) as table:
                assert read_image_table(table) == (paths, errors)
        except (InputError, OSError, ValueError, pa.ArrowException):
            refused += 1
    assert refused > (footer - 4) // 6
