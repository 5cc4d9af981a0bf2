import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from cupl.errors import InputError
from tests.cli.conftest import Cupl
from tests.fakes import Reply, serve

HEAVY = {"torch", "transformers", "openai", "diskcache", "numpy", "PIL", "pydantic", "yaml", "rich"}


HELP = """
import sys
from cupl.cli import main
sys.argv = ["cupl", "--help"]
try:
    main()
except SystemExit:
    pass
"""


@pytest.mark.parametrize("code", ["import cupl, sys", HELP])
def test_help_and_import_load_nothing_heavy(code: str) -> None:
    script = f"{code}\nprint('modules:', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.decode().split("modules:")[1].split()}
    assert "cupl" in loaded
    assert not loaded & HEAVY


def test_the_public_surface() -> None:
    script = "import cupl; from cupl import *; print(generate, cupl.generate, load_encoder)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("<function generate") == 2


def test_help_names_the_commands(cupl: Cupl) -> None:
    outcome = cupl("--help")
    assert outcome.code == 0
    for command in ("demo", "generate", "encode", "classify", "bank"):
        assert command in outcome.out


def test_an_error_is_one_line(cupl: Cupl, tmp_path: Path) -> None:
    outcome = cupl("bank", "check", tmp_path / "no\x1b[31m.yaml")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert outcome.err.startswith("error: ")
    assert "no such file" in outcome.err
    assert "\x1b" not in outcome.err


def test_debug_shows_the_traceback(cupl: Cupl, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        cupl("bank", "check", tmp_path, "--debug")


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["generate"], ["classify"], ["encode", "x"], ["--nothing"]]
)
def test_usage_errors(cupl: Cupl, arguments: list[str]) -> None:
    assert cupl(*arguments).code == 2


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_exits_with_130_and_leaves_no_half_bank(tmp_path: Path) -> None:
    asked, finished = threading.Event(), threading.Event()

    def hang(body: dict[str, Any]) -> Reply:
        asked.set()
        finished.wait(60)
        return 500, {}

    with serve(hang) as server:
        command = [
            sys.executable, "-m", "cupl", "generate", "-c", "cat", "-o", str(tmp_path / "b.yaml"),
            "--base-url", server.url, "--cache", str(tmp_path / "cache"),
        ]  # fmt: skip
        # A run in the background may have been told to ignore Ctrl-C; its children inherit that.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        signal.signal(signal.SIGINT, before)
        assert asked.wait(60)
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=60)
        finished.set()
    assert process.returncode == 130
    assert printed.splitlines()[-1].startswith("interrupted")
    assert "Traceback" not in printed
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
