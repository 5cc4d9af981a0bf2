"""Image vectors of other programs, in every kind of file."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from cupl.embedding.array_files import ROWS
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_shards import ImageProvenance
from cupl.embedding.image_vectors import load_embeddings, stored_images
from cupl.errors import InputError, MissingFileError

WIDTH, IMAGES = 8, 2 * ROWS + 500
MADE_BY = ImageProvenance(encoder="theirs", fingerprint="f", precision="float32", dim=WIDTH)
PATHS = [f"photos/{number}.jpg" for number in range(IMAGES)]
Matrix = npt.NDArray[Any]


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    """Numbers that float16 and bfloat16 hold, with one row of zeros and one of NaN."""
    drawn = np.random.default_rng(0).integers(1, 100, (IMAGES, WIDTH)).astype("f4")
    drawn[7], drawn[ROWS + 1] = 0, np.nan
    return drawn


def lists(matrix: Matrix, kind: Any) -> Any:
    return pa.array([None if not row.any() else row for row in matrix], kind)


def write_npy(path: Path, matrix: Matrix) -> None:
    with path.open("wb") as file:
        np.save(file, matrix)


def table(path: Path, column: Any) -> None:
    pq.write_table(pa.table({"path": PATHS, "embedding": column}), path, row_group_size=700)


def fixed(matrix: Matrix) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), WIDTH)


FILES: dict[str, Callable[[Path, Matrix], object]] = {
    "c.npy": write_npy,
    "fortran.npy": lambda path, m: write_npy(path, np.asfortranarray(m)),
    "half.npy": lambda path, m: write_npy(path, m.astype("f2")),
    "double.npy": lambda path, m: write_npy(path, m.astype("f8")),
    "big.npy": lambda path, m: write_npy(path, m.astype(">f4")),
    "UPPER.NPY": write_npy,
    "plain.npz": lambda path, m: np.savez(path, embeddings=m, paths=np.array(PATHS)),
    "packed.npz": lambda path, m: np.savez_compressed(path, features=m, ids=np.arange(IMAGES)),
    "both.npz": lambda path, m: np.savez(path, image_features=m, text_features=m[:3] + 1),
    "fortran.npz": lambda path, m: np.savez_compressed(path, x=np.asfortranarray(m)),
    "lists.parquet": lambda path, m: table(path, lists(m, pa.list_(pa.float32()))),
    "large.parquet": lambda path, m: table(path, lists(m, pa.large_list(pa.float64()))),
    "fixed.parquet": lambda path, m: table(path, fixed(m)),
    "half.parquet": lambda path, m: table(path, fixed(m.astype("f2"))),
    "two.safetensors": lambda path, m: save_file(
        {"image": torch.tensor(m), "text": torch.zeros(3, WIDTH)}, path,
        {"paths": json.dumps(PATHS)},
    ),
    "brain.safetensors": lambda path, m: save_file({"x": torch.tensor(m).bfloat16()}, path),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_all_files_give_the_same_vectors(name: str, matrix: Matrix, tmp_path: Path) -> None:
    FILES[name](tmp_path / name, matrix)
    found = load_embeddings(tmp_path / name, MADE_BY)
    shards = list(found)
    good = [row for row in range(IMAGES) if row not in (7, ROWS + 1)]
    assert torch.equal(torch.cat([one.vectors for one in shards]), torch.tensor(matrix[good]))
    errors = [error for shard in shards for error in shard.errors]
    bad = [row for row, error in enumerate(errors) if error is not None]
    assert bad == [7, ROWS + 1]
    assert len(found) == IMAGES
    named = name.startswith(("plain", "lists", "large", "fixed", "half.parquet", "two"))
    paths = [path for some in found.paths() for path in some]
    assert paths == (PATHS if named else list(map(str, range(IMAGES))))
    assert found.has_files == named
    # As a run that goes on reads them.
    assert torch.equal(found.shard(2).vectors, shards[2].vectors)
    assert torch.equal(found.shard(1).vectors, shards[1].vectors)
    assert found.provenance.fingerprint == "f"


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 40), group=st.integers(1, 9), half=st.booleans())
def test_groups_of_rows_do_not_matter(
    rows: int, group: int, half: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("p") / "x.parquet"
    matrix = np.arange(1, rows * 3 + 1, dtype="f2" if half else "f4").reshape(rows, 3)
    column = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), 3)
    pq.write_table(pa.table({"x": column}), path, row_group_size=group)
    found = load_embeddings(path, MADE_BY.model_copy(update={"dim": 3}))
    assert torch.equal(next(iter(found)).vectors, torch.tensor(matrix).float())


@pytest.mark.parametrize("first", [None, [], [1.0], [1.0, 2.0, 3.0], [None] * 9])
def test_rows_of_a_table_without_a_vector_of_its_width(
    tmp_path: Path, first: list[float] | None
) -> None:
    rows = pa.array([first, [1.0, 2.0], [1.0], [], [3.0, None], [5.0, 6.0]], pa.list_(pa.float32()))
    pq.write_table(
        pa.table({"v": rows, "file": ["a", None, "", "d", "e", "f"]}), tmp_path / "x.parquet"
    )
    shard = load_embeddings(tmp_path / "x.parquet", MADE_BY.model_copy(update={"dim": 2})).shard(0)
    assert shard.vectors.tolist() == [[1.0, 2.0], [5.0, 6.0]]
    assert shard.paths == ["a", "1", "2", "d", "e", "f"]
    assert [error is None for error in shard.errors] == [False, True, False, False, False, True]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("stored", [True, False])
def test_texts_that_many_rows_share(tmp_path: Path, kind: pa.DataType, stored: bool) -> None:
    rows = lists(np.ones((3000, WIDTH), "f4"), pa.list_(pa.float32()))
    texts = pa.array([f"{number % 7}.jpg" for number in range(3000)], kind)
    path = tmp_path / "x.parquet"
    pq.write_table(
        pa.table({"v": rows, "path": texts.dictionary_encode()}), path, store_schema=stored
    )
    assert [one for shard in load_embeddings(path, MADE_BY) for one in shard.paths] == (
        texts.to_pylist()
    )


def test_a_few_bytes_that_are_long_texts_in_each_row(tmp_path: Path) -> None:
    rows = lists(np.ones((3000, WIDTH), "f4"), pa.list_(pa.float32()))
    texts = pa.DictionaryArray.from_arrays(np.zeros(3000, "i4"), pa.array(["a" * 70_000]))
    pq.write_table(pa.table({"v": rows, "path": texts}), tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").stat().st_size < 200_000
    with pytest.raises(InputError, match=r"x\.parquet: texts of over 65,536 letters are no names"):
        list(load_embeddings(tmp_path / "x.parquet", MADE_BY))


def test_a_few_bytes_that_are_wide_rows(tmp_path: Path) -> None:
    rows = pa.array([np.zeros(400_000, "f4")] * 2, pa.list_(pa.float32()))
    pq.write_table(pa.table({"v": rows}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x\.parquet: rows of 400,000 numbers are no vectors"):
        load_embeddings(tmp_path / "x.parquet", MADE_BY)


def test_files_of_clip_retrieval_are_taken_together(tmp_path: Path) -> None:
    (tmp_path / "img_emb").mkdir()
    (tmp_path / "metadata").mkdir()
    for number in range(2):
        np.save(
            tmp_path / "img_emb" / f"img_emb_{number}.npy", np.full((3, WIDTH), number + 1, "f2")
        )
        paths = [f"{number}-{row}.jpg" for row in range(3)]
        pq.write_table(
            pa.table({"image_path": paths, "caption": paths}),
            tmp_path / "metadata" / f"metadata_{number}.parquet",
        )
    files = sorted((tmp_path / "img_emb").iterdir())
    found = stored_images(files, MADE_BY)
    assert found is not None
    assert list(found.paths()) == [[f"{n}-{row}.jpg" for row in range(3)] for n in range(2)]
    assert [shard.vectors[0, 0].item() for shard in found] == [1, 2]
    np.save(files[0], np.ones((4, WIDTH), "f4"))
    with pytest.raises(InputError, match=r"metadata_0\.parquet: .* does not fit"):
        stored_images(files, MADE_BY)


def _npz(**arrays: Any) -> bytes:
    data = io.BytesIO()
    np.savez(data, **arrays)
    return data.getvalue()


def _npy(array: Any) -> bytes:
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


def _bomb() -> bytes:
    """Says that it is 10 GB of numbers, and is 1 kB of them."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (2**28, 10)}
    )
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(1000))
    return data.getvalue()


