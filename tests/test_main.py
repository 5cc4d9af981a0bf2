"""The program itself, from its first moment to its last."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INTERRUPT = "import os, signal; os.kill(os.getpid(), signal.SIGINT)\n"
BEGIN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""A shell has what it starts in the background ignore it."""


def program(code: str, *words: str, how: str = BEGIN) -> "subprocess.CompletedProcess[str]":
    """Run it with some code before it."""
    start = f"{how}import sys\nsys.argv = ['cupl', *sys.argv[1:]]\n{code}"
    return subprocess.run(
        [sys.executable, "-c", start, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def at_import_of(module: str) -> str:
    return (
        "class Press:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}:\n"
        f"            {INTERRUPT}"
        "import runpy\n"
        "sys.meta_path.insert(0, Press())\n"
    )


RUN = "from cupl.__main__ import run_program\nrun_program()\n"
AS_MODULE = "runpy.run_module('cupl', run_name='__main__')\n"


@pytest.mark.parametrize("start", [RUN, AS_MODULE])
@pytest.mark.parametrize(
    "module", ["cupl.cli", "typer", "cupl.errors", "cupl.bank.lint", "cupl.bank.model", "pydantic"]
)
def test_ctrl_c_while_it_is_imported(module: str, start: str, tmp_path: Path) -> None:
    done = program(at_import_of(module) + start, "bank", "check", str(tmp_path / "no.yaml"))
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("when", ["atexit.register", "threading._register_atexit"])
def test_ctrl_c_in_the_last_moments(when: str) -> None:
    def_press = f"def press():\n    {INTERRUPT}"
    done = program(f"{def_press}import atexit, threading\n{when}(press)\n{RUN}", "--version")
    assert done.returncode == 130
    assert done.stderr == ""
    assert done.stdout.startswith("cupl"), "what was printed is not lost"


def test_what_is_to_be_ignored_is() -> None:
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    done = program(at_import_of("typer") + RUN, "--version", how=ignoring)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_signal_is_touched_by_the_library() -> None:
    done = program("import cupl, cupl.__main__\nprint(signal.getsignal(2).__name__)\n")
    assert done.stdout == "default_int_handler\n"


def test_usage_and_errors_keep_their_codes(tmp_path: Path) -> None:
    assert program(RUN, "nonsense").returncode == 2
    assert program(RUN, "bank", "check", str(tmp_path / "no.yaml")).returncode == 1
