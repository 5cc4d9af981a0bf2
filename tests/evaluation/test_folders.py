import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from cupl.bank.labels import ClassLabel
from cupl.embedding.image_files import find_images
from cupl.errors import InputError
from cupl.evaluation.dataset import read_labelled
from cupl.evaluation.labelled import (
    encode_labelled,
    explain_unmatched,
)
from tests.evaluation.pictures import (
    ANIMALS,
    ODD,
    encoder,
    named,
    save,
)
from tests.folders import close_folder


def test_a_folder_for_each_class_and_its_sub_folders(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "1.png")
    save(tmp_path / "Tree_Frog" / "deep" / "dog" / "2.png")
    save(tmp_path / "dog" / "3.PNG")
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    found = read_labelled(tmp_path, ANIMALS)
    assert named(found) == {"1.png": "cat", "2.png": "tree frog", "3.PNG": "dog"}
    assert not found.unmatched
    assert found.notes == []


def test_hidden_names_do_not_count(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/.2.png", ".git/3.png", "cat/.cache/4.png", ".5.png"):
        save(tmp_path / name)
    found = read_labelled(tmp_path, ANIMALS)
    assert named(found) == {"1.png": "cat"}
    assert found.notes == ["left out: 2 hidden", "skipped what systems and tools keep: 1 .git"]


def test_junk_is_no_class(tmp_path: Path) -> None:
    for name in ("cat/1.png", "@eaDir/2.png", "__MACOSX/cat/3.png", "dog/4.png", "lost+found/5"):
        save(tmp_path / name)
    found = read_labelled(tmp_path, ANIMALS)
    assert named(found) == {"1.png": "cat", "4.png": "dog"}
    assert not found.unmatched
    note = "skipped what systems and tools keep: 1 @eaDir, 1 __MACOSX, 1 lost+found"
    assert found.notes == [note]


def test_images_are_those_that_classify_finds(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2", "cat/3.jpg_large", "dog/4.txt", "dog/5.jpe", "dog/.6.png"):
        save(tmp_path / name)
    (tmp_path / "cat" / "7.psd").write_bytes(b"8BPS")
    for all_files in (False, True):
        found = read_labelled(tmp_path, ANIMALS, all_files=all_files)
        assert sorted(found.paths) == find_images(tmp_path, all_files=all_files)
        assert found.notes == ["left out: 1 .psd, 1 hidden"]


def test_folders_named_by_numbers(tmp_path: Path) -> None:
    for name in ("0/a.png", "1/b.png", "2/c.png"):
        save(tmp_path / name)
    found = read_labelled(tmp_path, [*ANIMALS[:2], ClassLabel("newt")])
    assert found.targets == [0, 1, 2]
    assert found.notes == [
        "the labels are numbers: taken in the order of the bank, 0 is 'cat', 2 is 'newt'"
    ]


def test_what_is_passed_over_is_told(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "1.png")
    save(tmp_path / "2.png")
    save(tmp_path / "3.JPG")
    (tmp_path / "readme.txt").touch()
    for name in ("dog", *"abcde"):
        (tmp_path / name / "sub").mkdir(parents=True)
    found = read_labelled(tmp_path, ANIMALS)
    assert named(found) == {"1.png": "cat"}
    assert found.notes == [
        f"2 images in {tmp_path} itself, in no class folder: left out",
        "no image in the class folders 'a', 'b', 'c', 'd', 'dog' and 1 more",
    ]


def test_folders_that_mean_no_class(tmp_path: Path) -> None:
    for name in ("cat/1.png", "tree_frogs/2.png", "tree_frogs/3.png", "ufo/4.png"):
        save(tmp_path / name)
    found = read_labelled(tmp_path, ANIMALS)
    assert named(found) == {"1.png": "cat"}
    assert found.unmatched == {"tree_frogs": 2, "ufo": 1}
    assert explain_unmatched(found, ANIMALS) == [
        "'tree_frogs', nearly 'tree frog' (2 images)",
        "'ufo' (1 image)",
    ]
    assert len(explain_unmatched(found, ANIMALS, 1)) == 1


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "has a folder for each class; this has none"),
        (("1.png", "2.png"), "this has none, but 2 images"),
        ((".hidden/1.png",), "this has none"),
        (("cat/notes.txt", "dog/.1.png"), "none of its 2 folders holds an image"),
    ],
)
def test_nothing_to_judge(tmp_path: Path, names: Sequence[str], message: str) -> None:
    for name in names:
        save(tmp_path / name)
    with pytest.raises(InputError, match=message):
        read_labelled(tmp_path, ANIMALS)


def test_names_that_are_not_utf8_or_look_like_patterns(tmp_path: Path) -> None:
    for name in (f"cat/{ODD}.png", "dog/[1]*.png", f"{ODD}/2.png", "[c]at/3.png"):
        save(tmp_path / name)
    found = read_labelled(tmp_path, ANIMALS)
    assert named(found) == {f"{ODD}.png": "cat", "[1]*.png": "dog"}
    assert found.unmatched == {ODD: 1, "[c]at": 1}
    assert explain_unmatched(found, ANIMALS) == [
        "'[c]at', nearly 'cat' (1 image)",
        "'caf\\udce9' (1 image)",
    ]
    encoded = encode_labelled(found, encoder())
    assert encoded.vectors is not None
    assert encoded.vectors.tolist() == [[1, 0], [1, 0]]


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    save(tmp_path / "store" / "1.png")
    root = tmp_path / "set"
    (root / "cat").mkdir(parents=True)
    (root / "dog").symlink_to(tmp_path / "store")
    (root / "cat" / "2.png").symlink_to(tmp_path / "store" / "1.png")
    (root / "round").symlink_to(root / "round")
    (root / "gone").symlink_to(tmp_path / "nothing")
    (root / "cat" / "up").symlink_to(root / "cat")
    assert named(read_labelled(root, ANIMALS)) == {"1.png": "dog", "2.png": "cat"}


def test_a_folder_under_two_names_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "1.png")
    (tmp_path / "dog").symlink_to(tmp_path / "cat")
    with pytest.raises(InputError, match="dog/1.png has two labels, 'cat' and 'dog'"):
        read_labelled(tmp_path, ANIMALS)


def test_a_folder_that_cannot_be_listed_is_never_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "dog" / "1.png")
    closed = tmp_path / "cat" / "sub"
    closed.mkdir(parents=True)
    close_folder(closed, monkeypatch)
    found = read_labelled(tmp_path, ANIMALS)
    assert named(found) == {"1.png": "dog"}
    assert found.notes[-1] == f"cannot be listed, left out: {closed} (Permission denied)"
    close_folder(tmp_path, monkeypatch)
    with pytest.raises(InputError, match="cannot be listed"):
        read_labelled(tmp_path, ANIMALS)


def test_1001_classes(tmp_path: Path) -> None:
    image = save(tmp_path / "image.png")
    labels = [ClassLabel(f"class {number}") for number in range(1001)]
    for number in range(1001):
        (tmp_path / "set" / f"class_{number}").mkdir(parents=True)
        for i in range(2):
            os.link(image, tmp_path / "set" / f"class_{number}" / f"{i}.png")
    begin = time.process_time()
    found = read_labelled(tmp_path / "set", labels)
    assert time.process_time() - begin < 2
    assert len(found.paths) == 2002
    assert set(found.targets) == set(range(1001))
