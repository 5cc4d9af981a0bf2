import json
import math
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from cupl.bank.labels import ClassLabel
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.provenance import Provenance
from cupl.errors import InputError, MissingFileError
from tests.models import HandMadeEncoder

COSINES = torch.tensor([[1.0, 0.5, -1.0], [0.2, 0.2, 0.2]])


def test_probabilities_without_a_bias_are_a_softmax() -> None:
    provenance = make_vectors().provenance.model_copy(update={"logit_scale": 2.0})
    exponentials = [math.exp(2), math.exp(1), math.exp(-2)]
    first, second = provenance.probabilities(COSINES).tolist()
    assert first == pytest.approx([e / sum(exponentials) for e in exponentials])
    assert second == pytest.approx([1 / 3] * 3)


def test_probabilities_with_a_bias_are_of_each_class_alone() -> None:
    changes = {"logit_scale": 2.0, "logit_bias": -0.5}
    provenance = make_vectors().provenance.model_copy(update=changes)
    first, second = provenance.probabilities(COSINES).tolist()
    assert first == pytest.approx([1 / (1 + math.exp(-x)) for x in (1.5, 0.5, -2.5)])
    assert second == pytest.approx([1 / (1 + math.exp(0.1))] * 3)


def make_vectors(names: list[str] | None = None) -> ClassVectors:
    labels = [ClassLabel(name, f"n{i}", ("x",)) for i, name in enumerate(names or ["cat", "frog"])]
    matrix = torch.nn.functional.normalize(torch.arange(1.0, 3 * len(labels) + 1).view(-1, 3))
    provenance = Provenance(
        encoder="org/clip",
        revision="abc",
        fingerprint="f" * 64,
        logit_scale=100.0,
        bank="animals",
        bank_digest="d" * 64,
        pooling="normalized-mean",
        templates=("a {}.",),
        combine="average",
        truncated=(("cat", "a long one"),),
    )
    return ClassVectors(labels, matrix, provenance)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    vectors = make_vectors()
    vectors.save(tmp_path / "v.safetensors")
    loaded = ClassVectors.load(tmp_path / "v.safetensors")
    assert loaded.labels == vectors.labels
    assert loaded.provenance == vectors.provenance
    assert torch.equal(loaded.matrix, vectors.matrix)


@pytest.mark.parametrize("bias", [None, 0.0, -12.932])
def test_the_bias_is_saved_and_loaded(bias: float | None, tmp_path: Path) -> None:
    vectors = make_vectors()
    provenance = vectors.provenance.model_copy(update={"logit_bias": bias})
    replace(vectors, provenance=provenance).save(tmp_path / "v")
    assert ClassVectors.load(tmp_path / "v").provenance == provenance


def test_a_file_from_before_there_was_a_bias_has_none(tmp_path: Path) -> None:
    before = {key: value for key, value in PROVENANCE.items() if key != "logit_bias"}
    write(tmp_path / "v", provenance=before)
    assert ClassVectors.load(tmp_path / "v").provenance == make_vectors().provenance


def test_a_file_from_before_there_was_a_temperature_has_one(tmp_path: Path) -> None:
    before = {key: value for key, value in PROVENANCE.items() if key != "temperature"}
    write(tmp_path / "v", provenance=before)
    assert ClassVectors.load(tmp_path / "v").provenance.temperature == 1.0


def test_the_temperature_is_saved_and_loaded(tmp_path: Path) -> None:
    warm = make_vectors().with_temperature(2.5)
    warm.save(tmp_path / "v")
    loaded = ClassVectors.load(tmp_path / "v")
    assert loaded.provenance == warm.provenance
    assert loaded.provenance.temperature == 2.5
    assert loaded.with_temperature(1).provenance == make_vectors().provenance


def test_equal_vectors_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_vectors().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_view_of_a_matrix_can_be_saved(tmp_path: Path) -> None:
    vectors = make_vectors()
    turned = replace(vectors, matrix=vectors.matrix.T.contiguous().T)
    turned.save(tmp_path / "v")
    assert torch.equal(ClassVectors.load(tmp_path / "v").matrix, vectors.matrix)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4, unique=True))
