import errno
import os
import resource
from pathlib import Path

import pytest

from cupl.errors import MissingFileError
from cupl.io.reasons import broken_link, missing, reason


def said(path: Path) -> str:
    with pytest.raises(OSError) as caught:  # noqa: PT011 (of any kind)
        path.open("rb")
    return reason(caught.value)


def test_links_are_told(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere/at all")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    (tmp_path / "fine").symlink_to(tmp_path)
    assert said(tmp_path / "dangling") == "it is a link to nowhere/at all, which does not exist"
    for name in ("loop", "one"):
        assert said(tmp_path / name) == "it is a link that leads back to itself"
    inside = tmp_path / "dangling" / "file"
    assert said(inside) == (
        f"{tmp_path / 'dangling'} is a link to nowhere/at all, which does not exist"
    )
    assert (
        said(tmp_path / "loop" / "f") == f"{tmp_path / 'loop'} is a link that leads back to itself"
    )
    assert said(tmp_path / "fine" / "no") == "No such file or directory"
    assert broken_link(tmp_path / "fine") is None
    assert broken_link("a\0b") is None


def test_names_and_paths_that_are_too_long(tmp_path: Path) -> None:
    assert said(tmp_path / ("ü" * 128)) == "its name is too long: 256 bytes, and 255 are allowed"
    deep = tmp_path.joinpath(*["folder" * 10] * 100)
    assert said(deep) == f"its path is too long: {len(os.fsencode(deep)):,} bytes"


def test_too_many_open_files_names_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (64, 64))
    error = OSError(errno.EMFILE, os.strerror(errno.EMFILE), "x")
    assert reason(error) == (
        "too many open files, no more than 64 are allowed: raise that limit, as by ulimit -n 1024"
    )


def test_all_else_is_what_the_system_says() -> None:
    assert reason(OSError(errno.EIO, os.strerror(errno.EIO))) == "Input/output error"
    assert reason(OSError("odd")) == "odd"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("s3://bucket/bank.yaml", "s3://bucket/bank.yaml: this is not read"),
        (Path("https://host/vectors.npz"), "https://host/vectors.npz: this is not read"),
        (
            "https://me:secret@host/a.csv?token=secret",
            r"https://\*\*\*@host/a.csv: this is",
        ),
        ("C:/bank.yaml", "^otherwise$"),
        ("a folder: b/bank.yaml", "^otherwise$"),
    ],
)
def test_an_address_of_what_is_not_read_from_one(name: str | Path, shown: str) -> None:
    with pytest.raises(MissingFileError, match=shown) as told:
        raise missing(name, "otherwise")
    assert "secret" not in str(told.value)
