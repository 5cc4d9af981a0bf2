from pathlib import Path

import pytest

from cupl.bank.class_lists import read_classes
from cupl.bank.labels import ClassLabel, check_label, check_labels, labels_from_names
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.errors import InputError, MissingFileError


def write(path: Path, content: str) -> Path:
    path.write_bytes(content.encode())
    return path


def test_text_file_with_bom_windows_lines_comments_and_blanks(tmp_path: Path) -> None:
    path = write(
        tmp_path / "names.txt",
        "\ufeff# my classes\r\ntree frog\r\n\r\n  red {fox}: 'x', y # no comment \r\nضفدع\n\t\nfin",
    )
    assert [label.name for label in read_classes(path)] == [
        "tree frog",
        "red {fox}: 'x', y # no comment",
        "ضفدع",
        "fin",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "no classes"),
        ("# only\n", "no classes"),
        ("frog\ntoad\nfrog\n", "two classes are named 'frog'"),
        ("frog\n\nto\tad\n", "line 3: .*'\\\\t', a control character"),
        ("frog\nto\u2028ad\n", "line 2: .*'\\\\u2028'"),
        ("frog\u00a0tree\n", "line 1: .*unusual space"),
        ("x" * 501, "line 1: .*longer than 500 characters"),
    ],
)
def test_text_file_that_is_no_class_list(tmp_path: Path, content: str, expected: str) -> None:
    path = write(tmp_path / "names.txt", content)
    with pytest.raises(InputError, match=f"names.txt: {expected}"):
        read_classes(path)


def test_csv_with_quotes_aliases_and_other_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path / "classes.CSV",
        '\ufeffid, Name,aliases,count\r\nn1,"crane, bird",heron| |stork,3\r\n\r\n'
        'n2,"say ""hi""",,1\r\n,plain,,\r\n',
    )
    assert read_classes(path) == [
        ClassLabel("crane, bird", "n1", ("heron", "stork")),
        ClassLabel('say "hi"', "n2"),
        ClassLabel("plain"),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "line 1: must name the columns, one of them 'name', e.g. id,name"),
        ("n1,frog\n", "line 1: must name the columns"),
        ("id,name\nn1,frog\nn2,crane, bird\n", 'line 3: more fields than columns; .* "quotes"'),
        ("id,name\nn1\n", "line 2: a class has an empty name"),
        ("id,name\nn1,frog\nn1,toad\n", "the class id 'n1' stands here twice"),
        ("id,name\nn1,frog\n,frog\n", "two classes are named 'frog'"),
        ('id,name\nn1,"frog\n', "line .: not valid CSV"),
        ('id,name\nn1,"a"b\n', "line .: not valid CSV"),
        ('id,name\nn1,"a\nb"\n', "line 3: .*'\\\\n'"),
        ("id,name\n", "no classes"),
    ],
)
def test_csv_that_is_no_class_list(tmp_path: Path, content: str, expected: str) -> None:
    path = write(tmp_path / "c.csv", content)
    with pytest.raises(InputError, match=f"c.csv: {expected}"):
        read_classes(path)


def test_two_classes_of_one_name_need_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", "id,name\nn1,missile\nn2,missile\n")
    assert [label.id for label in read_classes(path)] == ["n1", "n2"]
    assert [str(label) for label in read_classes(path)] == ["missile (n1)", "missile (n2)"]
    assert len({label.key for label in read_classes(path)}) == 2


def test_the_folders_of_an_image_folder(tmp_path: Path) -> None:
    for name in ("toad", "frog, green", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / "list.txt").touch()
    assert [label.name for label in read_classes(tmp_path)] == ["frog, green", "toad"]


def test_a_folder_without_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="an ImageFolder has a folder for each class"):
        read_classes(tmp_path)


def test_a_folder_whose_name_is_not_text(tmp_path: Path) -> None:
    try:
        (tmp_path / "frog\udcff").mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(InputError, match=r"'\\udcff'"):
        read_classes(tmp_path)


def test_the_classes_of_a_bank(tmp_path: Path) -> None:
    entry = ClassPrompts(name="frog", id="n1", aliases=["hopper"], prompts={"q": ["A frog."]})
    PromptBank(name="x", classes=[entry]).save(tmp_path / "bank.yaml")
    assert read_classes(tmp_path / "bank.yaml") == [ClassLabel("frog", "n1", ("hopper",))]


def test_a_list_that_comes_with_cupl() -> None:
    labels = read_classes("imagenet")
    assert len(labels) == 1000
    assert len({label.id for label in labels}) == 1000


@pytest.mark.parametrize("source", ["nowhere", "sub/imagenet", "nowhere.yaml"])
def test_a_missing_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError, match="no such class list; give a file"):
        read_classes(source)


def test_a_text_in_the_place_of_a_file() -> None:
    with pytest.raises(InputError, match="its (name|path) is too long"):
        read_classes("frog, toad, " * 100)


def test_json_has_to_be_imported_first(tmp_path: Path) -> None:
    path = write(tmp_path / "p.json", '{"frog": ["A frog."]}')
    with pytest.raises(InputError, match="cupl bank import"):
        read_classes(path)


@pytest.mark.parametrize(
    "name",
    ["{}", "a: b", "'quoted'", "Crock, Pot", "naïve", "树蛙", "ضفدع", "👩‍🚀 astronaut", "%s", "#1"],
)
def test_names_are_data(tmp_path: Path, name: str) -> None:
    check_label(ClassLabel(name, id=name, aliases=(name,)))
    assert labels_from_names([f" {name} "]) == [ClassLabel(name)]


@pytest.mark.parametrize(
    "name", ["", " ", "a ", "a\n", "a\nb", "a\0b", "\x1b[31m", "a\u202eb", "a\x85b", "\ud800"]
)
def test_names_that_are_refused(name: str) -> None:
    for label in (ClassLabel(name), ClassLabel("x", name), ClassLabel("x", None, (name,))):
        with pytest.raises(InputError):
            check_labels([label])


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        (ClassLabel("crane"), "crane"),
        (ClassLabel("crane", "n02012849"), "crane (n02012849)"),
        (ClassLabel("grand piano", "grand_piano"), "grand piano"),
        (ClassLabel("great white shark", "great-white-shark"), "great white shark"),
        (ClassLabel("Chihuahua", "n02085620-Chihuahua"), "Chihuahua (n02085620-Chihuahua)"),
    ],
)
def test_an_id_that_is_but_the_folder_is_not_shown(label: ClassLabel, shown: str) -> None:
    assert str(label) == shown
