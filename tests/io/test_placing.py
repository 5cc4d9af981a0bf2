import errno
import os
from pathlib import Path

import pytest

from cupl.io import placing
from cupl.io.placing import SourceError, copy_new, file_digest, move_new, rename_new

HOWS = pytest.mark.parametrize("act", [copy_new, move_new])


def no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "no hard links here")


@HOWS
@pytest.mark.parametrize("links", [True, False])
def test_a_file_comes_to_where_nothing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: placing.Act, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    (tmp_path / "in").mkdir()
    source, target = tmp_path / "a.jpg", tmp_path / "in" / "b.jpg"
    source.write_bytes(b"photo")
    os.utime(source, (1e9, 1e9))
    told: list[tuple[str, bool]] = []
    digest = act(source, target, lambda it: told.append((it, target.exists())), tmp_path)
    assert told == [(digest, False)]
    assert digest == file_digest(target)
    assert target.read_bytes() == b"photo"
    assert target.stat().st_mtime == 1e9
    assert source.exists() == (act is copy_new)
    left = {one.name for one in tmp_path.iterdir()}
    assert left == ({"in", "a.jpg"} if act is copy_new else {"in"})


@HOWS
@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("there", ["file", "folder", "broken link"])
def test_what_is_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: placing.Act, there: str, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"photo")
    if there == "file":
        target.write_bytes(b"another")
    elif there == "folder":
        target.mkdir()
    else:
        target.symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        act(source, target, lambda _: None, tmp_path)
    assert source.read_bytes() == b"photo"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a", "b"]
    assert there != "file" or target.read_bytes() == b"another"


@HOWS
def test_what_cannot_be_read_is_no_fault_of_the_place(tmp_path: Path, act: placing.Act) -> None:
    for name in ("missing", "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(SourceError):
            act(tmp_path / name, tmp_path / "to", lambda _: None, tmp_path)
        assert not (tmp_path / "to").exists()


def other_file_system(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    """As if a file lay on another disk."""
    lstat = Path.lstat

    def elsewhere(path: Path) -> os.stat_result:
        status = lstat(path)
        if path != source:
            return status
        values = list(status[:10])
        values[2] = status.st_dev + 1
        return os.stat_result(values)

    monkeypatch.setattr(Path, "lstat", elsewhere)


def test_a_move_to_another_file_system_copies_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"photo")
    other_file_system(monkeypatch, source)
    both: list[bool] = []
    sync = placing.sync_folder

    def synced(folder: Path) -> None:
        both.append(source.exists())
        sync(folder)

    monkeypatch.setattr(placing, "sync_folder", synced)
    move_new(source, target, lambda _: None, tmp_path)
    assert both == [True]
    assert [one.name for one in tmp_path.iterdir()] == ["b"]
    assert target.read_bytes() == b"photo"


def test_a_copy_that_reads_back_otherwise_takes_nothing_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"photo")
    other_file_system(monkeypatch, source)
    monkeypatch.setattr(placing, "file_digest", lambda _: "another")
    with pytest.raises(OSError, match="not what is read again"):
        move_new(source, target, lambda _: None, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_a_name_that_cannot_be_taken_away_is_not_given_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"photo")
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == source:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(SourceError, match="Permission denied"):
        rename_new(source, target)
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_a_link_is_copied_as_what_it_leads_to_and_not_moved(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"photo")
    link = tmp_path / "link"
    link.symlink_to("real")
    copy_new(link, tmp_path / "copy", lambda _: None, tmp_path)
    assert not (tmp_path / "copy").is_symlink()
    assert (tmp_path / "copy").read_bytes() == b"photo"
    with pytest.raises(SourceError, match="it is a link"):
        move_new(link, tmp_path / "moved", lambda _: None, tmp_path)
    assert link.is_symlink()
