"""A report is not written over or into what it is made of."""

from pathlib import Path

import pytest
from PIL import Image

from cupl.errors import InputError
from cupl.report.evaluating import evaluate
from tests.models import HandMadeEncoder, bank_of

BANK = bank_of({"cat": ["A cat."], "dog": ["A dog."]})


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, colour in (("cat", (255, 0, 0)), ("dog", (0, 0, 255))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (8, 8), colour).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def animals() -> HandMadeEncoder:
    texts = {"A cat.": [1.0, 0.2], "a photo of a cat.": [1.0, 0.2],
             "A dog.": [0.2, 1.0], "a photo of a dog.": [0.2, 1.0]}  # fmt: skip
    return HandMadeEncoder(texts, {(255, 0, 0): [1.0, 0.1], (0, 0, 255): [0.1, 1.0]})


@pytest.mark.parametrize("place", ["", "cat", "new", "new/deep"])
def test_nothing_is_written_among_the_images(photos: Path, place: str) -> None:
    before = sorted(photos.rglob("*"))
    result = evaluate(photos, BANK, encoder=animals(), controls="photo")
    with pytest.raises(InputError, match=r"which is read; name|also what is read; name"):
        result.save_report(photos / place)
    with pytest.raises(InputError, match="which is read; name another"):
        result.save_calibrated(photos / place / "v.safetensors")
    assert sorted(photos.rglob("*")) == before


def test_a_report_is_not_written_over_its_labels(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    rows = [f"{path},{path.parent.name}\n" for path in photos.rglob("*.png")]
    (out / "predictions.csv").write_text("".join(["path,label\n", *rows]))
    result = evaluate(out / "predictions.csv", BANK, encoder=animals(), controls="photo")
    with pytest.raises(InputError, match=r"cannot write .*predictions\.csv: it is also what is"):
        result.save_report(out)
    with pytest.raises(InputError, match=r"cannot write .*predictions\.csv: it is also what is"):
        result.save_calibrated(out / "predictions.csv")
    assert [path.name for path in out.iterdir()] == ["predictions.csv"]
    result.save_report(tmp_path / "a" / "new")
    assert (tmp_path / "a" / "new" / "report.html").exists()
