from collections.abc import Sequence

import numpy as np
import pytest
import torch

from cupl.bank.model import PromptBank
from cupl.embedding.bank_encoding import TEMPLATE
from cupl.errors import InputError
from cupl.evaluation.candidates import make_candidates, with_templates
from cupl.evaluation.judging import judge_candidates
from cupl.evaluation.labelled import LabelledImages
from cupl.evaluation.schema import CandidateResult, Evaluation
from cupl.evaluation.significance import holm
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
    candidates = make_candidates(banks, controls)
    return judge_candidates(data, candidates, PlantedEncoder(CLASSES)).evaluation


def named(evaluation: Evaluation, name: str) -> CandidateResult:
    return next(one for one in evaluation.candidates if one.name == name)


def test_planted_accuracies_are_found() -> None:
    good, poor = planted_bank(CLASSES, GOOD), planted_bank(CLASSES, POOR, "poor")
    found = judged(images(right=15, wrong=5), good, poor, controls=("photo",))
    assert [(one.name, one.kind) for one in found.candidates] == [
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
    drops = found.analyses[1].drops
    assert [(drop.name, drop.bank, drop.control) for drop in drops] == [
        ("class 1", 0, 0.75),
        ("class 0", 0.25, 0.75),
    ]
    assert found.analyses[0].drops == []
    pair = named(found, "poor").confusions[0]
    assert (pair.truth, pair.predicted, pair.images) == ("class 0", "class 1", 15)


def test_random_words_and_shuffled_do_as_well_where_only_the_name_counts() -> None:
    found = judged(
        images(right=10, wrong=2),
        planted_bank(CLASSES, GOOD),
        controls=("names", "random-words", "shuffled"),
    )
    assert [one.top1.value for one in found.candidates] == pytest.approx([10 / 12] * 4)
    assert [one.seeds for one in found.candidates] == [1, 1, 3, 3]
    assert [one.prompts for one in found.candidates] == [2, 1, 2, 2]
    assert named(found, "random-words").top1_of_seeds == [10 / 12] * 3


def test_the_first_control_is_the_reference() -> None:
    good = planted_bank(CLASSES, GOOD)
    assert judged(images(2, 1), good, controls=("names", "photo")).reference == "names"
    alone = judged(images(2, 1), good)
    assert alone.reference is None
    assert alone.candidates[0].comparison is None
    assert alone.analyses[0].drops == []


def test_templates_are_prompts_of_banks_and_of_drawn_controls() -> None:
    good = planted_bank(CLASSES, GOOD)
    added = with_templates(good, ["a photo of {a}.", "my {}."])
    assert added.classes[3].prompts[TEMPLATE] == ["a photo of a class 3.", "my class 3."]
    assert with_templates(good, []) is good
    found = judge_candidates(
        images(2, 1),
        make_candidates(
            [good], ["photo", "names", "shuffled"], templates=["a photo of {a}.", "my {}."]
        ),
        PlantedEncoder(CLASSES),
    ).evaluation
    assert [one.prompts for one in found.candidates] == [4, 1, 1, 4]
    questions = {effect.question for effect in found.analyses[0].questions}
    assert questions == {"What is {}?", TEMPLATE}


def test_images_must_be_encoded_before() -> None:
    with pytest.raises(InputError, match="no vectors"):
        judged(LabelledImages(["a"], [0]), planted_bank(CLASSES, GOOD))


def test_one_image_and_one_class_make_correct_tables() -> None:
    found = judged(images_at([(0, 0)], CLASSES), planted_bank(1, GOOD), controls=("photo", "names"))
    (top1,) = {one.top1.value for one in found.candidates}
    assert top1 == 1
    assert {one.top5 for one in found.candidates} == {None}
    assert {one.calibration for one in found.candidates} == {None}
    assert found.candidates[0].uncalibrated == (
        "a temperature is fitted on half of at least 40 images, and there are 1"
    )
    assert found.candidates[0].confusions == []
    with pytest.raises(InputError, match="shuffled"):
        judged(images_at([(0, 0)], CLASSES), planted_bank(1, GOOD), controls=("shuffled",))


def test_a_bank_is_compared_with_every_control_and_all_are_corrected_together() -> None:
    good, poor = planted_bank(CLASSES, GOOD), planted_bank(CLASSES, POOR, "poor")
    controls = ("photo", "names", "random-words")
    found = judged(images(right=15, wrong=5), good, poor, controls=controls)
    banks = found.banks
    for bank in banks:
        assert [one.to for one in bank.comparisons] == list(controls)
        assert bank.comparison == bank.comparisons[0]
    every = [one for bank in banks for one in bank.comparisons]
    assert [one.p_holm for one in every] == holm([one.p for one in every])
    assert [one.outcome for one in every] == ["open"] * 3 + ["worse"] * 3
    words = named(found, "random-words")
    assert words.comparisons == []
    assert words.comparison is not None
    assert (words.comparison.to, words.comparison.p_holm) == ("photo", None)
    # The difference is to the mean of the draws.
    gap = banks[1].comparisons[2].difference.value
    assert gap == pytest.approx(banks[1].top1.value - words.top1.value)


@pytest.mark.parametrize(("classes", "has_top5"), [(5, False), (6, True)])
def test_of_five_classes_the_true_one_is_always_among_the_best_five(
    classes: int, has_top5: bool
) -> None:
    data = images_at([(i % classes, i % classes) for i in range(20)], classes)
    candidates = make_candidates([planted_bank(classes, GOOD)], ["photo"])
    found = judge_candidates(data, candidates, PlantedEncoder(classes)).evaluation
    assert [one.top5 is not None for one in found.candidates] == [has_top5] * 2


def test_where_no_temperature_fits_the_evaluation_goes_on_and_says_why() -> None:
    found = judged(images(right=10, wrong=0), planted_bank(CLASSES, GOOD), controls=("photo",))
    for one in found.candidates:
        assert one.calibration is None
        assert one.uncalibrated is not None
        assert "lower end of its range, 0.01: every image is right" in one.uncalibrated


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
    assert judged(data, good).candidates == judged(images(5, 3), good).candidates


def test_progress_counts_different_prompts_of_all_candidates() -> None:
    seen: list[tuple[int, int]] = []
    candidates = make_candidates([planted_bank(CLASSES, GOOD)], ("photo", "shuffled"), seeds=2)
    prompts = {text for one in candidates for bank in one.banks for c in bank for text in c.texts}
    judge_candidates(
        images(1, 0), candidates, PlantedEncoder(CLASSES), progress=lambda *now: seen.append(now)
    )
    assert seen == sorted(seen)
    assert seen[-1] == (len(prompts), len(prompts))
    assert {total for _, total in seen} == {len(prompts)}


def test_each_prompt_is_encoded_once_for_all_candidates() -> None:
    asked: list[str] = []

    class Counting(PlantedEncoder):
        def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
            asked.extend(texts)
            return super().encode_text(texts)

    bank = planted_bank(CLASSES, GOOD)
    more = bank.model_copy(update={"name": "more"})
    candidates = make_candidates([bank, more], seeds=2, templates=["a {}"], poolings=["mean"])
    judge_candidates(images(2, 1), candidates, Counting(CLASSES), text_cache=False)
    assert sorted(asked) == sorted(set(asked))


def test_intervals_do_not_depend_on_the_order_of_the_images() -> None:
    data = images(right=7, wrong=3)
    assert data.vectors is not None
    order = np.random.default_rng(0).permutation(len(data.paths)).tolist()
    mixed = LabelledImages(
        [data.paths[i] for i in order], [data.targets[i] for i in order], data.vectors[order]
    )
    bank = planted_bank(CLASSES, GOOD | {"Where is {}?": ["Where {} swap 0 1."]})
    one, other = (judged(each, bank, controls=("photo",)) for each in (data, mixed))
    assert one.candidates[0].top1.low < one.candidates[0].top1.value
    for first, second in zip(one.candidates, other.candidates, strict=True):
        assert (first.top1, first.per_class) == (second.top1, second.per_class)
        assert first.comparisons == second.comparisons
    assert one.analyses[0].questions == other.analyses[0].questions
