"""Every command that writes, where writing fails or names are odd.

One sentence, and everything is as it was before; or the work is done.
"""

import os
from functools import partial
from pathlib import Path

import pytest

from tests.faults import fault_server
from tests.processes import Done, Limits, delete, read_only, run
from tests.writing_commands import COMMANDS, words_of

ROOM = 64
"""Bytes; every result has more."""
every_command = pytest.mark.parametrize("name", COMMANDS)


@pytest.fixture
def work(work: Path) -> Path:
    """The same, and a folder ``place`` to write into."""
    (work / "place").mkdir()
    return work


def files(folder: Path) -> dict[Path, bytes]:
    """All but databases, which their readers may touch, and what is kept to go on with."""
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("cache.db") and path.suffix != ".part"
    }


def say_one_sentence(done: Done) -> None:
    assert done.code == 1, done.err
    assert len(done.errors) == 1
    assert "Traceback" not in done.err


@every_command
def test_a_disk_that_is_full(work: Path, tmp_path: Path, name: str) -> None:
    command = COMMANDS[name]
    target = f"place/{command.output}"
    if command.old and name != "evaluate":
        Path(target).write_bytes(b"old")
    before = files(work)
    words = words_of(command, target)
    say_one_sentence(run(words, tmp_path / "scratch", Limits(room=ROOM)))
    assert files(work) == before
    done = run([*words, *command.again], tmp_path / "scratch")
    assert done.code == 0, done.err


@every_command
def test_a_folder_that_is_read_only(work: Path, tmp_path: Path, name: str) -> None:
    if os.geteuid():
        pytest.skip("only root can mount")
    command = COMMANDS[name]
    before = files(work)
    limits = Limits(before=partial(read_only, work / "place"))
    done = run(words_of(command, f"place/{command.output}"), tmp_path / "scratch", limits)
    say_one_sentence(done)
    assert "Read-only file system" in done.err
    assert " of " not in done.err.partition("error: ")[0]  # no work was begun
    assert files(work) == before


@every_command
def test_a_folder_that_is_deleted_in_mid_run(work: Path, tmp_path: Path, name: str) -> None:
    command, place = COMMANDS[name], work / "place"
    words = words_of(command, f"place/{command.output}")
    before = files(work)
    limits = Limits(watched=place, at=4, then=partial(delete, place))
    done = run(words, tmp_path / "scratch", limits)
    if name == "evaluate":  # makes the folder once more, rather than lose what took long
        assert done.code == 0, done.err
        assert (place / command.output / "report.html").exists()
        return
    say_one_sentence(done)
    Path("pruned.yaml").unlink(missing_ok=True)  # was written before
    assert files(work) == before


@pytest.mark.parametrize("name", ["embed", "classify csv", "evaluate", "cache import"])
def test_few_open_files(work: Path, tmp_path: Path, name: str) -> None:
    command = COMMANDS[name]
    done = run(words_of(command, f"place/{command.output}"), tmp_path / "scratch", Limits(files=20))
    assert done.code == 0, done.err
    assert (work / "place" / command.output).exists()


@pytest.mark.parametrize("length", [255, 256])
@pytest.mark.parametrize("name", ["embed", "classify csv", "encode", "batch export", "bank import"])
def test_a_long_name(work: Path, tmp_path: Path, name: str, length: int) -> None:
    command = COMMANDS[name]
    ending = command.output.removeprefix("out")
    target = work / "place" / ("n" * (length - len(ending)) + ending)
    before = files(work)
    done = run(words_of(command, str(target)), tmp_path / "scratch")
    if length <= 255:
        assert done.code == 0, done.err
        assert target.exists()
        if target.is_file():
            assert list(target.parent.iterdir()) == [target]
    else:
        say_one_sentence(done)
        assert " of " not in done.err.partition("error: ")[0]
        assert files(work) == before


@pytest.mark.parametrize("odd", ["caf\udce9 'a b'\n\x1b[1m"])
@every_command
def test_a_name_of_any_bytes_in_a_folder_of_such_a_name(
    work: Path, tmp_path: Path, name: str, odd: str
) -> None:
    command, folder = COMMANDS[name], work / odd
    folder.mkdir()
    stay = ("model", "photos.lance", odd)  # where other programs can read them
    for path in [path for path in work.iterdir() if path.name not in stay]:
        path.rename(folder / path.name)
    words = [*command.words[:1]]
    for word in command.words[1:]:
        moved = word not in stay and (folder / word).exists()
        words.append(str(folder / word) if moved else word)
    target = folder / (odd + command.output)
    done = run([*words, *command.option, str(target)], tmp_path / "scratch")
    assert done.code == 0, done.err
    assert target.exists()
    assert done.err.isascii()


@pytest.mark.parametrize("kind", ["read only", "too long", "a socket", "closed"])
@pytest.mark.parametrize("command", ["generate", "encode"])
def test_paid_or_long_work_is_not_begun(
    work: Path, tmp_path: Path, command: str, kind: str
) -> None:
    if kind == "read only" and os.geteuid():
        pytest.skip("only root can mount")
    target = {"too long": "n" * 256, "closed": "/dev/fd/19"}.get(kind, "place/out")
    if kind == "a socket":
        import socket

        with socket.socket(socket.AF_UNIX) as one:
            one.bind(target)
    before = partial(read_only, work / "place") if kind == "read only" else None
    with fault_server() as server:
        asked = ["-c", "cat", "--model", "m", "--base-url", server.url, "--samples", "1"]
        words = ["generate", *asked] if command == "generate" else [*COMMANDS["encode"].words]
        say_one_sentence(run([*words, "-o", target], tmp_path / "scratch", Limits(before=before)))
        assert server.received == []
