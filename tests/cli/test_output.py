import os
import shlex
import subprocess
from pathlib import Path

import pytest

from cupl.cli.output import none_or, progress, quoted, say
from cupl.io.terminal import printable
from tests.cli.conftest import Cupl


def test_say_spells_out_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[31m\rb\u202e\nsecond 猫")
    assert capsys.readouterr().err == "a\\x1b[31m\\rb\\u202e\nsecond 猫\n"


def test_an_option_that_can_be_left_out() -> None:
    parse = none_or(float)
    assert parse("0.5") == 0.5
    assert parse("None") == "none"
    with pytest.raises(ValueError, match="hot"):
        parse("hot")


def test_progress_without_a_terminal_is_a_line_a_tenth(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("answers") as update:
        for done in range(1, 101):
            update(done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "answers: 10 of 100"
    assert lines[-1] == "answers: 100 of 100"
    assert len(lines) == 10


def test_progress_towards_an_end_that_nobody_knows_is_a_line_for_ten_times_as_much(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("bytes read") as update:
        for done in range(1, 2001):
            update(done, 0)
    assert capsys.readouterr().err.splitlines() == [
        "bytes read: 1", "bytes read: 10", "bytes read: 100", "bytes read: 1000",
    ]  # fmt: skip


def test_a_bar_towards_an_end_that_nobody_knows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with progress("bytes read") as update:
        update(5, 0)
        update(2000, 0)
    assert "ZeroDivision" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["a b.yaml", "-v.yaml", "--", "it's.yaml", "l\udcff.yaml", "a\nb\\'\udce9", "猫.yaml"]
)
def test_names_are_quoted_as_a_shell_takes_them(name: str) -> None:
    shown = printable(quoted(Path(name)))
    assert shown.isprintable()
    script = f"printf %s {shown}"
    said = subprocess.run(["/bin/bash", "-c", script], capture_output=True, check=True).stdout
    assert said.removeprefix(b"./") == os.fsencode(name)


def test_a_terminal_that_is_closed_stops_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()
    terminal = os.fdopen(slave, "w")
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress("images") as update:
        update(1, 10)
        os.close(master)
        update(2, 10)
    say("done")
    with pytest.raises(OSError, match="Input/output"):
        terminal.close()  # there was something that could not be written


def test_what_was_written_straight_on_is_not_named_for_a_command(
    cupl: Cupl, tmp_path: Path
) -> None:
    (tmp_path / "p.json").write_text('{"cat": ["A cat is soft."]}')
    assert "next:" not in cupl("bank", "import", tmp_path / "p.json", "-o", os.devnull).err


def test_commands_to_copy_quote_what_a_shell_would_split(cupl: Cupl, tmp_path: Path) -> None:
    folder = tmp_path / "my dir"
    folder.mkdir()
    (folder / "p.json").write_text('{"cat": ["A cat is soft."]}')
    outcome = cupl("bank", "import", folder / "p.json", "-o", folder / "b.yaml")
    hint = outcome.err.splitlines()[-1].removeprefix("next: cupl ")
    assert cupl(*shlex.split(hint)).code == 0
