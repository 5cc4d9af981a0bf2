from collections.abc import Iterator
from pathlib import Path

import pytest

from cupl.errors import InputError
from cupl.io import paths


def test_the_shipped_data_is_found() -> None:
    for kind in ("questions", "templates", "classes", "banks"):
        assert (paths.prompts_dir() / kind).is_dir()


def test_an_installed_package_has_the_data_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "cupl" / "io" / "paths.py"))
    assert paths.prompts_dir() == tmp_path / "prompts"
    (tmp_path / "cupl" / "prompts").mkdir(parents=True)
    assert paths.prompts_dir() == tmp_path / "cupl" / "prompts"


def test_the_cache_goes_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUPL_CACHE", str(tmp_path / "one"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "two"))
    monkeypatch.setenv("HOME", str(tmp_path / "three"))
    assert paths.cache_dir() == tmp_path / "one"
    monkeypatch.delenv("CUPL_CACHE")
    assert paths.cache_dir() == tmp_path / "two" / "cupl"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert paths.cache_dir() == tmp_path / "three" / ".cache" / "cupl"


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("CUPL_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", fail)
    paths._temporary_cache.cache_clear()
    yield
    paths._temporary_cache.cache_clear()


@pytest.mark.usefixtures("no_home")
def test_without_a_home_the_cache_is_temporary_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("atexit.register", lambda _: None)
    assert paths.cache_dir() == paths.cache_dir()
    assert paths.cache_dir().parent == tmp_path
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("set CUPL_CACHE") == 1


@pytest.mark.usefixtures("no_home")
def test_without_a_temporary_folder_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="set CUPL_CACHE"):
        paths.cache_dir()


@pytest.mark.parametrize("base", ["", "relative", "./also"])
def test_a_relative_cache_home_is_passed_over(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUPL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.cache_dir() == tmp_path / ".cache" / "cupl"
