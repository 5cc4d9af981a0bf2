"""Bodies that no Batch API sends, and how little of them is read."""

import contextlib
import gzip
import io
import socketserver
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from cupl.errors import ServerError
from cupl.generation.batch.api import BatchServer
from tests.fakes import listen


@contextmanager
def sending(data: bytes, *, endless: bool = False, **headers: str) -> Iterator[str]:
    """A server that answers every GET so; without end in chunks."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            length = ("Transfer-Encoding", "chunked") if endless else ("Content-Length", len(data))
            for name, value in (length, *headers.items()):
                self.send_header(name.replace("_", "-"), str(value))
            self.end_headers()
            while endless:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with listen(Handler) as url:
        yield url


@contextmanager
def dripping(begin: bytes, piece: bytes) -> Iterator[str]:
    """A server that answers so and then with the same piece again and again, slowly."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.recv(2**16)
                self.request.sendall(begin)
                while not over.wait(0.01):
                    self.request.sendall(piece)

    with listen(Handler) as url:
        try:
            yield url
        finally:
            over.set()


def most_memory(url: str) -> int:
    """Bytes that were taken until the server's answer was refused."""
    server = BatchServer(url)
    tracemalloc.start()
    try:
        with pytest.raises(ServerError, match="sent an answer of more than"):
            server.batch("batch_1")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packed", [1, 2])
def test_what_unpacks_to_too_much_is_not_read(packed: int) -> None:
    data = b" " * 2**26
    for _ in range(packed):
        data = gzip.compress(data)
    with sending(data, Content_Encoding=", ".join(["gzip"] * packed)) as url:
        assert most_memory(url) < 2**26


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cupl.llm.body_limit.MAX_BODY", 2**18)
    with sending(b" " * 2**14, endless=True) as url:
        assert most_memory(url) < 2**24


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        ("", "HTTP/1.1 200 OK\r\nX-A: "),
        ("HTTP/1.1 200 OK\r\n", "X-A: b\r\n"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", " "),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1"),
    ],
)
@pytest.mark.parametrize("asked", ["batch", "batches", "submit", "download"])
def test_what_comes_drop_by_drop_is_given_up(
    begin: str, piece: str, asked: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"{}")
    with dripping(begin.encode(), piece.encode()) as url:
        server = BatchServer(url, timeout=0.2)
        ask: dict[str, Callable[[], object]] = {
            "batch": lambda: server.batch("batch_1"),
            "batches": server.batches,
            "submit": lambda: server.submit(path, "ab" * 32, "/v1/chat/completions"),
            "download": lambda: server.download("file-1", io.BytesIO()),
        }
        with pytest.raises(ServerError, match="too slow|did not answer in time|broke off|closed"):
            ask[asked]()


def test_a_file_that_would_fill_the_disk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cupl.generation.batch.api._LEAST_PACKED", 2**20)
    with sending(gzip.compress(b"\n" * 2**26), Content_Encoding="gzip") as url:
        to = io.BytesIO()
        server = BatchServer(url)
        with pytest.raises(ServerError, match="nothing was kept"):
            server.download("file-1", to)
    assert len(to.getvalue()) < 2**23


def test_a_file_that_is_packed_is_fetched() -> None:
    lines = b"".join(b'{"custom_id": "%d"}\n' % number for number in range(10_000))
    with sending(gzip.compress(lines), Content_Encoding="gzip") as url:
        to = io.BytesIO()
        server = BatchServer(url)
        assert server.download("file-1", to) == len(lines)
    assert to.getvalue() == lines


def test_a_file_larger_than_an_answer_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cupl.llm.body_limit.MAX_BODY", 2**10)
    with sending(b"{}\n" * 2**14) as url:
        assert BatchServer(url).download("file-1", io.BytesIO()) == 3 * 2**14


def test_a_web_page_is_no_batch_api() -> None:
    page = b"<html><title>Login</title></html>"
    with (
        sending(page, Content_Type="text/html") as url,
        pytest.raises(ServerError, match="is it the right URL"),
    ):
        BatchServer(url).batch("batch_1")
