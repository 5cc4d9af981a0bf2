"""What a search for images passes over is told at the terminal."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cupl
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
