"""What LanceDB raises, in a sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from cupl.embedding.image_sources import url_scheme
from cupl.errors import CuplError, InputError, MissingFileError, is_out_of_memory
from cupl.index.object_stores import store_fault
from cupl.io.reasons import no_more_files, reason
from cupl.io.terminal import printable

_OF_THE_SYSTEM = re.compile(r"\(os error (\d+)\)")
_CONFLICTS = ("conflict", "concurrent writer", "please retry")
_PANIC = "PanicException"
"""What a fault in its own code becomes; no ``Exception``, and of no module that can be imported."""


@contextmanager
def lance_explained(place: str) -> Iterator[None]:
    """Raise what LanceDB raises in the block as an error of ours."""
    try:
        yield
    except CuplError:
        raise
    except OSError as error:
        raise _unusable(place, error) from error
    except (ValueError, RuntimeError, NotImplementedError, KeyError, TypeError) as error:
        if is_out_of_memory(error):
            raise
        raise _unusable(place, error) from error
    except BaseException as error:
        if type(error).__name__ != _PANIC:
            raise
        raise _damaged(place) from error


def is_conflict(error: BaseException | None) -> bool:
    """Whether it only says that another program has written at the same time."""
    return error is not None and any(text in str(error).lower() for text in _CONFLICTS)


def is_missing_file(error: BaseException | None) -> bool:
    """Whether a file of the index is not there, as where another program has just compacted it."""
    return error is not None and "not found" in str(error).lower()


def _unusable(place: str, error: Exception) -> CuplError:
    if files := no_more_files():
        return _not_usable(place, files)
    if url_scheme(place) and (fault := store_fault(place, error)):
        return fault
    if not url_scheme(place) and not os.path.lexists(place):
        return MissingFileError(f"{printable(place):.200}: the index is not there any more")
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _OF_THE_SYSTEM.search(str(error))):
        number = int(found[1])
    if number is not None and number != _NO_ENTRY:
        said = reason(OSError(number, os.strerror(number)))
        return _not_usable(place, said)
    if is_conflict(error):
        return InputError(
            f"other programs write into the index {printable(place):.200} all the time: run the "
            "same again"
        )
    return _damaged(place)


def _not_usable(place: str, why: str) -> InputError:
    return InputError(f"the index {printable(place):.200} cannot be used: {why}")


_NO_ENTRY = 2
"""A file that should be there: it is damaged."""


def _damaged(place: str) -> InputError:
    return InputError(
        f"the index {printable(place):.200} is damaged, or of another version of LanceDB: make it "
        "again in another place"
    )
