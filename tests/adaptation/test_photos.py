"""What photos without labels win, what they must not lose, and when the texts are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cupl.adaptation.photos import (
    FEWEST,
    MOST_TEMPER,
    USUAL_TEMPER,
    adapt_to_photos,
    fair_prior,
    finding_temper,
)
from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_shards import ImageProvenance, Shard, ShardMetadata, write_shard
from cupl.embedding.image_vectors import load_embeddings
from cupl.embedding.stored_vectors import Embeddings
from cupl.errors import InputError
from tests.adaptation.synthetic import DIM, Drawn, draw_photos, random, unit


def gain(drawn: Drawn) -> float:
    adapted, report = adapt_to_photos(drawn.vectors, drawn.photos)
    assert report.kept is None
    return drawn.accuracy(adapted) - drawn.accuracy(drawn.vectors)


@pytest.mark.parametrize("seed", [0, 10, 20])
def test_photos_of_all_classes_put_right_what_the_texts_have_wrong(seed: int) -> None:
    drawn = draw_photos([60] * 12, text_noise=1.0, seed=seed)
    assert drawn.accuracy(drawn.vectors) < 0.96
    assert gain(drawn) > 0.03


@pytest.mark.parametrize("seed", [0, 10, 20])
@pytest.mark.parametrize(
    "counts",
    [[60, 60, 60, *[0] * 9], [120, 60, 40, 30, 24, 20, 17, 15, 13, 12, 11, 10], [4] * 12],
    ids=["three of twelve", "Zipf", "four a class"],
)
def test_classes_that_are_missing_rare_or_small_lose_nothing(counts: list[int], seed: int) -> None:
    assert gain(draw_photos(counts, text_noise=1.0, seed=seed)) > -0.015


def test_the_labels_of_new_photos_are_better_too() -> None:
    drawn, later = (draw_photos([count] * 12, text_noise=1.0) for count in (60, 61))
    adapted, _ = adapt_to_photos(drawn.vectors, drawn.photos)
    assert torch.equal(later.vectors.matrix, drawn.vectors.matrix)
    assert later.accuracy(adapted) > later.accuracy(drawn.vectors) + 0.03


def test_it_says_what_it_did_and_the_file_keeps_it(tmp_path: Path) -> None:
    drawn = draw_photos([60] * 12, text_noise=1.0)
    classifier = ZeroShotClassifier(drawn.vectors)
    before = [one.label for one in classifier.predict_vectors(drawn.photos)]
    report = classifier.adapt(drawn.photos)
    after = [one.label for one in classifier.predict_vectors(drawn.photos)]
    assert report.photos == 720
    assert report.changed == sum(one != other for one, other in zip(before, after, strict=True)) > 0
    assert report.agreement is not None
    assert report.agreement > 0.9
    for name, plain, now in report.classes:
        assert (plain, now) == (before.count(name), after.count(name))
    assert f"{report.changed:,} of 720 photos changed their label" in str(report)
    made = classifier.vectors.provenance.adaptation
    assert made is not None
    assert (made.method, made.images) == ("photos", 720)
    classifier.save(tmp_path / "adapted.safetensors")
    again = ZeroShotClassifier(ClassVectors.load(tmp_path / "adapted.safetensors"))
    assert [one.label for one in again.predict_vectors(drawn.photos)] == after


def test_equal_photos_give_equal_files(tmp_path: Path) -> None:
    drawn = draw_photos([60] * 12)
    for name in ("a", "b"):
        adapt_to_photos(drawn.vectors, drawn.photos)[0].save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_lengths_and_types_of_vectors_do_not_count() -> None:
    drawn = draw_photos([60] * 12)
    scaled = drawn.photos * torch.linspace(0.01, 100, len(drawn.photos))[:, None]
    plain, other = (
        adapt_to_photos(drawn.vectors, photos)[0].adapter
        for photos in (drawn.photos, scaled.double())
    )
    assert plain is not None
    assert other is not None
    torch.testing.assert_close(plain.added(drawn.photos), other.added(drawn.photos))


def test_rows_without_a_direction_do_not_count() -> None:
    drawn = draw_photos([60] * 12)
    worse = drawn.photos.clone()
    worse[5], worse[100], worse[101, 3] = 0, torch.nan, torch.inf
    adapted, report = adapt_to_photos(drawn.vectors, worse)
    assert report.photos == 717
    assert adapted.adapter is not None
    kept = torch.ones(720, dtype=torch.bool)
    kept[[5, 100, 101]] = False
    alone = adapt_to_photos(drawn.vectors, drawn.photos[kept])[0].adapter
    assert alone is not None
    assert torch.equal(alone.weights, adapted.adapter.weights)


def constant(photos: torch.Tensor) -> torch.Tensor:
    """With the same number in a third of the dimensions."""
    return torch.cat([photos[:, : DIM - 10], torch.full((len(photos), 10), 0.1)], dim=1)


@pytest.mark.parametrize(
    "photos",
    [
        lambda photos: photos[:1],
        lambda photos: photos[:0],
        lambda photos: photos[: FEWEST - 1],
        lambda photos: photos[:1].repeat(500, 1),
        lambda photos: torch.zeros(50, DIM),
        lambda photos: torch.full((50, DIM), torch.nan),
        lambda photos: photos[:3].repeat(300, 1),
        constant,
        lambda photos: photos + 1e-7 * random(*photos.shape),
        lambda photos: photos.repeat(3, 1),
    ],
    ids=[
        "one", "none", "nine", "one again and again", "zeros", "NaN", "three again and again",
        "constant dimensions", "nearly the same", "each three times",
    ],
)  # fmt: skip
def test_degenerate_photos_never_give_nan_or_lose(photos: object) -> None:
    drawn = draw_photos([60] * 12)
    given = photos(drawn.photos)  # type: ignore[operator]
    adapted, report = adapt_to_photos(drawn.vectors, given)
    assert (adapted is drawn.vectors) == (report.kept is not None) == (adapted.adapter is None)
    scores = torch.from_numpy(ZeroShotClassifier(adapted).scores(drawn.photos))
    assert scores.isfinite().all()
    if report.kept is not None:
        assert str(report) == f"kept the texts alone: {report.kept}"


@pytest.mark.parametrize("number", [1, FEWEST - 1])
def test_few_photos_keep_the_texts(number: int) -> None:
    drawn = draw_photos([60] * 12)
    adapted, report = adapt_to_photos(drawn.vectors, drawn.photos[:number])
    assert adapted is drawn.vectors
    assert report.kept == f"{FEWEST} photos are needed, and {number} can be read"


def test_fewer_than_two_photos_a_class_keep_the_texts() -> None:
    drawn = draw_photos([1] * 15)
    assert "too few" in str(adapt_to_photos(drawn.vectors, drawn.photos)[1].kept)


def test_one_class_keeps_the_texts() -> None:
    drawn = draw_photos([60])
    assert adapt_to_photos(drawn.vectors, drawn.photos)[1].kept == "there is one class"


def test_an_encoder_without_a_gap_keeps_the_texts() -> None:
    drawn = draw_photos([60] * 12)
    centred = unit(drawn.photos - drawn.photos.mean(dim=0))
    texts = drawn.vectors.matrix - drawn.vectors.matrix.mean(dim=0)
    vectors = ClassVectors.from_arrays([str(one) for one in drawn.vectors.labels], texts)
    adapted, report = adapt_to_photos(vectors, centred)
    assert adapted is vectors
    assert "among their texts" in str(report.kept)


def test_what_was_adapted_is_not_adapted_again() -> None:
    drawn = draw_photos([60] * 12)
    adapted, _ = adapt_to_photos(drawn.vectors, drawn.photos)
    with pytest.raises(InputError, match="adapted already"):
        adapt_to_photos(adapted, drawn.photos)


def test_photos_of_another_width_are_refused() -> None:
    drawn = draw_photos([60] * 12)
    with pytest.raises(InputError, match=r"photos of shape \[720, 31\]"):
        adapt_to_photos(drawn.vectors, drawn.photos[:, 1:])


def test_progress_never_goes_beyond_its_end_and_comes_to_it() -> None:
    drawn = draw_photos([60] * 12)
    told = list[tuple[int, int]]()
    adapt_to_photos(drawn.vectors, drawn.photos, progress=lambda *one: told.append(one))
    assert [one for one, _ in told] == list(range(1, len(told) + 1))
    assert told[-1][0] == told[-1][1]


def test_the_prior_is_behind_only_for_classes_without_a_fair_share() -> None:
    assert fair_prior(torch.tensor([50.0, 40, 60])).tolist() == [0, 0, 0]
    prior = fair_prior(torch.tensor([50.0, 40, 60, 3, 0]))
    assert prior[:3].tolist() == [0, 0, 0]
    assert prior[4] < prior[3] < 0


def test_the_temper_stays_between_its_bounds() -> None:
    assert finding_temper(25) == USUAL_TEMPER
    assert finding_temper(1) == MOST_TEMPER
    assert finding_temper(100) == 300


def test_embeddings_of_another_encoder_are_refused(tmp_path: Path) -> None:
    drawn = draw_photos([60] * 12)
    stored = store(tmp_path, drawn.photos, "theirs")
    with pytest.raises(InputError, match="encode both with"):
        adapt_to_photos(drawn.vectors, stored)


@pytest.mark.parametrize("sizes", [[720], [1, 719], [100, 1, 300, 319]])
def test_shards_of_any_size_give_the_same(sizes: list[int], tmp_path: Path) -> None:
    drawn = draw_photos([60] * 12)
    made_by = drawn.vectors.provenance.model_copy(update={"fingerprint": "f" * 64})
    vectors = replace(drawn.vectors, provenance=made_by)
    stored = store(tmp_path, drawn.photos, "f" * 64, sizes)
    adapted, report = adapt_to_photos(vectors, stored)
    alone, of_alone = adapt_to_photos(vectors, drawn.photos)
    assert report == of_alone
    for name, values in adapted.tensors().items():
        assert torch.equal(values, alone.tensors()[name]), name


def store(
    folder: Path, photos: torch.Tensor, fingerprint: str, sizes: list[int] | None = None
) -> Embeddings:
    """The photos as cupl embed writes them, in shards of these sizes."""
    made_by = ImageProvenance(encoder="e", fingerprint=fingerprint, dim=DIM, precision="float32")
    start = 0
    for number, size in enumerate(sizes or [len(photos)]):
        rows = photos[start : start + size]
        paths = [f"{start + row}.png" for row in range(size)]
        metadata = ShardMetadata(shard=number, shard_size=1000, provenance=made_by)
        write_shard(folder, metadata, Shard(paths, [None] * size, rows))
        start += size
    return load_embeddings(folder)


@pytest.mark.parametrize("spread", [1e-6, 1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_photos_that_are_nearly_alike_are_no_error(spread: float, scale: float) -> None:
    drawn = draw_photos([60] * 12)
    made_by = drawn.vectors.provenance.model_copy(update={"logit_scale": scale})
    vectors = replace(drawn.vectors, provenance=made_by)
    adapted, _ = adapt_to_photos(vectors, unit(drawn.photos[:1] + spread * random(300, DIM)))
    assert torch.from_numpy(ZeroShotClassifier(adapted).scores(drawn.photos)).isfinite().all()


@pytest.mark.parametrize("noise", [0.0, 0.002])
def test_a_burst_counts_as_one_photo(noise: float) -> None:
    drawn = draw_photos([60] * 12)
    few = drawn.photos[torch.randperm(720, generator=torch.Generator().manual_seed(1))[:12]]
    burst = unit(few.repeat_interleave(40, dim=0) + noise * random(480, DIM))
    adapted, report = adapt_to_photos(drawn.vectors, burst)
    assert adapted is drawn.vectors
    assert report.kept == "of 480 photos only 12 are not nearly the same"


def test_the_axes_do_not_matter_much() -> None:
    drawn = draw_photos([60] * 12, text_noise=1.0)
    # Axes of the largest variance, as after a principal component analysis.
    axes = torch.linalg.svd(drawn.photos - drawn.photos.mean(dim=0)).Vh
    matrix = drawn.vectors.matrix @ axes.T
    names = [str(label) for label in drawn.vectors.labels]
    vectors = ClassVectors.from_arrays(names, matrix, logit_scale=50.0)
    turned = Drawn(vectors, drawn.photos @ axes.T, drawn.targets)
    assert gain(turned) == pytest.approx(gain(drawn), abs=0.015)
