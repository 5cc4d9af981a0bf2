"""Standard streams that are closed, full, or what a result is written to; and signals."""

import os
import select
import shutil
import signal
import stat
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.faults import fault_server
from tests.pipes import reading
from tests.processes import Limits, Running, mount, own_mounts, run
from tests.writing_commands import COMMANDS, words_of

ASK = ("-c", "cat", "--model", "m", "--samples", "1")


def content(place: Path) -> dict[str, bytes]:
    """A file, or those of a folder."""
    if place.is_file():
        return {"": place.read_bytes()}
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*.*")}


def whole_run(words: Sequence[object], place: Path, scratch: Path) -> tuple[dict[str, bytes], int]:
    """What a command writes, in so many changes of files; its place is empty again."""
    place.mkdir()
    done = run(words, scratch, Limits(watched=place))
    assert done.code == 0, done.err
    written = content(place)
    shutil.rmtree(place)
    place.mkdir()
    return written, done.changes


def print_like_a_library() -> None:
    """Bytes for standard output and error from below Python, whatever has these numbers."""
    for number in (1, 2):
        with suppress(OSError):
            os.write(number, b"noise")


def redirect(path: Path, flags: int, number: int = 1) -> None:
    """As a shell does with ``>``, ``>>`` and ``9>>``."""
    opened = os.open(path, flags)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


append = partial(redirect, flags=os.O_WRONLY | os.O_APPEND)
NAMES = ["embed", "classify csv", "classify parquet", "evaluate", "bank import", "cache export"]


@pytest.mark.parametrize("name", NAMES)
def test_closed_streams_leave_no_trace_in_a_file(work: Path, tmp_path: Path, name: str) -> None:
    command, place = COMMANDS[name], work / "place"
    words, scratch = words_of(command, f"place/{command.output}"), tmp_path / "scratch"
    expected, _ = whole_run(words, place, scratch)
    limits = Limits(watched=place, at=3, then=print_like_a_library, closed=(0, 1, 2))
    assert run(words, scratch, limits).code == 0
    assert content(place) == expected


