from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.adaptation import names as module
from cupl.adaptation.names import best_names, encode_names, judge_names
from cupl.bank.labels import ClassLabel
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.embedding.adapter import Adapter
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import unit
from cupl.embedding.provenance import Provenance
from cupl.errors import InputError
from tests.models import HandMadeEncoder

PLAIN = Provenance(encoder="e", fingerprint="f", logit_scale=20.0, pooling="normalized-mean")


def world(
    seed: int, classes: int, tried: int, images: int
) -> tuple[ClassVectors, torch.Tensor, torch.Tensor, list[tuple[int, str]]]:
    random = torch.Generator().manual_seed(seed)
    matrix = unit(torch.randn(classes, 6, generator=random))
    adapter = Adapter(0.3 * torch.randn(classes, 6, generator=random), torch.zeros(classes))
    labels = [ClassLabel(f"class {number}") for number in range(classes)]
    vectors = unit(torch.randn(tried, 6, generator=random))
    owners = torch.randint(0, classes, (tried,), generator=random).tolist()
    photos = 4 * torch.randn(images, 6, generator=random)
    named = [(owner, f"name {place}") for place, owner in enumerate(owners)]
    return ClassVectors(labels, matrix, PLAIN, adapter), vectors, photos, named


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 6), st.integers(1, 5), st.integers(1, 25))
def test_a_name_is_judged_as_by_putting_it_into_the_class(
    seed: int, classes: int, tried: int, images: int
) -> None:
    adapted, vectors, photos, named = world(seed, classes, tried, images)
    assert adapted.adapter is not None
    x = unit(photos)
    given_classes = adapted.adapter.adapted(adapted.cosines(x), x).argmax(dim=1)
    before = (20 * x @ adapted.matrix.T).double().log_softmax(dim=1)
    for one, (index, _), vector in zip(
        judge_names([photos], adapted, named, vectors), named, vectors, strict=True
    ):
        matrix = adapted.matrix.clone()
        matrix[index] = vector
        after = (20 * x @ matrix.T).double().log_softmax(dim=1)
        rows = torch.arange(images)
        gains = after[rows, given_classes] - before[rows, given_classes]
        assert one.gain == pytest.approx(float(gains.mean()), abs=1e-5)
        theirs = given_classes == index
        assert one.photos == int(theirs.sum())
        for scores, found, right in (
            (after, one.found, one.right), (before, one.was_found, one.was_right),
        ):  # fmt: skip
            has = scores.argmax(dim=1) == index
            both = float((has & theirs).sum())
            assert found == pytest.approx(both / max(int(theirs.sum()), 1))
            assert right == pytest.approx(both / max(int(has.sum()), 1))


@pytest.mark.parametrize("at_once", [1, 30, 2**22])
def test_any_size_of_chunks_judges_alike(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    adapted, vectors, photos, named = world(0, 4, 3, 50)
    photos[7] = 0  # passed over
    whole = judge_names([photos[:7], photos[8:]], adapted, named, vectors)
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    parts = judge_names(torch.split(photos, 11), adapted, named, vectors)
    for one, other in zip(whole, parts, strict=True):
        assert one.gain == pytest.approx(other.gain, abs=1e-6)
        assert replace(one, gain=0.0) == replace(other, gain=0.0)


def test_the_name_that_lies_where_the_photos_are_is_proposed() -> None:
    random = torch.Generator().manual_seed(0)
    truth = torch.eye(3, 8)
    off = unit(truth + 0.9 * truth.roll(1, dims=0) * torch.tensor([[1.0], [0.0], [0.0]]))
    photos = truth.repeat(30, 1) + 0.1 * torch.randn(90, 8, generator=random)
    # Adaptation has moved every class to its photos.
    adapter = Adapter(truth - off, torch.zeros(3))
    labels = [ClassLabel(name) for name in "abc"]
    adapted = ClassVectors(labels, off, PLAIN, adapter)
    named = [(0, "there"), (0, "away"), (1, "as it is")]
    vectors = torch.stack([truth[0], -truth[0], off[1]])
    there, away, same = judge_names([photos], adapted, named, vectors)
    assert there.sure
    assert there.gain > 0 > away.gain
    assert same.gain == pytest.approx(0, abs=1e-6)
    assert not same.sure
    assert [one.name for one in best_names([away, there, same])] == ["there", "as it is"]
    few = judge_names([photos[:9]], adapted, named, vectors)
    assert not any(one.sure for one in few)


def test_no_photo_at_all_proposes_nothing() -> None:
    adapted, vectors, photos, named = world(0, 3, 2, 5)
    assert not any(one.sure for one in judge_names([photos[:0]], adapted, named, vectors))


def test_what_cannot_be_judged_by() -> None:
    adapted, vectors, photos, named = world(0, 3, 2, 5)
    with pytest.raises(InputError, match="adapted to photos"):
        judge_names([photos], replace(adapted, adapter=None), named, vectors)
    alone, vectors, photos, named = world(0, 1, 2, 5)
    with pytest.raises(InputError, match="a class alone"):
        judge_names([photos], alone, named, vectors)


def test_the_prompts_of_a_class_are_told_of_its_names() -> None:
    bank = PromptBank(
        name="b",
        classes=[
            ClassPrompts(name="crane", aliases=["bird"], prompts={"": ["A crane.", "Long legs."]}),
            ClassPrompts(name="crane truck", prompts={"": ["Wheels."]}),
        ],
    )
    texts = {"An egret.": [1.0, 0.0], "A bird.": [0.0, 1.0], "Long legs.": [3.0, 4.0]}
    encoder = HandMadeEncoder(texts)
    tried, vectors = encode_names(
        bank, {0: ["egret", "bird"], 1: ["lorry"]}, encoder, text_cache=False
    )
    assert tried == [(0, "egret"), (0, "bird")]  # no prompt of the other class names it
    assert vectors is not None
    expected = encode_bank(
        PromptBank(
            name="b", classes=[ClassPrompts(name="x", prompts={"": ["An egret.", "Long legs."]})]
        ),
        encoder,
        text_cache=False,
    )
    torch.testing.assert_close(vectors.matrix[:1], expected.matrix)
    assert encode_names(bank, {1: ["lorry"]}, encoder) == ([], None)
