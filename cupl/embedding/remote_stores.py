"""Images in object stores by their URLs: which stores there are, and how one is reached.

The keys are found by the store's own library, in the environment or the files of its programs.
Nothing is kept on this machine's disk.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from cupl.embedding.image_sources import url_scheme
from cupl.errors import InputError, MissingPackageError
from cupl.io.terminal import printable


@dataclass(frozen=True)
class _Store:
    protocol: str
    """By which fsspec knows it."""
    package: str
    extra: str | None
    options: dict[str, Any] = field(default_factory=dict)


_S3_OPTIONS = {
    "config_kwargs": {
        "connect_timeout": 5,
        "read_timeout": 10,  # seconds without a byte
        "retries": {"total_max_attempts": 2, "mode": "standard"},
        "max_pool_connections": 64,
    },
}
_TRIES = 2
"""Of s3fs for the answer, and again for its body; each is two of botocore's."""
_STORES = {
    "s3": _Store("s3", "s3fs", "remote", _S3_OPTIONS),
    "gs": _Store("gs", "gcsfs", "gs"),
    "az": _Store("az", "adlfs", "az"),
    "abfss": _Store("abfss", "adlfs", "az"),
    "hf": _Store("hf", "huggingface_hub", None),
}
_SETTINGS = ("AWS_", "FSSPEC_", "GOOGLE_", "AZURE_", "HF_")
_KEY_IN_PLACE = re.compile(r"(?<=://)[^/@]*@(?!.*\.core\.)|(?<=://)[^/@]*:[^/@]*@", re.ASCII)
_SIGNATURE = re.compile(
    r"[?&](X-Amz-|X-Goog-|AWSAccessKeyId=|Signature=|sig=|se=|token=|access_token="
    r"|api_?key=|key=|secret=|password=)",
    re.IGNORECASE,
)


def is_stored_remotely(name: str) -> bool:
    """Whether it is the URL of an object store, or of something in one."""
    return (url_scheme(name) or "").lower() in _STORES


def without_keys(url: str) -> str:
    """A URL as it may be shown: no key, no signature, not endless."""
    shown = _KEY_IN_PLACE.sub("***@", url)
    if signature := _SIGNATURE.search(shown):
        shown = shown[: signature.start()] + "?***"
    return f"{printable(shown):.200}"


def check_keyless(url: str) -> None:
    """Refuse a URL that would show a key wherever its image is named.

    Raises:
        InputError: there is a key or a signature in it.

    """
    if _KEY_IN_PLACE.search(url) or _SIGNATURE.search(url):
        raise InputError(
            f"{without_keys(url)}: a key in a URL would be shown with every image: take it out, "
            "and put it into the environment"
        )


def check_store_url(url: str) -> None:
    """Refuse the URL of an object that has a key in it, or names no bucket.

    Raises:
        InputError: it does.

    """
    check_keyless(url)
    if url.partition("://")[2][:1] in {"", "/"}:
        raise InputError(f"{without_keys(url)} names no bucket: s3://BUCKET/FOLDER/")


def store_of(url: str) -> Any:
    """The file system (fsspec) that a URL is in; one a store, process and environment.

    Raises:
        MissingPackageError: its package is not installed.

    """
    # Keys may be set once they were found missing.
    told = hash(frozenset(one for one in os.environ.items() if one[0].startswith(_SETTINGS)))
    return _file_system((url_scheme(url) or "").lower(), os.getpid(), told)


@functools.cache
def _file_system(scheme: str, _process: int, _environment: int) -> Any:
    store = _STORES[scheme]
    if find_spec(store.package) is None:
        raise MissingPackageError(
            f"images at {scheme}:// need {store.package}: pip install 'cupl[{store.extra}]'"
        )
    import fsspec

    made = fsspec.filesystem(
        store.protocol, use_listings_cache=False, skip_instance_cache=True, **store.options
    )
    if scheme == "s3":
        made.retries = _TRIES
    return made
