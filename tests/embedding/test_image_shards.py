import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from cupl.embedding.image_shards import (
    ImageProvenance,
    Shard,
    ShardMetadata,
    images_file,
    vectors_file,
    write_shard,
)
from cupl.embedding.image_vectors import load_embeddings
from cupl.errors import CuplError, InputError, MissingFileError
from tests.models import HandMadeEncoder

MADE_BY = ImageProvenance(
    encoder="hand-made", revision="r1", fingerprint="hand-made", precision="float32", dim=2
)


def metadata_of(shard: int = 0, **changes: Any) -> ShardMetadata:
    provenance = MADE_BY.model_copy(update=changes)
    return ShardMetadata(shard=shard, shard_size=3, provenance=provenance)


def shard_of(*paths: str, unreadable: str = "") -> Shard:
    """A shard whose vectors say their row."""
    errors = ["the file is empty" if path == unreadable else None for path in paths]
    rows = torch.arange(errors.count(None), dtype=torch.float32)
    return Shard(list(paths), errors, torch.stack([rows, rows + 0.5], dim=1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two shards, of three images and of one; the second image cannot be read."""
    folder = tmp_path / "vectors"
    folder.mkdir()
    write_shard(folder, metadata_of(0), shard_of("a.png", "b.png", "c.png", unreadable="b.png"))
    write_shard(folder, metadata_of(1), shard_of("d.png"))
    return folder


def test_what_is_written_is_read(folder: Path) -> None:
    embeddings = load_embeddings(folder)
    assert embeddings.provenance == MADE_BY
    assert (len(embeddings), embeddings.shards) == (4, 2)
    first, second = embeddings
    assert first.paths == ["a.png", "b.png", "c.png"]
    assert first.errors == [None, "the file is empty", None]
    assert first.readable == ["a.png", "c.png"]
    assert first.vectors.tolist() == [[0, 0.5], [1, 1.5]]
    assert second.readable == ["d.png"]
    assert second.vectors.tolist() == [[0, 0.5]]


def test_other_programs_can_read_it(folder: Path) -> None:
    table = pq.read_table(images_file(folder, 0))
    assert table.to_pylist() == [
        {"path": "a.png", "path_bytes": None, "row": 0, "error": None},
        {"path": "b.png", "path_bytes": None, "row": None, "error": "the file is empty"},
        {"path": "c.png", "path_bytes": None, "row": 1, "error": None},
    ]
    with safe_open(vectors_file(folder, 0), framework="np") as file:
        assert file.get_tensor("vectors").dtype == "float32"
        says = json.loads(file.metadata()["cupl"])
    assert says["provenance"] == MADE_BY.model_dump()
    assert json.loads(table.schema.metadata[b"cupl"]) == says


def test_a_shard_without_a_readable_image(tmp_path: Path) -> None:
    write_shard(tmp_path, metadata_of(), shard_of("a.png", unreadable="a.png"))
    (shard,) = load_embeddings(tmp_path)
    assert shard.vectors.shape == (0, 2)
    assert shard.readable == []


def test_equal_shards_are_equal_bytes(folder: Path, tmp_path: Path) -> None:
    write_shard(tmp_path, metadata_of(1), shard_of("d.png"))
    for file_of in (images_file, vectors_file):
        assert file_of(tmp_path, 1).read_bytes() == file_of(folder, 1).read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="names there are no bytes")
@given(
    st.lists(
        st.lists(st.integers(1, 255), min_size=1, max_size=20).map(bytes), min_size=1, max_size=3
    )
)
def test_names_of_any_bytes_survive(names: list[bytes]) -> None:
    paths = [os.fsdecode(name) for name in names]
    with TemporaryDirectory() as folder:
        write_shard(Path(folder), metadata_of(), shard_of(*paths))
        (shard,) = load_embeddings(folder)
        table = pq.read_table(images_file(Path(folder), 0)).to_pydict()
    assert shard.paths == paths
    for name, text, raw in zip(names, table["path"], table["path_bytes"], strict=True):
        try:
            assert (text, raw) == (name.decode(), None)
        except UnicodeDecodeError:
            assert (text, raw) == (name.decode(errors="backslashreplace"), name)


def test_text_that_is_no_text(tmp_path: Path) -> None:
    odd = shard_of("a.png", unreadable="a.png")
    write_shard(tmp_path, metadata_of(), replace(odd, errors=["bad\ud800"]))
    (shard,) = load_embeddings(tmp_path)
    assert shard.errors == ["bad\\ud800"]
    if os.name != "nt":
        with pytest.raises(InputError, match="is no name that a file can have"):
            write_shard(tmp_path, metadata_of(), shard_of("a\ud800.png"))


@pytest.mark.skipif(os.name == "nt", reason="names there are no bytes")
def test_the_directory_may_have_such_a_name(folder: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xff")
    folder.rename(odd)
    assert [shard.readable[0] for shard in load_embeddings(odd)] == ["a.png", "d.png"]
    write_shard(odd, metadata_of(1), shard_of("e.png"))


def test_the_encoder_is_known_by_its_fingerprint(folder: Path) -> None:
    embeddings = load_embeddings(folder)
    embeddings.check_encoder(HandMadeEncoder({"x": (1, 0)}))
    other = HandMadeEncoder({"x": (1, 0)}, fingerprint="another")
    other.id = "other-model"
    with pytest.raises(InputError, match=r"'hand-made'.*, not by .*'other-model'.*'another'"):
        embeddings.check_encoder(other)
    with pytest.raises(InputError, match="2 wide.* 3 wide"):
        embeddings.check_encoder(HandMadeEncoder({"x": (1, 0, 0)}))


def test_shards_of_two_encoders_are_not_mixed(folder: Path) -> None:
    for changes in ({"fingerprint": "x"}, {"precision": "bfloat16"}):
        write_shard(folder, metadata_of(1, **changes), shard_of("d.png"))
        with pytest.raises(InputError, match="but the first shard by the encoder"):
            list(load_embeddings(folder))
    write_shard(folder, metadata_of(1, cupl="9", encoder="./copy"), shard_of("d.png"))
    assert len(list(load_embeddings(folder))) == 2


def test_a_missing_shard_between_others(folder: Path) -> None:
    images_file(folder, 0).unlink()
    with pytest.raises(InputError, match="images-00000.parquet is missing"):
        load_embeddings(folder)


def test_vectors_without_a_table_are_of_no_shard(folder: Path) -> None:
    images_file(folder, 1).unlink()
    assert load_embeddings(folder).shards == 1


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such directory"):
        load_embeddings(tmp_path / "no")
    with pytest.raises(InputError, match="holds no image vectors"):
        load_embeddings(tmp_path)
    (tmp_path / "images-0000000.parquet").write_text("not a name of ours")
    with pytest.raises(InputError, match="holds no image vectors"):
        load_embeddings(tmp_path)
    with pytest.raises(InputError, match="says nothing of the encoder"):
        load_embeddings(tmp_path / "images-0000000.parquet")
    (tmp_path / "images.txt").write_text("neither folder nor vectors")
    with pytest.raises(InputError, match="is a file, not a folder of image vectors"):
        load_embeddings(tmp_path / "images.txt")


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def _flip_the_end(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 255
    file.write_bytes(data)


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _foreign(file: Path) -> None:
    file.write_text("something else, of some length")


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES = [_cut, _flip_the_end, _empty, _foreign, _folder]
if os.name != "nt":
    DAMAGES.append(_pipe)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file_of", [images_file, vectors_file])
def test_damaged_files_are_refused(
    damage: Callable[[Path], None], file_of: Callable[[Path, int], Path], folder: Path
) -> None:
    damage(file_of(folder, 1))
    embeddings = load_embeddings(folder)
    with pytest.raises(InputError, match=f"{file_of(folder, 1).name}: .* makes it again$"):
        list(embeddings)


def test_missing_vectors_are_named(folder: Path) -> None:
    vectors_file(folder, 0).unlink()
    with pytest.raises(InputError, match=r"vectors-00000.safetensors: it is missing; "):
        load_embeddings(folder)


@given(data=st.data())
def test_a_table_with_any_byte_changed_is_read_or_refused(data: st.DataObject) -> None:
    with TemporaryDirectory() as name:
        write_shard(Path(name), metadata_of(), shard_of("a.png", "b.png", unreadable="b.png"))
        file = images_file(Path(name), 0)
        changed = bytearray(file.read_bytes())
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at] ^= data.draw(st.integers(1, 255))
        file.write_bytes(changed)
        try:
            found = load_embeddings(name)
            assert [shard.paths for shard in found] == [["a.png", "b.png"]]
            assert len(found) == 2
        except CuplError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_vectors_of_another_shard_are_refused(folder: Path) -> None:
    shutil.copy(vectors_file(folder, 1), vectors_file(folder, 0))
    with pytest.raises(InputError, match="not the vectors of these images"):
        load_embeddings(folder)


def test_a_shard_under_another_name_is_refused(folder: Path) -> None:
    for file_of in (images_file, vectors_file):
        shutil.copy(file_of(folder, 1), file_of(folder, 0))
    with pytest.raises(InputError, match="this is shard 1, under another name"):
        load_embeddings(folder)


def rewrite(file: Path, keys: dict[str, str] | None = None, **columns: Any) -> None:
    """Change a table and keep what it says of the vectors."""
    table = pq.read_table(file)
    old = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        kind = table.schema.field(name).type
        table = table.set_column(at, pa.field(name, kind), pa.array(values, kind))
    pq.write_table(table.replace_schema_metadata({**old, **(keys or {})}), file)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"row": [0, 1, None]}, "its rows and errors do not fit together"),
        ({"row": [1, None, 0]}, "its rows and errors do not fit together"),
        ({"row": [0, None, 10**6]}, "its rows and errors do not fit together"),
        ({"path": ["a", None, "c"]}, "an image without a path"),
        ({"error": [None, None, None], "row": [0, 1, 2]}, r"needed are vectors of float32 \[3, 2"),
    ],
)
def test_tables_that_make_no_sense_are_refused(
    columns: dict[str, Any], said: str, folder: Path
) -> None:
    rewrite(images_file(folder, 0), **columns)
    with pytest.raises(InputError, match=said):
        load_embeddings(folder)


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ("{}", "damaged, or not written by cupl"),
        ("no JSON", "damaged, or not written by cupl"),
        (metadata_of().model_dump_json().replace('"shard_size":3', '"shard_size":2'), "3 images"),
        (metadata_of().model_dump_json().replace('_size":3', '_size":999999999'), "damaged"),
        (metadata_of(dim=3).model_dump_json(), r"needed are vectors of float32 \[2, 3\]"),
        (metadata_of().model_dump_json().replace("embeddings/1", "embeddings/2"), "damaged"),
    ],
)
def test_metadata_that_make_no_sense_are_refused(says: str, said: str, folder: Path) -> None:
    rewrite(images_file(folder, 0), {"cupl": says})
    with pytest.raises(InputError, match=said):
        load_embeddings(folder)


def test_tables_of_others_are_refused(folder: Path) -> None:
    pq.write_table(pa.table({"path": ["a.png"]}), images_file(folder, 0))
    with pytest.raises(InputError, match="images-00000.parquet: cupl did not write it"):
        load_embeddings(folder)


@pytest.mark.parametrize("metadata", [None, {"cupl": "{}"}, {"format": "pt"}])
def test_vectors_of_others_are_not_replaced(
    metadata: dict[str, str] | None, tmp_path: Path
) -> None:
    theirs = vectors_file(tmp_path, 0)
    save_file({"vectors": torch.ones(1, 2)}, theirs, metadata)
    before = theirs.read_bytes()
    with pytest.raises(InputError, match="in the way and cupl did not write it"):
        write_shard(tmp_path, metadata_of(), shard_of("a.png"))
    assert theirs.read_bytes() == before
    assert list(tmp_path.iterdir()) == [theirs]


def test_a_shard_takes_the_place_of_an_older_one(folder: Path) -> None:
    longer = shard_of("d.png", "e.png")
    write_shard(folder, metadata_of(1), replace(longer, vectors=longer.vectors * 2))
    _, second = load_embeddings(folder)
    assert second.vectors.tolist() == [[0, 1], [2, 3]]


def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="does not exist"):
        write_shard(tmp_path / "no", metadata_of(), shard_of("a.png"))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
def test_reading_leaves_no_threads_behind(folder: Path) -> None:
    """One of Arrow's that ends while the process exits aborts it, one time in six."""
    count = (
        "import os, sys; from cupl.embedding.image_vectors import load_embeddings; "
        "threads = lambda: len(os.listdir('/proc/self/task')); before = threads(); "
        "list(load_embeddings(sys.argv[1])); sys.exit(threads() - before)"
    )
    subprocess.run([sys.executable, "-c", count, folder], check=True)
