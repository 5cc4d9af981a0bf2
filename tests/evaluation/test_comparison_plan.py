from pathlib import Path

import pytest
import torch

from cupl.bank.model import PromptBank
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.provenance import Combine
from cupl.errors import InputError
from cupl.evaluation.candidate_spec import CandidateSpec
from cupl.evaluation.comparison_plan import plan_comparison
from cupl.evaluation.judging import judge_candidates
from tests.evaluation.planted import PlantedEncoder, images_at, planted_bank
from tests.models import bank_of

ANIMALS = {"cat": ["A cat."], "dog": ["A dog."]}
FELINES = {"dog": ["A hound is a dog."], "cat": ["A feline is a cat."]}


@pytest.fixture
def banks() -> list[PromptBank]:
    return [bank_of(ANIMALS, "old"), bank_of(FELINES, "new")]


def named(*arguments: object, **settings: object) -> list[tuple[str, str]]:
    plan = plan_comparison(*arguments, **settings)  # type: ignore[arg-type]
    return [(one.name, one.kind) for one in plan.candidates]


def test_candidates_stand_between_banks_and_controls(banks: list[PromptBank]) -> None:
    specs = [
        "old+photo",
        "new+photo,combine=average",
        "mine=old+new,pooling=mean",
        "new,pooling=top",
    ]
    assert named(banks, specs, controls=["names"]) == [
        ("old", "bank"), ("new", "bank"), ("old+photo", "bank"), ("new+photo, average", "bank"),
        ("mine", "bank"), ("new, top", "bank"), ("names", "control"),
    ]  # fmt: skip


def test_a_candidate_alone_is_enough(tmp_path: Path) -> None:
    bank_of(ANIMALS, "animals").save(tmp_path / "b.yaml")
    plan = plan_comparison((), f"{tmp_path}/b.yaml+photo", controls="names")
    assert [one.name for one in plan.candidates] == ["animals+photo", "names"]
    assert [label.name for label in plan.classes] == ["cat", "dog"]
    with pytest.raises(InputError, match="name at least one bank"):
        plan_comparison((), "photo")
    with pytest.raises(InputError, match="name at least one bank"):
        plan_comparison(())


def test_parts_are_joined_class_by_class_in_the_order_of_the_first(
    banks: list[PromptBank],
) -> None:
    joined = plan_comparison(banks, "old+new+photo", controls=()).candidates[2]
    assert [entry.texts for entry in joined.banks[0]] == [
        ["A cat.", "A feline is a cat."], ["A dog.", "A hound is a dog."],
    ]  # fmt: skip
    assert joined.templates == ("a photo of a {}.",)


def test_templates_alone_that_are_a_control_are_that_control(banks: list[PromptBank]) -> None:
    assert named(banks, "photo", controls=["photo"])[2:] == [("photo", "control")]
    assert named(banks, "photo", controls=["names"])[2:] == [
        ("photo", "bank"),
        ("names", "control"),
    ]
    assert named(banks, "T=photo", controls=["photo"])[2:] == [("T", "bank"), ("photo", "control")]


def test_two_of_one_name_are_told_how_to_get_another(banks: list[PromptBank]) -> None:
    with pytest.raises(InputError, match=r"are named 'old\+photo': .* a candidate of another name"):
        plan_comparison(banks, ["old+photo", "old+photo,combine=concat"])


def test_the_reference_is_a_name_or_a_file(banks: list[PromptBank], tmp_path: Path) -> None:
    for bank in banks:
        bank.save(tmp_path / f"{bank.name}-file.yaml")
    files = [tmp_path / "old-file.yaml", tmp_path / "new-file.yaml"]
    assert plan_comparison(files, reference="old").reference == "old"
    assert plan_comparison(files, reference=files[1]).reference == "new"
    assert plan_comparison(files, reference="shuffled").reference == "shuffled"
    assert plan_comparison(files).reference is None
    with pytest.raises(InputError, match="is called 'odd': there are 'old', 'new', 'photo'"):
        plan_comparison(files, reference="odd")
    with pytest.raises(InputError, match="is called"):
        plan_comparison(files, adapt=True, reference="old (adapted in place)")


def test_other_pairs_than_there_are(banks: list[PromptBank]) -> None:
    with pytest.raises(InputError, match="pairs are controls or all, not 'some'"):
        plan_comparison(banks, pairs="some")  # type: ignore[arg-type]


@pytest.mark.parametrize("pooling", ["normalized-mean", "mean", "similarity"])
def test_both_meanings_of_an_ensemble_are_judged_by_their_vectors(pooling: str) -> None:
    """And the bank without one question is what such a bank would be."""
    encoder = PlantedEncoder(6, noise=3.0)
    bank = planted_bank(6, {"How is {}?": ["A {}.", "One {}."], "Where is {}?": ["Here is {}."]})
    without = planted_bank(6, {"How is {}?": ["A {}.", "One {}."]}, "less")
    kinds: tuple[Combine, ...] = ("concat", "average")
    specs = [CandidateSpec([bank, "photo"], kind, kind, pooling) for kind in kinds]
    plan = plan_comparison(bank, specs, controls=())
    data = images_at([(i, i) for i in range(6)] * 4 + [(i, (i + 1) % 6) for i in range(6)], 6)
    run = judge_candidates(data, plan.candidates, encoder, text_cache=False)
    for kind, entry, analysis in zip(
        kinds, run.entries[1:], run.evaluation.analyses[1:], strict=True
    ):
        expected, less = (
            encode_bank(
                one,
                encoder,
                pooling,
                templates="photo",
                combine=kind,
                text_cache=False,
            ).matrix
            for one in (bank, without)
        )
        assert torch.equal(entry.vectors.matrix, expected)
        effect = next(one for one in analysis.questions if one.question == "Where is {}?")
        assert data.vectors is not None
        best = (torch.nn.functional.normalize(data.vectors) @ less.T).argmax(dim=1)
        right = (best == torch.tensor(data.targets)).float().mean()
        assert effect.top1_without == pytest.approx(float(right))


def test_names_that_the_controls_do_not_use_are_told(banks: list[PromptBank]) -> None:
    renamed = bank_of({"Cat": ["A cat."], "dog": ["A dog."]}, "hers")
    told = "The controls use the names of “old”; “hers” calls 1 of 2 classes otherwise."
    assert plan_comparison([*banks, renamed]).remarks == [told]
    assert plan_comparison(banks[0], CandidateSpec([renamed, banks[1]])).remarks == [told]
    assert plan_comparison(banks).remarks == []
    assert plan_comparison([*banks, renamed], controls=[]).remarks == []
    assert plan_comparison([banks[0], renamed], controls="names", classes=["dog"]).remarks == []
