import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.importing import describe, import_json
from cupl.bank.model import PromptBank
from cupl.errors import CuplError, InputError, MissingFileError


def write(folder: Path, content: Any, name: str = "p.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_prompts_as_they_are_published(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "tree frog": ["\n\nA frog\nis green.", "A frog is green.", ".", "", "It\u2028sits."],
            "{x}: 'y', z": ["A thing \ud83d.", "\nIt is red.\r\n"],
        },
    )
    bank, changes = import_json(path)
    assert [(entry.name, entry.texts) for entry in bank] == [
        ("tree frog", ["A frog is green.", "It sits."]),
        ("{x}: 'y', z", ["A thing ?.", "It is red."]),
    ]
    assert changes == {"line breaks joined": 2, "duplicate, dropped": 1, "empty, dropped": 2}
    assert bank.name == "p"
    assert bank.source is not None
    assert bank.source.imported == "prompts"
    assert bank.source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    bank.save(tmp_path / "bank.yaml")
    assert PromptBank.load(tmp_path / "bank.yaml") == bank


def test_a_bom_does_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path, '\ufeff{"frog": ["A frog."]}')
    assert import_json(path)[0].classes[0].texts == ["A frog."]


@pytest.mark.parametrize(
    ("descriptor", "clause"),
    [
        ("pointed ears", "has pointed ears"),
        ("a long, bushy tail.", "has a long, bushy tail"),
        ("short fur that is orange", "has short fur that is orange"),
        ("black or brown fur", "has black or brown fur"),
        ("a breed of cat", "is a breed of cat"),
        ("four-limbed animal", "is a four-limbed animal"),
        ("medium-sized, short-haired cat", "is a medium-sized, short-haired cat"),
        ("small to medium-sized dog", "is a small to medium-sized dog"),
        ("instrument with six strings", "is an instrument with six strings"),
        ("brown, black, and white", "is brown, black, and white"),
        ("typically black, tan, or white in color", "is typically black, tan, or white in color"),
        ("hairless", "is hairless"),
        ("used for cooking", "is used for cooking"),
        ("made of metal", "is made of metal"),
        ("often has a sad expression", "often has a sad expression"),
        ("has a lid", "has a lid"),
        ("lives in trees", "lives in trees"),
    ],
)
def test_descriptors_become_sentences(descriptor: str, clause: str) -> None:
    assert describe("tabby", descriptor) == f"tabby, which {clause}."


def test_descriptors_are_recognised_and_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, {"tabby": ["pointed ears", "a breed of cat", "pointed ears"]})
    bank, changes = import_json(path)
    assert bank.classes[0].texts == [
        "tabby, which has pointed ears.",
        "tabby, which is a breed of cat.",
    ]
    assert changes == {"duplicate, dropped": 1}
    assert import_json(path, "prompts")[0].classes[0].texts == ["pointed ears", "a breed of cat"]
    path = write(tmp_path, {"tabby": ["Pointed ears."]})
    assert import_json(path, "descriptors")[0].classes[0].texts == [
        "tabby, which has Pointed ears."
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "not valid JSON"),
        ('{"frog": ["A frog."]', "not valid JSON: .*line 1"),
        ("[" * 100_000, "not valid JSON"),
        ('{"frog": [' + "1" * 5000 + "]}", "not valid JSON|must have a list of texts"),
        ("[]", "must be a JSON object"),
        ("{}", "must be a JSON object"),
        ('{"frog": "A frog."}', "the class 'frog' must have a list of texts"),
        ('{"frog": [["A frog."]]}', "the class 'frog' must have a list of texts"),
        ('{"frog": {"q": ["A frog."]}}', "the class 'frog' must have a list of texts"),
        ('{"frog": [null]}', "the class 'frog' must have a list of texts"),
        ('{"frog": ["a b."], "frog": ["c d."]}', "the class 'frog' stands there 2 times"),
        ('{"frog": ["a b."], " frog": ["c d."]}', "two classes are named 'frog'"),
        ('{"frog": [".", ""]}', "the class 'frog' has no usable text"),
        ('{"": ["A frog."]}', "empty name"),
        ('{"fr\\u0000og": ["A frog."]}', "control character"),
        ('{"fr\\ud800og": ["A frog."]}', "control character"),
    ],
)
def test_a_file_that_cannot_be_imported(tmp_path: Path, content: str, expected: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=f"p.json: .*({expected})") as caught:
        import_json(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_an_unknown_kind(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        import_json(tmp_path / "p.json")
    with pytest.raises(InputError, match="use prompts or descriptors"):
        import_json(write(tmp_path, {"a": ["b."]}), "yaml")  # type: ignore[arg-type]


@given(content=st.dictionaries(st.text(), st.lists(st.text()), max_size=3))
def test_any_object_is_imported_or_refused(
    content: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.getbasetemp(), content)
    try:
        bank, changes = import_json(path)
    except CuplError:
        return
    dropped = sum(number for reason, number in changes.items() if "dropped" in reason)
    assert sum(len(entry.texts) for entry in bank) + dropped == sum(map(len, content.values()))
    bank.to_bytes()


def test_keys_that_were_folders_become_names(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"grand_piano": ["black keys"], "desert-rose": ["petals"]}')
    bank, _ = import_json(tmp_path / "b.json", "descriptors")
    assert [(one.name, one.id) for one in bank] == [
        ("grand piano", "grand_piano"),
        ("desert-rose", None),
    ]
    assert bank.classes[0].texts == ["grand piano, which has black keys."]


def test_two_keys_that_are_one_text_are_still_refused(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"tree frog": ["a"], "tree  frog": ["b"], "a_b": ["c"]}')
    with pytest.raises(InputError, match="two classes are named 'tree frog'"):
        import_json(tmp_path / "b.json", "prompts")
