from pathlib import Path

import pytest

from cupl.bank.class_folders import classes_of_folders
from cupl.bank.class_lists import read_classes
from cupl.errors import InputError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names_of(root: Path) -> list[str]:
    return [label.name for label in classes_of_folders(root)[0]]


@pytest.mark.parametrize(
    "junk",
    ["@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "__MACOSX", "lost+found",
     "__pycache__", "@Recycle", ".Trash-1000", ".ipynb_checkpoints", ".git"],
)  # fmt: skip
@pytest.mark.parametrize("empty", [True, False])
def test_junk_is_no_class(tmp_path: Path, junk: str, empty: bool) -> None:
    for name in ("cat", "dog", junk):
        (tmp_path / name).mkdir()
        if not empty:
            (tmp_path / name / "1.jpg").touch()
    told: list[str] = []
    assert [label.name for label in read_classes(tmp_path, told.append)] == ["cat", "dog"]
    assert told == [f"{tmp_path}: skipped what systems and tools keep: {junk}"]


def test_folders_without_images_are_no_classes(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.jpg", "dog/deep/2", "a/notes.txt", "b/@eaDir/1.jpg", "c/.1.jpg")
    (tmp_path / "d").mkdir()
    labels, told = classes_of_folders(tmp_path)
    assert [label.name for label in labels] == ["cat", "dog"]
    assert told == "no classes, for they hold no image: a, b, c, d"


def test_all_empty_folders_are_names(tmp_path: Path) -> None:
    for name in ("newt", "cat", "dog"):
        (tmp_path / name).mkdir()
    assert classes_of_folders(tmp_path)[1] is None
    assert names_of(tmp_path) == ["cat", "dog", "newt"]


def test_linked_folders_count(tmp_path: Path) -> None:
    touch(tmp_path / "store", "1.jpg")
    touch(tmp_path / "set", "cat/1.jpg")
    (tmp_path / "set" / "dog").symlink_to(tmp_path / "store")
    (tmp_path / "set" / "newt").mkdir()
    (tmp_path / "set" / "newt" / "day").symlink_to(tmp_path / "store")
    assert names_of(tmp_path / "set") == ["cat", "dog", "newt"]


def test_no_class_at_all(tmp_path: Path) -> None:
    touch(tmp_path, "@eaDir/1.jpg", ".git/config", "1.jpg")
    with pytest.raises(InputError, match="this has none"):
        classes_of_folders(tmp_path)
