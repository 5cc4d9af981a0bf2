from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding import parts as module
from cupl.embedding.adapter import Adapter
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import unit
from cupl.embedding.parts import ClassParts, best_means, equal_groups, join_parts
from cupl.embedding.pooling import POOLINGS
from cupl.errors import InputError
from tests.models import HandMadeEncoder, bank_of

random = torch.Generator().manual_seed(0)
WORDS = [f"text {number}" for number in range(24)]
TEXTS = {word: (3 * torch.randn(6, generator=random)).tolist() for word in WORDS}
ENCODER = HandMadeEncoder(TEXTS)
IMAGES = 5 * torch.randn(40, 6, generator=random)


def class_of(name: str, texts: list[str], kinds: dict[str, list[str]]) -> ClassPrompts:
    return ClassPrompts(
        name=name,
        prompts={"What?": texts},
        subclasses=[
            ClassPrompts(name=kind, prompts={f"What is {kind}?": said})
            for kind, said in kinds.items()
        ],
    )


PLAIN = bank_of({"a": WORDS[:7], "b": WORDS[7:9], "c": WORDS[9:14]})
COARSE = PromptBank(
    name="coarse",
    classes=[
        class_of("a", WORDS[:3], {"a1": WORDS[14:16], "a2": WORDS[16:19]}),
        class_of("b", WORDS[3:6], {}),
        class_of("c", WORDS[6:9], {"c1": WORDS[19:20]}),
    ],
)


def vectors_of(words: list[str]) -> torch.Tensor:
    return unit(torch.tensor([TEXTS[word] for word in words]))


def test_top_is_the_mean_vector_and_the_four_closest_prompts() -> None:
    made = encode_bank(PLAIN, ENCODER, "top")
    for entry, column in zip(PLAIN, made.cosines(unit(IMAGES)).T, strict=True):
        prompts = vectors_of(entry.texts)
        mean = unit(prompts.mean(dim=0, keepdim=True))
        for image, score in zip(unit(IMAGES), column, strict=True):
            closest = sorted((prompts @ image).tolist())[-4:]
            expected = 0.25 * float(mean[0] @ image) + 0.75 * sum(closest) / len(closest)
            assert float(score) == pytest.approx(expected, abs=1e-6)
    assert torch.equal(made.matrix, encode_bank(PLAIN, ENCODER).matrix)


@pytest.mark.parametrize("pooling", ["normalized-mean", "mean", "similarity"])
def test_the_closest_sub_class_speaks_for_its_class(pooling: str) -> None:
    made = encode_bank(COARSE, ENCODER, pooling)
    plain = PromptBank(
        name="flat",
        classes=[one for entry in COARSE for one in [
            entry.model_copy(update={"subclasses": []}), *entry.subclasses]],
    )  # fmt: skip
    alone = unit(IMAGES) @ encode_bank(plain, ENCODER, pooling).matrix.T  # a a1 a2 b c c1
    a, a1, a2, b, c, c1 = alone.T
    expected = torch.stack([(a + a.maximum(a1).maximum(a2)) / 2, b, (c + c.maximum(c1)) / 2], dim=1)
    torch.testing.assert_close(made.cosines(unit(IMAGES)), expected, atol=1e-6, rtol=0)
    assert [label.name for label in made.labels] == ["a", "b", "c"]


def test_the_prompts_of_sub_classes_are_among_those_of_top() -> None:
    made = encode_bank(COARSE, ENCODER, "top")
    assert made.parts is not None
    assert made.parts.counts == (8, 3, 4)
    texts = WORDS[:3] + WORDS[14:19] + WORDS[3:6] + WORDS[6:9] + WORDS[19:20]
    torch.testing.assert_close(made.parts.vectors, vectors_of(texts))


