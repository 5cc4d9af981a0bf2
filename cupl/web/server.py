"""Running the app until Ctrl-C."""

from __future__ import annotations

import errno
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import closing
from urllib.parse import quote

import uvicorn

from cupl.errors import InputError
from cupl.io.reasons import reason
from cupl.web.app import make_app
from cupl.web.connections import ImpatientProtocol
from cupl.web.guard import is_loopback
from cupl.web.workspace import Workspace

LOCAL = "127.0.0.1"
_CONNECTIONS = 256
_SECONDS_TO_END = 3
_MOST_HEADERS = 32 << 10
_PORTS_TRIED = 50


def serve(
    space: Workspace,
    host: str,
    port: int,
    *,
    open_browser: bool,
    ready: Callable[[str], None],
) -> None:
    """Answer requests until the process is interrupted.

    Args:
        space: what is open.
        host: to listen on; beyond this machine a token is part of the address.
        port: 0 for any that is free.
        open_browser: show the page.
        ready: called with the address as soon as requests are answered.

    Raises:
        InputError: the address cannot be listened on.
        CuplError: the encoder cannot be loaded.

    """
    listening = listen(host, port)
    with closing(listening):
        real = listening.getsockname()[1]
        token = None if is_loopback(host) else secrets.token_urlsafe(32)
        server = _Server(
            uvicorn.Config(
                make_app(space, host, real, token),
                log_level="error", access_log=False, server_header=False, ws="none", lifespan="on",
                limit_concurrency=_CONNECTIONS, h11_max_incomplete_event_size=_MOST_HEADERS,
                timeout_graceful_shutdown=_SECONDS_TO_END, http=ImpatientProtocol, loop="asyncio",
            )
        )  # fmt: skip
        url = address(host, real, token)

        def begin() -> None:
            ready(url)
            if open_browser:
                webbrowser.open(url)
            threading.Thread(target=load, name="cupl-encoder", daemon=True).start()

        def load() -> None:
            try:
                space.load()
            except Exception as error:
                server.failed = error
                server.should_exit = True

        server.begin = begin
        server.run(sockets=[listening])
        if server.failed is not None:
            raise server.failed


class _Server(uvicorn.Server):
    """Tells when it answers, and why it ended."""

    begin: Callable[[], None]
    failed: Exception | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.begin()


def address(host: str, port: int, token: str | None) -> str:
    """Where a browser finds the page."""
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)  # noqa: S104
    name = f"[{shown}]" if ":" in shown else shown
    return f"http://{name}:{port}/" + ("" if token is None else f"?token={quote(token)}")


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for connections.

    Raises:
        InputError: the address is taken, or not ours.

    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = found[0]
        opened = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot listen on {host!r:.100}: {why}") from error
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(place)
        opened.listen(128)
    except OSError as error:
        opened.close()
        ours = error.errno != errno.EADDRNOTAVAIL
        raise InputError(
            f"cannot listen on port {port} of {host}: {reason(error)}",
            arguments={"port": _free_port(host, port)} if ours else {"host": LOCAL},
        ) from error
    return opened


def _free_port(host: str, port: int) -> int:
    """The next one that nobody listens on; 0, any, where there is none near."""
    for other in range(port + 1, min(port + _PORTS_TRIED, 65_536)):
        with closing(socket.socket()) as tried:
            try:
                tried.bind((host if ":" not in host else "", other))
            except OSError:
                continue
            return other
    return 0
