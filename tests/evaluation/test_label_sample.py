import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.labels import ClassLabel
from cupl.classification.prediction import Prediction, Score
from cupl.errors import InputError
from cupl.evaluation.dataset import read_labelled
from cupl.evaluation.label_files import read_label_file
from cupl.evaluation.label_sample import (
    FEWEST_TO_LABEL,
    STRATA,
    confidence_strata,
    drawing_order,
    sample_to_label,
)
from cupl.evaluation.sampled import sample_note, sampled_from
from cupl.evaluation.weighted import share_interval


def predictions(folder: Path, number: int = 200) -> list[Prediction]:
    rng = np.random.default_rng(0)
    return [
        Prediction((Score("cat", None, 0.2, float(sure)),), str(folder / "photos" / f"{i:04}.jpg"))
        for i, sure in enumerate(rng.random(number))
    ]


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_file_of_a_sample(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    sample = sample_to_label(predictions(tmp_path), 40, by="v")
    saved = sample.save(file)
    assert (saved.photos, saved.labelled, saved.added, saved.aside) == (40, 0, 40, None)
    rows = rows_of(file)
    assert [row["path"] for row in rows] == [f"photos/{Path(p.path).name}" for p in sample.photos]
    assert {row["label"] for row in rows} == {""}
    assert {row["photos"] for row in rows} == {"200"}
    assert {row["drawn"] for row in rows} == {"v, seed 0"}
    assert "predicted" not in rows[0]  # who sees an answer tends to agree with it
    sizes = {row["stratum"]: int(row["stratum_photos"]) for row in rows}
    assert sorted(sizes) == [str(number) for number in range(1, STRATA + 1)]
    assert sum(sizes.values()) == 200
    elsewhere = tmp_path / "else"
    elsewhere.mkdir()
    sample.save(elsewhere / "labels.csv")
    assert rows_of(elsewhere / "labels.csv")[0]["path"] == sample.photos[0].path


def test_the_same_seed_draws_the_same_photos(tmp_path: Path) -> None:
    given = predictions(tmp_path)
    one = sample_to_label(given, 40)
    assert one.photos == sample_to_label(given[::-1], 40).photos
    assert one.photos != sample_to_label(given, 40, seed=1).photos
    assert sample_to_label(given, 90).photos[:40] == one.photos


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=300).map(np.array),
    st.integers(0, 2**32), st.data(),
)  # fmt: skip
def test_every_beginning_takes_turns_among_the_strata(
    confidence: np.ndarray, seed: int, data: st.DataObject
) -> None:
    strata = confidence_strata(confidence)
    order = drawing_order(strata, np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(len(strata)))
    assert set(strata.tolist()) == set(range(strata.max() + 1))
    assert strata.max() < STRATA
    # The less sure ones are in the lower strata.
    by_stratum = [confidence[strata == one] for one in range(strata.max() + 1)]
    for low, high in pairwise(by_stratum):
        assert low.max() <= high.min()
    number = data.draw(st.integers(1, len(order)))
    drawn = np.bincount(strata[order[:number]], minlength=strata.max() + 1)
    left = drawn < np.bincount(strata)
    if left.any():
        assert drawn.max() - drawn[left].min() <= 1


def test_each_photo_of_a_stratum_is_drawn_as_often_as_any_other() -> None:
    strata = np.array([0] * 10 + [1] * 30)
    counts = np.zeros(40)
    for seed in range(4000):
        counts[drawing_order(strata, np.random.default_rng(seed))[:8]] += 1
    for own in (counts[:10], counts[10:]):
        assert own == pytest.approx(np.full(len(own), own.mean()), rel=0.18)


def test_estimates_are_not_biased_by_where_the_errors_are() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(1000)
    right = rng.random(1000) < confidence
    strata, found = confidence_strata(confidence), []
    sizes = np.bincount(strata)
    for _ in range(300):
        drawn = drawing_order(strata, rng)[:60]
        looked = np.bincount(strata[drawn], minlength=len(sizes))
        hits = np.bincount(strata[drawn], right[drawn], minlength=len(sizes))
        found.append(share_interval(sizes, looked, looked, hits))
    values = np.array([one.value for one in found])
    assert values.mean() == pytest.approx(right.mean(), abs=0.012)
    assert values.std() < 0.9 * (0.25 / 60) ** 0.5  # of a simple sample
    covered = np.mean([one.low <= right.mean() <= one.high for one in found])
    assert 0.92 <= covered <= 0.985


def test_a_larger_sample_keeps_a_persons_work(tmp_path: Path) -> None:
    file, given = tmp_path / "labels.csv", predictions(tmp_path)
    sample_to_label(given, 40).save(file)
    rows = rows_of(file)
    for row in rows[:25]:
        row["label"] = "cat"
    columns = ["drawn", "photos", "stratum", "label", "stratum_photos", "path", "sample", "note"]
    with file.open("w", encoding="utf-8-sig", newline="") as lines:  # as Excel may save it
        writer = csv.DictWriter(lines, columns, delimiter=";", restval="?")
        writer.writeheader()
        writer.writerows(rows[::-1])
    edited = file.read_bytes()
    saved = sample_to_label(given, 60).save(file)
    assert (saved.photos, saved.labelled, saved.added) == (60, 25, 20)
    assert saved.aside == tmp_path / "labels.csv.old"
    assert saved.aside.read_bytes() == edited
    now = rows_of(file)
    assert [row["path"] for row in now[:40]] == [row["path"] for row in rows]
    assert [row["label"] for row in now] == ["cat"] * 25 + [""] * 35
    assert [row["note"] for row in now[:41]] == ["?"] * 40 + [""]
    smaller = sample_to_label(given, 20).save(file)
    assert (smaller.photos, smaller.added, smaller.aside) == (60, 0, None)


