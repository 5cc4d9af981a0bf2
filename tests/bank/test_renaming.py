import pytest

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.renaming import with_names

BANK = PromptBank.model_validate(
    {
        "name": "b",
        "source": {"model": "m"},
        "classes": [
            {
                "name": "crane",
                "id": "n1",
                "aliases": ["bird"],
                "prompts": {"Describe a crane:": ["A crane is grey.", "Cranes fly; a BIRD."]},
            },
            {"name": "frog", "prompts": ["A frog."]},
        ],
    }
)


def test_another_name_stands_in_questions_and_prompts() -> None:
    changed = with_names(BANK, {0: "egret"})
    entry = changed.classes[0]
    assert (entry.name, entry.id, entry.aliases) == ("egret", "n1", ["crane", "bird"])
    assert entry.prompts == {"Describe an egret:": ["An egret is grey.", "Cranes fly; an egret."]}
    assert changed.classes[1] == BANK.classes[1]
    assert BANK.classes[0].name == "crane"
    assert changed.current_source is not None
    assert changed.current_source.edited
    assert PromptBank.model_validate(changed.model_dump()).size == BANK.size


def test_an_alias_changes_places_with_the_name() -> None:
    entry: ClassPrompts = with_names(BANK, {0: "bird"}).classes[0]
    assert (entry.name, entry.aliases) == ("bird", ["crane"])


def test_a_name_that_another_class_has_is_refused() -> None:
    with pytest.raises(ValueError, match="two classes are named 'frog'"):
        with_names(
            BANK.model_copy(update={"classes": [BANK.classes[1], BANK.classes[1].model_copy(
                update={"name": "toad"})]}), {1: "frog"},
        )  # fmt: skip
