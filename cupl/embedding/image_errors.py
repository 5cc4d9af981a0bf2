"""Whatever is wrong with an image is one short sentence, and what Pillow remarks is not shown."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import warnings
from collections.abc import Iterator

from PIL import Image

from cupl.errors import InputError

DAMAGED = "the image is damaged or cut off"

# Where nobody listens to Pillow's log, Python would write its errors to the terminal.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class ImageError(InputError):
    """An image that cannot be read; the message is the reason, without the image's name."""


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
        raise ImageError("there is not enough memory for the image") from error
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
