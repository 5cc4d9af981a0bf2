"""A model hub on this machine, and the cache of its client."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = "89abcdef0123456789abcdef0123456789abcdef"
FILES = {
    "config.json": b'{"model_type": "clip"}',
    "preprocessor_config.json": b"image sizes",
    "tokenizer.json": b"a vocabulary",
    "README.md": b"read me",
}


class Hub(ThreadingHTTPServer):
    """Serves the model org/clip, whose branches and tags can move; org/gated is gated.

    There is no other.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(FILES)
        self.commits = {COMMIT: self.files}
        self.refs = {"main": COMMIT}
        self.served: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def commit_of(self, revision: str) -> str | None:
        found = self.refs.get(revision, revision)
        return found if found in self.commits else None


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.strip("/").removeprefix("api/models/")
        model, kind, revision, name = [*path.removeprefix("org/").split("/", 3), "", "", ""][:4]
        commit = self.server.commit_of(unquote(revision or "main"))
        if model == "gated":
            self._answer(403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif model != "clip" or not path.startswith("org/"):
            self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif commit is None:
            self._answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif kind in ("", "revision"):
            # Versions of the client differ in where they read the names of the files.
            files = [{"rfilename": name} for name in self.server.commits[commit]]
            info = {"id": "org/clip", "sha": commit, "siblings": files}
            self._answer(200, json.dumps(info).encode())
        elif kind == "tree":
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": _etag(data)}
                for name, data in self.server.commits[commit].items()
            ]
            self._answer(200, json.dumps(tree).encode())
        elif kind == "resolve" and name in self.server.commits[commit]:
            data = self.server.commits[commit][name]
            if self.command == "GET":
                self.server.served.append(name)
            self._answer(200, data, {"ETag": f'"{_etag(data)}"', "X-Repo-Commit": commit})
        else:
            self._answer(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def _answer(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _etag(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def use_endpoint(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a folder to work in that holds no model."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "cache"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        use_endpoint(monkeypatch, server.url)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No hub, and a try to reach one fails the test."""

    def refuse(*args: object, **kwargs: object) -> None:
        pytest.fail("something asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def write_cache(
    cache: Path, files: dict[str, bytes], commit: str = COMMIT, ref: str = "main"
) -> Path:
    """The layout of the hub's cache, as any version of its client leaves it."""
    model = cache / "models--org--clip"
    snapshot = model / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (model / "refs").mkdir(exist_ok=True)
    (model / "refs" / ref).write_text(commit, "utf-8")
    for name, data in files.items():
        (snapshot / name).write_bytes(data)
    return snapshot
