"""The filter against brute force, and all that it refuses."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import cupl
from cupl.adaptation.photos import adapt_to_photos
from cupl.bank.labels import ClassLabel
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.classification import filter_judging
from cupl.classification.content_filter import ContentFilter
from cupl.classification.filter_decision import FilterDecision
from cupl.classification.filter_thresholds import FilterThresholds
from cupl.embedding.normalize import unit
from cupl.errors import InputError
from tests.models import HandMadeEncoder, bank_of

TEXTS = {
    "a gun": [1.0, 0.0, 0.0], "a pistol": [0.9, 0.4, 0.1], "a knife": [0.0, 1.0, 0.0],
    "a toy": [0.2, 0.0, 1.0], "a doll": [-0.3, 0.1, 1.0], "a spoon": [0.0, 0.7, 0.7],
}  # fmt: skip
COLOURS = {(number, 0, 0): vector for number, vector in enumerate(
    [[1.0, 0.1, 0.0], [0.0, 0.1, 2.0], [0.0, 1.0, 0.42], [1.0, 0.0, 1.1]])}  # fmt: skip
WRONG: Any = 5
BLOCK = bank_of({"gun": ["a gun", "a pistol"], "knife": ["a knife"]}, "unsafe")
ALLOW = bank_of({"toy": ["a toy", "a doll"], "spoon": ["a spoon"]}, "safe")


def encoder(**settings: Any) -> HandMadeEncoder:
    return HandMadeEncoder(TEXTS, COLOURS, **settings)


def made(block: Any = BLOCK, allow: Any = ALLOW, **settings: Any) -> ContentFilter:
    given: dict[str, Any] = {"text_cache": False, "image_cache": False} | settings
    return ContentFilter(block, allow, given.pop("encoder", encoder()), **given)


def pixel(number: int) -> Image.Image:
    return Image.new("RGB", (4, 4), (number, 0, 0))


def brute(vector: list[float]) -> tuple[str, float, str, float, str, str]:
    """Of both sides the nearest class, its cosine and its closest prompt."""
    found = torch.tensor(vector) / torch.tensor(vector).norm()
    line: list[Any] = []
    prompts = []
    for bank in (BLOCK, ALLOW):
        classes = []
        for entry in bank:
            rows = unit(torch.tensor([TEXTS[text] for text in entry.texts]))
            mean = rows.mean(dim=0)
            closest = entry.texts[int((rows @ found).argmax())]
            classes.append((float(found @ (mean / mean.norm())), entry.name, closest))
        cosine, name, closest = max(classes)
        line += [name, cosine]
        prompts.append(closest)
    return (*line, *prompts)


def test_it_is_what_brute_force_says() -> None:
    found = list(made().predict([pixel(number) for number in range(4)]))
    assert [one.decision for one in found] == ["block", "allow", "review", "review"]
    for one, vector in zip(found, COLOURS.values(), strict=True):
        assert one.blocked is not None
        assert one.allowed is not None
        blocked, score, allowed, other, first, second = brute(vector)
        assert (one.blocked.label, one.allowed.label) == (blocked, allowed)
        assert one.blocked.score == pytest.approx(score, abs=1e-6)
        assert one.allowed.score == pytest.approx(other, abs=1e-6)
        assert one.margin == pytest.approx(score - other, abs=1e-6)
        assert (one.blocked.prompt, one.allowed.prompt) == (first, second)
        assert one.prompt == (second if one.decision == "allow" else first)


def test_one_image_is_one_decision_and_many_are_streamed() -> None:
    asked = []

    def images() -> Any:
        for number in range(200):
            asked.append(number)
            yield pixel(number % 4)

    content = made()
    assert isinstance(content.predict(pixel(0)), FilterDecision)
    stream = content.predict(images())
    assert next(stream).decision == "block"
    assert len(asked) < 200
    stream.close()
    assert [one.decision for one in content.predict([])] == []


def test_images_vectors_and_stored_vectors_are_judged_alike(tmp_path: Path) -> None:
    content, vectors = made(), np.array(list(COLOURS.values()))
    (tmp_path / "p").mkdir()
    for number in range(4):
        pixel(number).save(tmp_path / "p" / f"{number}.png")
    (tmp_path / "p" / "2.5.png").write_bytes(b"no image")
    cupl.embed_images(tmp_path / "p", encoder(), tmp_path / "v", shard_size=2)
    files = cupl.find_images(tmp_path / "p")
    by_file = list(content.predict(files))
    stored = list(content.predict(cupl.load_embeddings(tmp_path / "v")))
    # The last digits of a product depend on how many rows are multiplied at once.
    assert [(one.path, one.decision, one.error) for one in stored] == [
        (one.path, one.decision, one.error) for one in by_file
    ]
    for one, other in zip(stored, by_file, strict=True):
        assert one.margin == pytest.approx(other.margin, abs=1e-6)
        for kind in ("blocked", "allowed"):
            near, same = getattr(one, kind), getattr(other, kind)
            assert (near is None) == (same is None)
            if near is not None:
                assert (near.label, near.prompt) == (same.label, same.prompt)
                assert near.prompt_score == pytest.approx(same.prompt_score, abs=1e-6)
    broken = [one for one in by_file if one.error is not None]
    assert [(Path(str(one.path)).name, one.decision) for one in broken] == [("2.5.png", "review")]
    margins = [one.margin for one in by_file if one.margin is not None]
    assert [one.margin for one in content.predict(vectors)] == pytest.approx(margins, abs=1e-6)
    assert content.margins(files).tolist() == pytest.approx(margins, abs=1e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0])
def test_a_vector_without_a_direction_is_never_allowed(value: float) -> None:
    for thresholds in (None, FilterThresholds(2, 2), FilterThresholds(-2, -2)):
        rows = np.array([[0.0, 0.1, 1.0], [value] * 3, [0.0, 0.1, 1.0]])
        found = list(made(thresholds=thresholds).predict(rows))
        assert found[1].decision == "review"
        assert found[1].error == "the image vector is zero or not finite"
        assert found[0] == found[2] != found[1]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.rand(50, 3)
    whole = list(made().predict(rows))
    monkeypatch.setattr(filter_judging, "AT_ONCE", 30)  # three images at once, with their prompts
    parts = list(made().predict(rows))
    assert [one.margin for one in parts] == pytest.approx([one.margin for one in whole], abs=1e-6)


def test_rates_are_kept_by_what_is_judged_later() -> None:
    torch.manual_seed(0)
    content = made()
    blocked, fine = torch.randn(99, 3) + torch.tensor([1.5, 0, 0]), torch.randn(99, 3)
    found = content.fit(blocked, fine, 0.05, 0.1)
    assert content.thresholds == found
    assert found.misses is not None
    assert found.misses.examples == 99
    verdicts = [one.decision for one in content.predict(blocked)]
    assert verdicts.count("allow") == found.misses.outcomes["allow"] <= 5
    more = torch.randn(4000, 3) + torch.tensor([1.5, 0, 0])
    missed = [one.decision for one in content.predict(more)].count("allow") / 4000
    assert missed < found.misses.likely_most
    with_images = content.fit([pixel(0)] * 4, [pixel(1)] * 4, 0.3)
    assert with_images.allow_below <= with_images.block_above


def test_too_few_examples_are_refused_before_they_are_read() -> None:
    content = made()
    with pytest.raises(InputError, match="needs at least 99 examples"):
        content.fit(["gone.jpg"] * 98, ["gone.jpg"] * 200)
    with pytest.raises(InputError, match="what is fine, and there is 1"):
        content.fit([pixel(0)] * 4, pixel(1), 0.3)
    with pytest.raises(InputError, match="there are 0"):
        content.fit(["gone.jpg"] * 4, [pixel(1)] * 4, 0.3)


def test_one_side_alone_means_what_its_thresholds_say() -> None:
    content = made(allow=None)
    with pytest.raises(InputError, match="classes to block alone do not say") as caught:
        content.predict(pixel(0))
    assert {"allow", "examples", "allow_below"} <= caught.value.arguments.keys()
    content.thresholds = FilterThresholds(0.5, 0.95)
    found = list(content.predict(map(pixel, range(4))))
    assert [one.decision for one in found] == ["block", "allow", "review", "review"]
    assert all(one.allowed is None for one in found)
    assert all(one.margin == one.blocked.score for one in found if one.blocked)
    content = made(block=None, thresholds=FilterThresholds(-0.9, -0.5))
    found = list(content.predict(map(pixel, range(4))))
    assert [one.decision for one in found] == ["block", "allow", "allow", "review"]
    assert all(one.prompt == one.allowed.prompt for one in found if one.allowed)


def test_subclasses_and_templates_have_their_say() -> None:
    texts = TEXTS | {"a rifle": [0.1, 0.0, -1.0], "photo gun": [0.5, 0.5, 0.5],
                     "photo toy": [0.1, 0.0, 1.0]}  # fmt: skip
    gun = ClassPrompts(
        name="gun",
        prompts={"?": ["a gun"]},
        subclasses=[ClassPrompts(name="rifle", prompts={"?": ["a rifle"]})],
    )
    content = ContentFilter(
        PromptBank(name="b", classes=[gun]), bank_of({"toy": ["a toy"]}),
        HandMadeEncoder(texts | {"photo rifle": [0.1, 0, -1]}, COLOURS),
        templates=["photo {}"], text_cache=False,
    )  # fmt: skip
    [one] = content.predict(np.array([[0.1, 0.0, -1.0]]))
    assert one.prompt in ("a rifle", "photo rifle")


def vectors(names: list[str], rows: Any, **settings: Any) -> cupl.ClassVectors:
    return cupl.ClassVectors.from_arrays(names, rows, **settings)


def test_class_vectors_need_no_encoder_and_know_no_prompt(tmp_path: Path) -> None:
    block, allow = vectors(["gun"], [[1.0, 0]]), vectors(["toy"], [[0, 1.0]])
    block.save(tmp_path / "b.safetensors")
    content = ContentFilter(tmp_path / "b.safetensors", allow)
    [one] = content.predict(np.array([[1.0, 0.1]]))
    assert (one.decision, one.prompt) == ("block", None)
    with pytest.raises(InputError, match="made outside of cupl, and cannot encode images"):
        content.predict(pixel(0))


def test_a_bank_is_encoded_as_the_class_vectors_on_the_other_side() -> None:
    by = encoder()
    unsafe = cupl.encode_bank(BLOCK, by, "mean", text_cache=False)
    content = made(block=unsafe, encoder=by)
    assert content.encoded["allow"].provenance.pooling == "mean"
    found = content.predict(pixel(1))
    assert found.prompt == "a toy"
    assert found.blocked is not None
    assert found.blocked.prompt is None


def adapted() -> cupl.ClassVectors:
    torch.manual_seed(0)
    classes = vectors(["gun", "knife"], torch.eye(2, 8), logit_scale=30.0)
    rows = (
        torch.cat(
            [
                torch.eye(2, 8).repeat_interleave(40, 0) * 0.2,
            ]
        )
        + torch.randn(80, 8) * 0.1
    )
    rows[:, 7] += 3
    changed, _ = adapt_to_photos(classes, rows)
    assert changed.adapter is not None
    return changed


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing": (lambda: made(None, None), "what is unwanted, of what is fine, or both"),
    "both sides": (lambda: made(BLOCK, bank_of({"The Guns": ["a toy"]})), "'gun' is to be blocked"),
    "an alias": (
        lambda: made(
            BLOCK,
            PromptBank(name="s", classes=[
                ClassPrompts(name="toy", aliases=["knives"], prompts={"?": ["a toy"]})
            ]),
        ),
        "'knife' is to be blocked",
    ),
    "an id": (
        lambda: made(
            [ClassLabel("gun", "x1")], [ClassLabel("toy", "x1")], templates=["a {}"]
        ),
        "the class id 'x1' stands here twice",
    ),
    "no names": (lambda: made([], ["toy"]), "no classes"),
    "a dict": (lambda: made({"gun": ["a gun"]}), "from_dict"),
    "a missing file": (lambda: made("gone.yaml"), "no such file"),
    "missing vectors": (lambda: made("gone.safetensors"), "no such file"),
    "another encoder": (
        lambda: made(cupl.encode_bank(BLOCK, encoder(fingerprint="other"), text_cache=False)),
        "use that encoder",
    ),
    "two encoders": (
        lambda: ContentFilter(
            cupl.encode_bank(BLOCK, encoder(), text_cache=False),
            cupl.encode_bank(ALLOW, encoder(fingerprint="other"), text_cache=False),
        ),
        "encode both with the same",
    ),
    "two widths": (
        lambda: ContentFilter(vectors(["gun"], np.eye(1, 2)), vectors(["toy"], np.eye(1, 3))),
        "encode both with the same",
    ),
    "two poolings": (
        lambda: made(
            cupl.encode_bank(BLOCK, encoder(), text_cache=False),
            cupl.encode_bank(ALLOW, encoder(), "similarity", text_cache=False),
        ),
        "pooled by normalized-mean",
    ),
    "adapted": (
        lambda: ContentFilter(adapted(), vectors(["toy"], np.eye(1, 8))), "adapted to photos"
    ),
    "a revision of nothing": (
        lambda: ContentFilter(BLOCK, ALLOW, revision="v1"), "give its name too"
    ),
    "a folder": (lambda: made().predict("/"), "is a folder"),
    "another width": (lambda: made().predict(np.eye(4)), "do not fit"),
    "no image": (lambda: made().predict(WRONG), "5"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_compared_is_one_sentence(what: str) -> None:
    call, message = REFUSED[what]
    with pytest.raises(cupl.CuplError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_vectors_of_another_encoder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    pixel(0).save(tmp_path / "p" / "0.png")
    cupl.embed_images(tmp_path / "p", encoder(fingerprint="other"), tmp_path / "v")
    with pytest.raises(InputError, match="encode both with the same"):
        made().predict(cupl.load_embeddings(tmp_path / "v"))


def test_a_part_of_a_name_is_not_the_name() -> None:
    texts = {"a knife (toy)": [0.0, 0, 1], "a knife": [1.0, 0, 0]}
    content = ContentFilter(
        ["knife"], ["knife (toy)"], HandMadeEncoder(texts, COLOURS), templates=["a {}"],
        text_cache=False,
    )  # fmt: skip
    assert repr(content) == "ContentFilter(block=1, allow=1, 'hand-made')"
    assert content.sides.given.keys() == {"block", "allow"}
