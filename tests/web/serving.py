"""A running app, and a browser on it: real server, real encoder, real Chromium."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from cupl.web.app import make_app
from cupl.web.connections import ImpatientProtocol
from cupl.web.server import listen
from cupl.web.workspace import Sources, Workspace

PATIENCE = 60.0
"""Seconds that anything may take on a busy machine."""


@dataclass
class Served:
    """An app that is running.

    Attributes:
        space: what it has open.
        port: that it listens on.

    """

    space: Workspace
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        path: str,
        body: Any = None,
        *,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> tuple[int, Any]:
        """Send a request as it is written; the status and the JSON, or the bytes."""
        sent = raw if raw is not None else None if body is None else json.dumps(body).encode()
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            kind = {} if sent is None else {"Content-Type": "application/json"}
            connection.request(
                method or ("GET" if sent is None else "POST"), path, sent, kind | (headers or {})
            )
            answer = connection.getresponse()
            content = answer.read()
            if "json" in (answer.headers["content-type"] or ""):
                return answer.status, json.loads(content)
            return answer.status, content

    def head(self, path: str) -> dict[str, str]:
        """The headers of what is answered to GET, their names in small letters."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return {name.lower(): value for name, value in answer.getheaders()}

    def good(self, path: str, body: Any = None) -> Any:
        """What is answered where all is well."""
        status, answer = self.ask(path, body)
        assert status == 200, answer
        return answer

    def wait(self, what: str = "encode") -> None:
        """Until no job of this kind runs."""
        until = time.monotonic() + PATIENCE
        while any(j.kind == what and j.state == "running" for j in self.space.jobs.listed()):
            assert time.monotonic() < until, "it does not end"
            time.sleep(0.02)


@contextmanager
def served(
    sources: Sources, *, host: str = "127.0.0.1", token: str | None = None, waits: bool = True
) -> Iterator[Served]:
    """Run an app in a thread of this process; if it ``waits``, with all photos encoded."""
    listening: socket.socket = listen(host, 0)
    port = listening.getsockname()[1]
    space = Workspace(sources)
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(space, host, port, token), log_level="error", ws="none", http=ImpatientProtocol
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        until = time.monotonic() + PATIENCE
        while not server.started:
            assert time.monotonic() < until, "it does not start"
            time.sleep(0.01)
        space.load()
        running = Served(space, port)
        if waits:
            running.wait()
        yield running
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listening.close()


@dataclass
class Visit:
    """A tab of the browser, and what it did that it should not.

    Attributes:
        page: of playwright.
        outside: requests to anywhere but the app.
        complaints: errors of the console and of scripts.

    """

    page: Any
    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def audit(self) -> list[str]:
        """What axe-core finds that is serious or critical: rule and place."""
        import axe_core_python

        if not self.page.evaluate("typeof window.axe === 'object'"):
            # Past the page's own policy, as a browser's extension would.
            script = Path(axe_core_python.__file__).parent / "axe.min.js"
            self.page.evaluate(script.read_text("utf-8"))
        found = self.page.evaluate("async () => await axe.run()")
        return [
            f"{one['id']}: {node['html'][:200]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]


@contextmanager
def visited(browser: Any, url: str, **settings: Any) -> Iterator[Visit]:
    """Open a page in a fresh profile; at the end nothing may have gone wrong in it."""
    context = browser.new_context(**settings)
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    visit = Visit(page)
    origin = urlsplit(url).netloc
    page.on(
        "request",
        lambda request: (
            visit.outside.append(request.url)
            if not request.url.startswith((f"http://{origin}/", f"blob:http://{origin}/", "data:"))
            else None
        ),
    )
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            visit.complaints.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    page.goto(url)
    try:
        yield visit
        assert visit.outside == [], visit.outside
        assert visit.complaints == [], visit.complaints
    finally:
        context.close()
