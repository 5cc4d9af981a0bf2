"""Requests that no API answered: no connection, a proxy, a web page, a redirect, a wrong path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit, urlunsplit

from cupl.errors import ServerError
from cupl.llm.address import DEFAULT_URL, ServerAddress
from cupl.llm.error_bodies import is_page, lacks_model, message_of, status_of, title_of
from cupl.llm.protocol import RetryableError
from cupl.llm.proxies import Proxy
from cupl.llm.redaction import redact
from cupl.llm.wrong_address import WrongAddressError

if TYPE_CHECKING:
    import httpx2
    import openai

_OTHER_PROTOCOL = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "record layer failure")
"""What TLS calls an answer in plain text."""
_WANTS_HTTPS = re.compile("http request .{0,20} https", re.IGNORECASE)
_NO_PAGE_OF_AN_API = (404, 405, 406, 410, 501, 511)
"""With these a web server says that it has nothing there; other pages say that it cannot now."""


def unheard(
    error: openai.APIError, address: ServerAddress, proxy: Proxy | None, secrets: Sequence[str]
) -> ServerError:
    """No answer came; the request may have arrived nevertheless."""
    import httpx2
    import openai

    where, cause = address.endpoint, error.__cause__
    if not isinstance(error, openai.APIConnectionError):
        return RetryableError(f"{where} did not answer as OpenAI does; is it the right URL?")
    reason = redact(str(cause) or "no answer in time", *secrets)
    match cause:
        case httpx2.TooManyRedirects():
            return ServerError(f"{where} redirects without end; is the URL right?")
        case (
            httpx2.ConnectError()
            | httpx2.ConnectTimeout()
            | httpx2.PoolTimeout()
            | httpx2.ProxyError()
            | httpx2.UnsupportedProtocol()
        ):
            return _unconnected(cause, reason, address, proxy)
        case httpx2.TimeoutException():
            return RetryableError(f"{where} did not answer in time")
    return RetryableError(f"{where} closed the connection without an answer")


def _unconnected(
    cause: httpx2.TransportError, reason: str, address: ServerAddress, proxy: Proxy | None
) -> ServerError:
    """There was no connection to the server, so that nothing was asked."""
    import httpx2

    where = address.endpoint
    if any(word in reason for word in _OTHER_PROTOCOL):
        plain = where.replace("https://", "http://", 1)
        return WrongAddressError(f"{where} does not speak https", address, plain)
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return ServerError(
            f"the certificate of {where} is not trusted ({reason}); SSL_CERT_FILE names a file "
            "with that of who signed it"
        )
    if proxy and isinstance(cause, httpx2.ProxyError):
        return _of_proxy(proxy, address, reason, passing=reason[:1] not in "34")
    message = f"cannot reach {where} ({reason}); is the server running and the URL right?"
    if proxy and not isinstance(cause, httpx2.PoolTimeout):
        message = f"cannot reach {proxy} ({reason}) to ask {where}; {_without(address)}"
    return RetryableError(message, unreachable=True)


def not_an_answer(
    error: openai.APIStatusError,
    asked: str,
    address: ServerAddress,
    proxy: Proxy | None,
    said: str,
    secrets: Sequence[str],
) -> ServerError | None:
    """What is wrong where it was no API that answered, else None."""
    where, status = address.endpoint, error.status_code
    if 300 <= status < 400 and "Location" in error.response.headers:
        return _redirected(error.response.headers["Location"], error, address, secrets)
    if status == 407 or (proxy and where.startswith("http://") and _sounds_like_proxy(error)):
        return _of_proxy(proxy, address, f"{status}: {said}", passing=status >= 500)
    if status == 400 and where.startswith("http://") and _WANTS_HTTPS.search(said):
        encrypted = where.replace("http://", "https://", 1)
        return WrongAddressError(f"{where} speaks only https", address, encrypted)
    return _elsewhere(error, asked, address, said)


def _elsewhere(
    error: openai.APIStatusError, asked: str, address: ServerAddress, said: str
) -> ServerError | None:
    """The error where a path is not that of an API."""
    where, status = address.endpoint, error.status_code
    passing: ServerError | None = None
    if is_page(error.body) and (status < 300 or status in _NO_PAGE_OF_AN_API):
        what = f"{where} answers with a web page{f' ({said})' if title_of(error.body) else ''}"
        passing = RetryableError(what)
    elif status < 300 and message_of(error.body) is None:
        what = f"{where} did not answer with a completion"
        passing = RetryableError(f"{what}; is it the right URL?")
    elif status_of(error) in (404, 405, 501) and not lacks_model(error, said):
        what = f"{where} has no {asked} ({said})"
    else:
        return None
    if passing is None and where == DEFAULT_URL:
        return ServerError(what)
    return WrongAddressError(what, address, otherwise=passing)


def _redirected(
    target: str, error: openai.APIStatusError, address: ServerAddress, secrets: Sequence[str]
) -> ServerError:
    """A redirect that would turn the question into one for a page."""
    asked = urlsplit(str(error.request.url))
    try:
        parts = urlsplit(urljoin(str(error.request.url), target))
        usable = parts.port != 0 and parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        usable = False
    if not usable:
        return ServerError(f"{address.endpoint} redirects to what is no address")
    netloc = parts.netloc.rpartition("@")[2]
    shown = redact(urlunsplit((parts.scheme, netloc, parts.path, "", "")), *secrets)
    what = f"{address.endpoint} redirects to {shown}"
    resource = asked.path.removeprefix(urlsplit(address.endpoint).path)
    if resource and parts.path.rstrip("/").endswith(resource):
        # The same thing elsewhere: https, another name, a slash at the end.
        base = parts.path.rstrip("/").removesuffix(resource)
        return WrongAddressError(
            what, address, redact(urlunsplit((parts.scheme, netloc, base, "", "")), *secrets)
        )
    return WrongAddressError(f"{what}, a page and no API", address)


def _sounds_like_proxy(error: openai.APIStatusError) -> bool:
    """A server of this kind answers with JSON also where it says no."""
    return error.status_code in (403, 502, 503, 504) and not isinstance(error.body, dict | list)


def _of_proxy(
    proxy: Proxy | None, address: ServerAddress, reason: str, *, passing: bool
) -> ServerError:
    who = str(proxy) if proxy else "a proxy"
    message = f"{who} answered in place of {address.endpoint} ({reason}); {_without(address)}"
    return RetryableError(message, unreachable=True) if passing else ServerError(message)


def _without(address: ServerAddress) -> str:
    return f"add {address.host} to NO_PROXY if it can be reached without"
