import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.errors import InputError, MissingFileError
from cupl.evaluation.candidate_spec import CandidateSpec, load_specs
from tests.models import bank_of

ANIMALS = {"cat": ["A cat."], "dog": ["A dog."]}
TEMPLATES = "format: cupl-templates/1\nname: views\ntemplates:\n- a drawing of {a}.\n"


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("bank.yaml", CandidateSpec(("bank.yaml",))),
        ("a/b c.yaml+photo", CandidateSpec(("a/b c.yaml", "photo"))),
        ("both=bank.yaml+photo", CandidateSpec(("bank.yaml", "photo"), "both")),
        (
            " two words = bank.yaml + photo , combine = average , pooling = mean ",
            CandidateSpec(("bank.yaml", "photo"), "two words", "average", "mean"),
        ),
        ('"a+b=c,d.yaml"', CandidateSpec(("a+b=c,d.yaml",))),
        ("'x=y'=\"it's.yaml\"+photo", CandidateSpec(("it's.yaml", "photo"), "x=y")),
        ("it's.yaml", CandidateSpec(("it's.yaml",))),
        ("b.yaml,pooling=top", CandidateSpec(("b.yaml",), pooling="top")),
        (r"C:\banks\b.yaml", CandidateSpec((r"C:\banks\b.yaml",))),
    ],
)
def test_what_can_be_written(text: str, spec: CandidateSpec) -> None:
    assert CandidateSpec.parse(text) == spec


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it ends where a bank or templates should stand"),
        ("a=", "it ends where a bank or templates should stand"),
        ("a+", "it ends where a bank or templates should stand"),
        ("+a", "'+' stands in place of a bank or templates"),
        ("=a", "'=' stands in place of a bank or templates"),
        ("a=b=c", "'=' cannot stand there"),
        ("a,", "it ends where combine or pooling should stand"),
        ("a,b", "'b' is neither combine nor pooling"),
        ("a,pooling", "pooling has no value"),
        ("a,pooling=", "it ends where a value of pooling should stand"),
        ("a,pooling=mean,pooling=top", "'pooling' stands there twice"),
        ("a,pooling=max", "no pooling is called 'max'"),
        ("a+photo,combine=sum", "no combination is called 'sum'"),
        ("a,combine=average,", "it ends where combine or pooling should stand"),
        ('""', "'' stands in place of a bank or templates"),
        ('"a"b', "'b' cannot stand there"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_with_the_form(text: str, why: str) -> None:
    with pytest.raises(InputError, match=re.escape(why)) as caught:
        CandidateSpec.parse(text)
    assert str(caught.value).startswith(f"cannot read the candidate {text!r}: ")
    assert "write NAME=BANK+TEMPLATES" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.lists(st.text(st.characters(exclude_characters='"'), min_size=1), min_size=1, max_size=4))
def test_any_name_can_be_written_in_quotes(parts: list[str]) -> None:
    assert CandidateSpec.parse("+".join(f'"{part}"' for part in parts)).parts == tuple(parts)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        spec = CandidateSpec.parse(text)
    except InputError:
        return
    assert all(spec.parts)


@given(st.lists(st.text("ab +,='é", min_size=1), min_size=1, max_size=3), st.booleans())
def test_what_is_written_is_read_again(names: list[str], named: bool) -> None:
    spec = CandidateSpec(tuple(names), names[0] if named else None, "concat", "mean")
    assert CandidateSpec.parse(str(spec)) == spec


def test_parts_are_banks_by_name_or_file_and_templates_by_name_or_file(tmp_path: Path) -> None:
    file, written = tmp_path / "bank.yaml", tmp_path / "views.yaml"
    bank_of(ANIMALS, "animals").save(file)
    written.write_text(TEMPLATES)
    named = bank_of(ANIMALS, "named")
    text = f"named+{file}+photo+{written},combine=average"
    [both] = load_specs([text], {"named": named})
    assert [bank.name for bank in both.banks] == ["named", "animals"]
    assert [part.name for part in both.templates] == ["photo", "views"]
    assert both.parts_name == "named+animals+photo+views, average"


def test_a_part_that_is_nothing_is_named_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(
        MissingFileError, match="^no.yaml: no such file of a bank or templates; .*photo; .* named$"
    ):
        load_specs(["no.yaml"], {"named": bank_of(ANIMALS)})
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(InputError, match="folder"):
        load_specs([CandidateSpec([folder])], {})
    (tmp_path / "odd.yaml").write_text("[1, 2]")
    with pytest.raises(InputError, match="odd.yaml"):
        load_specs([CandidateSpec([tmp_path / "odd.yaml"])], {})


@pytest.mark.parametrize("parts", ["photo", "named", "named+named"])
def test_average_is_of_a_bank_and_templates(parts: str) -> None:
    with pytest.raises(InputError, match="a bank and templates together"):
        load_specs([f"{parts},combine=average"], {"named": bank_of(ANIMALS)})


def test_a_candidate_has_a_part() -> None:
    with pytest.raises(InputError, match="at least one"):
        CandidateSpec(())
