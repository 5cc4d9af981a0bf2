import numpy as np
import pytest
import torch

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.embedding.bank_encoding import TEMPLATE
from cupl.errors import InputError
from cupl.evaluation.candidates import align, make_candidates, with_templates
from cupl.evaluation.dataset import LabelledImages
from cupl.evaluation.pipeline import evaluate
from cupl.evaluation.schema import CandidateResult, Evaluation
from tests.evaluation.planted import PlantedEncoder, images_at, planted_bank

CLASSES = 6
GOOD = {"What is {}?": ["A {}.", "One {}."]}
# Classes 0 and 1 are taken for one another.
POOR = {"What is {}?": ["A {} swap 0 1 swap 1 0", "One {} swap 0 1 swap 1 0"]}


def images(right: int, wrong: int) -> LabelledImages:
    """``right`` images of each class where they belong, ``wrong`` where the next class does."""
    pairs = [(i, i) for i in range(CLASSES)] * right
    pairs += [(i, (i + 1) % CLASSES) for i in range(CLASSES)] * wrong
    return images_at(pairs, CLASSES)


def judged(data: LabelledImages, *banks: PromptBank, controls: tuple[str, ...] = ()) -> Evaluation:
    return evaluate(data, make_candidates(banks, controls), PlantedEncoder(CLASSES)).evaluation


def named(evaluation: Evaluation, name: str) -> CandidateResult:
    return next(one for one in evaluation.contenders if one.name == name)


def test_planted_accuracies_are_found() -> None:
    good, poor = planted_bank(CLASSES, GOOD), planted_bank(CLASSES, POOR, "poor")
    found = judged(images(right=15, wrong=5), good, poor, controls=("photo",))
    assert [(one.name, one.kind) for one in found.contenders] == [
        ("planted", "bank"),
        ("poor", "bank"),
        ("photo", "control"),
    ]
    assert named(found, "planted").top1.value == 0.75
    # Of 0 and 1 all 15 are wrong, and of 0 the 5 that look like 1 are right by mistake.
    assert named(found, "poor").top1.value == pytest.approx((4 * 15 + 5) / 120)
    poor_to_photo = named(found, "poor").comparison
    assert poor_to_photo is not None
    assert (poor_to_photo.to, poor_to_photo.won, poor_to_photo.lost) == ("photo", 5, 30)
    assert poor_to_photo.difference.value == pytest.approx(-25 / 120)
    assert poor_to_photo.difference.high < 0
    assert poor_to_photo.p < 0.001
    same = named(found, "planted").comparison
    assert same is not None
    assert (same.difference.value, same.difference.low, same.difference.high) == (0, 0, 0)
    assert same.p == 1
    assert named(found, "photo").comparison is None
    assert found.reference == "photo"
    losses = found.analyses[1].losses
    assert [(loss.name, loss.bank, loss.control) for loss in losses] == [
        ("class 1", 0, 0.75),
        ("class 0", 0.25, 0.75),
    ]
    assert found.analyses[0].losses == []
    pair = named(found, "poor").confusions[0]
    assert (pair.truth, pair.predicted, pair.images) == ("class 0", "class 1", 15)


def test_random_words_and_shuffled_do_as_well_where_only_the_name_counts() -> None:
    found = judged(
        images(right=10, wrong=2),
        planted_bank(CLASSES, GOOD),
        controls=("names", "random-words", "shuffled"),
    )
    assert [one.top1.value for one in found.contenders] == pytest.approx([10 / 12] * 4)
    assert [one.seeds for one in found.contenders] == [1, 1, 3, 3]
    assert [one.prompts for one in found.contenders] == [2, 1, 2, 2]
    assert named(found, "random-words").top1_of_seeds == [10 / 12] * 3


def test_the_first_control_is_the_reference() -> None:
    good = planted_bank(CLASSES, GOOD)
    assert judged(images(2, 1), good, controls=("names", "photo")).reference == "names"
    alone = judged(images(2, 1), good)
    assert alone.reference is None
    assert alone.contenders[0].comparison is None
    assert alone.analyses[0].losses == []