ONES = np.ones((4, WIDTH), "f4")
BAD: list[tuple[str, bytes, str]] = [
    ("a.npy", _npy(np.array([{}, []], object)), "pickled and could run code"),
    ("a.npy", _npy(ONES[0]), "float numbers of the shape.*reshape"),
    ("a.npy", _npy(ONES[None]), "reshape"),
    ("a.npy", _npy(ONES[:0]), "holds no vector"),
    ("a.npy", _npy(ONES.astype("i1")), "whole numbers"),
    ("a.npy", _npy(ONES.astype("c8")), "complex numbers"),
    ("a.npy", _npy(np.array(["a"])), "holds no vectors"),
    ("a.npy", _npy(ONES)[:-4], "cut off"),
    ("a.npy", _npy(ONES)[:40], "not a whole .npy file"),
    ("a.npy", _npy(ONES).replace(b"(4, ", b"(-4,"), "not a whole .npy file"),
    ("a.npy", _npy(ONES).replace(b"), }", b" , }"), "not a whole .npy file"),
    ("a.npy", _npy(ONES).replace(b"'shape'", b"'sha\"e\'"), "not a whole .npy file"),
    ("a.npy", b"", "is empty"),
    ("a.npy", b"\x89PNG\r\n\x1a\n", "image"),
    ("a.npz", _npz(a=ONES, b=ONES), "several matrices and no name says which"),
    ("a.npz", _npz(text_features=ONES), "of classes by its name"),
    ("a.npz", _npz(images=ONES, paths=np.array(["a"])), "each row needs one"),
    ("a.npz", _npz(images=ONES)[:-60], "not a whole .npz file"),
    ("a.npz", _bomb(), "not as large as it says"),
    ("a.parquet", b"PAR1" + bytes(100), "not a whole .parquet file"),
    ("a.safetensors", b"\x10\0\0\0\0\0\0\0{}", "not a whole .safetensors file"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "said"), BAD, ids=range(len(BAD)))
