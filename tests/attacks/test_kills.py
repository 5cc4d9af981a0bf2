"""SIGKILL at moments spread over the changes that a command makes on disk.

The suite kills each command once, ``--attacks 15`` so often.
"""

import json
import shutil
import signal
from pathlib import Path

import pytest

from cupl.generation.cache.reader import CacheReader
from cupl.generation.cache.transfer import export_entries
from tests.processes import Limits, run
from tests.writing_commands import COMMANDS, WritingCommand, words_of


def fresh(made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, command: WritingCommand,
          earlier: bytes) -> None:  # fmt: skip
    """A copy of the data with what an earlier run has left under the name of the output."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    if command.words[0] == "evaluate":
        (folder / command.output).mkdir()
        (folder / command.output / "summary.csv").write_bytes(earlier)
    elif command.old:
        (folder / command.output).write_bytes(earlier)
    monkeypatch.chdir(folder)


def files(folder: Path) -> dict[str, bytes]:
    """Every file and its content; of a cache the answers."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name == "cache.db":
            found[name] = answers(path.parent)
        elif path.is_file() and not path.name.startswith("cache.db"):
            found[name] = path.read_bytes()
        elif path.is_dir():
            found[f"{name}/"] = b""
    return found


def answers(folder: Path) -> bytes:
    """What a cache holds, without the times."""
    copy = folder.parent.parent / f"{folder.parent.name}-copy.jsonl"
    with CacheReader(folder) as reader:
        export_entries(reader, copy)
    lines = [json.loads(line) for line in copy.read_bytes().splitlines()]
    copy.unlink()
    for line in lines:
        del line["stored"]
        line.get("answer", {}).pop("created", None)
    return json.dumps(lines).encode()


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_and_run_again(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, name: str
) -> None:
    command = COMMANDS[name]
    words, scratch, folder = words_of(command, command.output), tmp_path / "scratch", tmp_path / "w"
    earlier = b"what a person had there\n"
    fresh(made, folder, monkeypatch, command, earlier)
    before = files(folder)
    done = run(words, scratch, Limits(watched=folder))
    assert done.code == 0, done.err
    after = files(folder)
    for kill in range(1, times + 1):
        fresh(made, folder, monkeypatch, command, earlier)
        at = 1 + done.changes * kill // (times + 1)
        killed = run(words, scratch, Limits(watched=folder, at=at))
        assert killed.code == -signal.SIGKILL
        left = files(folder)
        aside = {content for path, content in left.items() if path.startswith(command.output)}
        for path, content in before.items():
            assert left.get(path) in (content, after[path]) or content in aside, (at, path)
        if name == "cache export" and command.output in left:  # it replaces nothing
            assert left[command.output] == after[command.output]
            continue
        again = command.again if kill % 2 or name == "embed" else ()
        result = run([*words, *again], scratch)
        assert result.code == 0, (at, result.err)
        assert files(folder) == after, at
