"""``cupl serve`` as a process: its address, its refusals, its end."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cupl
from tests.models import draw, save_clip

CLASSES = ("-c", "cat", "-c", "dog", "--encoder", "model")
_PATIENCE = 120


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_clip(tmp_path / "model")
    for number in range(3):
        path = tmp_path / "photos" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        draw(40, 30, seed=number).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hear_ctrl_c() -> None:
    """Where the tests run in the background, a shell has Ctrl-C ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def started(*words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server, and the address that it printed."""
    command = [sys.executable, "-m", "cupl", "serve", *words, "--port", "0"]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509
    ) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            found = re.fullmatch(r"cupl serve: (http://\S+)\n", first)
            assert found, first + process.stderr.read()
            yield found[1], process
        finally:
            process.kill()


def ask(url: str, **headers: str) -> Any:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
        return answer.read()


def test_it_answers_until_it_is_interrupted(world: Path) -> None:
    with started(*CLASSES, "--photos", "photos") as (url, process):
        assert b"<title>cupl</title>" in ask(url)
        state = json.loads(ask(f"{url}api/state"))
        assert state["bank"]["classes"] == ["cat", "dog"]
        assert state["photos"]["total"] == 3
        process.send_signal(signal.SIGINT)
        assert process.wait(_PATIENCE) == 130
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert not Path("cupl-serve").exists()  # nothing was made


def test_a_second_one_does_not_write_into_the_same_folder(world: Path, cupl: Cupl) -> None:
    with started(*CLASSES) as (_, process):
        found = cupl("serve", *CLASSES, "--port", "0")
        assert found.code == 1
        assert "another run is writing into cupl-serve: wait for its end, or name" in found.err
        with started(*CLASSES, "-o", "other/place") as (url, _):
            assert b"<title>cupl</title>" in ask(url)
        process.kill()
        process.wait(_PATIENCE)
    with started(*CLASSES) as (url, _):
        assert b"<title>cupl</title>" in ask(url)


def test_beyond_this_machine_the_address_has_a_token(world: Path) -> None:
    with started(*CLASSES, "--host", "0.0.0.0") as (url, process):  # noqa: S104
        port = re.findall(r":(\d+)/", url)[0]
        assert re.search(r"/\?token=[\w-]{40,}$", url)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            ask(f"http://127.0.0.1:{port}/")
        process.send_signal(signal.SIGTERM)
        assert process.wait(_PATIENCE) == 143


def test_an_encoder_that_is_not_there_ends_it(world: Path) -> None:
    words = ("-c", "cat", "--encoder", "nothere", "--port", "0")
    ended = subprocess.run(
        [sys.executable, "-m", "cupl", "serve", *words],
        capture_output=True, text=True, check=False, timeout=_PATIENCE,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "error: nothere is not on this machine" in ended.stderr


def test_a_port_that_is_taken(world: Path, cupl: Cupl) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        outcome = cupl("serve", *CLASSES, "--port", str(port))
    assert outcome.code == 1
    assert re.search(rf"cannot listen on port {port} of 127.0.0.1: .* \(--port \d+\)", outcome.err)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "name the classes in one way"),
        ((*CLASSES, "--photos", "missing"), 1, "missing is no folder"),
        ((*CLASSES, "--photos", "model"), 1, "model"),
        (("--bank", "none.yaml"), 1, "none.yaml"),
        ((*CLASSES, "--index", "none.lance"), 1, "cupl index add makes one"),
        ((*CLASSES, "--host", "203.0.113.1"), 1, "(--host 127.0.0.1)"),
        ((*CLASSES, "--host", "no such host"), 1, "cannot listen on"),
        ((*CLASSES, "--port", "70000"), 2, "65535"),
    ],
)
def test_what_it_refuses(
    world: Path, cupl: Cupl, words: tuple[str, ...], code: int, told: str
) -> None:
    outcome = cupl("serve", *words)
    assert outcome.code == code
    assert told in outcome.err


def test_links_out_of_the_folder_are_told(world: Path, cupl: Cupl) -> None:
    draw(20, 20).save("outside.png")
    (world / "photos" / "link.png").symlink_to(world / "outside.png")
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        outcome = cupl(
            "serve", *CLASSES, "--photos", "photos", "--port", str(other.getsockname()[1])
        )
    assert "1 link of photos to files outside of it: not shown" in outcome.err
