"""Bodies that no page of ours sends, and uploads that are no photos: each is refused."""

import io
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from PIL import Image

from cupl.web import answers
from cupl.web.uploads import MOST_BYTES_OF_ONE
from tests.web.raw import Answer, refused, request, speak
from tests.web.serving import PATIENCE, Served

JSON, OCTETS = "application/json", "application/octet-stream"


def post(
    app: Served, path: str, body: bytes, kind: str | None = JSON, **headers: str | bytes
) -> Answer:
    sent: dict[str, str | bytes] = {"Host": f"127.0.0.1:{app.port}"}
    if kind is not None:
        sent["Content-Type"] = kind
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return speak(app.port, request("POST", path, sent, body))


def drop(app: Served, content: bytes, **headers: str | bytes) -> Answer:
    return post(app, "/api/uploads", content, OCTETS, **headers)


@pytest.mark.parametrize(
    "kind",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "text/json", "application/json2", "", "application", "*/*", "application/xml"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/jobs/stop", "/api/classify", "/api/evaluate/start"])
def test_other_kinds_of_content(hostile: Served, path: str, kind: str | None) -> None:
    """A form of another site can send these without asking first."""
    refused(post(hostile, path, b'{"id": 1}', kind), 415)


def test_a_photo_is_sent_as_no_form_could(hostile: Served, photos: Path) -> None:
    content = (photos / "cat" / "cat-0.jpg").read_bytes()
    for kind in ("image/jpeg", "multipart/form-data; boundary=x", "text/plain", "", JSON):
        refused(post(hostile, "/api/uploads", content, kind), 415)


BODIES = {
    "empty": b"",
    "no json": b"id=1",
    "half": b'{"id": ',
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "a string": b'"id"',
    "nothing in it": b"{}",
    "another key": b'{"id": 1, "path": "/etc/passwd"}',
    "twice nested": b'{"id": {"id": 1}}',
    "text for a number": b'{"id": "1"}',
    "a half": b'{"id": 1.5}',
    "truth": b'{"id": true}',
    "NaN": b'{"id": NaN}',
    "infinity": b'{"id": Infinity}',
    "minus": b'{"id": -1}',
    "huge": b'{"id": ' + b"9" * 4000 + b"}",
    "an exponent": b'{"id": 1e999}',
    "deep lists": b"[" * 100_000,
    "deep and closed": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"id":' * 100_000,
    "no utf-8": b'{"id": "\xff\xfe"}',
    "utf-16": '{"id": 1}'.encode("utf-16"),
    "half a pair": b'{"id": "\\ud800"}',
    "NUL": b'{"id": 1}\0',
    "two of them": b'{"id": 1}{"id": 1}',
    "bytes": bytes(range(256)),
}


@pytest.mark.parametrize("name", BODIES)
def test_other_bodies(hostile: Served, name: str) -> None:
    refused(post(hostile, "/api/jobs/stop", BODIES[name]), 404, 422)


@pytest.mark.parametrize(
    "settings",
    ['{"threshold": NaN}', '{"threshold": 2}', '{"temperature": Infinity}', '{"temperature": 0}',
     '{"temperature": NaN}', '{"temperature": "1"}', '{"templates": "../../etc/passwd"}',
     '{"templates": "/etc/passwd"}', '{"pooling": "x"}', '{"adaptation": ["photos"]}', '{"x": 1}',
     "[]", "null", '{"threshold": -0.1}', '{"threshold": 1e400}'],
)  # fmt: skip
def test_other_settings(hostile: Served, settings: str) -> None:
    body = f'{{"photos": ["0"], "settings": {settings}}}'.encode()
    refused(post(hostile, "/api/classify", body), 422)


@pytest.mark.parametrize(
    "photo",
    ["-1", "40", "99999999999999999999", "u7", "/etc/passwd", "../x", "", "²", "٣", "\\u0000"],
)
def test_photos_that_are_not_there(hostile: Served, photo: str) -> None:
    refused(post(hostile, "/api/classify", f'{{"photos": ["{photo}"]}}'.encode()), 404)


@pytest.mark.parametrize(
    "body",
    ['{"revision": 1}', '{"revision": 1, "controls": ["/etc/passwd"]}',
     '{"revision": 1, "controls": ["names"], "labels": "/etc/passwd"}',
     '{"revision": 1, "controls": ["names"], "templates": "openai.yaml"}',
     '{"revision": 1, "controls": ["names", "names", "names", "names", "names"]}',
     '{"revision": -1, "controls": []}', '{"revision": "1", "controls": []}',
     '{"revision": 1, "controls": [], "skip": 1}', '{"revision": 1, "controls": [], "out": "x"}'],
)  # fmt: skip
def test_other_evaluations(hostile: Served, body: str) -> None:
    refused(post(hostile, "/api/evaluate/start", body.encode()), 422)


@pytest.mark.parametrize(
    "report", ["0", "-1", '"1"', "2", "99999999999999999999999", "1.5", "null"]
)
def test_other_reports(hostile: Served, report: str) -> None:
    refused(post(hostile, "/api/evaluate/remove", f'{{"report": {report}}}'.encode()), 404, 422)


def test_too_long_a_body(hostile: Served) -> None:
    body = b'{"id": "' + b"x" * (5 << 20) + b'"}'
    assert "at most 4 MB" in refused(post(hostile, "/api/jobs/stop", body), 413)
    many = b'{"photos": [' + b",".join([b'"0"'] * 65) + b"]}"
    refused(post(hostile, "/api/classify", many), 422)


@pytest.mark.parametrize(
    ("length", "statuses"),
    [("104857600", {413}), ("9" * 30, {400, 413}), ("-5", {400}), ("1e3", {400}), ("0x10", {400}),
     ("5, 6", {400}), ("٣", {400}), ("", {400}), ("+5", {400})],
)  # fmt: skip
def test_lies_about_the_length(hostile: Served, length: str, statuses: set[int]) -> None:
    head = {"Host": f"127.0.0.1:{hostile.port}", "Content-Type": JSON}
    sent = request("POST", "/api/jobs/stop", head | {"Content-Length": length.encode()})
    refused(speak(hostile.port, sent), *statuses)


def test_two_lengths_and_a_smuggled_request(hostile: Served) -> None:
    head = {"Host": f"127.0.0.1:{hostile.port}", "Content-Type": JSON}
    for more in ("Content-Length: 5\r\nContent-Length: 6", "Transfer-Encoding: chunked, x",
                 "Transfer-Encoding: gzip", "Content-Length : 5"):  # fmt: skip
        sent = request("POST", "/api/jobs/stop", head)
        refused(speak(hostile.port, sent.replace(b"\r\n\r\n", f"\r\n{more}\r\n\r\n".encode())), 400)


def chunks(app: Served, path: str, kind: str) -> Iterator[bytes]:
    """A body that never ends."""
    head = {"Host": f"127.0.0.1:{app.port}", "Content-Type": kind, "Transfer-Encoding": "chunked"}
    yield request("POST", path, head)
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for _ in range(4000):
        yield piece
    raise AssertionError("250 MB were taken without a word")


@pytest.mark.parametrize(("path", "kind"), [("/api/jobs/stop", JSON), ("/api/uploads", OCTETS)])
def test_a_body_without_end(hostile: Served, path: str, kind: str) -> None:
    assert "too large" in refused(speak(hostile.port, chunks(hostile, path, kind)), 413)


@pytest.mark.parametrize("path", ["/api/jobs/stop", "/api/uploads"])
def test_a_body_that_stops_in_the_midst(
    hostile: Served, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PATIENCE", 0.2)
    kind = OCTETS if path == "/api/uploads" else JSON
    head = {"Host": f"127.0.0.1:{hostile.port}", "Content-Type": kind, "Content-Length": "1000"}
    sent = request("POST", path, head, b'{"id"', whole=False)
    assert "stopped in the midst" in refused(speak(hostile.port, sent), 408)


def test_a_body_that_trickles(hostile: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "PATIENCE", 0.3)
    head = {"Host": f"127.0.0.1:{hostile.port}", "Content-Type": OCTETS, "Content-Length": "99999"}
    with closing(socket.create_connection(("127.0.0.1", hostile.port), PATIENCE)) as connection:
        connection.sendall(request("POST", "/api/uploads", head, b"", whole=False))
        connection.settimeout(0.02)
        said = b""
        for _ in range(1000):
            with suppress(TimeoutError):
                connection.sendall(b"x")
                said = connection.recv(1000)
                break
    assert said.startswith(b"HTTP/1.1 408")


def test_silent_clients_keep_nobody_waiting(
    hostile: Served, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half-sent photos hold no turn for ever: who comes after them is answered."""
    monkeypatch.setattr(answers, "PATIENCE", 1.0)
    head = {"Host": f"127.0.0.1:{hostile.port}", "Content-Type": OCTETS, "Content-Length": "1000"}
    sent = request("POST", "/api/uploads", head, b"\xff\xd8", whole=False)
    silent = [threading.Thread(target=speak, args=(hostile.port, sent)) for _ in range(20)]
    for one in silent:
        one.start()
    content = (photos / "cat" / "cat-0.jpg").read_bytes()
    assert drop(hostile, content).status == 200
    for one in silent:
        one.join()


def png(width: int, height: int, rows: int) -> bytes:
    """A PNG that says it is so large, and has so many rows of nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(1 + 3 * width)) if rows < 2 else _packed(width, rows)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


def _packed(width: int, rows: int) -> bytes:
    packer, row = zlib.compressobj(9), bytes(1 + 3 * width)
    return b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()


def gif(width: int, height: int) -> bytes:
    """A GIF that says it is so large."""
    screen = struct.pack("<HHBBB", width, height, 0xF0, 0, 0) + bytes(6)
    image = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"
    return b"GIF89a" + screen + image + b";"


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"


@pytest.mark.parametrize(
    "content",
    [
        b"", b"text", b"\0" * 1000, SVG, HTML, b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a",
        b"%PDF-1.4", b"PK\x03\x04", b"RIFF\xff\xff\xff\x7fWEBPVP8 ", b"BM" + b"\xff" * 60,
        b"MM\x00*\xff\xff\xff\xff", b"II*\x00\x08\x00\x00\x00\xff\xff", png(100_000, 100_000, 1),
        png(2**31 - 1, 2**31 - 1, 1), png(30_000, 30_000, 2_000), gif(65_535, 65_535),
        b"P6 99999 99999 255\n", b"#EXTM3U\nfile:///etc/passwd", b"/etc/passwd",
    ],
    ids=lambda content: repr(content[:10])[2:-1],
)  # fmt: skip
def test_what_is_no_photo(hostile: Served, content: bytes) -> None:
    told = refused(drop(hostile, content, X_File_Name="a%3Cscript%3E.jpg"), 400)
    assert told.startswith("a<script>.jpg: "), told


def test_a_photo_that_breaks_off(hostile: Served, photos: Path) -> None:
    content = (photos / "cat" / "cat-0.jpg").read_bytes()
    refused(drop(hostile, content[: len(content) // 2]), 400)


def test_too_large_a_photo(hostile: Served) -> None:
    assert "at most 64 MB" in refused(drop(hostile, bytes(MOST_BYTES_OF_ONE + 1)), 413)


@pytest.mark.parametrize(
    "name",
    [b"a%0d%0aSet-Cookie:%20x=1", b"%", b"%zz", b"%ff%fe", b"%00", b"..%2f..%2fetc%2fpasswd",
     b"\xff\xfe.jpg", b"x" * 20_000, b"%ED%A0%80", b"%e2%80%aegpj.exe", b"<img src=x>"],
    ids=lambda name: name[:12].decode("latin-1"),
)  # fmt: skip
def test_odd_names_of_photos_are_but_texts(hostile: Served, photos: Path, name: bytes) -> None:
    content = (photos / "cat" / "cat-0.jpg").read_bytes()
    before = sorted(hostile.space.folder.rglob("*"))
    answer = drop(hostile, content, X_File_Name=name)
    assert answer.status == 200
    assert "set-cookie" not in answer.headers
    assert len(answer.body) < 1500
    assert sorted(hostile.space.folder.rglob("*")) == before


def test_a_photo_is_sent_back_without_what_it_told(hostile: Served, photos: Path) -> None:
    """EXIF, comments and scripts in it stay here: a new JPEG is made."""
    buffer = io.BytesIO()
    with Image.open(photos / "cat" / "cat-0.jpg") as image:
        exif = image.getexif()
        exif[0x010E] = "<script>alert('where I live')</script>"
        image.save(buffer, "JPEG", exif=exif, comment=b"<script>alert(2)</script>")
    answer = drop(hostile, buffer.getvalue())
    key = answer.body.split(b'"photo":"')[1].split(b'"')[0].decode()
    status, thumb = hostile.ask(f"/thumb/{key}")
    assert (status, b"script" in thumb, b"Exif" in thumb) == (200, False, False)
