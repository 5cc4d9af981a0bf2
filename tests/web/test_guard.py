"""Requests that no page of ours sends: other hosts, origins, sites, methods, paths and tokens."""

from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from cupl.web.guard import is_loopback, own_names
from tests.web.conftest import Serve
from tests.web.raw import Answer, refused, request, speak
from tests.web.serving import Served

CLIMB = "../../../../../../../../../.."


def get(app: Served, path: str | bytes, method: str = "GET", **headers: str) -> Answer:
    """Ask as a page of ours would, but for these headers; ``_`` stands for ``-`` in a name."""
    sent = {"Host": f"127.0.0.1:{app.port}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return speak(app.port, request(method, path, sent))


ODD_NAMES = [
    f"{CLIMB}/etc/passwd",
    f"{CLIMB.replace('/', '%2f')}%2fetc%2fpasswd",
    f"{CLIMB.replace('..', '%2e%2e')}/etc/passwd",
    f"{CLIMB.replace('..', '%252e%252e').replace('/', '%252f')}%252fetc%252fpasswd",
    "..%5c..%5c..%5csecret.txt",
    "..\\..\\secret.txt",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "%00",
    "0%00.jpg",
    "%c0%ae%c0%ae%2fsecret.txt",
    "%ff%fe",
    "\u00b2",
    "%D9%A1",
    "-1",
    "1e3",
    "0x1",
    "+1",
    "%201",
    "99999999999999999999999999",
    "u0",
    "u99999999999999999999",
    "u%D9%A1",
    "u-1",
    "file:%2f%2f%2fetc%2fpasswd",
    "C:%5cWindows%5cwin.ini",
    "link.jpg",
    "x" * 3000,
    "%2e%2e/" * 300,
    "",
    ".",
    "..",
]


@pytest.mark.parametrize("name", ODD_NAMES, ids=lambda name: name[:24])
@pytest.mark.parametrize("place", ["thumb", "photo", "static", "reports", "reports/1"])
def test_no_path_leads_anywhere(hostile: Served, place: str, name: str) -> None:
    answer = get(hostile, f"/{place}/{name}")
    if answer.status == 307:  # of a slash too many, to the same server
        where = answer.headers["location"]
        assert where.startswith(f"http://127.0.0.1:{hostile.port}/{place}"), where
    else:
        refused(answer, 400, 404, 405)


@pytest.mark.parametrize(
    "path",
    [
        "/reports/1/summary.csv", "/reports/1/secret.txt", "/reports/1/../../secret.txt",
        "/reports/1/%2e%2e/%2e%2e/%2e%2e/secret.txt", "/reports/1/report.html/", "/reports/2/x",
        "/reports/01/", "/reports/1/REPORT.HTML", "/reports/1/figures/", "/static/js",
        "/static/js/..%2f..%2fapp.py", "/static/../app.py", "/static/js/%2e%2e/%2e%2e/guard.py",
        "/app.py", "//evil.com/", "/\\evil.com", "http://evil.com/api/state",
        "/api/evaluate/reports/..%2f1", "/api/evaluate/reports/-1", "/api/../../secret.txt",
        "/.env", "/.git/config", "*", "/%", "/%zz",
    ],
)  # fmt: skip
def test_no_other_path_is_answered(hostile: Served, path: str) -> None:
    refused(get(hostile, path), 400, 404, 405)


def test_links_out_of_the_folder_are_neither_listed_nor_served(hostile: Served) -> None:
    found = hostile.good("/api/photos")
    assert not [name for name in found["names"] if "link" in name or "private" in name]
    assert hostile.space.photos.left_out == 2
    refused(get(hostile, f"/thumb/{len(found['names'])}"), 404)


def test_a_link_that_is_made_later_is_not_served(hostile: Served) -> None:
    """A photo that was there is replaced by a link to what is none."""
    photos = hostile.space.photos
    number = photos.names.index("coin/coin-4.jpg")
    shown = Path(photos.paths[number])
    shown.unlink()
    shown.symlink_to(hostile.space.folder.parent / "private" / "private.jpg")
    refused(get(hostile, f"/photo/{number}"), 404)
    refused(get(hostile, f"/thumb/{number}"), 404)


@pytest.mark.parametrize(
    "host",
    [
        "evil.com", "evil.com:{port}", "127.0.0.1.evil.com:{port}", "localhost.evil.com:{port}",
        "user@127.0.0.1:{port}", "127.0.0.1:{port}@evil.com", "127.0.0.1:1", "127.0.0.1",
        "localhost", "", ":{port}", "127.0.0.1:{port}, evil.com", "127.0.0.1:{port}.",
        "127.0.0.1.:{port}", "localhost.:{port}", "127.0.0.1:{port}/", "127.0.0.1:{port}/..",
        "127.0.0.1:{port}#x", "127.0.0.1:{port}?x", "127.0.0.1:00{port}", "127.0.0.1:+{port}",
        "127.1:{port}", "2130706433:{port}", "0x7f.1:{port}", "0.0.0.0:{port}", "[::1", "[::1]",
        "[::ffff:127.0.0.1]:{port}", "127.0.0.2:{port}", "http://127.0.0.1:{port}",
        "127.0.0.1:{port}:80", "127.0.0.1 :{port}", "\u00b9localhost:{port}", "x" * 5000,
    ],
)  # fmt: skip
def test_other_hosts(hostile: Served, host: str) -> None:
    refused(get(hostile, "/api/state", Host=host.replace("{port}", str(hostile.port))), 400, 403)


def test_two_hosts_and_none(hostile: Served) -> None:
    ours = f"Host: 127.0.0.1:{hostile.port}\r\n"
    for hosts in (f"{ours}Host: evil.com\r\n", f"Host: evil.com\r\n{ours}", f"{ours}{ours}", ""):
        sent = f"GET /api/state HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n".encode()
        refused(speak(hostile.port, sent), 400, 403)
    refused(speak(hostile.port, b"GET /api/state HTTP/1.0\r\n\r\n"), 400, 403)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_our_own_hosts(hostile: Served, host: str) -> None:
    name = f"{host}:{hostile.port}"
    assert get(hostile, "/api/state", Host=name, Origin=f"http://{name}").status == 200


ORIGINS = [
    "null", "http://evil.com", "https://127.0.0.1:{port}", "http://127.0.0.1", "file://",
    "http://127.0.0.1:1", "http://localhost:{port}", "http://127.0.0.1:{port}.evil.com", "",
    "http://127.0.0.1:{port}/", "HTTP://127.0.0.1:{port}", "chrome-extension://abcdefgh",
    "http://user@127.0.0.1:{port}", "http://127.0.0.1:{port}, http://evil.com",
]  # fmt: skip


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_origins(hostile: Served, origin: str, method: str) -> None:
    said = origin.replace("{port}", str(hostile.port))
    body = b'{"id": 1}' if method == "POST" else b""
    headers = {"Host": f"127.0.0.1:{hostile.port}", "Origin": said}
    headers |= {"Content-Type": "application/json"} if body else {}
    path = "/api/jobs/stop" if body else "/api/state"
    answer = speak(hostile.port, request(method, path, headers, body))
    assert "another site" in refused(answer, 403)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "odd", "same-origin, cross-site"])
