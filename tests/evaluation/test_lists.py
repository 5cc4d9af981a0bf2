from pathlib import Path

import pytest

from cupl.bank.labels import ClassLabel
from cupl.errors import InputError, MissingFileError
from cupl.evaluation.dataset import read_labelled
from cupl.evaluation.labelled import (
    encode_labelled,
)
from tests.evaluation.pictures import ANIMALS, BLUE, encoder, named, save, write_csv


def test_paths_count_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a" / "1.png")
    save(tmp_path / "b, c" / "2.png", BLUE)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    file = write_csv(
        tmp_path / "labels.csv",
        "a/1.png,cat,x", '"b, c/2.png", n7 ,', f"{tmp_path}/a/../gone.png,DOG,",
        header="\ufeff Path ,LABEL,note",
    )  # fmt: skip
    found = read_labelled("../labels.csv", ANIMALS)
    assert found.paths[:2] == ["../a/1.png", "../b, c/2.png"]
    assert found.targets == [0, 2, 1]
    encoded = encode_labelled(read_labelled(file, ANIMALS), encoder())
    assert encoded.vectors is not None
    assert encoded.vectors.tolist() == [[1, 0], [0, 1]]
    assert encoded.targets == [0, 2]
    assert encoded.unreadable == [(f"{tmp_path}/a/../gone.png", "there is no such file")]


def test_labels_and_paths_may_hold_anything(tmp_path: Path) -> None:
    label = ClassLabel('"Sir" Cat, the 3rd')
    file = write_csv(
        tmp_path / "x.csv",
        '[1]*.png,"""Sir"" Cat, the 3rd"',
        '2.png,"""Sir"" Cat, the 3rd\nof his name"',
    )
    found = read_labelled(file, [label])
    assert found.paths == [str(tmp_path / "[1]*.png")]
    assert found.unmatched == {'"Sir" Cat, the 3rd\nof his name': 1}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_any_line_ending_and_blank_lines(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(ending.join(["path,label", "1.png,cat", "", "2.png,dog"]).encode())
    assert named(read_labelled(file, ANIMALS)) == {"1.png": "cat", "2.png": "dog"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: must name the columns path and label"),
        (b"1.png,cat\n", "line 1: must name the columns path and label"),
        (b"path\n1.png\n", "line 1: must name the columns path and label"),
        (b"path,label,Label\n1.png,cat,dog\n", "each once"),
        (b"path,label\n", "no image is named below"),
        (b"path,label\n1.png,cat\n2.png,\n", "line 3: needed are a path and a label"),
        (b"path,label\n,cat\n", "line 2: needed are a path and a label"),
        (b"path,label\n1.png\n", "line 2: needed are"),
        (b"path,label\n1, 2.png,cat\n", "line 2: .*in quotes where there is a comma"),
        (b"path,label\n1\0.png,cat\n", "line 2"),
        (b'path,label\n"1.png,cat\n', "not valid CSV"),
        (b"path,label\n1.png,caf\xe9\n", "line 2: not UTF-8"),
        (b"path,label\n1.png,cat\n1.png,dog\n", "1.png has two labels, 'cat' and 'dog'"),
        (b"path,label\n1.png,cat\n./x/../1.png,ufo\n", "two labels, 'cat' and 'ufo'"),
        (b"path,label\n" + b"x" * 200_000 + b",cat\n", "not valid CSV"),
    ],
)
def test_what_is_no_list_of_labels(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_labelled(tmp_path / "x.csv", ANIMALS)
    assert str(tmp_path) in str(caught.value)


def test_an_image_that_is_named_again_counts_once(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    rows = ["1.png,cat", "./1.png,cat", "link/1.png,cat", f"{tmp_path}/1.png,cat", "2.png,cat"]
    found = read_labelled(write_csv(tmp_path / "x.csv", *rows), ANIMALS)
    assert named(found) == {"1.png": "cat", "2.png": "cat"}
    assert len(found.paths) == 2
    assert found.notes == ["3 repeated images left out: each counts once"]


def test_equal_files_behind_links_are_two_images(tmp_path: Path) -> None:
    save(tmp_path / "store" / "f00")
    for name in ("1.png", "2.png"):
        (tmp_path / name).symlink_to(tmp_path / "store" / "f00")
    file = write_csv(tmp_path / "x.csv", "1.png,cat", "2.png,dog")
    assert named(read_labelled(file, ANIMALS)) == {"1.png": "cat", "2.png": "dog"}


def test_data_that_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an image; labelled images are a folder"):
        read_labelled(save(tmp_path / "1.JPG"), ANIMALS)
    with pytest.raises(MissingFileError, match="no such file or folder"):
        read_labelled(tmp_path / "nothing", ANIMALS)
    with pytest.raises(MissingFileError, match="no such file or folder"):
        read_labelled("x" * 5000, ANIMALS)
    (tmp_path / "broken.csv").symlink_to("nothing")
    with pytest.raises(MissingFileError, match="it is a link to nothing, which does not exist"):
        read_labelled(tmp_path / "broken.csv", ANIMALS)
    image = save(tmp_path / "image").rename(tmp_path / "image.csv")
    with pytest.raises(InputError, match=r"is an image \(PNG\), not labels"):
        read_labelled(image, ANIMALS)
