from pathlib import Path

from cupl.embedding.class_vectors import ClassVectors
from tests.cli.conftest import Cupl
from tests.models import bank_of, draw
from tests.open_clip_models import save_open_clip


def test_a_model_of_open_clip(cupl: Cupl, tmp_path: Path) -> None:
    folder = save_open_clip(tmp_path / "model", "coca")
    name = f"open_clip:{folder}"
    photo, bank, vectors = (tmp_path / one for one in ("a.png", "bank.yaml", "v.safetensors"))
    draw(40, 30).save(photo)
    bank_of({"cat": ["a cat."], "dog": ["a dog."]}).save(bank)
    assert cupl("encode", bank, "-o", vectors, "--encoder", name).code == 0
    assert ClassVectors.load(vectors).provenance.encoder == name
    tables: list[str] = []
    shards = tmp_path / "embedded"
    assert cupl("embed", photo, "-o", shards, "--encoder", folder).code == 0
    for images in (photo, shards):
        table = tmp_path / f"{len(tables)}.csv"
        assert cupl("classify", images, "--vectors", vectors, "-o", table).code == 0
        tables.append(table.read_text())
    assert tables[0] == tables[1]


def test_its_files_are_no_place_for_results(cupl: Cupl, tmp_path: Path) -> None:
    folder = save_open_clip(tmp_path / "model")
    weights, bank = folder / "open_clip_model.safetensors", tmp_path / "bank.yaml"
    bank_of({"cat": ["a cat."], "dog": ["a dog."]}).save(bank)
    before = weights.read_bytes()
    for name in (folder, f"open_clip:{folder}", f"open_clip:ViT-B-32/{weights}"):
        result = cupl("encode", bank, "-o", weights, "--encoder", name)
        assert result.code != 0
        assert weights.read_bytes() == before


def test_a_way_out_that_can_be_copied(cupl: Cupl, tmp_path: Path) -> None:
    photo = tmp_path / "a.png"
    draw(40, 30).save(photo)
    result = cupl("classify", photo, "-c", "cat", "-c", "dog", "--encoder", "open_clip:ViTB32")
    assert result.code == 1
    assert "(--encoder open_clip:ViT-B-32/" in result.err
