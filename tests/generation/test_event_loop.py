import errno
import os
import resource
import warnings

import pytest

from cupl.generation.event_loop import run


async def answer() -> int:
    return 7


def test_a_loop_that_cannot_be_made_is_one_error(capfd: pytest.CaptureFixture[str]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 3, hard))  # a loop takes three
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(OSError, match="open files") as caught:
                run(answer())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.errno == errno.EMFILE
    assert capfd.readouterr().err == ""
    assert run(answer()) == 7