def test_what_cannot_be_read_is_told_in_a_sentence(
    name: str, data: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=said) as caught:
        list(load_embeddings(tmp_path / name, MADE_BY))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["plain.npz", "packed.npz", "fixed.parquet", "two.safetensors"])
def test_a_file_that_was_cut_off_is_refused(name: str, matrix: Matrix, tmp_path: Path) -> None:
    FILES[name](tmp_path / name, matrix)
    whole = (tmp_path / name).read_bytes()
    for end in range(0, len(whole), len(whole) // 7):
        (tmp_path / name).write_bytes(whole[:end])
        with pytest.raises(InputError):
            list(load_embeddings(tmp_path / name, MADE_BY))


def test_paths_that_are_pickled_are_refused_before_they_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=ONES, paths=np.array(["a", "b", "c", "d"], object))
    with pytest.raises(InputError, match="paths .* is pickled, which could run code"):
        load_embeddings(tmp_path / "x.npz", MADE_BY)


def test_the_encoder_is_the_word_of_a_person(tmp_path: Path) -> None:
    file = tmp_path / "x.npy"
    np.save(file, ONES)
    with pytest.raises(InputError, match="says nothing of the encoder") as caught:
        load_embeddings(file)
    assert caught.value.arguments == {"encoder": ...}
    with pytest.raises(InputError, match="are 8 wide, and those of 'theirs' 9"):
        load_embeddings(file, MADE_BY.model_copy(update={"dim": 9}))
    classes = ClassVectors.from_arrays(["a", "b"], np.eye(2, WIDTH))
    classes.check_embeddings(load_embeddings(file, classes).provenance)
    other = ClassVectors.from_arrays(["a", "c"], np.eye(2, WIDTH) + 1)
    with pytest.raises(InputError, match="encode both with the same"):
        other.check_embeddings(load_embeddings(file, classes).provenance)
    with pytest.raises(MissingFileError):
        load_embeddings(tmp_path / "none.npy", MADE_BY)
    with pytest.raises(InputError, match="name it alone"):
        stored_images([file, "photo.jpg"], MADE_BY)
