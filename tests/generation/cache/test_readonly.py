import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cupl.errors import InputError
from cupl.generation.cache import readonly, store
from cupl.generation.cache.store import ResponseCache
from tests.caches import ANSWER, fill, key

READ = """
import os, sys
from cupl.generation.cache.reader import CacheReader
from cupl.generation.cache.store import ResponseCache
from tests.caches import key
if os.getuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
with ResponseCache(sys.argv[1]) as cache, CacheReader(sys.argv[1]) as reader:
    known = bool(cache.get_many([key(1)]))
    print(len(cache), known, cache.get(key(9)), len(list(reader.entries())))
"""


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache that others may read, below folders that they may enter."""
    folder = tmp_path_factory.mktemp("shared") / "responses"
    fill(folder, 3)
    yield folder
    folder.chmod(0o700)


@pytest.mark.parametrize(("files", "place"), [(0o444, 0o555), (0o644, 0o555), (0o444, 0o755)])
def test_a_cache_of_somebody_else_is_read(
    shared: Path, files: int, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in shared.iterdir():
        file.chmod(files)
    shared.chmod(place)
    for parent in shared.parents[:4]:
        if parent.stat().st_uid == os.getuid() and parent.name.startswith(
            ("shared", "pytest-", "popen-")
        ):
            parent.chmod(parent.stat().st_mode | 0o011)
    before = sorted(os.listdir(shared))  # noqa: PTH208
    done = subprocess.run(
        [sys.executable, "-c", READ, str(shared)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "3 True None 3\n", done.stderr
    assert sorted(os.listdir(shared)) == before  # noqa: PTH208


def test_nothing_is_asked_for_what_could_not_be_kept(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "may_only_be_read", lambda _: True)
    with ResponseCache(shared) as cache:
        assert list(cache.get_many([key(0), key(9)])) == [key(0)]
        for change in (
            lambda: cache.claim(key(9)),
            lambda: cache.put({key(9): ANSWER}),
            lambda: cache.remove([key(0)], 2**40),
        ):
            with pytest.raises(InputError, match="may only be read") as caught:
                change()
            assert caught.value.arguments == {"cache": ..., "offline": True}


def test_a_cache_of_one_s_own_is_no_such(shared: Path, tmp_path: Path) -> None:
    assert not readonly.may_only_be_read(shared)
    assert not readonly.may_only_be_read(tmp_path / "new")
