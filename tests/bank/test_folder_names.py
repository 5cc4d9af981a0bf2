import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.folder_names import labels_of_folders
from cupl.bank.labels import ClassLabel, check_labels
from cupl.bank.lookup import ClassIndex


def names(*folders: str) -> list[str]:
    return [label.name for label in labels_of_folders(folders)[0]]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("grand_piano", "grand piano"),
        ("great-white-shark", "great white shark"),
        ("T-shirt", "T-shirt"),
        ("x-ray", "x-ray"),
        ("jack-o'-lantern", "jack-o'-lantern"),
        ("merry-go-round", "merry-go-round"),
        ("__grand__piano_", "grand piano"),
        ("n02085620-Chihuahua", "Chihuahua"),
        ("n02099601-golden_retriever", "golden retriever"),
        ("001.Black_footed_Albatross", "Black footed Albatross"),
        ("n01440764", "tench"),
        ("café_au_lait", "café au lait"),
        ("cat", "cat"),
        ("___", "___"),
        ("-", "-"),
        ("3.5_inch_floppy", "3.5 inch floppy"),
    ],
)
def test_folders_are_called_as_one_speaks(folder: str, name: str) -> None:
    (label,), _ = labels_of_folders([folder])
    assert label == ClassLabel(name, None if name == folder else folder)


def test_a_hyphen_is_part_of_a_word_where_others_have_underscores() -> None:
    assert names("polka-dotted", "grand_piano") == ["polka-dotted", "grand piano"]
    assert names("black-eyed susan", "desert-rose") == ["black-eyed susan", "desert-rose"]


def test_folders_that_would_be_the_same_keep_their_names() -> None:
    labels, told = labels_of_folders(["great_white", "Great white", "cup"])
    assert labels == [ClassLabel("great_white"), ClassLabel("Great white"), ClassLabel("cup")]
    assert told == "kept as they are written, for they would be the same: 'great_white'"


def test_ids_of_imagenet_beside_a_folder_of_the_same_name() -> None:
    labels, told = labels_of_folders(["n02012849", "cup"])
    assert labels == [ClassLabel("crane bird", "n02012849"), ClassLabel("cup")]
    assert told is None
    labels, _ = labels_of_folders(["n02012849", "crane_bird"])
    assert labels == [ClassLabel("n02012849"), ClassLabel("crane bird", "crane_bird")]


@pytest.mark.parametrize("folders", [["0", "1"], ["n99999999", "cat"]])
def test_numbers_are_told(folders: list[str]) -> None:
    labels, told = labels_of_folders(folders)
    assert [label.name for label in labels] == folders
    assert told is not None
    assert told.startswith("numbers, of which a model knows nothing")


@given(st.lists(st.text(st.sampled_from("abAB -_.1né"), min_size=1, max_size=8), unique=True))
def test_every_folder_is_found_again(folders: list[str]) -> None:
    folders = [name for name in folders if name.strip() == name]
    labels, _ = labels_of_folders(folders)
    if labels:
        check_labels(labels)
    index = ClassIndex(labels)
    assert [index.find(folder) for folder in folders] == list(range(len(folders)))


def test_classes_of_one_name_are_found_by_numbered_folders() -> None:
    index = ClassIndex([ClassLabel("Chihuahua"), ClassLabel("black footed albatross")])
    assert index.find("n02085620-Chihuahua") == 0
    assert index.find("001.Black_footed_Albatross") == 1
    assert index.find("2.5") is None
