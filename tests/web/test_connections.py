"""Connections that send no request, or half of one."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from cupl.web import connections
from tests.web.conftest import Serve
from tests.web.serving import PATIENCE, Served

HEAD = b"GET /api/state HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"


@pytest.fixture
def app(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(connections, "SECONDS_FOR_A_HEAD", 0.3)
    with serve() as running:
        yield running


@contextmanager
def connected(app: Served) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", app.port), PATIENCE)) as connection:
        yield connection


@pytest.mark.parametrize("sent", [b"", b"GET ", b"GET / HTTP/1.1\r\nHost: "])
def test_a_request_that_does_not_come_is_not_waited_for(app: Served, sent: bytes) -> None:
    with connected(app) as connection:
        connection.sendall(sent)
        assert connection.recv(100) == b""  # closed, and nothing answered


def test_one_letter_at_a_time_is_no_way_around_it(app: Served) -> None:
    with connected(app) as connection:
        connection.settimeout(0.02)
        for _ in range(1000):
            try:
                connection.sendall(b"G")
                if connection.recv(1) == b"":
                    return
            except TimeoutError:
                continue
            except OSError:  # reset, as what was sent is not read any more
                return
    pytest.fail("it is waited for")


def test_a_second_request_has_the_same_time(app: Served) -> None:
    with connected(app) as connection:
        head = HEAD % app.port
        connection.sendall(head + b"\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        connection.sendall(head)
        while connection.recv(10_000):
            pass


def test_many_that_send_nothing_keep_nobody_out(app: Served) -> None:
    idle = [socket.create_connection(("127.0.0.1", app.port), PATIENCE) for _ in range(300)]
    for one in idle:
        assert one.recv(1) == b""
        one.close()
    assert app.good("/api/state")["session"]
