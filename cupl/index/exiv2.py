"""pyexiv2 with its habits mended: one thread, its errors as one sentence, none left for the next.

It is C++ that reads what strangers made: 270,000 files of every kind that it writes, changed at
random, neither ended the process nor took a second (``tests/index/test_image_keywords.py`` goes on
with that). So no process of its own is kept for it.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

from cupl.errors import CuplError, InputError, MissingPackageError
from cupl.io.terminal import printable

NAMESPACE, PREFIX = "urn:cupl:keywords:1#", "cupl"
"""Of the XMP properties in which cupl writes down what it added."""
CARRIER = base64.b64decode(
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel, in which an XMP packet of any length can lie."""
_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def opened(photo: bytes) -> Iterator[Any]:
    """A ``pyexiv2.ImageData`` of a file's bytes.

    Raises:
        InputError: pyexiv2 cannot read or change the file.
        MissingPackageError: it is not installed.

    """
    exiv2 = need_exiv2()
    with _one_at_a_time:
        try:
            with _image(exiv2, photo) as image:
                yield image
        except CuplError:
            raise
        except Exception as error:  # of C++, and of texts that are not UTF-8
            _forget_errors(exiv2)
            why = printable(" ".join(str(error).split()))[:200].rstrip(".")
            raise InputError(f"its metadata cannot be read or changed ({why})") from error


def has_exiv2() -> bool:
    """Whether the package is installed: without it nobody has written keywords here."""
    return importlib.util.find_spec("pyexiv2") is not None


@cache
def need_exiv2() -> Any:
    """The package.

    Raises:
        MissingPackageError: it is not installed.

    """
    try:
        import pyexiv2
    except ImportError as error:
        raise MissingPackageError(
            "keywords and descriptions of photos are read and written with pyexiv2: "
            'pip install "cupl[keywords]"'
        ) from error
    pyexiv2.set_log_level(3)  # below that it writes to standard output
    pyexiv2.registerNs(NAMESPACE, PREFIX)
    return pyexiv2


def _image(exiv2: Any, photo: bytes) -> Any:
    image = exiv2.ImageData.__new__(exiv2.ImageData)
    try:
        image.__init__(photo)
    except Exception:
        if buffer := getattr(image, "buffer", None):
            buffer.destroy()  # it does not free its copy of what it cannot open
        raise
    return image


def _forget_errors(exiv2: Any) -> None:
    """What exiv2 has noted of one file would be raised of the next."""
    with contextlib.suppress(RuntimeError), _image(exiv2, CARRIER):
        pass
