"""Running the command line inside the test's process."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cupl.cli import main
from tests.writing_commands import make_work


@dataclass
class Outcome:
    """What a person sees of one command."""

    code: int
    out: str
    err: str


Cupl = Callable[..., Outcome]


@contextmanager
def interrupted_at_two(label: str) -> Iterator[Callable[[int, int], None]]:
    """In place of a command's progress: Ctrl-C where two are done."""

    def press(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt  # not the signal, which a run in the background may ignore

    yield press


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


@pytest.fixture
def cupl(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cupl:
    """``cupl("bank", "check", path)`` runs the command."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["cupl", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Outcome(code, *capsys.readouterr())

    return run