def test_another_sample_takes_no_ones_place(tmp_path: Path) -> None:
    file, given = tmp_path / "labels.csv", predictions(tmp_path)
    sample_to_label(given, 40).save(file)
    for other in (
        sample_to_label(given, 60, seed=5), sample_to_label(given[:-1], 60),
        sample_to_label(predictions(tmp_path / "others"), 60),
    ):  # fmt: skip
        with pytest.raises(InputError, match="not be made larger; write a new sample"):
            other.save(file)
    file.write_text("path,label\n1.jpg,cat\n")
    with pytest.raises(InputError, match="is no sample to label; name another"):
        sample_to_label(given, 60).save(file)
    assert file.read_text() == "path,label\n1.jpg,cat\n"


def test_what_cannot_be_sampled(tmp_path: Path) -> None:
    given = predictions(tmp_path, 5)
    with pytest.raises(InputError, match=f"at least {FEWEST_TO_LABEL} are drawn"):
        sample_to_label(given, FEWEST_TO_LABEL - 1)
    with pytest.raises(InputError, match="there is no photo"):
        sample_to_label([])
    with pytest.raises(InputError, match="no photo could be read"):
        sample_to_label([Prediction(path="x", error="gone")])
    with pytest.raises(InputError, match="comes twice"):
        sample_to_label([*given, given[0]])
    with pytest.raises(InputError, match="needs a path"):
        sample_to_label([Prediction(given[0].top)])
    with pytest.raises(InputError, match="seed"):
        sample_to_label(given, seed=-1)
    found = sample_to_label([*given, Prediction(path="x", error="gone")])
    assert len(found.photos) == 5
    assert found.unreadable == [("x", "gone")]


def labelled(tmp_path: Path, change: dict[str, str] | None = None, lose: int = 0) -> Path:
    file = tmp_path / "labels.csv"
    sample_to_label(predictions(tmp_path), 40).save(file)
    rows = rows_of(file)
    for row in rows[:30]:
        row["label"] = "cat"
    rows[5].update(change or {})
    with file.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[lose:])
    return file


def test_rows_without_a_label_are_not_yet_done(tmp_path: Path) -> None:
    read = read_label_file(labelled(tmp_path))
    assert read.sample is not None
    assert (len(read.pairs), len(read.sample.strata), read.sample.unlabelled) == (30, 30, 10)
    assert read.sample.photos == sum(read.sample.sizes.values()) == 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stratum": "x"}, "line 7: stratum, .* must be numbers"),
        ({"stratum": ""}, "line 7: .* must be numbers"),
        ({"photos": "7"}, "line 7: stratum_photos or photos is not what rows before say"),
        ({"stratum_photos": "7000"}, "is not what rows before say"),
        ({"path": ""}, "line 7: needed are a path and a label"),
    ],
)
def test_a_design_that_was_changed(tmp_path: Path, change: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_label_file(labelled(tmp_path, change))


def test_rows_that_were_taken_out_are_missed(tmp_path: Path) -> None:
    file = labelled(tmp_path, lose=5)
    found = read_labelled(file, [ClassLabel("cat")])
    assert any("5 of the 40 that were drawn are missing from the file" in n for n in found.notes)
    sample = sampled_from(found)
    assert sample is not None
    assert (sample.missing, sample.labelled) == (5, 25)
    assert "Missing from the file are 5 of the photos" in sample_note(sample)
    sample_to_label(predictions(tmp_path), 40).save(file)  # puts them back
    whole = read_labelled(file, [ClassLabel("cat")])
    assert not any("missing" in note for note in whole.notes)
    text = file.read_text().replace(",sample\n", "\n").replace('",40\n', '"\n')
    file.write_text(text)  # as written before there was this column
    older = sampled_from(read_labelled(file, [ClassLabel("cat")]))
    assert older is not None
    assert older.missing == 0


def test_what_is_another_sample_is_named(tmp_path: Path) -> None:
    file, given = tmp_path / "labels.csv", predictions(tmp_path)
    sample_to_label(given, 40).save(file)
    fewer = [one for one in given if not str(one.path).endswith(rows_of(file)[-1]["path"])]
    with pytest.raises(InputError, match=r"\(200 photos then, 199 now.*evaluated as it is"):
        sample_to_label(fewer, 40).save(file)
    with pytest.raises(InputError, match=r"\(cupl, seed 0; here cupl, seed 3\)"):
        sample_to_label(given, 40, seed=3).save(file)
    labelled(tmp_path, {"photos": "7"})
    with pytest.raises(InputError, match="is not what rows before say: leave these columns"):
        sample_to_label(given, 40).save(file)


def test_a_sample_that_is_not_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rows were taken out, or of two samples"):
        read_label_file(labelled(tmp_path, lose=38))
    sample_to_label(predictions(tmp_path), 40).save(tmp_path / "empty.csv")
    with pytest.raises(InputError, match="no row has a label yet: write"):
        read_label_file(tmp_path / "empty.csv")