@pytest.mark.parametrize("words", [
    ("cache", "info", "--cache", "cache"), ("bank", "check", "bank.yaml"), ("--version",),
])  # fmt: skip
def test_what_can_only_be_printed_is_printed_nowhere(
    work: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert run(words, tmp_path / "scratch", Limits(closed=(1,))).code == 0
    assert run(words, tmp_path / "scratch", Limits(closed=(2,))).code == 0


@pytest.mark.parametrize("name", ["evaluate", "prune"])
def test_what_was_made_is_there_before_it_cannot_be_printed(
    work: Path, tmp_path: Path, name: str
) -> None:
    command = COMMANDS[name]
    limits = Limits(before=partial(redirect, Path("/dev/full"), os.O_WRONLY))
    done = run(words_of(command, command.output), tmp_path / "scratch", limits)
    assert done.code == 1
    assert done.errors == [
        "error: cannot write the output: No space left on device; free space on its disk, then "
        "run the same again"
    ]
    assert Path(command.output).exists()


@pytest.mark.parametrize(("name", "target"), [
    ("bank import", "-"), ("bank import", "/dev/stdout"), ("classify jsonl", "/dev/fd/1"),
    ("encode", "-"), ("batch export", "-"),
])  # fmt: skip
def test_data_that_standard_output_does_not_take_is_an_error(
    work: Path, tmp_path: Path, name: str, target: str
) -> None:
    words = words_of(COMMANDS[name], target, *formatted(name))
    full = Limits(before=partial(redirect, Path("/dev/full"), os.O_WRONLY))
    for limits, why in ((full, "No space left on device"), (Limits(closed=(1,)), "Bad file")):
        done = run(words, tmp_path / "scratch", limits)
        assert done.code == 1
        assert [why in error for error in done.errors] == [True]
        assert not Path("-").exists()


def formatted(name: str) -> tuple[str, ...]:
    """What tells the format where a name does not."""
    kind = name.removeprefix("classify ")
    return ("--format", kind) if kind in ("csv", "jsonl", "parquet") else ()


STRAIGHT_ON = ["classify csv", "classify parquet", "encode", "bank import",
               "batch export"]  # fmt: skip


@pytest.mark.parametrize("name", STRAIGHT_ON)
def test_a_result_is_written_straight_on(work: Path, tmp_path: Path, name: str) -> None:
    command, scratch = COMMANDS[name], tmp_path / "scratch"
    assert run(words_of(command, command.output), scratch).code == 0
    expected = Path(command.output).read_bytes()
    words = [*command.words, *formatted(name), *command.option]
    for target, number in (("/dev/stdout", 1), ("/dev/fd/9", 9)):
        together = tmp_path / "together"
        together.write_bytes(b"what was there\n")
        done = run(
            [*words, target], scratch, Limits(before=partial(append, together, number=number))
        )
        assert done.code == 0, done.err
        assert together.read_bytes() == b"what was there\n" + expected
    with reading(tmp_path / "pipe") as read:
        assert run([*words, tmp_path / "pipe"], scratch).code == 0
        assert read() == expected
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_bank_that_is_asked_for_is_written_straight_on(work: Path, tmp_path: Path) -> None:
    with fault_server() as server:
        words = ["generate", *ASK, "--base-url", server.url, "-o"]
        done = run([*words, "/dev/stdout"], tmp_path / "scratch")
    assert done.code == 0, done.err
    assert done.out.startswith(b"format: cupl-bank/1\n")


@pytest.mark.parametrize("name", ["embed", "evaluate"])
@pytest.mark.parametrize("target", ["/dev/null", "/dev/stdout"])
def test_a_folder_is_no_stream(work: Path, tmp_path: Path, name: str, target: str) -> None:
    done = run(words_of(COMMANDS[name], target), tmp_path / "scratch")
    assert done.code == 1
    assert done.errors == [f"error: cannot write into {target}: it is not a folder"]


def own_devices(folder: Path) -> None:
    """A ``/dev`` that a mistake may break."""
    own_mounts()
    mount(folder, Path("/dev"))


@pytest.mark.parametrize("name", STRAIGHT_ON)
def test_a_device_stays_a_device(work: Path, tmp_path: Path, name: str) -> None:
    devices = tmp_path / "dev"
    devices.mkdir()
    try:
        for device, minor in (("null", 3), ("full", 7), ("urandom", 9)):
            os.mknod(devices / device, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        (devices / "null").write_bytes(b"")
    except OSError:
        pytest.skip("only root can make devices, and not everywhere")
    (devices / "stdout").symlink_to("/proc/self/fd/1")
    before = {path.name: path.stat() for path in devices.iterdir() if path.name != "stdout"}
    command = COMMANDS[name]
    words = [*command.words, *formatted(name), *command.option]
    limits = Limits(before=partial(own_devices, devices))
    assert run([*words, "/dev/null"], tmp_path / "scratch", limits).code == 0
    assert run([*words, "/dev/full"], tmp_path / "scratch", limits).code == 1
    assert {path.name for path in devices.iterdir()} == {"null", "full", "urandom", "stdout"}
    for device in ("null", "full"):
        assert (devices / device).stat() == before[device]


@pytest.mark.parametrize(("name", "number", "code"), [
    ("embed", signal.SIGTERM, 143), ("embed", signal.SIGHUP, 129),
    ("classify csv", signal.SIGTERM, 143), ("classify csv", signal.SIGHUP, 129),
    ("classify csv", signal.SIGINT, 130), ("evaluate", signal.SIGTERM, 143),
    ("batch export", signal.SIGHUP, 129),
])  # fmt: skip
def test_a_signal_keeps_what_was_done(
    work: Path, tmp_path: Path, name: str, number: signal.Signals, code: int
) -> None:
    command, place = COMMANDS[name], work / "place"
    words, scratch = words_of(command, f"place/{command.output}"), tmp_path / "scratch"
    expected, changes = whole_run(words, place, scratch)
    limits = Limits(watched=place, at=changes * 2 // 3, then=partial(signal.raise_signal, number))
    done = run(words, scratch, limits)
    assert done.code == code, done.err
    assert done.err.splitlines()[-1] == "interrupted"
    assert list(place.rglob(".*")) == []
    done = run([*words, *command.again], scratch)
    assert done.code == 0, done.err
    assert content(place) == expected


def meet(arrived: Path, go: Path) -> None:
    """Tell the test that this process is here, and wait for it."""
    with arrived.open("wb") as file:
        file.write(b".")
    with go.open("rb") as file:
        file.read()


@pytest.mark.parametrize("name", ["embed", "classify csv", "classify parquet", "evaluate"])
def test_a_second_run_on_one_output_is_told(work: Path, tmp_path: Path, name: str) -> None:
    command, place = COMMANDS[name], work / "place"
    words, scratch = words_of(command, f"place/{command.output}"), tmp_path / "scratch"
    expected, changes = whole_run(words, place, scratch)
    arrived, go = tmp_path / "arrived", tmp_path / "go"
    os.mkfifo(arrived)
    os.mkfifo(go)
    end = os.open(arrived, os.O_RDONLY | os.O_NONBLOCK)
    limits = Limits(watched=place, at=changes // 2, then=partial(meet, arrived, go))
    first = Running(words, scratch, limits)
    assert select.select([end], [], [], 60)[0]
    os.close(end)
    for again in ((), command.again):
        second = run([*words, *again], tmp_path / "second")
        assert second.code == 1
        found = "already holds" if name == "embed" and not again else "another run is writing"
        assert [found in error for error in second.errors] == [True]
    go.open("wb").close()
    done = first.wait()
    assert done.code == 0, done.err
    assert content(place) == expected
