from pathlib import Path

import pytest

from cupl.bank.labels import ClassLabel
from cupl.bank.model import BY_HAND, ClassPrompts, PromptBank
from cupl.errors import BudgetError, InputError
from cupl.generation.pair_contrast import contrast_pairs
from tests.answering import Answering
from tests.models import bank_of

ANIMALS = bank_of({"cat": ["A cat purrs."], "dog": ["A dog barks."], "owl": ["An owl flies."]})
CATS = "ears | A cat has small ears. | A dog has large ears.\nsize | A cat is small."
OWLS = "1. legs | A dog has four legs. | An owl has two legs.\n2. fur | It is soft. | It is hard."


@pytest.fixture
def llm() -> Answering:
    return Answering({"a cat and a dog": CATS, "a dog and an owl": OWLS})


def test_each_class_gets_its_side_of_all_its_pairs(llm: Answering, tmp_path: Path) -> None:
    made = contrast_pairs(ANIMALS, [("cat", "dog"), ("owl", "dog")], llm=llm, cache=tmp_path)
    added = [list(entry.prompts.values())[1:] for entry in made]
    assert added == [
        [["A cat has small ears."]],
        [["A dog has large ears."], ["A dog has four legs."]],
        [["An owl has two legs."]],
    ]
    assert [entry.prompts["What?"] for entry in made] == [e.prompts["What?"] for e in ANIMALS]
    questions = [list(entry.prompts)[1:] for entry in made]
    assert questions[0] == questions[1][:1], "both sides stand under one question"
    assert len(llm.asked) == 2


def test_the_bank_says_how_and_for_which_pairs(llm: Answering, tmp_path: Path) -> None:
    made = contrast_pairs(ANIMALS, [("cat", "dog")], llm=llm, cache=tmp_path, by="photos")
    assert made.source is not None
    assert made.source.pairs is not None
    [facts] = made.source.pairs
    assert (facts.by, facts.model, facts.pairs) == ("photos", "gpt-4.1-mini", [["cat", "dog"]])
    assert facts.dropped == 1
    made.save(tmp_path / "b.yaml")
    assert PromptBank.load(tmp_path / "b.yaml") == made
    again = contrast_pairs(made, [("dog", "owl")], llm=llm, cache=tmp_path)
    assert again.source is not None
    assert again.source.pairs is not None
    assert [facts.by for facts in again.source.pairs] == ["photos", "hand"]


def test_again_nothing_is_asked_and_the_bank_is_the_same(llm: Answering, tmp_path: Path) -> None:
    made = contrast_pairs(ANIMALS, [("cat", "dog")], llm=llm, cache=tmp_path)
    again = contrast_pairs(ANIMALS, [("dog", "cat")], cache=tmp_path, offline=True)
    assert again.to_bytes() == made.to_bytes()


def test_a_filter_that_drops_one_side_drops_both(tmp_path: Path) -> None:
    llm = Answering({"apart": "ears | A cat has ears, see https://x.org. | A dog has large ears.\n"
                              "size | A cat is small. | A dog is large."})  # fmt: skip
    made = contrast_pairs(ANIMALS, [("cat", "dog")], llm=llm, cache=tmp_path)
    assert list(made.classes[1].prompts.values())[1:] == [["A dog is large."]]
    assert made.source is not None
    assert made.source.pairs is not None
    assert made.source.pairs[0].dropped == 1


def test_a_plain_list_of_prompts_stays_one(tmp_path: Path, llm: Answering) -> None:
    bank = PromptBank(
        name="x",
        classes=[
            ClassPrompts(name="cat", prompts={BY_HAND: ["A cat purrs."]}),
            ClassPrompts(name="dog", id="d", prompts={BY_HAND: ["A dog barks."]}),
        ],
    )
    pair = (ClassLabel("cat"), ClassLabel("dog", "d"))
    made = contrast_pairs(bank, [pair], llm=llm, cache=tmp_path)
    assert made.classes[0].texts == ["A cat purrs.", "A cat has small ears."]
    made.save(tmp_path / "b.yaml")
    assert PromptBank.load(tmp_path / "b.yaml") == made


def test_where_nothing_tells_them_apart_it_says_so(tmp_path: Path) -> None:
    llm = Answering({"apart": "They are both animals."})
    with pytest.raises(InputError, match=r"apart \(dropped: 1 no attribute\); ask another model"):
        contrast_pairs(ANIMALS, [("cat", "dog")], llm=llm, cache=tmp_path)


def test_the_limits_hold(llm: Answering, tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="stopped at 1 request"):
        contrast_pairs(
            ANIMALS, [("cat", "dog"), ("dog", "owl")], llm=llm, cache=tmp_path, max_requests=1
        )


@pytest.mark.parametrize("pair", [("cat", "cow"), ("cat", "cat"), ("cat",)])
def test_what_is_no_pair_of_the_bank(pair: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a pair is two classes of the bank 'animals', not"):
        contrast_pairs(ANIMALS, [pair], llm=Answering({}), cache=tmp_path)


def test_the_embedded_model_tells_classes_apart(tmp_path: Path) -> None:
    made = contrast_pairs(ANIMALS, [("cat", "dog")], model="mini", cache=tmp_path)
    again = contrast_pairs(ANIMALS, [("cat", "dog")], model="mini", cache=tmp_path, offline=True)
    assert again.to_bytes() == made.to_bytes()
    assert made.size > ANIMALS.size
    for text in made.classes[0].texts:
        assert "cat" in text.lower()


def test_sub_classes_stay(llm: Answering, tmp_path: Path) -> None:
    kinds = [ClassPrompts(name="tabby cat", prompts={BY_HAND: ["A tabby cat has stripes."]})]
    cat = ANIMALS.classes[0].model_copy(update={"subclasses": kinds})
    coarse = PromptBank(name="coarse", classes=[cat, *ANIMALS.classes[1:]])
    made = contrast_pairs(coarse, [("cat", "dog")], llm=llm, cache=tmp_path)
    assert made.classes[0].subclasses == kinds
    assert made.size == coarse.size + 2
