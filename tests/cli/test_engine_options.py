"""Options of a cluster: what goes together, and what is said of one that is not there."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cupl
from tests.models import draw


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    draw(40, 30).save("a.png")
    return tmp_path


@pytest.mark.parametrize("words", [["--address", "auto"], ["--workers", 2]])
def test_a_cluster_is_asked_for(cupl: Cupl, photo: Path, words: list[object]) -> None:
    for command in (["embed", "a.png", "-o", "v"], ["classify", "a.png", "-c", "cat,dog"]):
        outcome = cupl(*command, *words)
        assert (outcome.code, (photo / "v").exists()) == (2, False)
        assert "--address and --workers go with --engine ray" in outcome.err


@pytest.mark.parametrize("address", ["", " "])
def test_an_address_that_is_empty(cupl: Cupl, photo: Path, address: str) -> None:
    outcome = cupl("embed", "a.png", "-o", "v", "--engine", "ray", "--address", address)
    assert outcome.code == 2
    assert "--address is empty" in outcome.err


def test_no_cluster_answers(cupl: Cupl, photo: Path) -> None:
    outcome = cupl("embed", "a.png", "-o", "v", "--engine", "ray", "--address", "127.0.0.1:1")
    assert outcome.code == 1
    assert outcome.err == ("error: no Ray cluster answers at 127.0.0.1:1: Connection refused\n")
    assert not (photo / "v").exists()


def test_all_images_are_not_looked_at_first(cupl: Cupl, photo: Path) -> None:
    outcome = cupl("classify", "a.png", "-c", "cat,dog", "--adapt", "--engine", "ray")
    assert outcome.code == 2
    assert "use cupl embed --engine ray, then" in outcome.err
