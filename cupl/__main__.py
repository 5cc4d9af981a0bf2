"""The program: ``cupl`` and ``python -m cupl``. Ctrl-C ends it without a traceback at any time."""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType

INTERRUPTED = 130


def run_program() -> None:
    """Run the command line, which takes a moment to be imported."""
    # Whoever started us may have told us to ignore it, as a shell does with a job behind an "&".
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, _end)
    from cupl.cli import main

    try:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:  # threads are still waited for
        if ours:
            signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: FrameType | None) -> None:
    """End at once: nothing is begun yet, or all is done."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, or in the midst of being written to
            stream.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    run_program()
