"""Clients of the ``openai`` package that send and log no more than they are told to."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cupl.errors import InputError
from cupl.llm.access import ServerAccess
from cupl.llm.body_limit import limit_body
from cupl.llm.proxies import proxy_of

if TYPE_CHECKING:
    import httpx2
    import openai

_CONNECT_TIMEOUT = 20.0
_MOST_REDIRECTS = 3
"""From http to https, to another name of the host, to a path: each asks the question again."""


def async_client(
    access: ServerAccess, timeout: float, *, limited: bool = True
) -> openai.AsyncOpenAI:
    """A client of the server.

    Args:
        access: the server, and the credentials for it.
        timeout: seconds between two signs of life.
        limited: let no answer be larger than :data:`cupl.llm.body_limit.MAX_BODY`; otherwise the
            caller sees to that.

    Raises:
        InputError: the address, or what the environment says of connections, cannot be used.

    """
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    async def sent(request: httpx2.Request) -> None:
        _leave_out_key(request, access)

    async def came(response: httpx2.Response) -> None:
        _refuse_change_of_method(response)
        if limited:
            limit_body(response)

    with _explained(access):
        web = DefaultAsyncHttpxClient(
            **_connections(access), event_hooks={"request": [sent], "response": [came]}
        )
        client = AsyncOpenAI(http_client=web, **_settings(access, timeout))
    _keep_to_ourselves(client, access)
    return client


def _settings(access: ServerAccess, timeout: float) -> dict[str, Any]:
    """What it is told."""
    import httpx2

    version = access.address.api_version
    return {
        # Apart from credentials, since the address stands in logs and errors of the SDK.
        "base_url": access.address.endpoint,
        "default_query": {"api-version": version} if version else None,
        "default_headers": {"Accept-Encoding": "identity"},
        "api_key": access.key or "none",
        # Its tries would multiply with ours; a batch made unheard would be paid for twice.
        "max_retries": 0,
        "timeout": httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_TIMEOUT)),
    }


def _connections(access: ServerAccess) -> dict[str, Any]:
    """How it connects. What the environment says is looked up here, not by the library."""
    proxy = proxy_of(access.address)
    return {
        "auth": _authorize(access),
        "trust_env": False,
        "proxy": proxy.url if proxy else None,
        "verify": _certificates(access),
        "max_redirects": _MOST_REDIRECTS,
    }


def _certificates(access: ServerAccess) -> ssl.SSLContext | bool:
    """Whom to trust: ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, or who signs for the public web.

    Raises:
        InputError: the file cannot be used.

    """
    import httpx2

    try:
        return httpx2.create_ssl_context()
    except (OSError, ValueError) as error:
        if urlsplit(access.address.endpoint).scheme == "http":
            return True
        names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
        source = next((name for name in names if os.environ.get(name)), "the system")
        raise InputError(
            f"{source} names certificates that cannot be read "
            f"({getattr(error, 'strerror', None) or error}); mend it, or unset it"
        ) from None


def _authorize(access: ServerAccess) -> Callable[[httpx2.Request], httpx2.Request]:
    """Have each request carry what was settled, whatever the SDK finds in the environment."""
    header, value = access.header

    def authorize(request: httpx2.Request) -> httpx2.Request:
        request.headers.pop("Authorization", None)
        request.headers[header] = value
        return request

    return authorize


def _leave_out_key(request: httpx2.Request, access: ServerAccess) -> None:
    """Take the key along to no other host that a redirect names.

    Of ``Authorization`` the library sees to that.
    """
    import httpx2

    if request.url.origin != httpx2.URL(access.address.endpoint).origin:
        request.headers.pop("api-key", None)


def _refuse_change_of_method(response: httpx2.Response) -> None:
    """Follow no redirect that turns a question into one for a page, or leads nowhere.

    Raises:
        openai.APIStatusError: it would.

    """
    import httpx2
    import openai

    if not response.has_redirect_location:
        return
    changes = response.status_code in (301, 302, 303) and response.request.method == "POST"
    try:
        target = httpx2.URL(response.headers["Location"])
        port = 1 if target.port is None else target.port
        usable = target.scheme in ("", "http", "https") and 0 < port < 65536
    except httpx2.InvalidURL:
        usable = False
    if changes or not usable:
        raise openai.APIStatusError("", response=response, body=None)


def _keep_to_ourselves(client: openai.AsyncOpenAI, access: ServerAccess) -> None:
    """Tell only OpenAI what account we have there: the SDK takes it from the environment."""
    if not access.address.is_openai:
        client.organization = client.project = None


@contextlib.contextmanager
def _explained(access: ServerAccess) -> Iterator[None]:
    import httpx2

    try:
        yield
    except InputError:
        raise
    except (httpx2.InvalidURL, ValueError, OSError, ImportError):
        raise InputError(
            f"no connection to {access.address.endpoint} can be set up; check it, and HTTP_PROXY, "
            "HTTPS_PROXY, ALL_PROXY, NO_PROXY and SSL_CERT_FILE in the environment"
        ) from None
