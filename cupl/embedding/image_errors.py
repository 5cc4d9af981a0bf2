"""Whatever is wrong with an image is one short sentence, and what Pillow remarks is not shown."""

from __future__ import annotations

import contextlib
import errno
import logging
import re
import threading
import warnings
from collections.abc import Iterator

from PIL import Image

from cupl.errors import InputError
from cupl.io.reasons import reason

DAMAGED = "the image is damaged or cut off"
NO_FILE = "there is no such file"
UNREAD = "the file cannot be read"
NO_MEMORY = "there is not enough memory for the image"

# Where nobody listens to Pillow's log, Python would write its errors to the terminal.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class ImageError(InputError):
    """An image that cannot be read; the message is the reason, without the image's name."""


def may_pass(error: str | None) -> bool:
    """Whether what an image's row says is no fault of the image, so that it may be read later.

    A missing file, a drive that does not answer, too many open files, too little memory. Told by
    the sentence itself, which is all that tables and shards keep.
    """
    return error is not None and error.startswith((NO_FILE, UNREAD, NO_MEMORY))


def unread(error: OSError, path: str | None = None) -> ImageError:
    """What the machine says of a file that holds an image."""
    why = reason(error, path)
    if error.errno == errno.ENOENT:
        return ImageError(NO_FILE if why == error.strerror else f"{NO_FILE}: {why}")
    return ImageError(f"{UNREAD}: {why}")


@contextlib.contextmanager
def one_sentence(otherwise: str) -> Iterator[None]:
    """Raise an :class:`ImageError` for whatever goes wrong in the block.

    Args:
        otherwise: what it says where nothing more is known.

    """
    try:
        with _pillow_warnings_ignored():
            yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(NO_MEMORY) from error
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # of a decoder, or a place that no file has
            raise ImageError(otherwise) from error
        raise unread(error) from error
    except Image.DecompressionBombError as error:
        raise ImageError("the image has more pixels than Pillow agrees to decode") from error
    except Exception as error:  # decoders raise nearly every builtin error on damaged data
        raise ImageError(otherwise) from error


_warning_filters_lock = threading.Lock()


@contextlib.contextmanager
def _pillow_warnings_ignored() -> Iterator[None]:
    """Keep Pillow's remarks on odd files from the user.

    ``warnings.catch_warnings`` restores the filters it found, which undoes the work of other
    threads; this adds one filter and takes one such filter away.
    """
    ours = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
    with _warning_filters_lock:
        warnings.filters = [ours, *warnings.filters]
    try:
        yield
    finally:
        with _warning_filters_lock:
            remaining = list(warnings.filters)
            with contextlib.suppress(ValueError):  # someone else has reset the filters
                remaining.remove(ours)
            warnings.filters = remaining