@pytest.mark.parametrize("path", ["/api/state", "/thumb/0", "/photo/0", "/static/js/app.js",
                                  "/reports/1/report.html", "/"])  # fmt: skip
def test_other_sites(hostile: Served, site: str, path: str) -> None:
    sent = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}
    refused(get(hostile, path, **sent), 403)


def test_a_link_from_elsewhere_leads_to_the_page_alone(hostile: Served) -> None:
    how = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate",
           "Sec_Fetch_Dest": "document"}  # fmt: skip
    assert get(hostile, "/", **how).status == 200
    refused(get(hostile, "/", **how | {"Sec_Fetch_Dest": "iframe"}), 403)
    refused(get(hostile, "/", "POST", **how), 403)
    for path in ("/photo/0", "/reports/1/report.html", "/api/state"):
        refused(get(hostile, path, **how), 403)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "OPTIONS", "PATCH", "PROPFIND", "X"])
@pytest.mark.parametrize("path", ["/", "/api/state", "/api/jobs/stop", "/api/uploads", "/thumb/0",
                                  "/static/app.css", "/reports/1/report.html"])  # fmt: skip
def test_other_methods(hostile: Served, method: str, path: str) -> None:
    answer = get(hostile, path, method)
    refused(answer, 405)
    assert "access-control-allow-origin" not in answer.headers


