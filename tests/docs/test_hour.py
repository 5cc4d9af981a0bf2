"""The first hour of a newcomer: the README's lines in a shell, and each hint that they print."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cupl.evaluation.demo import PHOTOS
from tests.cli.test_hints import hints
from tests.docs.pages import text_of

PLACES = {"IMAGE...": "cupl-demo/photos", "LABELLED": "cupl-demo/photos"}
"""What only the person knows."""


def block_of(heading: str) -> list[str]:
    section = text_of("README.md").split(f"## {heading}\n")[1].split("\n## ")[0]
    code = re.search(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert code
    return code[1].splitlines()


def shell(line: str) -> str:
    """What a line prints; run by a shell, as it is copied."""
    installed = f"PATH={Path(sys.executable).parent}:$PATH; {line}"
    run = subprocess.run(
        ["bash", "-c", installed],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, f"{line}\n{run.stdout}{run.stderr}"
    assert "Traceback" not in run.stderr
    return run.stdout + run.stderr


def hints_of(printed: str) -> list[str]:
    """With what a person would write in place of the capitals."""
    found = [*hints(printed), *re.findall(r"^    (cupl .*)$", printed, re.MULTILINE)]
    for words, own in PLACES.items():
        found = [one.replace(words, own) for one in found]
    return found


def test_the_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = block_of("The first hour")
    assert lines[0].startswith("cupl demo")
    hints_seen = list[str]()
    for line in lines:
        for hint in hints_of(shell(line)):
            if hint not in (*hints_seen, *lines):
                hints_seen.append(hint)
                shell(hint)
    assert hints_seen
    for name, truth in PHOTOS.items():
        assert Path("cupl-demo", "photos", truth, name).is_file()
        assert list(Path("try-sorted").rglob(name))
    assert Path("try-report", "report.html").is_file()
