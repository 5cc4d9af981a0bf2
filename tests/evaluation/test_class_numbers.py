from collections.abc import Sequence
from pathlib import Path

import pytest

from cupl.bank.labels import ClassLabel
from cupl.errors import InputError
from cupl.evaluation.dataset import read_labelled
from tests.evaluation.pictures import ANIMALS, named, save, write_csv

THREE = [ClassLabel("cat"), ClassLabel("dog"), ClassLabel("newt")]
IDS = [ClassLabel("cat", "n1"), ClassLabel("dog", "n2"), ClassLabel("newt", "n3")]


def rows(labels: Sequence[str]) -> list[str]:
    return [f"{number}.png,{label}" for number, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("labels", "targets"),
    [
        (("0", "2", "1"), [0, 2, 1]),
        (("1", "0", "0"), [1, 0, 0]),
        (("1", "3", "2"), [0, 2, 1]),
        (("2", "3"), [1, 2]),
        (("0.0", "2.0", "1"), [0, 2, 1]),
        (("00", "01", "02"), [0, 1, 2]),
    ],
)
@pytest.mark.parametrize("classes", [THREE, IDS])
def test_numbers_count_the_classes(
    tmp_path: Path, labels: Sequence[str], targets: list[int], classes: list[ClassLabel]
) -> None:
    found = read_labelled(write_csv(tmp_path / "x.csv", *rows(labels)), classes)
    assert found.targets == targets
    assert len(found.notes) == 1
    assert found.notes[0].startswith("the labels are numbers: taken in the order of the bank, ")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("1", "2"), "may count from 0 or from 1"),
        (("0", "3"), "it has 3 classes"),
        (("7", "1"), "it has 3 classes"),
        (("-1", "2"), "it has 3 classes"),
    ],
)
def test_what_numbers_count_is_not_guessed(
    tmp_path: Path, labels: Sequence[str], message: str
) -> None:
    with pytest.raises(InputError, match=f"{message}.*put names or ids"):
        read_labelled(write_csv(tmp_path / "x.csv", *rows(labels)), THREE)


def test_ids_out_of_order_are_not_counted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="order of their ids"):
        read_labelled(write_csv(tmp_path / "x.csv", *rows(["0", "1"])), [IDS[1], IDS[0], IDS[2]])


def test_numbers_that_are_names_or_ids_are_just_these(tmp_path: Path) -> None:
    digits = [ClassLabel("seven", "7"), ClassLabel("3")]
    found = read_labelled(write_csv(tmp_path / "x.csv", *rows(["3", "7.0", "3.0"])), digits)
    assert (found.targets, found.notes) == ([1, 0, 1], [])


def test_numbers_among_names_mean_no_class(tmp_path: Path) -> None:
    found = read_labelled(write_csv(tmp_path / "x.csv", *rows(["cat", "1"])), THREE)
    assert found.unmatched == {"1": 1}


@pytest.mark.parametrize(
    "header",
    ["filename,class", "image_id,breed", "File,Category", "img_path,target", "id,label",
     "file_name,label,", "Image,Species,score"],
)  # fmt: skip
def test_columns_of_usual_data_sets(tmp_path: Path, header: str) -> None:
    save(tmp_path / "7f3a.jpg")
    extra = "," * (header.count(",") - 1)
    rows = [f"7f3a,cat{extra}", f"b.png,dog{extra}", f",{extra}"]
    found = read_labelled(write_csv(tmp_path / "x.csv", *rows, header=header), ANIMALS)
    assert named(found) == {"7f3a.jpg": "cat", "b.png": "dog"}
    assert "is read as path" in found.notes[0]


def test_columns_that_may_all_be_meant_are_not_guessed(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "x.csv", "a.png,cat,dog", header="path,class,species")
    with pytest.raises(InputError, match="columns path and label"):
        read_labelled(file, ANIMALS)


def test_an_ending_that_may_be_several_is_not_guessed(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png"):
        save(tmp_path / name)
    found = read_labelled(write_csv(tmp_path / "x.csv", "a,cat"), ANIMALS)
    assert found.paths == [str(tmp_path / "a")]
