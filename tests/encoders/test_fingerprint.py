import hashlib
import os
from pathlib import Path

import pytest

from cupl.encoders.fingerprint import remembered
from cupl.io.paths import cache_dir


class Digests:
    """Digests of files, and how often one was computed."""

    def __init__(self, *files: Path) -> None:
        self.files = files
        self.computed = 0

    def get(self) -> str:
        return remembered(self.files, self._compute)

    def _compute(self) -> str:
        self.computed += 1
        return hashlib.sha256(b"".join(file.read_bytes() for file in self.files)).hexdigest()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


def test_a_digest_is_computed_once(files: list[Path]) -> None:
    digests = Digests(*files)
    assert digests.get() == digests.get() == hashlib.sha256(b"ab").hexdigest()
    assert digests.computed == 1
    assert len(list((cache_dir() / "fingerprints").iterdir())) == 1


def test_other_content_has_another_digest_whatever_its_time_says(files: list[Path]) -> None:
    digests = Digests(*files)
    first, times = digests.get(), files[0].stat()
    files[0].write_bytes(b"c")
    os.utime(files[0], ns=(times.st_atime_ns, times.st_mtime_ns))
    assert digests.get() != first
    assert digests.computed == 2


def test_another_file_of_the_same_times_has_another_digest(files: list[Path]) -> None:
    first = Digests(*files).get()
    assert Digests(files[0]).get() != first


@pytest.mark.parametrize("content", [b"", b"x" * 64, b"\xff", b"a" * 63 + b"\n", b"a" * 100_000])
def test_what_is_no_digest_is_not_believed(files: list[Path], content: bytes) -> None:
    digests = Digests(*files)
    first = digests.get()
    (path,) = (cache_dir() / "fingerprints").iterdir()
    path.write_bytes(content)
    assert digests.get() == first
    assert path.read_text() == first


def test_without_a_place_to_remember_it_is_computed(files: list[Path]) -> None:
    (cache_dir() / "fingerprints").write_bytes(b"a file")
    digests = Digests(*files)
    assert digests.get() == digests.get()
    assert digests.computed == 2


def test_files_that_cannot_be_looked_at(tmp_path: Path) -> None:
    assert remembered([tmp_path / "gone"], lambda: "computed") == "computed"