def test_templates_are_prompts_of_banks_and_of_drawn_controls() -> None:
    good = planted_bank(CLASSES, GOOD)
    added = with_templates(good, ["a photo of {a}.", "my {}."])
    assert added.classes[3].prompts[TEMPLATE] == ["a photo of a class 3.", "my class 3."]
    assert with_templates(good, []) is good
    found = evaluate(
        images(2, 1),
        make_candidates(
            [good], ["photo", "names", "shuffled"], templates=["a photo of {a}.", "my {}."]
        ),
        PlantedEncoder(CLASSES),
    ).evaluation
    assert [one.prompts for one in found.contenders] == [4, 1, 1, 4]
    questions = {effect.question for effect in found.analyses[0].questions}
    assert questions == {"What is {}?", TEMPLATE}


def test_banks_are_compared_class_by_class_whatever_their_order_and_names() -> None:
    first = PromptBank(name="first", classes=[
        ClassPrompts(name="missile", id="n1", prompts={"": ["class 0"]}),
        ClassPrompts(name="missile", id="n2", aliases=["rocket"], prompts={"": ["class 1"]}),
        ClassPrompts(name="tree frog", id="n3", prompts={"": ["class 2"]}),
    ])  # fmt: skip
    other = PromptBank(name="other", classes=[
        ClassPrompts(name="bird", prompts={"": ["class 5"]}),
        ClassPrompts(name="Tree_frog", prompts={"": ["class 3"]}),
        ClassPrompts(name="missile", prompts={"": ["class 4"]}),
    ])  # fmt: skip
    _, second = align([first, other])
    assert [entry.label for entry in second] == [
        entry.label for entry in (*first.classes[:2], second.classes[2])
    ]
    assert second.classes[2].label.aliases == ("Tree_frog",)
    assert [entry.texts for entry in second] == [["class 4"], ["class 4"], ["class 3"]]
    evaluate(images_at([(0, 0)], 6), make_candidates([first, second], []), PlantedEncoder(6))
    with pytest.raises(
        InputError, match=r"'first' has no class 'bird' and 1 more, which 'other' has"
    ):
        align([other, first])


def test_two_of_one_name_are_refused() -> None:
    good = planted_bank(CLASSES, GOOD)
    with pytest.raises(InputError, match="two banks or controls are named 'planted'"):
        judged(images(1, 0), good, good)
    with pytest.raises(InputError, match="two banks or controls are named 'photo'"):
        judged(images(1, 0), planted_bank(CLASSES, GOOD, "photo"), controls=("photo",))


def test_images_must_be_encoded_before() -> None:
    with pytest.raises(InputError, match="no vectors"):
        judged(LabelledImages(["a"], [0]), planted_bank(CLASSES, GOOD))


def test_one_image_and_one_class_make_correct_tables() -> None:
    found = judged(images_at([(0, 0)], CLASSES), planted_bank(1, GOOD), controls=("photo", "names"))
    (top1,) = {one.top1.value for one in found.contenders}
    assert top1 == 1
    assert found.contenders[0].calibration is None
    assert found.contenders[0].confusions == []
    with pytest.raises(InputError, match="shuffled"):
        judged(images_at([(0, 0)], CLASSES), planted_bank(1, GOOD), controls=("shuffled",))


def test_an_evaluation_is_the_same_again() -> None:
    data, good = images(5, 3), planted_bank(CLASSES, GOOD)
    controls = ("photo", "random-words", "shuffled")
    first = judged(data, good, controls=controls)
    assert judged(data, good, controls=controls).model_dump_json() == first.model_dump_json()
    assert Evaluation.model_validate_json(first.model_dump_json()) == first


def test_images_at_odd_lengths_are_judged_by_direction() -> None:
    data, good = images(5, 3), planted_bank(CLASSES, GOOD)
    assert data.vectors is not None
    lengths = np.random.default_rng(0).random(len(data.paths)) * 100 + 0.1
    data.vectors.mul_(torch.from_numpy(lengths)[:, None])
    assert judged(data, good).contenders == judged(images(5, 3), good).contenders


def test_progress_counts_all_prompts() -> None:
    seen: list[tuple[int, int]] = []
    candidates = make_candidates([planted_bank(CLASSES, GOOD)], ("photo", "shuffled"), seeds=2)
    evaluate(
        images(1, 0), candidates, PlantedEncoder(CLASSES), progress=lambda *now: seen.append(now)
    )
    assert seen == sorted(seen)
    assert seen[-1] == (12 + 6 + 12 + 12, 42)
    assert {total for _, total in seen} == {42}