def test_names_of_any_script_survive(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    printable = ["馬" + "".join(filter(str.isprintable, name)) + ", {}" for name in names]
    file = tmp_path_factory.mktemp("names") / "v"
    make_vectors(printable).save(file)
    assert [label.name for label in ClassVectors.load(file).labels] == printable


def test_a_file_that_is_replaced_does_not_change_what_was_loaded(tmp_path: Path) -> None:
    file = tmp_path / "v"
    make_vectors().save(file)
    loaded = ClassVectors.load(file)
    with file.open("r+b") as raw:
        raw.seek(-4, 2)
        raw.write(struct.pack("<f", 0.5))
    assert torch.equal(loaded.matrix, make_vectors().matrix)


def metadata_of(file: Path) -> dict[str, Any]:
    with safe_open(file, framework="pt") as opened:
        metadata: dict[str, Any] = json.loads((opened.metadata() or {})["cupl"])
    return metadata


def write(file: Path, tensor: torch.Tensor | None = None, **changes: Any) -> None:
    """A file without a checksum, as of 0.1.0, with something else in it than there should be."""
    make_vectors().save(file)
    metadata = metadata_of(file) | changes
    del metadata["sha256"]
    tensor = make_vectors().matrix if tensor is None else tensor
    save_file({"vectors": tensor}, file, {"cupl": json.dumps(metadata)})


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.ones(2, 3, dtype=torch.float16), "a float32 matrix, not float16 of 2 dimensions"),
        (torch.ones(2, 3, dtype=torch.int64), "a float32 matrix, not int64 of 2 dimensions"),
        (torch.ones(2), "a float32 matrix, not float32 of 1 dimensions"),
        (torch.ones(3, 3), "3 class vectors for 2 labels"),
        (torch.tensor([[1.0, math.nan], [1.0, 0.0]]), "a number that is not finite"),
        (torch.tensor([[1.0, math.inf], [1.0, 0.0]]), "a number that is not finite"),
    ],
)
def test_a_wrong_matrix_is_refused(tensor: torch.Tensor, said: str, tmp_path: Path) -> None:
    write(tmp_path / "v", tensor)
    with pytest.raises(InputError, match=said) as caught:
        ClassVectors.load(tmp_path / "v")
    assert str(caught.value).startswith(f"{tmp_path / 'v'}: ")


