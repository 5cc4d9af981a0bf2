"""Class embeddings of other programs."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from cupl.bank.labels import ClassLabel
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.foreign_classes import is_class_file, load_class_file
from cupl.encoders.loading import load_encoder
from cupl.errors import InputError
from tests.models import save_clip

ROWS = np.array([[3, 4, 0], [0, 0, 2]], "f4")
NAMES = ["cat", "tree frog"]


def test_all_files_give_the_same_class_vectors(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ROWS)
    np.savez(tmp_path / "b.npz", text_features=ROWS, image_features=ROWS[:1], classes=NAMES)
    pq.write_table(pa.table({"name": NAMES, "vector": ROWS.tolist()}), tmp_path / "c.parquet")
    save_file({"x": torch.tensor(ROWS)}, tmp_path / "d.safetensors", {"names": json.dumps(NAMES)})
    labels = list(map(ClassLabel, NAMES))
    for file in sorted(tmp_path.iterdir()):
        assert is_class_file(file)
        made = load_class_file(file, labels if file.suffix == ".npy" else None)
        assert torch.allclose(made.matrix, torch.tensor([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]))
        assert [one.name for one in made.labels] == NAMES
        assert made.provenance.made_elsewhere
        assert made.provenance.logit_scale == 100
    made.save(tmp_path / "own.safetensors")
    assert not is_class_file(tmp_path / "own.safetensors")


def test_an_encoder_that_is_named_is_recorded(tmp_path: Path) -> None:
    encoder = load_encoder(save_clip(tmp_path / "clip"))
    np.savez(tmp_path / "x.npz", x=np.eye(2, encoder.dim), names=NAMES)
    made = load_class_file(tmp_path / "x.npz", encoder=encoder)
    made.check_encoder(encoder)
    assert made.provenance.logit_scale == encoder.logit_scale
    assert load_class_file(tmp_path / "x.npz", None, encoder, 7.0).provenance.logit_scale == 7
    np.savez(tmp_path / "x.npz", x=np.eye(2), names=NAMES)
    with pytest.raises(InputError, match="are 2 wide, but "):
        load_class_file(tmp_path / "x.npz", encoder=encoder)


def test_names_are_needed_one_a_row(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ROWS)
    with pytest.raises(InputError, match="does not name its 2 classes") as caught:
        load_class_file(tmp_path / "x.npy")
    assert caught.value.arguments == {"classes": ...}
    with pytest.raises(InputError, match="holds 2 class vectors, and 1 classes are named"):
        load_class_file(tmp_path / "x.npy", [ClassLabel("cat")])
    np.savez(tmp_path / "x.npz", image_features=ROWS, names=NAMES)
    with pytest.raises(InputError, match="of images by its name"):
        load_class_file(tmp_path / "x.npz")
    assert ClassVectors.__name__ in repr(load_class_file(tmp_path / "x.npy", map_labels()))


def map_labels() -> list[ClassLabel]:
    return [ClassLabel(name) for name in NAMES]


@pytest.mark.parametrize("scale", [0.0, -5.0, float("nan")])
def test_a_logit_scale_that_is_none(scale: float, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(2, 4, dtype="f4"))
    with pytest.raises(InputError, match="above 0"):
        load_class_file(tmp_path / "v.npy", [ClassLabel("a"), ClassLabel("b")], None, scale)
