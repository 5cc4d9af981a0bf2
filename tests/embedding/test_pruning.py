import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.source import PruningFacts, Source
from cupl.embedding.pruning import PruneBy, outlying, prune, redundant, spare, to_csv
from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.io.csv import read_rows
from tests.models import HandMadeEncoder, bank_of, save_clip

sizes = st.lists(st.integers(1, 6), min_size=2, max_size=6)
seeds = st.integers(0, 2**32)


def unlike(count: int, seed: int) -> torch.Tensor:
    """Random directions, every two at a right angle."""
    rows = torch.randn(count, count, generator=torch.Generator().manual_seed(seed))
    orthogonal: torch.Tensor = torch.linalg.qr(rows).Q
    return orthogonal


def around_axes(sizes: list[int], seed: int) -> torch.Tensor:
    """Prompts near one axis for each class: every two of a class have a cosine around 0.5."""
    own = unlike(len(sizes) + sum(sizes), seed)
    of = torch.repeat_interleave(torch.tensor(sizes))
    return own[of] + own[len(sizes) :]


def random_vectors(sizes: list[int], seed: int, dim: int = 4) -> torch.Tensor:
    return torch.randn(sum(sizes), dim, generator=torch.Generator().manual_seed(seed))


@given(sizes, seeds, st.data())
def test_planted_repeats_are_found_and_nothing_else(
    sizes: list[int], seed: int, data: st.DataObject
) -> None:
    vectors = around_axes(sizes, seed)
    planted: list[int] = []
    rows: list[int] = []
    counts: list[int] = []
    start = 0
    for size in sizes:
        of_class = list(range(start, start + size))
        copies = data.draw(st.lists(st.sampled_from(of_class), max_size=3))
        rows += of_class + copies
        planted += [-1] * size + [len(planted) + copy - start for copy in copies]
        counts.append(size + len(copies))
        start += size
    noise = 0.01 * random_vectors(counts, seed, vectors.shape[1]) / vectors.shape[1] ** 0.5
    scale = 1 + random_vectors(counts, seed, 1).abs()  # the length of a vector says nothing
    found = redundant((vectors[rows] + noise) * scale, counts, 0.95)
    assert found.unwanted.tolist() == [place >= 0 for place in planted]
    assert found.nearest[found.unwanted].tolist() == [place for place in planted if place >= 0]
    assert (found.score[found.unwanted] > 0.99).all()


@given(sizes, seeds, st.floats(-0.9, 0.9))
def test_what_is_left_has_no_repeat_and_all_else_has_one(
    sizes: list[int], seed: int, threshold: float
) -> None:
    vectors = random_vectors(sizes, seed)
    found = redundant(vectors, sizes, threshold)
    unit = torch.nn.functional.normalize(vectors)
    start = 0
    for size in sizes:
        kept: list[int] = []
        for row in range(start, start + size):
            best = max((float(unit[row] @ unit[other]) for other in kept), default=-1.0)
            assert bool(found.unwanted[row]) == bool(found.score[row] > threshold)
            assert best == pytest.approx(float(found.score[row]), abs=1e-5)
            if not found.unwanted[row]:
                kept.append(row)
            else:
                assert int(found.nearest[row]) in kept
        start += size
    left = (~found.unwanted).nonzero().flatten()
    counts = [int((~part).sum()) for part in torch.split(found.unwanted, sizes)]
    assert not redundant(vectors[left], counts, threshold).unwanted.any()


def test_equal_prompts_are_not_above_a_cosine_of_1() -> None:
    same = torch.randn(1, 300, generator=torch.Generator().manual_seed(0)).expand(40, -1)
    assert not redundant(same, [40], 1.0).unwanted.any()
    assert redundant(same, [40], 0.999).unwanted.tolist() == [False] + [True] * 39


