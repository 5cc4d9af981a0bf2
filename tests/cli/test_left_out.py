"""What a search for images passes over is told at the terminal."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cupl
from tests.folders import close_folder
from tests.models import bank_of, draw, save_clip


@pytest.mark.parametrize("command", ["classify", "embed"])
def test_what_is_left_out_is_told_and_opened_on_request(
    command: str, cupl: Cupl, tmp_path: Path
) -> None:
    clip, photos = save_clip(tmp_path), tmp_path / "photos"
    photos.mkdir()
    draw(40, 60).save(photos / "red.jpg")
    draw(40, 60).save(photos / "page.png")
    (photos / "page.png").rename(photos / "page.html")
    bank_of({"cat": ["A cat."], "dog": ["A dog."]}).save(tmp_path / "bank.yaml")
    (photos / "scan.psd").write_bytes(b"8BPS\0\1")
    (photos / "@eaDir").mkdir()
    bank = ["--bank", tmp_path / "bank.yaml"] * (command == "classify")
    counts = []
    for option in ([], ["--all-files"]):
        output = tmp_path / f"output{len(option)}{'.csv' * (command == 'classify')}"
        outcome = cupl(command, photos, *bank, "--encoder", clip, "-o", output, *option)
        assert outcome.code == 0
        assert "left out: 1 .psd" in outcome.err
        assert "skipped what systems and tools keep: 1 @eaDir" in outcome.err
        counts.append("2 images" in outcome.err + outcome.out)
    assert counts == [False, True]


@pytest.mark.parametrize("command", ["classify", "embed"])
def test_a_folder_that_cannot_be_listed_is_an_item_that_failed(
    command: str, cupl: Cupl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, photos = save_clip(tmp_path), tmp_path / "photos"
    closed = photos / "closed"
    closed.mkdir(parents=True)
    draw(40, 60).save(photos / "red.jpg")
    bank_of({"cat": ["A cat."], "dog": ["A dog."]}).save(tmp_path / "bank.yaml")
    bank = ["--bank", tmp_path / "bank.yaml"] * (command == "classify")
    output = tmp_path / f"output{'.csv' * (command == 'classify')}"
    close_folder(closed, monkeypatch)
    outcome = cupl(command, photos, *bank, "--encoder", clip, "-o", output)
    assert outcome.code == 3
    assert f"cannot be listed, left out: {closed} (Permission denied)" in outcome.err
    assert output.exists()


@pytest.mark.parametrize("command", ["classify", "embed"])
@pytest.mark.parametrize("name", ["gone", "gone/", "away/photos"])
def test_a_folder_that_is_gone_costs_nothing(
    command: str, name: str, cupl: Cupl, work: Path
) -> None:
    """It may be that of a drive: what was made of its images must not become one bad row."""
    output = Path("o.csv" if command == "classify" else "o")
    options = ["--encoder", "model", *(["--vectors", "v.safetensors"] * (command == "classify"))]
    assert cupl(command, "photos", *options, "-o", output).code == 0
    before = [path.read_bytes() for path in sorted([output, *output.rglob("*")]) if path.is_file()]
    for again in ([], ["--resume"]):
        outcome = cupl(command, name, *options, "-o", output, *again)
        assert outcome.code == 1
        assert [line.startswith("next: ") for line in outcome.err.splitlines()[1:]] in ([], [True])
    assert outcome.err == f"error: there is no file or folder {name}\n"
    after = [path.read_bytes() for path in sorted([output, *output.rglob("*")]) if path.is_file()]
    assert after == before
