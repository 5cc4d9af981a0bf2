"""The errors a user can mend.

Each is a :class:`CuplError` and also the builtin that fits, so that a caller of the library can
catch either. The command line prints the message as one line and exits with 1; every message
names the thing that is wrong and the way out.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class CuplError(Exception):
    """Something the user can mend.

    Args:
        message: one sentence, in the words of the library.
        arguments: the arguments that lead out of it, each with a value to give, or ``...`` where
            any other may do. The command line names its options for them behind the message.

    """

    def __init__(self, message: str = "", *, arguments: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.arguments: dict[str, object] = dict(arguments or {})


@contextmanager
def leading_to(**arguments: object) -> Iterator[None]:
    """Give the errors of the block arguments that lead out of them, beside those they name."""
    try:
        yield
    except CuplError as error:
        error.arguments = arguments | error.arguments
        raise


_OUT_OF_MEMORY = ("DefaultCPUAllocator", "bad_alloc", "could not create a memory object",
                  "can't start new thread", "out of memory")  # fmt: skip
"""What torch and Python say of it in a RuntimeError."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that this machine has too little free memory."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in _OUT_OF_MEMORY)
    )


class InputError(CuplError, ValueError):
    """A value, a file's content or a combination of options that cannot be used."""


class MissingFileError(CuplError, FileNotFoundError):
    """A file or folder that is named but is not there."""


class ServerError(CuplError, ConnectionError):
    """A language model server or a model hub that cannot be reached or says no."""


class MissingPackageError(CuplError, ImportError):
    """An optional package that this feature needs and that is not installed."""


class BudgetError(CuplError, RuntimeError):
    """A run stopped before it could pass a limit that its user set."""