@given(st.lists(st.integers(4, 7), min_size=2, max_size=5), seeds, st.data())
def test_planted_strays_are_found_and_nothing_else(
    sizes: list[int], seed: int, data: st.DataObject
) -> None:
    vectors = around_axes(sizes, seed)
    starts = [0, *itertools.accumulate(sizes)]
    home, away = data.draw(st.permutations(range(len(sizes))))[:2]
    row = starts[home] + data.draw(st.integers(0, sizes[home] - 1))
    centre = vectors[starts[away] : starts[away + 1]].mean(dim=0)
    vectors[row] = centre + 0.1 * vectors[row]
    found = outlying(vectors, sizes, 0.0)
    assert found.unwanted.nonzero().flatten().tolist() == [row]
    assert int(found.nearest[row]) == away


@given(sizes, seeds)
def test_the_silhouette_is_that_of_its_definition(sizes: list[int], seed: int) -> None:
    vectors = random_vectors(sizes, seed)
    found = outlying(vectors, sizes, 0.2)
    unit = torch.nn.functional.normalize(vectors.double())
    classes = torch.split(unit, sizes)
    row = 0
    for own, members in enumerate(classes):
        for i, prompt in enumerate(members):
            others = torch.cat([members[:i], members[i + 1 :]])
            far = [
                1 - torch.cosine_similarity(prompt, group.sum(dim=0), dim=0)
                for number, group in enumerate(classes)
                if number != own
            ]
            b = min(far)
            if len(others):
                a = 1 - torch.cosine_similarity(prompt, others.sum(dim=0), dim=0)
                expected = float((b - a) / max(a, b))
            else:
                expected = 0.0
            assert float(found.score[row]) == pytest.approx(expected, abs=2e-3)
            assert float(found.cosine[row]) == pytest.approx(float(1 - b), abs=1e-4)
            row += 1
    assert torch.equal(found.unwanted, found.score < 0.2)


def test_many_prompts_are_compared_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [5, 1, 7, 4]
    whole = outlying(random_vectors(sizes, 1), sizes, 0.0)
    monkeypatch.setattr("cupl.embedding.pruning._ROWS", 3)
    parts = outlying(random_vectors(sizes, 1), sizes, 0.0)
    assert torch.equal(whole.nearest, parts.nearest)
    assert torch.allclose(whole.score, parts.score, atol=1e-4)


def test_a_tie_is_no_outlier() -> None:
    vectors = torch.randn(1, 300, generator=torch.Generator().manual_seed(0)).expand(9, -1)
    found = outlying(vectors, [3, 4, 2], 0.0)
    assert found.score.tolist() == [0.0] * 9
    assert not found.unwanted.any()


@given(sizes, seeds, st.integers(1, 7))
def test_every_class_keeps_enough_of_the_least_bad(sizes: list[int], seed: int, keep: int) -> None:
    drawn = random_vectors(sizes, seed, 2)
    unwanted, blame = drawn[:, 0] > -0.5, drawn[:, 1]
    dropped = spare(unwanted, blame, sizes, keep)
    assert not (dropped & ~unwanted).any()
    parts = zip(*(torch.split(part, sizes) for part in (unwanted, blame, dropped)), strict=True)
    for bad, worst, gone in parts:
        left = len(gone) - int(gone.sum())
        assert left == max(len(bad) - int(bad.sum()), min(keep, len(bad)))
        spared = bad & ~gone
        if spared.any() and gone.any():
            assert worst[spared].max() <= worst[gone].min()


FROG, GREEN, LEAPS, LEAFY, STRAY = "A frog.", "Frogs are green.", "It leaps.", "So leafy.", "Hoot."
VECTORS = {
    FROG: [1.0, 0.0, 0.0],
    GREEN: [1.0, 0.1, 0.0],
    LEAPS: [1.0, 0.9, 0.0],
    LEAFY: [1.0, 1.0, 0.0],
    STRAY: [0.1, 0.0, 1.0],
    "An owl.": [0.0, 0.0, 1.0],
    "Owls hoot.": [0.0, 0.4, 1.0],
}


