"""Indexes at the URL of an object store: which there are, how long they may take, and their faults.

They find their keys themselves, in the environment or the files of the store's own programs.
"""

from __future__ import annotations

import re

from cupl.embedding.image_sources import url_scheme
from cupl.errors import CuplError, InputError, ServerError
from cupl.io.terminal import printable

_KINDS = ("s3", "s3+ddb", "gs", "az", "abfss", "oss", "cos", "goosefs")
_WITH_PASSWORD = re.compile(r"//[^/@]*:[^/@]*@")
OPTIONS = {"client_max_retries": "2", "client_retry_timeout": "10", "connect_timeout": "3s"}
"""A store that is away is told after some seconds."""

_NO_KEYS = (
    "no keys for it were found, or they are refused: set those of its store in the environment, "
    "such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_FAULTS: tuple[tuple[str, type[CuplError], str], ...] = (
    (r"No object store provider found", InputError, "this kind of URL is not known to LanceDB"),
    (
        r"<Code>NoSuchBucket<|ContainerNotFound|bucket does not exist",
        InputError,
        "there is no such bucket: make it first, or check its name",
    ),
    (
        r"Failed to resolve region",
        ServerError,
        "its bucket cannot be found: check its name and the network, or set AWS_REGION",
    ),
    (r"TokenRequest|Failed to get AWS credentials|no storage account", ServerError, _NO_KEYS),
    (
        r"status: 40[13],|<Code>AccessDenied<|PermissionDenied|Unauthenticated",
        ServerError,
        "access is refused: check the keys in the environment, and what they may do",
    ),
    (
        r"BadScheme",
        InputError,
        "its server is reached by http://, which AWS_ALLOW_HTTP=true allows",
    ),
    (
        r"RetryError|transport error|kind: Connect|kind: Timeout",
        ServerError,
        "it cannot be reached: check the address and the network, or try again later",
    ),
    (
        r"endpoint is required|Could not parse|not match any known pattern",
        InputError,
        "this URL, or what the environment says of its store, is not whole",
    ),
)


def check_url(url: str) -> None:
    """Find out before the work that an index cannot be at a URL.

    Raises:
        InputError: it is of no object store, or has a password in it.

    """
    scheme = (url_scheme(url) or "").lower()
    if _WITH_PASSWORD.search(url):
        raise InputError(
            "a key in the URL of an index would be shown: take it out, and put it into the "
            "environment"
        )
    if scheme == "file":
        raise InputError(f"{_shown(url)}: name the folder itself, without file://")
    if scheme in ("memory", "shared-memory"):
        raise InputError(f"{_shown(url)}: what is in memory would be lost; name a folder")
    if scheme not in _KINDS:
        raise InputError(
            f"{_shown(url)}: this kind of URL is not known; an index is a folder, in an object "
            "store (s3://, gs://, az://) or in a Milvus cluster (https://, milvus://)"
        )


def store_fault(url: str, error: Exception) -> CuplError | None:
    """What an object store complains of, in a sentence; None where it has answered all."""
    said = str(error)
    for pattern, kind, why in _FAULTS:
        if re.search(pattern, said):
            return kind(f"the index {_shown(url)} cannot be used: {why}")
    return None


def _shown(url: str) -> str:
    return f"{printable(url.partition('?')[0]):.200}"
