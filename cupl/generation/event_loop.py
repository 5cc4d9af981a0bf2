"""Running a coroutine from code that is not asynchronous, a notebook's included."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

_FILES = 4
"""Of a loop: a selector and two ends of a socket; and one to work with."""

_Result = TypeVar("_Result")
_Parameters = ParamSpec("_Parameters")


def run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end in an event loop of its own, and wait for it.

    Where a loop is running already (a notebook), the new one has a thread to itself. Ctrl-C cancels
    the coroutine in both cases.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run_here(coroutine)
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[_Result] | None]] = Future()

    async def cancellable() -> _Result:
        started.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await coroutine

    with ThreadPoolExecutor(1) as pool:
        try:
            return pool.submit(_run_here, cancellable()).result()
        except KeyboardInterrupt:
            loop, task = started.result()
            if task is not None:
                with contextlib.suppress(RuntimeError):  # it ended at the same moment
                    loop.call_soon_threadsafe(task.cancel)
            raise


def _run_here(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    try:
        _check_room_for_files()
    except OSError:
        coroutine.close()
        raise
    # asyncio.run would take from the thread the loop that its owner has set for it.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(coroutine)


def _check_room_for_files() -> None:
    """Find out that a loop cannot be made: one that is half made tells of itself on its way out.

    Raises:
        OSError: too many files are open.

    """
    with contextlib.ExitStack() as files:
        for _ in range(_FILES):
            files.callback(os.close, os.open(os.devnull, os.O_RDONLY))


def blocking(
    function: Callable[_Parameters, Coroutine[Any, Any, _Result]], name: str
) -> Callable[_Parameters, _Result]:
    """The same function under another name, for callers that wait: same arguments, same help.

    Args:
        function: a coroutine function.
        name: what the new one is called in the same module.

    """

    @functools.wraps(function)
    def waiting(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        return run(function(*args, **kwargs))

    waiting.__name__ = waiting.__qualname__ = name
    return waiting
