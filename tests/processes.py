"""Commands as processes of their own, which can be killed, starved of disk and of open files.

They are forked from a process that has imported everything, so that one starts in milliseconds.
"""

import ctypes
import multiprocessing
import os
import resource
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

context = multiprocessing.get_context("forkserver")
"""Of all tests: there is one such process, and its first list of modules counts."""
context.set_forkserver_preload(
    [
        "__main__",
        "cupl.cli",
        "cupl.classification.resumable",
        "cupl.embedding.image_runs",
        "cupl.encoders.clip",
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
        "tests.processes",
    ]
)

_FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate",
                "os.chmod", "shutil.rmtree", "sqlite3.connect"}  # fmt: skip
"""Audit events of Python's at which something on disk is about to change."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CALLS = {"write", "flush", "close", "execute"}
"""Of files and of databases, which say nothing to an audit hook."""


def forked(target: Callable[..., object], args: Sequence[object]) -> Any:
    """A process that has everything imported; not yet started."""
    with pytest.MonkeyPatch.context() as patch:
        # The process to fork from finds the tests from wherever it is started.
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
        forkserver.ensure_running()
    return context.Process(target=target, args=tuple(args))


def kill() -> None:
    """End this process as nothing can prevent."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Limits:
    """What a command runs under.

    What is called travels to its process: a function of a module, or a ``functools.partial``.
    """

    watched: Path | None = None
    """Changes of files below it are counted."""
    at: int = 0
    """Before which of them ``then`` is called; 0 for none."""
    then: Callable[[], object] = kill
    room: int | None = None
    """Bytes that a file can have, as on a disk that is full."""
    files: int | None = None
    """Files that may be open at once."""
    closed: Sequence[int] = ()
    """Standard streams that are closed."""
    before: Callable[[], object] | None = None
    """Called in the process before the command."""


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: bytes
    err: str
    changes: int
    """Of files below ``watched``."""

    @property
    def errors(self) -> list[str]:
        """The lines that are errors."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


class Running:
    """A command that was started."""

    def __init__(
        self, words: Sequence[object], scratch: Path, limits: Limits | None = None
    ) -> None:
        scratch.mkdir(exist_ok=True)
        self._scratch = scratch
        # A pipe, because what is said must not be limited as files are.
        self._said, said = context.Pipe(duplex=False)
        arguments = ([str(word) for word in words], scratch, said, dict(os.environ), Path.cwd())
        self.process = forked(_run, (*arguments, limits or Limits()))
        self.process.start()
        said.close()

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def wait(self) -> Done:
        """The end, which comes in a minute at most."""
        err = b"".join(iter(lambda: os.read(self._said.fileno(), 2**16), b""))
        self._said.close()
        self.process.join(60)
        code = self.process.exitcode
        assert code is not None, "it does not end"
        out, changes = self._scratch / "out", self._scratch / "changes"
        return Done(
            code, out.read_bytes(), err.decode("utf-8", "surrogateescape"),
            changes.stat().st_size if changes.exists() else 0,
        )  # fmt: skip


def run(words: Sequence[object], scratch: Path, limits: Limits | None = None) -> Done:
    """Run a command to its end; standard output goes into a file in ``scratch``."""
    return Running(words, scratch, limits).wait()


def read_only(folder: Path) -> None:
    """Let this process, and it alone, not write into a folder, whoever runs it."""
    own_mounts()
    mount(folder, folder, _BIND)
    mount(folder, folder, _BIND | _REMOUNT | _READ_ONLY)


_NEW_NAMESPACE = 0x20000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 1, 32, 4096, 16384, 1 << 18


def own_mounts() -> None:
    """What this process mounts from now on is seen by nobody else, and ends with it.

    Raises:
        OSError: only root may.

    """
    _checked(ctypes.CDLL(None, use_errno=True).unshare(_NEW_NAMESPACE))
    mount(Path("/"), Path("/"), _RECURSIVE | _PRIVATE)


def mount(
    source: Path, place: Path, flags: int = _BIND, kind: str = "none", options: str = ""
) -> None:
    """Mount something, as the system call does."""
    names = (os.fsencode(source), os.fsencode(place), kind.encode())
    _checked(ctypes.CDLL(None, use_errno=True).mount(*names, flags, options.encode() or None))


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _run(
    words: list[str], scratch: Path, said: Connection, environment: dict[str, str], folder: Path,
    limits: Limits,
) -> None:  # fmt: skip
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    out = os.open(scratch / "out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number, target in ((out, 1), (said.fileno(), 2)):
        os.dup2(number, target)
        os.close(number)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding="utf-8", closefd=False) for n in (1, 2))
    sys.argv = ["cupl", *words]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    code = 70
    try:
        _limit(limits, scratch)
        from cupl.cli import main

        main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except OSError:
                code = code or 120  # as Python does at its end
    os._exit(code)


def _limit(limits: Limits, scratch: Path) -> None:
    if limits.before is not None:
        limits.before()
    if limits.files is not None:
        os.closerange(3, 1024)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits.files, limits.files))
    if limits.watched is not None:
        _count_changes(limits, scratch)
    if limits.room is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.room, resource.RLIM_INFINITY))
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
            os.write(counter, b".")
            if count == limits.at:
                limits.then()

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _FILE_EVENTS and not (event == "open" and arguments[2] & _WRITES == 0):
            note(arguments[0])

    def profile(frame: object, event: str, called: Any) -> None:
        if event == "c_call" and called.__name__ in _CALLS:
            owner = called.__self__
            note(below if isinstance(owner, sqlite3.Connection) else getattr(owner, "name", None))

    sys.addaudithook(audit)
    sys.setprofile(profile)


def delete(folder: Path) -> None:
    """Remove a folder with all in it, while somebody writes there."""
    shutil.rmtree(folder, ignore_errors=True)
