"""Requests as they go over the wire, also such as no client would send."""

import json
import select
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

PATIENCE = 60.0
SECRET = b"a secret of somebody else"
"""What lies beside the folders that the app was opened with."""


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 where the connection was closed without a word."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """The sentence of a refusal."""
        return str(json.loads(self.body)["error"])


def request(
    method: str,
    path: str | bytes,
    headers: Mapping[str, str | bytes],
    body: bytes = b"",
    *,
    whole: bool = True,
) -> bytes:
    """The bytes of a request; with ``whole`` the headers tell the length of its body."""
    lines = [f"{method} ".encode() + _bytes(path) + b" HTTP/1.1"]
    lines += [name.encode() + b": " + _bytes(value) for name, value in headers.items()]
    if whole and body:
        lines.append(f"Content-Length: {len(body)}".encode())
    return b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body


def speak(port: int, sent: bytes | Iterable[bytes]) -> Answer:
    """Send bytes, piece by piece until something comes back, and read that to its end."""
    pieces = [sent] if isinstance(sent, bytes) else sent
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) as opened:
        try:
            for piece in pieces:
                opened.sendall(piece)
                if select.select([opened], [], [], 0)[0]:
                    break
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before it was read to the end
        return _read(opened)


def _read(opened: socket.socket) -> Answer:
    content, until = b"", time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            part = opened.recv(1 << 16)
        except ConnectionResetError:
            break
        if not part:
            break
        content += part
    if not content:
        return Answer(0, {}, b"")
    head, _, body = content.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(first.split(" ")[1]), headers, body)


def refused(answer: Answer, *statuses: int) -> str:
    """Accept a clear refusal; its sentence.

    What the HTTP parser itself refuses (400) is answered in plain text.
    """
    seen = answer.status, answer.body[:200]
    assert 400 <= answer.status < 500, seen
    assert not statuses or answer.status in statuses, seen
    assert SECRET not in answer.body
    assert b"Traceback" not in answer.body
    assert len(answer.body) < 2000
    if answer.headers["content-type"].startswith("application/json"):
        sentence: Any = answer.error
    else:
        assert (answer.status, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
        sentence = answer.body.decode()
    assert isinstance(sentence, str)
    assert sentence
    return sentence


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")