def test_what_is_sent_with_every_answer(hostile: Served) -> None:
    for path in ("/", "/api/state", "/static/js/app.js", "/thumb/0", "/nothing"):
        headers = get(hostile, path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers or "cupl" not in headers["server"]


EVERYWHERE = ["0.0.0.0", "::"]  # noqa: S104 (what is tested)


def test_names_and_loopback() -> None:
    assert own_names("127.0.0.1") == {"127.0.0.1", "localhost", "::1"}
    assert "evil.com" not in own_names(EVERYWHERE[0])
    assert own_names("Box.LAN") >= {"box.lan", "localhost"}
    loopback = ["localhost", "127.0.0.1", "127.3.4.5", "::1"]
    assert [one for one in [*loopback, *EVERYWHERE, "box", "10.0.0.1"] if is_loopback(one)] == (
        loopback
    )


TOKEN = "right-token_0123456789"


def test_beyond_this_machine_a_token_is_needed(serve: Serve) -> None:
    with serve(host=EVERYWHERE[0], token=TOKEN) as app:
        cookie = f"cupl-{app.port}"
        for path in ("/", "/api/state", "/thumb/0", "/static/js/app.js", "/reports/1/report.html"):
            assert "token is needed" in refused(get(app, path), 403)
            assert "token is needed" in refused(get(app, path, Cookie=f"{cookie}=wrong"), 403)
            assert refused(get(app, path, Cookie=f"other={TOKEN}"), 403)
        for path in (f"/api/state?token={TOKEN}", f"/thumb/0?token={TOKEN}", f"/{TOKEN}"):
            assert "token is needed" in refused(get(app, path), 403)
        for wrong in ("wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "%FF", "%00", "%ED%A0%80"):
            assert refused(get(app, f"/?token={wrong}"), 403)
        assert refused(get(app, f"/?token={TOKEN}", "POST"), 403)
        assert refused(get(app, f"/?token={TOKEN}", Host="evil.com"), 403)
        assert refused(get(app, "/api/state", Cookie=";=;,"), 403)
        answer = get(app, f"/?token={TOKEN}")
        assert (answer.status, answer.headers["location"]) == (303, "/")
        [(name, found)] = SimpleCookie(answer.headers["set-cookie"]).items()
        assert (name, found.value, found["httponly"]) == (cookie, TOKEN, True)
        assert (found["samesite"], found["path"], found["domain"]) == ("strict", "/", "")
        for other in (
            "foo",
            "a[b]=c",
            'x={"a":1}',
            "x=\xe9",
            "a b=c",
            "=v",
            "expires=1",
            "path=/x",
        ):
            beside = f"{other}; {cookie}={TOKEN}"
            assert get(app, "/api/state", Cookie=beside).status == 200
            assert refused(get(app, "/api/state", Cookie=f"{other}; x{cookie}={TOKEN}"), 403)
        sent = {"Cookie": f"{cookie}={TOKEN}"}
        assert get(app, "/api/state", **sent).status == 200
        assert get(app, "/", **sent).body.startswith(b"<!doctype html>")
        assert TOKEN.encode() not in get(app, "/api/state", **sent).body
        refused(get(app, "/api/state", Origin="http://evil.com", **sent), 403)
        refused(get(app, "/api/state", Host=f"evil.com:{app.port}", **sent), 403)
        # By its address in the network, which nobody else can own.
        assert get(app, "/api/state", Host=f"192.168.7.7:{app.port}", **sent).status == 200
