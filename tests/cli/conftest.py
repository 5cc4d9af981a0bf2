"""Running the command line inside the test's process."""

import sys
from collections.abc import Callable
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
