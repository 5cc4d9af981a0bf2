from pathlib import Path
from typing import Any

import pytest

from cupl.bank.labels import ClassLabel
from cupl.bank.template_banks import template_bank
from cupl.errors import CuplError


def test_the_templates_are_the_prompts_of_each_class(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("format: cupl-templates/1\nname: my own\ntemplates: ['{a}!', 'the {}']\n")
    bank = template_bank(["owl", ClassLabel("frog", "n1", ("toad",))], file)
    assert bank.name == "my own"
    assert [entry.texts for entry in bank] == [["an owl!", "the owl"], ["a frog!", "the frog"]]
    assert bank.classes[1].label == ClassLabel("frog", "n1", ("toad",))
    assert [entry.texts for entry in template_bank(["owl"])] == [["a photo of a owl."]]
    assert template_bank(["owl"], ["{}"]).classes[0].texts == ["owl"]


@pytest.mark.parametrize(
    ("classes", "templates", "said"),
    [
        ("cup", "photo", r"a list of names, such as \['cup'\]"),
        (7, "photo", "a list of names, not int"),
        (None, "photo", "a list of names, not NoneType"),
        (["cup", 7], "photo", "a class is a name or a ClassLabel, not int"),
        ([], "photo", "no classes"),
        (["cup", "cup"], "photo", "two classes are named 'cup'"),
        (["cup"], [], "at least one template"),
        (["cup"], ["no place"], "never names the class"),
        (["cup"], "nosuch", "no such templates file"),
    ],
)
def test_what_is_none_is_refused(classes: Any, templates: Any, said: str) -> None:
    with pytest.raises(CuplError, match=said):
        template_bank(classes, templates)
