"""Commands as processes of their own, which can be killed, starved of disk and of open files.

They are forked from a process that has imported everything, so that one starts in milliseconds.
"""

import multiprocessing
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    [
        "cupl.cli",
        "cupl.classification.resumable",
        "cupl.embedding.image_runs",
        "cupl.generation.pipeline",
        "cupl.generation.batch.results",
        "cupl.generation.cache.transfer",
        "cupl.report.evaluating",
        "cupl.report.files",
        "openai",
        "pandas",
        "rapidfuzz",
        "rich.progress",
        "tests.faults",
        "tests.models",
    ]
)

FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate",
               "os.chmod", "shutil.rmtree", "sqlite3.connect"}  # fmt: skip
"""Audit events of Python's at which something on disk is about to change."""

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CALLS = {"write", "flush", "close", "execute"}
"""Of files and of databases, which say nothing to an audit hook."""


@dataclass(frozen=True)
class Limits:
    """What a command runs under."""

    killed_at: int = 0
    """SIGKILL before its so manieth change of a file below ``watched``; 0 for never."""
    watched: Path | None = None
    room: int | None = None
    """Bytes that a file can have, as on a disk that is full."""
    files: int | None = None
    """Files that may be open at once."""
    closed: Sequence[int] = ()
    """Standard streams that are closed."""
    before: Callable[[], None] | None = None
    """Done in the process before the command."""


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: bytes
    err: str
    changes: int = field(default=0)
    """Of files below ``watched``, as counted for ``killed_at``."""


def start(words: Sequence[object], scratch: Path, limits: Limits | None = None) -> Any:
    """Start a command; its output goes into files in ``scratch``."""
    scratch.mkdir(exist_ok=True)
    arguments = ([str(word) for word in words], scratch, dict(os.environ), Path.cwd(), limits)
    process = context.Process(target=_run, args=arguments)
    process.start()
    return process


def run(words: Sequence[object], scratch: Path, limits: Limits | None = None) -> Done:
    """Run a command to its end, which comes in a minute at most."""
    process = start(words, scratch, limits)
    process.join(60)
    assert process.exitcode is not None, f"{words} does not end"
    return ended(process, scratch)


def ended(process: Any, scratch: Path) -> Done:
    """What is left of a process that has ended."""
    out, err, changes = (scratch / name for name in ("out", "err", "changes"))
    return Done(
        process.exitcode,
        out.read_bytes(),
        err.read_text("utf-8", "surrogateescape"),
        changes.stat().st_size if changes.exists() else 0,
    )


def _run(
    words: list[str], scratch: Path, environment: dict[str, str], folder: Path, limits: Limits
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for name, number in (("out", 1), ("err", 2)):
        file = os.open(scratch / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding="utf-8", closefd=False) for n in (1, 2))
    sys.argv = ["cupl", *words]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    _limit(limits or Limits(), scratch)
    from cupl.cli import main

    try:
        main()
    except SystemExit as stop:
        os._exit(_flushed(int(stop.code or 0)))
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(_flushed(70))
    os._exit(_flushed(0))


def _flushed(code: int) -> int:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except OSError:
                return 120  # as Python does at its end
    return code


def _limit(limits: Limits, scratch: Path) -> None:
    if limits.before is not None:
        limits.before()
    if limits.watched is not None:
        _count_changes(limits, scratch)
    if limits.room is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.room, resource.RLIM_INFINITY))
    if limits.files is not None:
        os.closerange(3, 1024)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits.files, limits.files))
    for number in limits.closed:
        os.close(number)
        setattr(sys, ("stdin", "stdout", "stderr")[number], None)


def _count_changes(limits: Limits, scratch: Path) -> None:
    counter = os.open(scratch / "changes", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    below, count = os.fspath(limits.watched or ""), 0

    def note(path: object) -> None:
        nonlocal count
        if not isinstance(path, str | bytes | os.PathLike):
            return
        if os.path.abspath(os.fsdecode(path)).startswith(below):  # noqa: PTH100
            count += 1
            if count == limits.killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            os.write(counter, b".")

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in FILE_EVENTS and not (event == "open" and arguments[2] & _WRITES == 0):
            note(arguments[0])

    def profile(frame: object, event: str, called: Any) -> None:
        if event == "c_call" and called.__name__ in _CALLS:
            owner = called.__self__
            note(below if isinstance(owner, sqlite3.Connection) else getattr(owner, "name", None))

    sys.addaudithook(audit)
    sys.setprofile(profile)
