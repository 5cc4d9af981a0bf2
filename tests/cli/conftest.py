"""Running the command line inside the test's process."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from cupl.cli import main


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
