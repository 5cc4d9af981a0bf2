"""Reading mutated files one after the other in a process of its own, and what became of each.

``python -m tests.attacks.reading KIND FIRST [COUNT]`` reads again what a test has named.
"""

import contextlib
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from cupl.errors import CuplError, ServerError
from tests.attacks.kinds import KINDS
from tests.attacks.mutating import mutated
from tests.attacks.sample import Kind
from tests.processes import context, forked

MOST_BYTES = 10**9
MOST_SECONDS = 5.0
"""Of the processor, which other programs do not lengthen."""
_HANGS = 60
_MOST_ENDS = 20
"""Processes that may end early before we give up."""
_NET = 4 * 2**30
"""Beyond what the process has: what asks for more is told that there is none."""


@dataclass(frozen=True)
class Read:
    """How one file was read."""

    number: int
    error: str | None = None
    """The sentence it was refused with."""
    fault: str | None = None
    """What must not be."""
    seconds: float = 0.0
    peak: int = 0
    """Bytes of memory at most, beyond those of before."""


@dataclass
class Count:
    """What became of many."""

    kind: str
    right: int = 0
    refused: int = 0
    slowest: float = 0.0
    peak: int = 0
    faults: list[Read] = field(default_factory=list)

    def add(self, read: Read) -> None:
        if read.fault:
            self.faults.append(read)
        elif read.error is None:
            self.right += 1
        else:
            self.refused += 1
        self.slowest = max(self.slowest, read.seconds)
        self.peak = max(self.peak, read.peak)

    def __str__(self) -> str:
        total = self.right + self.refused + len(self.faults)
        return (
            f"{self.kind:24} {total:7,} files {self.right:7,} read {self.refused:7,} refused "
            f"{len(self.faults):4,} faults {self.slowest * 1000:7,.0f} ms "
            f"{self.peak / 10**6:7,.0f} MB"
        )


def attack(kind: str, numbers: range, folder: Path) -> Iterator[Read]:
    """Read the mutated files with these numbers."""
    start, ended = numbers.start, 0
    while start < numbers.stop and ended < _MOST_ENDS:
        mine, theirs = context.Pipe(duplex=False)
        process = forked(_read_all, (kind, start, numbers.stop, folder, theirs))
        process.start()
        theirs.close()
        try:
            while mine.poll(_HANGS):
                read = mine.recv()
                start = read.number + 1
                yield read
            yield Read(start, fault="it hangs")
            ended += 1
        except EOFError:
            process.join()
            if start < numbers.stop:
                ended += 1
                yield Read(start, fault=f"the process ended with {process.exitcode}")
        finally:
            process.kill()
            process.join()
            mine.close()
        start += 1


def _read_all(kind: str, start: int, stop: int, folder: Path, answers: Connection) -> None:
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    os.environ["CUPL_CACHE"] = str(folder / "cache")
    # What libraries in C print does not pass by the warnings.
    said = os.open(folder / "said", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    reader = Reader(KINDS[kind], kind, folder)
    limit = _virtual() + _NET
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for number in range(start, stop):
        sys.stderr.flush()
        os.ftruncate(said, 0)
        read = reader.read(number)
        sys.stderr.flush()
        if not read.fault and (size := os.fstat(said).st_size):
            text = os.pread(said, min(size, 300), 0)
            if not text.startswith(KINDS[kind].may_print or text + b"!"):
                read = Read(number, fault=f"printed {text!r}")
        answers.send(read)


def _virtual() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


class Reader:
    """Reads the files of a kind; those that nothing is wrong with first, so that all is loaded."""

    def __init__(self, kind: Kind, name: str, folder: Path) -> None:
        self._kind, self._name, self._folder = kind, name, folder
        self._samples = kind.samples(folder)
        for sample in self._samples:
            with contextlib.suppress(ServerError):  # some are what a server refuses with
                kind.read(folder, sample.name, sample.data)

    def file(self, number: int) -> tuple[str, bytes]:
        """Name and content."""
        source = Random(f"{self._name} {number}")  # noqa: S311
        sample = self._samples[number % len(self._samples)]
        others = [other.data for other in self._samples]
        return sample.name, mutated(sample.data, others, self._kind.text, source)

    def read(self, number: int) -> Read:
        """Read the file of a number and look at what happens."""
        name, data = self.file(number)
        before = _peak(reset=True)
        began = time.process_time()
        error = fault = None
        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter("always")
            try:
                self._kind.read(self._folder, name, data)
            except CuplError as refusal:
                error = str(refusal)
                fault = _fault_of(refusal)
            except BaseException as other:
                where = traceback.extract_tb(other.__traceback__)[-1]
                fault = f"{type(other).__name__}: {other!s:.300} ({where.filename}:{where.lineno})"
        seconds, peak = time.process_time() - began, _peak() - before
        leaked = [str(one.message) for one in shown if not self._kind.may_warn(str(one.message))]
        if seconds > MOST_SECONDS:
            fault = fault or f"it takes {seconds:.1f} s"
        if peak > MOST_BYTES:
            fault = fault or f"it takes {peak / 10**6:,.0f} MB"
        if leaked:
            fault = fault or f"warned: {leaked[0]:.300}"
        return Read(number, error, fault, seconds, peak)


def _fault_of(refusal: CuplError) -> str | None:
    said = str(refusal)
    if "\n" in said or not said.strip() or len(said) > 2000:
        return f"not one sentence: {said[:300]!r}"
    cause: BaseException | None = refusal
    while cause is not None:
        if isinstance(cause, MemoryError):
            return f"asked for more than {_NET / 10**9:.0f} GB: {said[:200]}"
        cause = cause.__cause__ or cause.__context__
    return None


def _peak(*, reset: bool = False) -> int:
    """The most memory that this process had since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _main(kind: str, first: str, count: str = "1") -> None:
    numbers = range(int(first), int(first) + int(count))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        total = Count(kind)
        for read in attack(kind, numbers, folder / "w"):
            total.add(read)
            if read.fault or len(numbers) == 1:
                print(read, flush=True)
        print(total, flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