@given(data=st.data())
def test_any_bit_that_changed_is_seen(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    changed = bytearray(whole)
    changed[bit // 8] ^= 1 << bit % 8
    path = tmp_path_factory.getbasetemp() / "changed.safetensors"
    path.write_bytes(changed)
    with pytest.raises(InputError, match=r"changed.safetensors: "):
        ClassVectors.load(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of class vectors."""
    path = tmp_path_factory.mktemp("whole") / "v"
    make_vectors().save(path)
    return path.read_bytes()


@pytest.mark.parametrize(("old", "new"), [(b"frog", b"toad"), (b"100.0", b"200.0")])
def test_what_changed_beside_the_numbers_is_seen(
    old: bytes, new: bytes, whole: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "v"
    path.write_bytes(whole.replace(old, new))
    with pytest.raises(InputError, match="they are damaged .*: encode the bank again"):
        ClassVectors.load(path)


@pytest.mark.parametrize("pooling", ["normalized-mean", "mean", "similarity"])
@pytest.mark.parametrize("bit", range(23, 31))
@pytest.mark.parametrize("row", [0, 1])
def test_a_number_that_grew_or_shrank_is_seen(
    pooling: str, bit: int, row: int, tmp_path: Path
) -> None:
    """In an exponent of a file without a checksum, as 0.1.0 wrote them."""
    whole = make_vectors()
    whole = replace(whole, provenance=whole.provenance.model_copy(update={"pooling": pooling}))
    write(tmp_path / "v", provenance=whole.provenance.model_dump(mode="json"))
    data = bytearray((tmp_path / "v").read_bytes())
    place = len(data) - 4 * whole.matrix.numel() + 4 * whole.matrix.shape[1] * row
    place += 4 * int(whole.matrix[row].abs().argmax())
    number = int.from_bytes(data[place : place + 4], "little") ^ (1 << bit)
    data[place : place + 4] = number.to_bytes(4, "little")
    (tmp_path / "v").write_bytes(data)
    if abs(struct.unpack("<f", data[place : place + 4])[0]) < 1 and pooling == "similarity":
        ClassVectors.load(tmp_path / "v")  # a mean can be as short as that
        return
    with pytest.raises(InputError, match="is damaged: encode the bank again|not finite|too long"):
        ClassVectors.load(tmp_path / "v")


PROVENANCE = make_vectors().provenance.model_dump(mode="json")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "cupl-vectors/9"}, "format"),
        ({"labels": "cat"}, "labels"),
        ({"labels": []}, "no classes"),
        ({"labels": [{"name": 1}, {"name": "b"}]}, "labels.0.name"),
        ({"labels": [{"name": "a"}, {"name": "a"}]}, "two classes are named 'a'"),
        ({"provenance": {}}, "provenance.encoder"),
        ({"provenance": PROVENANCE | {"logit_scale": -1}}, "provenance.logit_scale"),
        ({"provenance": PROVENANCE | {"logit_scale": math.nan}}, "provenance.logit_scale"),
        ({"provenance": PROVENANCE | {"temperature": 0}}, "provenance.temperature"),
        ({"provenance": PROVENANCE | {"logit_bias": math.inf}}, "provenance.logit_bias"),
        ({"provenance": PROVENANCE | {"logit_bias": "none"}}, "provenance.logit_bias"),
        ({"provenance": PROVENANCE | {"combine": "sum"}}, "provenance.combine"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_wrong_metadata_is_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    write(tmp_path / "v", **changes)
    with pytest.raises(InputError, match=said) as caught:
        ClassVectors.load(tmp_path / "v")
    assert str(caught.value).startswith(f"{tmp_path / 'v'}: no class vectors: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        ({"vectors": torch.ones(1, 2)}, None),
        ({"vectors": torch.ones(1, 2)}, {"other": "x"}),
        ({"weights": torch.ones(1, 2)}, {"cupl": "{}"}),
    ],
)
def test_safetensors_of_others_are_refused(
    tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None, tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / "v", metadata)
    with pytest.raises(InputError, match="v: no class vectors: cupl did not write them"):
        ClassVectors.load(tmp_path / "v")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1e999"])
def test_metadata_that_is_no_json_is_refused(text: str, tmp_path: Path) -> None:
    save_file({"vectors": torch.ones(1, 2)}, tmp_path / "v", {"cupl": text})
    with pytest.raises(InputError, match="v: no class vectors: "):
        ClassVectors.load(tmp_path / "v")


@pytest.mark.parametrize("data", [b"", b"?", struct.pack("<Q", 1 << 60) + b"{}", b"\0" * 64])
def test_what_is_no_safetensors_file_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(data)
    with pytest.raises(InputError, match="v: not a whole safetensors file") as caught:
        ClassVectors.load(tmp_path / "v")
    assert "\n" not in str(caught.value)


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    make_vectors().save(tmp_path / "v")
    (tmp_path / "v").write_bytes((tmp_path / "v").read_bytes()[:-5])
    with pytest.raises(InputError, match="v: not a whole safetensors file"):
        ClassVectors.load(tmp_path / "v")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="v: no such file"):
        ClassVectors.load(tmp_path / "v")
    with pytest.raises(InputError, match="is a folder, not a file of class vectors"):
        ClassVectors.load(tmp_path)


def test_another_encoder_of_the_same_width_is_refused() -> None:
    vectors = make_vectors()
    same = HandMadeEncoder({"a": [0.0, 0.0, 1.0]}, fingerprint="f" * 64)
    vectors.check_encoder(same)
    other = HandMadeEncoder({"a": [0.0, 0.0, 1.0]}, fingerprint="e" * 64)
    with pytest.raises(InputError, match=r"'org/clip' \(fingerprint 'f{12}'\), not by 'hand-made'"):
        vectors.check_encoder(other)


def test_a_file_with_a_borrowed_fingerprint_is_refused_by_width() -> None:
    narrow = HandMadeEncoder({"a": [0.0, 1.0]}, fingerprint="f" * 64)
    with pytest.raises(InputError, match="are 3 wide, but hand-made makes 2"):
        make_vectors().check_encoder(narrow)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 5\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (POINTER, "git-lfs pointer.*git lfs pull"),
        (b"\x93NUMPY\x01\x00", "numpy.*from_arrays"),
        (b"PK\x03\x04rest", "zip archive.*from_arrays"),
        (b"\x80\x02}q\x00.", "pickle.*not read"),
    ],
)
def test_what_a_file_is_is_said(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "v.safetensors").write_bytes(data)
    with pytest.raises(InputError, match=said):
        ClassVectors.load(tmp_path / "v.safetensors")


def test_a_folder_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"gr\xfc\xdfe")
    folder.mkdir()
    for name in ("v.safetensors", "v" * 243 + ".safetensors"[:12], os.fsdecode(b"\xff\xfe")):
        vectors = ClassVectors.from_arrays(["a", "b"], [[1.0, 0.0], [0.0, 1.0]])
        vectors.save(folder / name)
        assert ClassVectors.load(folder / name).matrix.equal(vectors.matrix)
