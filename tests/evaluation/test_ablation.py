import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.parts import top_parts
from cupl.embedding.pooling import POOLINGS, pool
from cupl.embedding.provenance import Provenance
from cupl.embedding.text_cache import embed_texts
from cupl.evaluation.ablation import (
    Described,
    accuracy_curve,
    misleading_prompts,
    question_effects,
    widest_drops,
    without_name,
)
from cupl.evaluation.labelled import LabelledImages
from cupl.evaluation.ranking import Booleans, ImageRanks, rank_images
from cupl.evaluation.schema import ClassAccuracy
from cupl.evaluation.significance import holm
from tests.evaluation.planted import PlantedEncoder, images_at, planted_bank


def described(
    bank: PromptBank, data: LabelledImages, pooling: str = "normalized-mean"
) -> Described:
    encoder = PlantedEncoder(len(bank))
    assert data.vectors is not None
    provenance = Provenance(encoder="e", fingerprint="f", logit_scale=10.0, pooling=pooling)
    texts = [text for entry in bank for text in entry.texts]
    prompts, sizes = embed_texts(texts, encoder).vectors, [len(entry.texts) for entry in bank]
    vectors = ClassVectors(
        [entry.label for entry in bank],
        pool(prompts, sizes, pooling),
        provenance,
        parts=top_parts([(prompts, sizes)]) if pooling == "top" else None,
    )
    return Described(bank, prompts, data.vectors, torch.tensor(data.targets), vectors)


def whole(world: Described) -> Booleans:
    return world.correct(torch.ones(len(world.prompts), dtype=torch.bool))


def run(world: Described) -> ImageRanks:
    scores = world.vectors.cosines(world.images)
    return rank_images(scores, world.targets, world.vectors.provenance)


TRUE = images_at([(i % 6, i % 6) for i in range(60)], 6)
TEXTS = ["A {} seen from above.", "A {} in the sun.", "One {}, small."]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_useless_and_a_harmful_question_are_found(pooling: str) -> None:
    """One question helps, one says nothing, one swaps two classes and outweighs the first."""
    harmful = [f"swap 0 1 swap 1 0 {text}" for text in TEXTS * 2]
    bank = planted_bank(6, {
        "What is a {}?": TEXTS,
        "What is useless about {}?": ["useless {}", "very useless {}"],
        "Tell me of the {}.": [f"{text} {i}" for i, text in enumerate(harmful)],
    })  # fmt: skip
    world = described(bank, TRUE, pooling)
    right = whole(world)
    assert right.mean() == pytest.approx(4 / 6)  # 0 and 1 are taken for one another
    effects = {effect.question: effect for effect in question_effects(world, right)}
    assert list(effects) == ["What is {}?", "What is useless about {}?", "Tell me of {}."]
    assert effects["What is useless about {}?"].comparison.difference.value == 0
    assert effects["What is useless about {}?"].comparison.outcome == "open"
    harm = effects["Tell me of {}."]
    assert harm.comparison.difference.value == pytest.approx(-2 / 6)
    assert (harm.comparison.won, harm.comparison.lost) == (0, 20)
    assert harm.comparison.difference.high < 0
    assert harm.comparison.p < 1e-5
    assert harm.comparison.outcome == "worse"
    ps = [effect.comparison.p for effect in effects.values()]
    assert [effect.comparison.p_holm for effect in effects.values()] == holm(ps)
    assert harm.top1_without == 1
    assert (harm.prompts, harm.classes) == (36, 6)


def test_a_class_that_answers_one_question_only_keeps_it() -> None:
    bank = planted_bank(3, {"One {}?": ["a {}"], "Two {}?": ["the {}"]})
    alone = bank.classes[0].model_copy(update={"prompts": {"One class 0?": ["a class 0"]}})
    bank = bank.model_copy(update={"classes": [alone, *bank.classes[1:]]})
    world = described(bank, images_at([(0, 0), (1, 1), (2, 2)], 3))
    effects = question_effects(world, whole(world))
    assert {(effect.question, effect.prompts, effect.classes) for effect in effects} == {
        ("One {}?", 3, 3),
        ("Two {}?", 2, 2),
    }
    assert all(effect.top1_without == 1 for effect in effects)


def test_of_many_questions_those_with_the_most_prompts_are_judged() -> None:
    """As where a person asked something else of each class."""
    bank = planted_bank(40, {"All {}?": ["a {}"]})
    classes = [
        entry.model_copy(update={"prompts": {**entry.prompts, f"Only {i}?": [f"the class {i}"]}})
        for i, entry in enumerate(bank)
    ]
    bank = bank.model_copy(update={"classes": classes})
    world = described(bank, images_at([(i, i) for i in range(40)], 40))
    effects = question_effects(world, whole(world))
    assert len(effects) == 20
    assert [effect.prompts for effect in effects if effect.question == "All {}?"] == [40]


def test_of_one_question_there_is_nothing_to_leave_out() -> None:
    world = described(planted_bank(2, {"What?": ["a {}"]}), images_at([(0, 0)], 2))
    assert question_effects(world, whole(world)) == []


@pytest.mark.parametrize(
    ("question", "name", "aliases", "expected"),
    [
        ("What does a tree frog look like?", "tree frog", [], "What does {} look like?"),
        ("What does an axolotl look like?", "axolotl", [], "What does {} look like?"),
        ("Describe The Eiffel Tower.", "Eiffel Tower", [], "Describe {}."),
        ("What do frogs eat?", "frog", [], "What do frogs eat?"),
        ("A C++ (x) [y] sign?", "C++ (x) [y]", [], "{} sign?"),
        ("What is a frog?", "tree frog", ["frog"], "What is {}?"),
        ("What is a tree frog?", "frog", ["tree frog"], "What is {}?"),
        ("", "frog", [], ""),
    ],
)
def test_questions_are_the_same_for_every_class(
    question: str, name: str, aliases: list[str], expected: str
) -> None:
    entry = ClassPrompts(name=name, aliases=aliases, prompts={"": ["x"]})
    assert without_name(question, entry) == expected


def test_the_curve_rises_with_prompts_where_single_ones_are_noisy() -> None:
    """Of five prompts two are useless: one alone is often wrong, all together never."""
    texts = ["{} {}", "the {}", "one {}", "useless {}", "useless, {}"]
    bank = planted_bank(6, {"What is {}?": texts})
    world = described(bank, TRUE)
    points = accuracy_curve(world, whole(world))
    assert [point.prompts for point in points] == [1, 2, 4, 5]
    assert points[0].value < 0.95
    assert points[-1].value == points[-1].low == points[-1].high == 1
    assert all(point.low <= point.value <= point.high for point in points)
    assert accuracy_curve(world, whole(world)) == points


@settings(max_examples=20)
@given(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5))
def test_a_curve_draws_so_many_of_each_class(sizes: list[int]) -> None:
    bank = PromptBank(name="b", classes=[
        ClassPrompts(name=f"class {i}", prompts={"": [f"class {i} {j}" for j in range(size)]})
        for i, size in enumerate(sizes)
    ])  # fmt: skip
    world = described(bank, images_at([(0, 0)], len(sizes)))
    drawn: list[list[int]] = []

    class Watched(Described):
        def correct(self, kept: torch.Tensor) -> Booleans:
            drawn.append(torch.bincount(self.class_of[kept], minlength=len(sizes)).tolist())
            return super().correct(kept)

    watched = Watched(bank, world.prompts, world.images, world.targets, world.vectors)
    points = accuracy_curve(watched, whole(world))
    numbers = [point.prompts for point in points]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == max(sizes)
    for number in numbers[:-1]:
        wanted = [min(size, number) for size in sizes]
        assert drawn[:3] == [wanted] * 3
        del drawn[:3]
    assert drawn == []


def test_the_prompt_that_draws_other_classes_is_named() -> None:
    """Class 1 has one prompt that lies on the axis of class 0, and class 0 has noisy ones."""
    bank = planted_bank(3, {"What is {}?": ["{}", "the {}"]})
    wrong = {"What is class 1?": ["swap 1 0 class 1", "swap 1 0 class 1 too", "class 1"]}
    weak = {"What is class 0?": ["class 0 and swap 0 2", "class 0"]}
    classes = [
        bank.classes[0].model_copy(update={"prompts": weak}),
        bank.classes[1].model_copy(update={"prompts": wrong}),
        bank.classes[2],
    ]
    world = described(
        bank.model_copy(update={"classes": classes}), images_at([(0, 0)] * 5 + [(2, 2)] * 5, 3)
    )
    ranked = run(world)
    assert ranked.predicted.tolist() == [1] * 5 + [2] * 5
    (prompt,) = misleading_prompts(world, ranked)
    assert prompt.name == "class 1"
    assert prompt.prompt.startswith("swap 1 0 class 1")
    assert prompt.question == "What is class 1?"
    assert prompt.images == 5
    directions = world.prompts / world.prompts.norm(dim=1, keepdim=True)
    cosines = world.images[0] @ directions.T
    assert prompt.margin == pytest.approx(float(cosines[2:5].max() - cosines[:2].max()), abs=1e-6)


@given(
    sizes=st.lists(st.integers(1, 4), min_size=3, max_size=5),
    pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12),
)
@settings(max_examples=25)
def test_misleading_prompts_are_the_closest_of_the_class_that_was_given(
    sizes: list[int], pairs: list[tuple[int, int]]
) -> None:
    bank = PromptBank(
        name="sizes",
        classes=[
            ClassPrompts(
                name=f"class {number}", prompts={"": [f"class {number}, {i}" for i in range(size)]}
            )
            for number, size in enumerate(sizes)
        ],
    )
    world = described(bank, images_at(pairs, len(sizes)))
    ranked = run(world)
    directions = world.prompts / world.prompts.norm(dim=1, keepdim=True)
    blamed: dict[str, list[float]] = {}
    texts = [text for entry in bank for text in entry.texts]
    for image in np.flatnonzero(~ranked.correct):
        cosines = world.images[image] @ directions.T
        best = [
            int(cosines.masked_fill(world.class_of != number, -9).argmax())
            for number in (int(ranked.predicted[image]), int(world.targets[image]))
        ]
        blamed.setdefault(texts[best[0]], []).append(float(cosines[best[0]] - cosines[best[1]]))
    found = {one.prompt: one for one in misleading_prompts(world, ranked)}
    assert found.keys() == blamed.keys()
    for text, margins in blamed.items():
        assert found[text].images == len(margins)
        assert found[text].margin == pytest.approx(np.mean(margins), abs=1e-6)


def test_nothing_misleads_where_all_is_right() -> None:
    world = described(planted_bank(6, {"": TEXTS}), TRUE)
    assert misleading_prompts(world, run(world)) == []


def test_the_widest_drops_come_first() -> None:
    def accuracies(*values: float) -> list[ClassAccuracy]:
        return [
            ClassAccuracy(name=f"c{i}", id=None, images=10, accuracy=value)
            for i, value in enumerate(values)
        ]

    drops = widest_drops(accuracies(0.5, 0.9, 0.1, 0.7), accuracies(0.6, 0.9, 0.9, 0.6))
    assert [(drop.name, drop.bank, drop.control) for drop in drops] == [
        ("c2", 0.1, 0.9),
        ("c0", 0.5, 0.6),
    ]
    assert len(widest_drops(accuracies(*np.zeros(50)), accuracies(*np.ones(50)))) == 20