def frogs_and_owls() -> PromptBank:
    frog = {"What?": [FROG, GREEN], "How?": [LEAFY], "Where?": [LEAPS, STRAY]}
    return PromptBank(
        name="two",
        source=Source(model="m", samples=2),
        classes=[
            ClassPrompts(name="frog", id="n1", aliases=["toad"], prompts=frog),
            ClassPrompts(name="owl", prompts={"": ["An owl.", "Owls hoot."]}),
        ],
    )


def test_a_bank_keeps_its_order_and_loses_empty_questions() -> None:
    bank = frogs_and_owls()
    pruned = prune(bank, HandMadeEncoder(VECTORS), by="redundancy", keep=1)
    frog, owl = pruned.bank.classes
    assert list(frog.prompts.items()) == [
        ("What?", [FROG]),
        ("How?", [LEAFY]),
        ("Where?", [STRAY]),
    ]
    assert owl == bank.classes[1]
    assert frog.label == bank.classes[0].label
    facts = PruningFacts(by="redundancy", threshold=0.95, keep=1, encoder="hand-made", dropped=2)
    assert pruned.bank.source == Source(model="m", samples=2, pruned=[facts])
    assert bank == frogs_and_owls()
    assert [(drop.prompt, drop.question, drop.nearest) for drop in pruned.dropped] == [
        (GREEN, "What?", FROG),
        (LEAPS, "Where?", LEAFY),
    ]
    assert pruned.dropped[0].reason == "cosine 0.995 to: A frog."
    assert pruned.dropped[0].label == frog.label
    assert PromptBank.model_validate(pruned.bank.model_dump()) == pruned.bank
    without = prune(bank, HandMadeEncoder(VECTORS), by="redundancy", keep=1, threshold=0.999)
    assert [drop.prompt for drop in without.dropped] == []
    assert without.bank == bank


def test_what_is_pruned_again_says_both() -> None:
    encoder = HandMadeEncoder(VECTORS)
    first = prune(frogs_and_owls(), encoder, by="redundancy", keep=1)
    again = prune(first.bank, encoder, by="outliers", threshold=0.5, keep=1)
    source = again.bank.source
    assert source is not None
    assert [(facts.by, facts.dropped) for facts in source.pruned or []] == [
        ("redundancy", 2), ("outliers", len(again.dropped)),
    ]  # fmt: skip
    assert source.edited is None


def test_a_bank_by_hand_says_that_it_was_pruned_and_nothing_else() -> None:
    bank = frogs_and_owls().model_copy(update={"source": None})
    pruned = prune(bank, HandMadeEncoder(VECTORS), by="redundancy", keep=1)
    assert pruned.bank.source is not None
    assert set(pruned.bank.source.model_dump(exclude_none=True)) == {"pruned"}


def test_of_an_encoder_in_a_folder_the_bank_holds_the_name_alone(tmp_path: Path) -> None:
    encoder = HandMadeEncoder(VECTORS)
    encoder.id = str(tmp_path / "my-clip")
    pruned = prune(frogs_and_owls(), encoder, by="redundancy", keep=1)
    assert str(tmp_path).encode() not in pruned.bank.to_bytes()
    assert b"encoder: my-clip\n" in pruned.bank.to_bytes()


def test_what_was_edited_before_stays_edited() -> None:
    bank = frogs_and_owls()
    bank.classes[1].prompts[""][0] = "A owl."
    encoder = HandMadeEncoder(VECTORS | {"A owl.": [0.0, 0.1, 1.0]})
    pruned = prune(bank, encoder, by="redundancy", keep=1)
    assert pruned.bank.source is not None
    assert pruned.bank.source.edited


def test_a_question_without_prompts_left_is_gone() -> None:
    pruned = prune(frogs_and_owls(), HandMadeEncoder(VECTORS), by="outliers", keep=1)
    assert [drop.prompt for drop in pruned.dropped] == [STRAY]
    assert pruned.dropped[0].nearest == "owl"
    assert pruned.dropped[0].reason.startswith("silhouette -0.9")
    again = prune(
        frogs_and_owls(), HandMadeEncoder(VECTORS), by="redundancy", keep=1, threshold=0.6
    )
    assert list(again.bank.classes[0].prompts) == ["What?", "Where?"]


