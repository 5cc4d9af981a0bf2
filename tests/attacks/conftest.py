"""Attacks run for moments in the suite, and as long as ``--attacks N`` says."""

import shutil
from pathlib import Path

import pytest

from tests.writing_commands import make_work


@pytest.fixture
def times(request: pytest.FixtureRequest) -> int:
    """How many times as long as in the suite."""
    return int(request.config.getoption("--attacks"))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands that write read; to be copied."""
    return make_work(tmp_path_factory.mktemp("made"))


@pytest.fixture
def work(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in which commands run."""
    folder = tmp_path / "work"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder
