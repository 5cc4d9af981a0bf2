"""The same commands on an index in a cluster as on one in a folder, and clusters that refuse."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Cupl
from tests.milvus_faults import FailingMilvus, RefusingMilvus, served_milvus
from tests.models import draw, save_clip

_TOKEN = "tok-3f9a77c1e5b2d8"
_PASSWORD = "Pa55/w0rd@home"


def _commands(cupl: Cupl, index: str) -> list[str]:
    """What a life of an index says, command by command."""
    shutil.rmtree("photos", ignore_errors=True)
    for number in range(8):
        path = Path("photos", "ab"[number % 2], f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(40, 30, seed=number).save(path)
    said: list[str] = []

    def run(*words: object) -> None:
        done = cupl(*words, "--index", index)
        assert done.code == 0, done.err
        lines = re.sub(r"(?m)^\w+: \d+ of \d+\n", "", done.out + done.err)  # caches make it less
        said.append(lines.replace(index, "INDEX").replace("'INDEX'", "INDEX"))

    run("index", "add", "photos", "--encoder", "model")
    run("index", "add", "photos")
    run("search", "a cat", "-k", 5)
    Path("photos/a/0.png").rename("photos/b/moved.png")
    Path("photos/a/2.png").unlink()
    draw(40, 30, seed=99).save("photos/b/1.png")
    run("index", "update", "--prune")
    run("index", "update", "--prune")
    run("search", "a dog", "-k", 9, "--where", "path LIKE '%/b/%' and label is null")
    run("tag", "-c", "cat", "-c", "dog", "--top", 1)
    run("search", "a dog", "-k", 9, "--where", "not has(tags, 'cat') or label = 'dog'")
    run("search", "-c", "cat", "-c", "dog", "-k", 3)
    run("index", "remove", "photos/b/3.png")
    run("index", "compact")
    said[-1] = said[-1].split(",")[0].rstrip()
    run("index", "info", "--recall", 5, "--json")
    info = json.loads(said.pop())
    return [*said, json.dumps({name: info[name] for name in info if name != "bytes"})]


def test_the_same_commands_end_in_the_same(
    tmp_path: Path, cupl: Cupl, cluster_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_clip(tmp_path / "model")
    cupl("--version")  # what transformers says of saving is no part of the next
    monkeypatch.chdir(tmp_path)
    for here, there in zip(
        _commands(cupl, "photos.lance"), _commands(cupl, cluster_place), strict=True
    ):
        assert there == here


def test_a_password_is_used_and_not_shown(
    tmp_path: Path, cupl: Cupl, cluster_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_clip(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    draw(40, 30).save("0.png")
    place = cluster_place.replace("://", "://me:secret-8f@")
    life = ["index add 0.png --encoder model", "search cat", "index info", "index compact",
            "index remove 0.png"]  # fmt: skip
    for words in map(str.split, life):
        done = cupl(*words, "--index", place)
        assert done.code == 0, done.err
        assert "secret-8f" not in done.out + done.err
    assert cluster_place.partition("://")[2] in done.err


@pytest.mark.parametrize("given", ["variable", "url", "nothing"])
def test_a_cluster_that_refuses(given: str, cupl: Cupl, monkeypatch: pytest.MonkeyPatch) -> None:
    quoted = _PASSWORD.replace("/", "%2F").replace("@", "%40")
    if given == "variable":
        monkeypatch.setenv("MILVUS_TOKEN", _TOKEN)
    for servicer, told in ((RefusingMilvus(), "token"), (FailingMilvus(), "failed")):
        with served_milvus(servicer) as address:
            place = f"http://me:{quoted}@{address}" if given == "url" else f"http://{address}"
            done = cupl("search", "x", "--index", place)
        assert done.code == 1
        assert done.out == ""
        assert len(done.err.strip().splitlines()) == 1, done.err
        assert told in done.err
        assert address in done.err
        assert not any(secret in done.err for secret in (_TOKEN, _PASSWORD, quoted, "me:"))
        asked = "asks for a token" if given == "nothing" else "refuses the token"
        assert told == "failed" or asked in done.err
