"""The objects of a store: which there are below a URL, and what is in one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from cupl.embedding.image_errors import NO_FILE, ImageError
from cupl.embedding.image_ownership import MAX_FILE_BYTES, check_bytes
from cupl.embedding.remote_stores import check_store_url, store_of, without_keys
from cupl.embedding.store_faults import FOR_ALL, unread_object, why_not
from cupl.errors import CuplError, MissingFileError, ServerError

_MAGIC = re.compile(r"[*?\[]")


def read_object(url: str) -> bytes:
    """The content of an object of at most ``MAX_FILE_BYTES``, by one request.

    Raises:
        ImageError: it is not there, too large, or the store does not give it; or there is a key in
            its URL.

    """
    content = read_range(url, 0, MAX_FILE_BYTES + 1)
    check_bytes(len(content))
    return content


def read_range(url: str, start: int, end: int) -> bytes:
    """The bytes of an object from ``start`` to ``end``, or to its end; ImageError as above."""
    with _one_sentence():
        check_store_url(url)
        store = store_of(url)
        return bytes(store.cat_file(_name(store, url), start=start, end=end))


def object_size(url: str) -> int:
    """In bytes; ImageError as above."""
    with _one_sentence():
        check_store_url(url)
        store = store_of(url)
        return int(store.info(_name(store, url))["size"])


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except CuplError as error:
        raise ImageError(str(error)) from error
    except MemoryError:
        raise
    except Exception as error:  # of any library
        raise unread_object(error) from None


def check_reached(url: str) -> None:
    """Find out by one request that nothing of a bucket can be read.

    Raises:
        MissingFileError: there is no such bucket.
        ServerError: there are no keys, they are refused, or the store is away.

    """
    store = store_of(url)
    try:
        store.cat_file(_name(store, url), start=0, end=1)
    except Exception as error:
        why = why_not(error)
        if why in FOR_ALL:
            raise _told(url, why) from None


def objects_below(url: str) -> list[str]:
    """The URLs of all objects below a prefix that ends at a ``/``, or of that one; sorted.

    Placeholders of folders are none. The store is asked page by page, 1,000 objects each.

    Raises:
        MissingFileError: there is no such bucket, or nothing below it.
        ServerError: it cannot be listed.

    """
    return sorted(_listed(url, every_level=True))


def objects_matching(pattern: str) -> list[str]:
    """The URLs of all objects that a pattern matches: ``*``, ``?``, ``[...]``, and ``**``.

    Raises:
        MissingFileError: there is no such bucket, or nothing matches.
        ServerError: it cannot be listed.

    """
    from fsspec.utils import glob_translate

    root = _MAGIC.split(pattern, maxsplit=1)[0]
    root = root[: root.rindex("/") + 1]
    fits = re.compile(glob_translate(pattern))
    one_level = "/" not in pattern[len(root) :] and "**" not in pattern
    return sorted(filter(fits.match, _listed(root, every_level=not one_level)))


def _listed(url: str, *, every_level: bool) -> Iterator[str]:
    check_store_url(url)
    store = store_of(url)
    root = _name(store, url)
    try:
        if every_level:
            names = store.find(root)
        else:
            names = [one["name"] for one in store.ls(root, detail=True) if one["type"] == "file"]
    except Exception as error:
        raise _told(url, why_not(error)) from None
    scheme = url[: url.index("://") + 3]
    for name in names:
        if not name.endswith("/"):
            yield url.rstrip("/") + name[len(root) :] if name.startswith(root) else scheme + name


def _name(store: object, url: str) -> str:
    """As the store's library calls it: ``bucket/key``."""
    return str(store._strip_protocol(url))  # type: ignore[attr-defined]


def _told(url: str, why: str) -> CuplError:
    what = f"{without_keys(url)} cannot be read: "
    if why == NO_FILE:
        return MissingFileError(f"{without_keys(url)}: there is no object there")
    return (MissingFileError if "no such" in why else ServerError)(what + why)