def test_a_class_keeps_its_best_prompts() -> None:
    bank = bank_of({"frog": [FROG, GREEN, LEAPS, LEAFY], "owl": ["An owl.", "Owls hoot."]})
    encoder = HandMadeEncoder(VECTORS)
    pruned = prune(bank, encoder, by="redundancy", threshold=0.5)
    assert pruned.bank.classes[0].texts == [FROG, LEAPS, LEAFY]  # the least like the first
    assert [len(entry.texts) for entry in pruned.bank] == [3, 2]
    assert pruned.spared == 3
    again = prune(pruned.bank, encoder, by="redundancy", threshold=0.5)
    assert again.bank == pruned.bank
    assert again.dropped == []


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_encoder(save_clip(tmp_path_factory.mktemp("clip")), "cpu")


@pytest.mark.parametrize("by", ["redundancy", "outliers"])
@pytest.mark.parametrize("keep", [1, 3, 100])
def test_a_real_text_tower(clip: Encoder, by: PruneBy, keep: int) -> None:
    beasts = [f"{size} {color} beast" for size in ("small", "large") for color in ("red", "blue")]
    texts = ["A {} has fur.", "a photo of a {}", "the {} with the tree", "cat dog {}", "{}", "{}"]
    bank = bank_of({name: [text.format(name) for text in texts] for name in beasts})
    pruned = prune(bank, clip, by=by, threshold=0.2 if by == "outliers" else 0.9, keep=keep)
    assert bool(pruned.dropped) == (keep < 6)
    for before, after in zip(bank, pruned.bank, strict=True):
        assert len(after.texts) >= min(keep, len(before.texts))
        gone = [drop.prompt for drop in pruned.dropped if drop.label == before.label]
        assert sorted(after.texts + gone) == sorted(before.texts)
        rest = iter(before.texts)
        assert all(text in rest for text in after.texts)  # the same order


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "accuracy"}, "no way to prune is called 'accuracy': use redundancy or outliers"),
        ({"by": "redundancy", "threshold": 95.0}, "a cosine, from -1 to 1, not 95"),
        ({"by": "outliers", "threshold": float("nan")}, "a silhouette, from -1 to 1, not nan"),
        ({"by": "outliers", "keep": 0}, "at least 1 prompt, not 0"),
    ],
)
def test_what_means_nothing_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prune(frogs_and_owls(), HandMadeEncoder({}), **options)  # type: ignore[arg-type]


def test_one_class_has_no_outliers() -> None:
    with pytest.raises(InputError, match="this bank has one only"):
        prune(bank_of({"frog": [FROG]}), HandMadeEncoder(VECTORS), by="outliers")
    assert not prune(bank_of({"frog": [FROG]}), HandMadeEncoder(VECTORS), by="redundancy").dropped


@pytest.mark.parametrize("sign", ["", "=", "'-"])
def test_the_list_survives_csv(sign: str, tmp_path: Path) -> None:
    hostile = f'{sign}a "quoted",\r\nline, and\nanother\r'
    encoder = HandMadeEncoder({FROG: [1.0, 0.0], hostile: [1.0, 0.0]})
    pruned = prune(bank_of({"a,b": [FROG, hostile]}), encoder, by="redundancy", keep=1)
    (tmp_path / "dropped.csv").write_bytes(to_csv(pruned.dropped))
    [(_, row)] = read_rows(tmp_path / "dropped.csv", lambda columns: True, "")
    assert row == {
        "class": "a,b",
        "id": "",
        "question": "What?",
        "prompt": hostile,
        "score": "1.000000",
        "cosine": "1.000000",
        "nearest": FROG,
        "reason": "cosine 1.000 to: A frog.",
    }
