"""Long work that belongs to the server: it goes on when the tab that started it is closed."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from cupl.errors import CuplError
from cupl.progress import Progress

State = Literal["running", "done", "stopped", "failed"]
Work = Callable[[Progress], Any]
"""Is given what to tell its progress to, which ends it where it is to stop; gives what JSON has."""
_KEPT = 2
"""Of those of a kind that have ended, with all that they gave."""


class JobStopped(Exception):  # noqa: N818 - no error: somebody wanted it
    """Raised inside a job by its progress when it is to stop."""


class JobBusyError(CuplError, RuntimeError):
    """A job of this kind is running already."""


@dataclass(eq=False)
class Job:
    """One piece of long work, and how far it is.

    Attributes:
        id: counts from 1.
        kind: of which no two run at once, such as ``evaluate``.
        title: what is done, for a person.
        state: how it stands.
        done: of ``total``; 0 where it is not known.
        result: what it gave.
        error: why it failed.

    """

    id: int
    kind: str
    title: str
    state: State = "running"
    done: int = 0
    total: int = 0
    result: Any = None
    error: str | None = None
    _wanted: threading.Event = field(default_factory=threading.Event, repr=False)
    _ended: threading.Event = field(default_factory=threading.Event, repr=False)

    def progress(self, done: int, total: int) -> None:
        """Note how far it is.

        Raises:
            JobStopped: it is to stop.

        """
        self.done, self.total = done, total
        if self._wanted.is_set():
            raise JobStopped

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._wanted.is_set()

    def stop(self) -> None:
        """Ask it to stop, which it does when it next tells its progress."""
        self._wanted.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for its end; whether it has ended."""
        return self._ended.wait(seconds)

    def summary(self) -> dict[str, Any]:
        """How it stands, for all tabs again and again: without what it gave, which may be large."""
        return {
            "id": self.id, "kind": self.kind, "title": self.title, "state": self.state,
            "done": self.done, "total": self.total, "error": self.error,
            "stopping": self.stopping and self.state == "running",
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The same, and what it gave."""
        return {**self.summary(), "result": self.result}

    def run(self, work: Work) -> None:
        """Do it; whatever happens is kept for the page."""
        try:
            self.result = work(self.progress)
            self.state = "done"
        except JobStopped:
            self.state = "stopped"
        except CuplError as error:
            self.state, self.error = "failed", str(error)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self.state, self.error = "failed", f"a fault in cupl ({type(error).__name__})"
        finally:
            self._ended.set()


class Jobs:
    """All jobs of a server, each in a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._last = 0

    def start(self, kind: str, title: str, work: Work) -> Job:
        """Start one.

        Raises:
            JobBusyError: one of this kind is running.

        """
        with self._lock:
            if any(one.kind == kind and one.state == "running" for one in self._jobs.values()):
                raise JobBusyError("this is being done already: wait for it, or stop it first")
            self._last += 1
            job = self._jobs[self._last] = Job(self._last, kind, title)
            ended = [one for one in self._jobs.values() if one.state != "running"]
            for old in [one for one in ended if one.kind == kind][:-_KEPT]:
                del self._jobs[old.id]
        threading.Thread(target=job.run, args=(work,), name=f"cupl-{kind}", daemon=True).start()
        return job

    def find(self, number: int) -> Job | None:
        """The job of that id."""
        return self._jobs.get(number)

    def listed(self) -> list[Job]:
        """All that are known, the newest last."""
        with self._lock:
            return list(self._jobs.values())

    def stop_all(self, seconds: float) -> None:
        """Ask all to stop, and wait for them together so long."""
        running = [one for one in self.listed() if one.state == "running"]
        for one in running:
            one.stop()
        for one in running:
            one.wait(seconds / len(running))
