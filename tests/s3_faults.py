"""A server that speaks just enough of S3 to fail as stores and networks do, on loopback."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CODES = {
    "SlowDown": 503,
    "InternalError": 500,
    "AccessDenied": 403,
    "InvalidAccessKeyId": 403,
    "SignatureDoesNotMatch": 403,
    "ExpiredToken": 400,
    "NoSuchKey": 404,
    "NoSuchBucket": 404,
}
KINDS = (*CODES, "reset", "cut-off", "hang", "no-xml")


@dataclass
class FailingStore:
    """What it is asked, and how it answers.

    Attributes:
        address: where it is.
        content: of every object.
        faults: of an object by its key, the last part of its path; others are given.
        asked: how often each key was.

    """

    address: str
    content: bytes = b""
    faults: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def failing_store() -> Iterator[FailingStore]:
    """One, while the block runs."""
    store = FailingStore("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            key = self.path.partition("?")[0].rsplit("/", 1)[1]
            store.asked[key] += 1
            fault = store.faults.get(key)
            if fault in CODES:
                # As Amazon's: with the request, and what it was signed with, in the answer.
                said = self.headers.get("Authorization", "")
                body = f"<Error><Code>{fault}</Code><Message>{said}</Message></Error>".encode()
                self._send(CODES[fault], body)
            elif fault == "no-xml":
                self._send(502, b"<html>bad gateway</html>")
            elif fault == "reset":
                self.connection.shutdown(socket.SHUT_RDWR)
            elif fault == "hang":
                store.over.wait(30)
            elif fault == "cut-off":
                self._send(206, store.content[:-5], len(store.content))
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self._send(206, store.content)

        def _send(self, status: int, body: bytes, length: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    store.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