@pytest.mark.parametrize("bank", [PLAIN, COARSE], ids=["plain", "coarse"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_what_is_saved_is_loaded(bank: PromptBank, pooling: str, tmp_path: Path) -> None:
    made = encode_bank(bank, ENCODER, pooling)
    made.save(tmp_path / "v.safetensors")
    loaded = ClassVectors.load(tmp_path / "v.safetensors")
    assert (loaded.parts is None) == (made.parts is None)
    assert torch.equal(loaded.cosines(unit(IMAGES)), made.cosines(unit(IMAGES)))
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (
        tmp_path / "v.safetensors"
    ).read_bytes()


def test_a_damaged_part_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    encode_bank(PLAIN, ENCODER, "top").save(path)
    content = bytearray(path.read_bytes())
    where = content.index(vectors_of(WORDS[:1]).numpy().tobytes()[:8])  # the parts come first
    content[where] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="damaged"):
        ClassVectors.load(path)


@pytest.mark.parametrize("name", ["vectors", "counts", "share", "most"])
def test_a_file_without_some_of_its_parts_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    encode_bank(PLAIN, ENCODER, "top").save(path)
    content, entry = path.read_bytes(), f'"parts.{name}"'.encode()
    assert entry in content
    path.write_bytes(content.replace(entry, entry.upper()))
    with pytest.raises(InputError, match="no class vectors"):
        ClassVectors.load(path)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 5), st.integers(0, 2**31)
)
def test_ragged_classes_are_those_of_a_loop(counts: list[int], most: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    cosines = torch.randn(4, sum(counts), generator=draw)
    found = best_means(cosines, equal_groups(counts), most)
    columns = [
        part.sort(dim=1).values[:, -most:].mean(dim=1) for part in torch.split(cosines, counts, 1)
    ]
    torch.testing.assert_close(found, torch.stack(columns, dim=1))


@pytest.mark.parametrize(("one", "other"), [(PLAIN, COARSE), (COARSE, PLAIN), (COARSE, COARSE)])
def test_a_class_without_parts_is_its_own(one: PromptBank, other: PromptBank) -> None:
    first, second = encode_bank(one, ENCODER), encode_bank(other, ENCODER)
    joined = join_parts((first.matrix, first.parts), (second.matrix, second.parts))
    assert joined is not None
    scores = joined.blend(unit(IMAGES) @ torch.cat([first.matrix, second.matrix]).T, unit(IMAGES))
    apart = torch.cat([first.cosines(unit(IMAGES)), second.cosines(unit(IMAGES))], dim=1)
    torch.testing.assert_close(scores, apart, atol=1e-6, rtol=0)


@pytest.mark.parametrize("bias", [None, -3.5])
@pytest.mark.parametrize("reject", [False, True])
@pytest.mark.parametrize(
    ("bank", "pooling"), [(PLAIN, "top"), (COARSE, "normalized-mean"), (COARSE, "top")]
)
def test_the_torch_module_and_predictions_agree(
    bank: PromptBank, pooling: str, bias: float | None, reject: bool
) -> None:
    encoder = HandMadeEncoder(TEXTS, logit_bias=bias)
    others = bank_of({"wall": WORDS[20:22]}, name="none of these") if reject else None
    made = ZeroShotClassifier(encode_bank(bank, encoder, pooling), encoder, reject=others)
    logits = made.to_torch()(IMAGES)
    found = logits.softmax(dim=1) if bias is None else logits.sigmoid()
    torch.testing.assert_close(
        found[:, :3], torch.from_numpy(made.predict_proba(IMAGES)), atol=1e-6, rtol=0
    )
    scores = torch.from_numpy(made.scores(IMAGES))
    torch.testing.assert_close(made.vectors.cosines(unit(IMAGES)), scores, atol=1e-6, rtol=0)
    for prediction, row in zip(made.predict_vectors(IMAGES, top_k=3), scores, strict=True):
        assert {s.label: s.score for s in prediction.top} == pytest.approx(
            dict(zip("abc", row.tolist(), strict=True))
        )


@pytest.mark.parametrize(("bank", "pooling"), [(PLAIN, "top"), (COARSE, "normalized-mean")])
def test_what_photos_add_comes_on_top(bank: PromptBank, pooling: str, tmp_path: Path) -> None:
    made = encode_bank(bank, ENCODER, pooling)
    weights = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    adapted = replace(made, adapter=Adapter(weights, torch.tensor([0.1, 0.0, -0.1])))
    adapted.save(tmp_path / "v.safetensors")
    loaded = ZeroShotClassifier(ClassVectors.load(tmp_path / "v.safetensors"))
    added = made.cosines(unit(IMAGES)) + unit(IMAGES) @ weights.T + torch.tensor([0.1, 0.0, -0.1])
    scores = torch.from_numpy(loaded.scores(IMAGES))
    torch.testing.assert_close(scores - scores.amax(1, True), added - added.amax(1, True))
    logits = loaded.to_torch()(IMAGES)
    torch.testing.assert_close(logits, 10 * scores, atol=1e-5, rtol=0)


def test_templates_of_their_own_list_are_prompts_of_top() -> None:
    texts = {**TEXTS, "the a": TEXTS["text 20"], "the b": TEXTS["text 21"],
             "the c": TEXTS["text 22"]}  # fmt: skip
    encoder = HandMadeEncoder(texts)
    made = encode_bank(PLAIN, encoder, "top", templates=["the {}"], combine="average")
    plain = encode_bank(PLAIN, encoder, templates=["the {}"], combine="average")
    assert torch.equal(made.matrix, plain.matrix)
    assert made.parts is not None
    assert made.parts.counts == (8, 3, 6)
    torch.testing.assert_close(made.parts.vectors[7:8], vectors_of(["text 20"]))


@pytest.mark.parametrize("at_once", [1, 40, 2**22])
def test_memory_is_bounded_and_any_bound_scores_alike(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    made = encode_bank(PLAIN, ENCODER, "top")
    whole = made.cosines(unit(IMAGES))
    seen: list[int] = []
    mix = ClassParts.mix

    def watched(self: ClassParts, scores: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        seen.append(cells.numel())
        return mix(self, scores, cells)

    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    monkeypatch.setattr(ClassParts, "mix", watched)
    torch.testing.assert_close(made.cosines(unit(IMAGES)), whole, atol=1e-6, rtol=0)
    assert max(seen) <= max(at_once, 14)
    assert sum(seen) == 40 * 14
    assert made.cosines(torch.empty(0, 6)).shape == (0, 3)


@pytest.mark.parametrize(
    ("bank", "pooling"), [(PLAIN, "top"), (COARSE, "normalized-mean"), (COARSE, "mean"),
                          (COARSE, "similarity"), (COARSE, "top")]
)  # fmt: skip
def test_what_the_prompts_say_adds_up_to_the_lead(bank: PromptBank, pooling: str) -> None:
    """A prompt speaks for its class where it counts more than the score of the other class."""
    made = ZeroShotClassifier.from_bank(bank, ENCODER, pooling=pooling, text_cache=False)
    for prediction in made.predict_vectors(IMAGES, explain=99):
        explanation = prediction.explanation
        assert explanation is not None
        assert explanation.winner is not None
        assert explanation.runner_up is not None
        scores = {score.label: score.score for score in prediction.top}
        assert explanation.winner.score == pytest.approx(scores[explanation.winner.label])
        named = [one.text for one in explanation.winner.supporting + explanation.winner.opposing]
        entry = next(one for one in bank if one.name == explanation.winner.label)
        assert set(entry.texts) <= set(named)
        assert len(named) == len(set(named))
        # Where the class leads, some prompt must lead too.
        assert explanation.winner.supporting


def test_what_prompts_of_top_count() -> None:
    made = ZeroShotClassifier.from_bank(PLAIN, ENCODER, pooling="top", text_cache=False)
    for prediction, image in zip(
        made.predict_vectors(IMAGES, explain=99), unit(IMAGES), strict=True
    ):
        explanation = prediction.explanation
        assert explanation is not None
        assert explanation.winner is not None
        assert explanation.runner_up is not None
        winner, other = explanation.winner, explanation.runner_up
        texts = next(entry.texts for entry in PLAIN if entry.name == winner.label)
        prompts = vectors_of(texts)
        cosines = prompts @ image
        counts = 0.25 * cosines / prompts.mean(dim=0).norm()
        best = cosines.argsort(descending=True)[:4]
        counts[best] += 0.75 * cosines[best] * len(texts) / len(best)
        assert float(counts.mean()) == pytest.approx(winner.score, abs=1e-5)
        speak = {
            text for text, one in zip(texts, counts.tolist(), strict=True) if one > other.score
        }
        assert {one.text for one in winner.supporting} == speak


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"counts": (3, 4)}, "7"),
        ({"counts": (14, 0)}, "at least"),
        ({"share": 1.5}, "share"),
        ({"most": 0}, "share"),
        ({"vectors": torch.zeros(14, 6)}, "zero"),
        ({"vectors": torch.zeros(14, 6, dtype=torch.float64)}, "float32"),
    ],
)
def test_parts_that_cannot_be(changes: dict[str, object], words: str) -> None:
    parts = encode_bank(PLAIN, ENCODER, "top").parts
    assert parts is not None
    with pytest.raises(InputError, match=words):
        replace(parts, **changes)  # type: ignore[arg-type]


def test_parts_of_other_classes_are_refused() -> None:
    made = encode_bank(PLAIN, ENCODER)
    other = ClassParts(torch.ones(2, 6), (1, 1), 0.5, 1)
    with pytest.raises(InputError, match="do not fit"):
        replace(made, parts=other)
