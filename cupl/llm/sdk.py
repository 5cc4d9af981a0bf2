"""Clients of the ``openai`` package that send and log no more than they are told to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from cupl.errors import InputError
from cupl.llm.access import ServerAccess
from cupl.llm.body_limit import limit_body

if TYPE_CHECKING:
    import httpx2
    import openai

_CONNECT_TIMEOUT = 20.0


def async_client(
    access: ServerAccess, timeout: float, *, trust_env: bool = True
) -> openai.AsyncOpenAI:
    """A client for requests and answers that fit in memory.

    Args:
        access: the server, and the credentials for it.
        timeout: seconds between two signs of life.
        trust_env: whether a proxy that the environment names is used.

    Raises:
        InputError: the address, or what the environment says of connections, cannot be used.

    """
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    with _explained(access):
        web = DefaultAsyncHttpxClient(
            auth=_authorize(access), trust_env=trust_env, event_hooks={"response": [limit_body]}
        )
        identity = {"Accept-Encoding": "identity"}
        client = AsyncOpenAI(
            http_client=web, default_headers=identity, **_settings(access, timeout)
        )
    _keep_to_ourselves(client, access)
    return client


def sync_client(access: ServerAccess, timeout: float) -> openai.OpenAI:
    """A client for files of any size.

    Args:
        access: the server, and the credentials for it.
        timeout: seconds between two signs of life.

    Raises:
        InputError: the address, or what the environment says of connections, cannot be used.

    """
    from openai import DefaultHttpxClient, OpenAI

    with _explained(access):
        web = DefaultHttpxClient(auth=_authorize(access))
        client = OpenAI(http_client=web, **_settings(access, timeout))
    _keep_to_ourselves(client, access)
    return client


def _settings(access: ServerAccess, timeout: float) -> dict[str, Any]:
    """What both clients are told."""
    import httpx2

    return {
        # Apart from credentials, since the address stands in logs and errors of the SDK.
        "base_url": access.address.endpoint,
        "api_key": access.key or "none",
        # Its tries would multiply with ours; a batch made unheard would be paid for twice.
        "max_retries": 0,
        "timeout": httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_TIMEOUT)),
    }


def _authorize(access: ServerAccess) -> Callable[[httpx2.Request], httpx2.Request]:
    """Have each request carry what was settled, whatever the SDK finds in the environment."""
    authorization = access.authorization

    def authorize(request: httpx2.Request) -> httpx2.Request:
        request.headers["Authorization"] = authorization
        return request

    return authorize


def _keep_to_ourselves(client: openai.OpenAI | openai.AsyncOpenAI, access: ServerAccess) -> None:
    """Tell only OpenAI what account we have there: the SDK takes it from the environment."""
    if not access.address.is_openai:
        client.organization = client.project = None


@contextlib.contextmanager
def _explained(access: ServerAccess) -> Iterator[None]:
    import httpx2

    try:
        yield
    except (httpx2.InvalidURL, ValueError, OSError, ImportError):
        raise InputError(
            f"no connection to {access.address.endpoint} can be set up; check it, and HTTP_PROXY, "
            "HTTPS_PROXY, ALL_PROXY, NO_PROXY and SSL_CERT_FILE in the environment"
        ) from None
