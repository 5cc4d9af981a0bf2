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


def test_without_a_home_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("CUPL_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(InputError, match="set CUPL_CACHE"):
        paths.cache_dir()
