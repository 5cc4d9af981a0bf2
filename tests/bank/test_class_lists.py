"""Class lists as other programs write them and as people paste them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.class_lists import classes_from_names, read_classes
from cupl.bank.labels import ClassLabel
from cupl.errors import InputError
from tests.strategies import names

TENCH = ClassLabel("tench", "n01440764", ("Tinca tinca",))
GOLDFISH = ClassLabel("goldfish", "n01443537", ("Carassius auratus",))
FISH = [ClassLabel("tench"), ClassLabel("goldfish")]
NUMBERED = [ClassLabel("tench", "0"), ClassLabel("goldfish", "1")]


def read(folder: Path, content: str | bytes, name: str = "c.txt") -> list[ClassLabel]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_classes(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (["tench", "goldfish"], FISH),
        ({"0": "tench", "1": "goldfish"}, NUMBERED),
        ({"1": "goldfish", "0": "tench"}, NUMBERED),
        ({"tench": 0, "goldfish": 1}, NUMBERED),
        ({"goldfish": 1, "tench": 0}, NUMBERED),
        (
            {"1": ["n01443537", "goldfish"], "0": ["n01440764", "tench"]},
            [ClassLabel("tench", "n01440764"), ClassLabel("goldfish", "n01443537")],
        ),
        (
            {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish, Carassius auratus"},
            [TENCH, GOLDFISH],
        ),
        ({"n01440764": ["tench", "Tinca tinca"]}, [TENCH]),
        ([["n01440764", "tench", "Tinca tinca"]], [TENCH]),
        ({"tench": "n01440764"}, [ClassLabel("tench", "n01440764")]),
        ([{"name": "tench", "id": "n01440764", "aliases": ["Tinca tinca"]}], [TENCH]),
        ([{"Label": "tench", "wnid": "n01440764", "synonyms": "Tinca tinca"}], [TENCH]),
        ({"model_type": "vit", "id2label": {"0": "tench", "1": "goldfish"}}, NUMBERED),
        ({"classes": ["tench", "goldfish"]}, FISH),
        ({"classes": ["tench", "goldfish"], "superclasses": ["fish", "fish"]}, FISH),
        ({"class_to_idx": {"tench": 0, "goldfish": 1}}, NUMBERED),
        (
            {"images": [], "categories": [{"id": 1, "name": "person", "supercategory": "x"}]},
            [ClassLabel("person", "1")],
        ),
        ({"0": "crane", "1": "crane"}, [ClassLabel("crane", "0"), ClassLabel("crane", "1")]),
        ({str(n): f"c{n}" for n in range(12)}, [ClassLabel(f"c{n}", str(n)) for n in range(12)]),
        (["rock, paper, scissors", "3 of clubs"], None),
        ({"0": "rock, paper, scissors", "1": "New York, NY", "2": "go"}, None),
    ],
)
def test_json(tmp_path: Path, content: Any, expected: list[ClassLabel] | None) -> None:
    found = read(tmp_path, json.dumps(content), "c.json")
    if expected is None:  # no comma of a name separates anything
        texts = content.values() if isinstance(content, dict) else content
        assert [label.name for label in found] == list(texts)
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1", "no class list; accepted are a list of names"),
        ("{}", "no class list"),
        ("[]", "no classes"),
        ('{"a": "A frog is green."}', "no class list"),
        ('[["a", "b"]]', r"item 1 is no class: .*accepted"),
        ("[1, 2]", "item 1 is no class"),
        ('[{"title_of": "x"}]', "item 1 is no class"),
        ('{"a": 0, "b": 0}', "no class list"),
        ('{"a": ["A frog."]}', "cupl bank import"),
        ('{"names": ["A name is a word."], "frog": ["A frog."]}', "cupl bank import"),
        ('{"0": "a", "0": "b"}', "the key '0' stands there 2 times"),
        ('["a", "a"]', "two classes are named 'a'"),
        ('["a\\u0000"]', "control character"),
        ('["a"', "not valid JSON"),
    ],
)
def test_json_that_is_no_class_list(tmp_path: Path, content: str, expected: str) -> None:
    with pytest.raises(InputError, match=f"c.json: .*{expected}") as caught:
        read(tmp_path, content, "c.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("path: ../x # root\nnc: 2\nnames:\n  0: tench\n  1: goldfish # done\n", None),
        ("train: a # b\nnames:\n  1: goldfish\n  0: tench\n", NUMBERED),
        ("nc: 2\nnames: [tench, goldfish]\n", FISH),
        ("nc: 2\nnames: ['no', off]\n", [ClassLabel("no"), ClassLabel("off")]),
        ("- tench\n- goldfish\n", FISH),
        ("0: tench\n1: goldfish\n", NUMBERED),
    ],
)
def test_yaml_of_others(tmp_path: Path, content: str, expected: list[ClassLabel] | None) -> None:
    if expected is None:
        with pytest.raises(InputError, match="line 5: ' #' begins a comment"):
            read(tmp_path, content, "data.yaml")
    else:
        assert read(tmp_path, content, "data.yaml") == expected


def test_yaml_of_something_else_is_read_as_a_bank(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1: 'name' is missing here|'classes' is missing"):
        read(tmp_path, "format: cupl-bank/1\n", "b.yaml")


def test_json_lines(tmp_path: Path) -> None:
    lines = '{"name": "tench", "id": 0}\n\n{"name": "goldfish", "id": 1}\n'
    assert read(tmp_path, lines, "c.jsonl") == NUMBERED
    assert read(tmp_path, lines, "c.txt") == NUMBERED
    with pytest.raises(InputError, match="line 3: not valid JSON"):
        read(tmp_path, '"tench"\n\n"gold', "c.jsonl")


PASTED = {
    '"tench",\n"goldfish",\n': FISH,
    '"tench",\n"goldfish"\n': FISH,
    "'tench',\n'goldfish',": FISH,
    "- tench\n- goldfish": FISH,
    "* tench\n* goldfish": FISH,
    "tench,\ngoldfish,\n": FISH,
    "[\n'tench',\n'goldfish'\n]": FISH,
    "CLASSES = [\n    'tench',\n    'goldfish',\n]\n": FISH,
    "('tench', 'goldfish')": FISH,
    '["tench", "goldfish"]': FISH,
    "'tench', 'goldfish',\n'carp',": [*FISH, ClassLabel("carp")],
    "0: tench\n1: goldfish": NUMBERED,
    "1: goldfish\n0: tench": NUMBERED,
    "0 tench\n1 goldfish": NUMBERED,
    "0,tench\n1,goldfish": NUMBERED,
    "0\ttench\n1\tgoldfish": NUMBERED,
    "'0': 'tench',\n'1': 'goldfish',": NUMBERED,
    "1. tench\n2. goldfish": [ClassLabel("tench", "1"), ClassLabel("goldfish", "2")],
    "1) tench\n2) goldfish": [ClassLabel("tench", "1"), ClassLabel("goldfish", "2")],
    "0: 'tench, Tinca tinca',\n1: 'goldfish, Carassius auratus',": [
        ClassLabel("tench", "0", ("Tinca tinca",)),
        ClassLabel("goldfish", "1", ("Carassius auratus",)),
    ],
    "{0: 'tench, Tinca tinca',\n 1: 'goldfish, Carassius auratus'}": [
        ClassLabel("tench", "0", ("Tinca tinca",)),
        ClassLabel("goldfish", "1", ("Carassius auratus",)),
    ],
    "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus": [TENCH, GOLDFISH],
    "n01440764\ttench, Tinca tinca": [TENCH],
    "n01440764: tench, Tinca tinca": [TENCH],
    "'n01440764': 'tench, Tinca tinca',": [TENCH],
    "1 001.tench\n2 002.goldfish": [ClassLabel("tench", "1"), ClassLabel("goldfish", "2")],
    "001.tench\n002.goldfish": [ClassLabel("tench", "001"), ClassLabel("goldfish", "002")],
    "n01440764 1 tench\nn01443537 2 goldfish": [
        ClassLabel("tench", "n01440764"),
        ClassLabel("goldfish", "n01443537"),
    ],
    "tench, goldfish, carp": [*FISH, ClassLabel("carp")],
    "tench; goldfish;": FISH,
    "tench\tgoldfish": FISH,
    "'jack-o\\'-lantern',\n'goldfish',": [ClassLabel("jack-o'-lantern"), FISH[1]],
}


@pytest.mark.parametrize("content", PASTED)
def test_pasted_lines_are_recognised_and_shown(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == PASTED[content]
    said: list[str] = []
    lines = content.split("\n")
    if content.startswith(("[\n", "CLASSES", "(", "{")):
        read_classes(tmp_path / "c.txt", said.append)
    else:
        assert classes_from_names([line for line in lines if line], said.append) == PASTED[content]
    [sentence] = said
    assert "read as " in sentence
    assert "tench" in sentence or "lantern" in sentence


def test_what_is_shown(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "c.txt").write_text("n01440764 tench, Tinca tinca\n")
    read_classes(tmp_path / "c.txt", said.append)
    assert said == [
        f"{tmp_path / 'c.txt'}: read as ids and names: n01440764 = tench (also Tinca tinca)"
    ]
    (tmp_path / "c.txt").write_text("tench\ngoldfish\n")
    read_classes(tmp_path / "c.txt", said.append)
    assert len(said) == 1


@pytest.mark.parametrize(
    "lines",
    [
        ["3 of clubs", "4 of clubs", "5 of clubs"],
        ["1 of clubs", "2 of clubs", "3 of clubs"],
        ["1 euro coin", "2 euro coin"],
        ["1957 Chevrolet", "1958 Chevrolet", "1959 Ford"],
        ["Boeing 737-200", "Boeing 747-400"],
        ["rock, paper, scissors", "chess"],
        ["2001: A Space Odyssey"],
        ["7 Up", "cola"],
        ['"Weird Al" Yankovic and "friends"'],
        ["red 'fox'", "'quoted' name"],
        ["n1 road", "n2 road"],
        ["[redacted]", "x"],
        ["a - b", "-b"],
        ["0 tench", "frog"],
        ['"tench",', "frog", "newt"],
    ],
)
def test_names_stay_as_they_are(tmp_path: Path, lines: list[str]) -> None:
    if lines == ["1 of clubs", "2 of clubs", "3 of clubs"]:
        assert len({label.name for label in read(tmp_path, "\n".join(lines))}) == 3
    assert [label.name for label in read(tmp_path, "\n".join(lines))] == lines
    assert classes_from_names(lines) == [ClassLabel(line) for line in lines]


@pytest.mark.parametrize(
    ("lines", "odd", "what"),
    [
        (['"a",', '"b",', '"c",', '"d",', '"e",', "f,", '"g",'], 6, "quotes"),
        (["- a", "- b", "- c", "- d", "- e", "- f", "g"], 7, "a bullet"),
        (["'a',", "'b',", "'c'", "'d',", "'e',", "'f',", "'g',"], 3, "a comma at the end"),
        (["0: a", "1: b", "2 c", "3: d", "4: e", "5: f", "6: g"], 3, "an id before the name"),
    ],
)
def test_a_line_that_is_unlike_the_others(
    tmp_path: Path, lines: list[str], odd: int, what: str
) -> None:
    with pytest.raises(InputError, match=f"line {odd}: .* has not {what}"):
        read(tmp_path, "\n".join(lines))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("id,name\n1,tench\n,\n2,goldfish\n", "c.csv"),
        ("ID, Class_Name \n1,tench\n , \n2,goldfish\n,\n", "c.csv"),
        ("class,wnid\ntench,1\ngoldfish,2\n", "c.csv"),
        ("Label,index,\ntench,1,\n,,\ngoldfish,2,\n", "c.csv"),
        ("id\tname\n1\ttench\n\t\n2\tgoldfish\n", "c.tsv"),
        ("id,name\r\n1,tench\r\n2,goldfish\r\n".encode("utf-16"), "c.csv"),
        ("\ufeffid\tname\n1\ttench\n2\tgoldfish\n".encode("utf-16-be"), "c.tsv"),
    ],
)
def test_tables(tmp_path: Path, content: str | bytes, name: str) -> None:
    expected = [ClassLabel("tench", "1"), ClassLabel("goldfish", "2")]
    assert read(tmp_path, content, name) == expected


def test_a_code_page_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 3: not UTF-8 text; save the file as UTF-8"):
        read(tmp_path, "id,name\n1,tench\n2,Flußbarsch\n".encode("cp1252"), "c.csv")


@given(found=st.lists(names, min_size=1, max_size=4, unique=True))
def test_json_keeps_every_name(found: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    assert [label.name for label in read(folder, json.dumps(found), "n.json")] == found
    numbers = {str(number): name for number, name in enumerate(found)}
    assert [label.id for label in read(folder, json.dumps(numbers), "n.json")] == list(numbers)
