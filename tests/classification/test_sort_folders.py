import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.classification.sort_folders import FolderNames, FreeNames, alike, folder_name

ODD = ["/", "..", ".", "", " ", ".hidden", "a/b", "a\\b", "a\0b", "a\nb", "x" * 300, "ü" * 200,
       "CON", "nul.txt", "a.", "a ", "\u202egpj", "unsure", "UNSURE", "none of these",
       "sorted.csv", "Cat", "cat", "CAT", "caf\u00e9", "cafe\u0301", "-rf", "\ud800"]  # fmt: skip


@given(st.lists(st.one_of(st.text(max_size=300), st.sampled_from(ODD)), unique=True, max_size=12))
def test_each_class_has_a_folder_of_its_own_in_one_part(labels: list[str]) -> None:
    names = FolderNames()
    found = [names.of(label) for label in labels]
    for name in found:
        assert name not in ("", ".", "..")
        assert not set(name) & set("/\\\0\n")
        assert not name.startswith(".")
        assert name == name.strip()
        assert len(name.encode("utf-8", "surrogatepass")) <= 255
        assert alike(name) not in ("unsure", "none of these", "sorted.csv")
    assert len(set(map(alike, found))) == len(labels)
    assert found == [names.of(label) for label in labels]


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("tree frog", "tree frog"), ("AC/DC", "AC_DC"), ("..", "_"), ("../x", "_._x"),
            (".git", "_git"),
        ("con", "_con"), ("Übergröße", "Übergröße"), ("", "_"), ("a:b?", "a_b_"),
    ],
)  # fmt: skip
def test_names_stay_what_they_are_as_far_as_they_can(label: str, folder: str) -> None:
    assert folder_name(label) == folder


def test_two_classes_of_one_name_are_told_by_their_ids() -> None:
    names = FolderNames()
    assert [names.of("crane", "n1"), names.of("crane", "n2")] == ["crane", "crane (n2)"]
    assert names.of("Unsure") == "Unsure (2)"


def test_folders_of_earlier_runs_keep_their_classes() -> None:
    names = FolderNames([("crane", "n2", "crane")])
    assert names.of("crane", "n1") == "crane (n1)"
    assert names.of("crane", "n2") == "crane"


def test_names_of_files_that_some_system_takes_for_one(tmp_path: Path) -> None:
    (tmp_path / "IMG.jpg").touch()
    (tmp_path / "img (2).JPG").touch()
    names = FreeNames()
    asked = names.of(str(tmp_path), "img.jpg")
    assert [next(asked) for _ in range(3)] == [
        ("img.jpg", False), ("img (2).jpg", False), ("img (3).jpg", True)
    ]  # fmt: skip
    names.take(str(tmp_path), "img (3).jpg")
    long = "n" * 251 + ".jpg"
    names.take(str(tmp_path), long)
    asked = names.of(str(tmp_path), long)
    assert next(asked) == (long, False)
    other, free = next(asked)
    assert free
    assert len(os.fsencode(other)) == 255
    assert other.endswith(" (2).jpg")
