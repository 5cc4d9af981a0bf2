"""Who may speak to the server, and what its pages may load: before anything else sees a request.

A page of another site can send requests to this one, and a name that its owner points at this
machine (DNS rebinding) makes a foreign page one of the same origin. So the Host must be ours, the
Origin that of the Host, and what is asked for must not come from another site. Beyond this machine
a token is needed: it comes in the first address and is a cookie from then on.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, RedirectResponse, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; frame-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""What the pages of the app may load: only what is ours, and no script inside a page."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:]+)\]|(?P<name>[\w.-]+))(?::(?P<port>[1-9]\d{0,4}))?", re.A
)
"""As browsers send it, and nothing else that a parser might read in another way."""
_SAFE = frozenset({"GET", "HEAD"})
_YEAR = 365 * 24 * 3600


class Guard:
    """Refuses what no page of ours would ask for, and adds the headers to what is answered.

    Args:
        app: what is guarded.
        host: that the server listens on.
        port: likewise; of the cookie's name too, as cookies know no ports.
        token: needed where it is given.

    """

    def __init__(self, app: App, host: str, port: int, token: str | None) -> None:
        self._app, self._host, self._port, self._token = app, host, port, token
        self.cookie = f"cupl-{port}"
        self._names = own_names(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, by a refusal or by the app."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        await self._app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        """The answer where the request is not let through."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return _refused(403, "this address is not that of the server: open the one it printed")
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return _refused(403, "this request comes from a page of another site")
        site = headers.get("sec-fetch-site", "none")
        if site not in ("none", "same-origin") and not _is_visit(scope, headers):
            return _refused(403, "this request comes from a page of another site")
        if self._token is None:
            return None
        return self._without_token(scope, headers)

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header names this server, and by a name that nobody else can own."""
        found = _HOST.fullmatch(host)
        if found is None or int(found["port"] or 80) != self._port:
            return False
        name = (found["six"] or found["name"]).lower()
        if name in self._names:
            return True
        return self._token is not None and _is_address(name)

    def _without_token(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        """The answer where the token is missing, or comes in the address and becomes a cookie."""
        token = self._token or ""
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if scope["method"] in _SAFE and scope["path"] == "/" and given:
            if not _same(given, token):
                return _refused(403, "this token is not that of the server: see what it printed")
            answer = RedirectResponse("/", 303)
            answer.set_cookie(
                self.cookie, token, max_age=_YEAR, httponly=True, samesite="strict", path="/"
            )
            return answer
        if _same(_cookie(headers.get("cookie", ""), self.cookie), token):
            return None
        return _refused(403, "a token is needed: open the address that the server printed")


def own_names(host: str) -> frozenset[str]:
    """The names by which a server on ``host`` is spoken to."""
    if host in _LOOPBACK:
        return _LOOPBACK
    names = {host.lower(), *_LOOPBACK}
    if _is_address(host) and ipaddress.ip_address(host).is_unspecified:
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return frozenset(names)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on ``host``."""
    if host == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_visit(scope: Scope, headers: dict[str, str]) -> bool:
    """Whether a person follows a link from elsewhere to the page itself."""
    navigates = headers.get("sec-fetch-mode") == "navigate"
    whole = headers.get("sec-fetch-dest") == "document"
    return scope["method"] in _SAFE and scope["path"] == "/" and navigates and whole


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())


def _cookie(header: str, name: str) -> str:
    """A cookie by its name, whatever the other apps of this host have put beside it."""
    for one in header.split(";"):
        key, _, value = one.partition("=")
        if key.strip() == name:
            return value.strip()
    return ""


def _headers(scope: Scope) -> dict[str, str]:
    """The headers; of one that comes twice both, which is no value that we know."""
    found: dict[str, str] = {}
    pairs: Iterable[tuple[bytes, bytes]] = scope["headers"]
    for raw, value in pairs:
        name = raw.decode("latin-1").lower()
        text = value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found and name != "cookie" else text
    return found


def _refused(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message.get("headers", [])}
            more = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store", **_HEADERS}
            message["headers"] = [
                *message.get("headers", []),
                *(
                    (name.lower().encode(), value.encode())
                    for name, value in more.items()
                    if name.lower().encode() not in there
                ),
            ]
        await send(message)

    return sending
