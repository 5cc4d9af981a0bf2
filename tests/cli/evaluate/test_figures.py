"""Every figure of ``evaluation.json``, computed again from the raw predictions and vectors."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import t

from tests.cli.evaluate.world import IMAGES, QUESTIONS, World, check, resampled, unit


def test_what_was_judged(world: World) -> None:
    evaluation = world.evaluation
    assert (evaluation["images"], evaluation["classes"]) == (IMAGES, 9)
    assert (evaluation["classes_with_images"], evaluation["unreadable"]) == (8, [])
    assert evaluation["reference"] == "photo"
    names = [(one["name"], one["seeds"]) for one in evaluation["contenders"]]
    assert names == [
        ("first", 1), ("second", 1), ("photo", 1), ("names", 1), ("random-words", 3),
        ("shuffled", 3),
    ]  # fmt: skip
    assert sorted(world.rows) == sorted((name, i) for name, seeds in names for i in range(seeds))
    numbers = [one["prompts"] for one in evaluation["contenders"]]
    mean = np.mean([len(entry.texts) for entry in world.bank])
    assert numbers == pytest.approx([mean, 1, 1, 1, mean, mean])
    first = world.rows["first", 0]
    assert [row["label"] for row in first] == [world.labels[target] for target in world.targets]
    for rows in world.rows.values():
        assert [(row["path"], row["label"]) for row in rows] == [
            (row["path"], row["label"]) for row in first
        ]
        for row in rows:
            assert (row["rank"] == "1") == (row["label"] == row["predicted"])
            assert row["predicted"] in world.labels
            assert 1 <= int(row["rank"]) <= 9
    # Mixed results, or the tests below could not fail.
    assert 0.3 < world.right("first").mean() < 0.95
    assert len({world.right(name).mean() for name, _ in names}) > 3


def test_accuracies_are_those_of_the_raw_predictions(world: World) -> None:
    for one in world.evaluation["contenders"]:
        right = world.draws(one["name"])
        check(one["top1"], right.mean(), resampled(right))
        draws = [rows for (name, _), rows in world.rows.items() if name == one["name"]]
        fives = np.array([[int(row["rank"]) <= 5 for row in rows] for rows in draws], np.float64)
        check(one["top5"], fives.mean(), resampled(fives))
        balanced = float(np.mean([list(by_class(rows).values()) for rows in draws]))
        check(one["per_class"], balanced, resampled(right, groups=world.targets))
        assert one["top1_of_seeds"] == pytest.approx([
            world.right(one["name"], [draw]).mean() for draw in range(one["seeds"])
        ])  # fmt: skip


def by_class(rows: Sequence[dict[str, str]]) -> dict[str, float]:
    right = defaultdict(list)
    for row in rows:
        right[row["label"]].append(row["label"] == row["predicted"])
    return {label: float(np.mean(each)) for label, each in right.items()}


def test_comparisons_are_those_of_the_raw_predictions(world: World) -> None:
    for one in world.evaluation["contenders"]:
        comparison = one["comparison"]
        if one["kind"] == "bank":
            controls = ["photo", "names", "random-words", "shuffled"]
            assert [other["to"] for other in one["comparisons"]] == controls
            assert comparison == one["comparisons"][0]
            for other in one["comparisons"]:
                check_comparison(world, one["name"], other)
            continue
        assert "comparisons" not in one
        if one["name"] == "photo":
            assert comparison is None
        else:
            assert comparison["to"] == "photo"
            assert "p_holm" not in comparison
            check_comparison(world, one["name"], comparison)


def check_comparison(world: World, name: str, comparison: dict[str, Any]) -> None:
    ours, theirs = world.draws(name), world.draws(comparison["to"])
    difference = ours.mean(axis=0) - theirs.mean(axis=0)
    check(comparison["difference"], difference.mean(), resampled(ours, theirs))
    won, lost = int((difference > 1e-9).sum()), int((difference < -1e-9).sum())
    assert (comparison["won"], comparison["lost"]) == (won, lost)
    if len(ours) == len(theirs) == 1:
        tail = sum(math.comb(won + lost, k) for k in range(min(won, lost) + 1))
        assert comparison["p"] == pytest.approx(min(1, 2 * tail / 2 ** (won + lost)))
        return
    drawn = [draws for draws in (ours, theirs) if len(draws) > 1]
    spread = [np.var(draws.mean(axis=1), ddof=1) for draws in drawn]
    alone = 2 - len(drawn)  # what was not drawn counts as one draw more
    terms = [(np.sum(difference**2) / IMAGES**2, won + lost - 1)]
    terms += [(s2 * (alone + 1 / 3), 2) for s2 in spread]
    variance = sum(term for term, _ in terms)
    freedom = variance**2 / sum(term**2 / degrees for term, degrees in terms)
    p = 2 * t.sf(abs(difference.mean()) / np.sqrt(variance), freedom)
    assert comparison["p"] == pytest.approx(p)


def test_p_values_are_corrected_for_all_banks_and_controls(world: World) -> None:
    compared = [one for bank in world.evaluation["contenders"][:2] for one in bank["comparisons"]]
    order = sorted(compared, key=lambda one: float(one["p"]))
    highest = 0.0
    for place, one in enumerate(order):
        highest = max(highest, min(1, (len(order) - place) * one["p"]))
        assert one["p_holm"] == pytest.approx(highest)
    for analysis in world.evaluation["analyses"]:
        ps = [effect["comparison"]["p"] for effect in analysis["questions"]]
        for effect in analysis["questions"]:
            assert effect["comparison"]["p"] <= effect["comparison"]["p_holm"] <= 2 * max(ps)


def test_confusions_and_classes_are_those_of_the_raw_predictions(world: World) -> None:
    for one in world.evaluation["contenders"]:
        rows = world.rows[one["name"], 0]
        totals = Counter(row["label"] for row in rows)
        wrong = Counter((r["label"], r["predicted"]) for r in rows if r["label"] != r["predicted"])
        told = one["confusions"]
        assert [entry["images"] for entry in told] == sorted(wrong.values(), reverse=True)[:20]
        assert len({(entry["truth"], entry["predicted"]) for entry in told}) == len(told)
        for entry in told:
            assert entry["images"] == wrong[entry["truth"], entry["predicted"]]
            assert entry["share"] == pytest.approx(entry["images"] / totals[entry["truth"]])
        right = world.right(one["name"])
        assert one["classes"] == [
            {"name": label.name, "id": label.id, "images": int((world.targets == i).sum()),
             "accuracy": pytest.approx(right[world.targets == i].mean())}
            for i, label in enumerate(entry.label for entry in world.bank)
            if (world.targets == i).any()
        ]  # fmt: skip


def calibration_error(bins: Sequence[dict[str, float]]) -> float:
    total = sum(one["images"] for one in bins)
    gaps = [one["images"] * abs(one["accuracy"] - one["confidence"]) for one in bins]
    return sum(gaps) / total


def test_calibration_is_that_of_the_raw_predictions(world: World) -> None:
    parts = {tuple(row["part"] for row in world.rows[name, 0]) for name in ("first", "shuffled")}
    assert len(parts) == 1
    for one in world.evaluation["contenders"]:
        rows = world.rows[one["name"], 0]
        measured = [row for row in rows if row["part"] == "measure"]
        fitted = [row for row in rows if row["part"] == "fit"]
        told = one["calibration"]
        assert (told["images_fitted"], told["images_measured"]) == (len(fitted), len(measured))
        assert len(fitted) + len(measured) == IMAGES
        assert len(fitted) == len(measured)
        right = np.array([row["rank"] == "1" for row in measured])
        for column, error, name in (
            ("probability", "before", "bins_before"), ("calibrated", "after", "bins_after"),
        ):  # fmt: skip
            sure = np.array([float(row[column]) for row in measured])
            place = np.minimum((sure * 15).astype(int), 14)
            assert len(told[name]) == 15
            for i, one_bin in enumerate(told[name]):
                assert (one_bin["low"], one_bin["high"]) == pytest.approx((i / 15, (i + 1) / 15))
                inside = place == i
                assert one_bin["images"] == inside.sum()
                if inside.any():
                    assert one_bin["confidence"] == pytest.approx(sure[inside].mean())
                    assert one_bin["accuracy"] == pytest.approx(right[inside].mean())
            assert told[error] == pytest.approx(calibration_error(told[name]), abs=1e-5)
        for seed in range(1, one["seeds"]):
            assert {row["calibrated"] + row["part"] for row in world.rows[one["name"], seed]} == {
                ""
            }


def test_predictions_and_temperature_are_those_of_the_vectors(world: World) -> None:
    vectors = world.calibrated
    scores = world.images @ vectors.matrix.double().numpy().T
    rows = world.rows["first", 0]
    assert [row["predicted"] for row in rows] == [world.labels[i] for i in scores.argmax(axis=1)]
    own = scores[np.arange(IMAGES), world.targets]
    assert [int(row["rank"]) for row in rows] == (1 + (scores > own[:, None]).sum(axis=1)).tolist()
    logits = vectors.provenance.logit_scale * scores
    fitted = np.array([row["part"] == "fit" for row in rows])

    def sure(temperature: float) -> npt.NDArray[np.float64]:
        powers = np.exp(logits / temperature - (logits / temperature).max(axis=1, keepdims=True))
        shares: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def loss(temperature: float) -> float:
        true = sure(temperature)[np.arange(IMAGES), world.targets]
        return float(-np.log(true[fitted]).mean())

    best = minimize_scalar(lambda power: loss(10**power), bounds=(-2, 2), options={"xatol": 1e-7})
    temperature = vectors.provenance.temperature
    assert temperature == world.evaluation["contenders"][0]["calibration"]["temperature"]
    assert temperature == pytest.approx(10**best.x, rel=0.02)
    assert loss(temperature) == pytest.approx(best.fun, abs=1e-4)
    for column, at in (("probability", 1.0), ("calibrated", temperature)):
        told = [float(row[column]) for row in rows]
        assert told == pytest.approx(sure(at).max(axis=1), rel=1e-4)


def test_questions_and_curve_are_those_of_the_vectors(world: World) -> None:
    analysis = world.evaluation["analyses"][0]
    whole = world.right("first")
    assert {effect["question"] for effect in analysis["questions"]} == set(QUESTIONS)
    for effect in analysis["questions"]:
        other = 1 - QUESTIONS.index(effect["question"])
        centres = np.stack([unit(parts[other].mean(axis=0)) for parts in world.prompts])
        right = (world.images @ centres.T).argmax(axis=1) == world.targets
        assert effect["top1_without"] == pytest.approx(right.mean())
        assert effect["prompts"] == sum(len(parts[1 - other]) for parts in world.prompts)
        assert effect["classes"] == 9
        comparison = effect["comparison"]
        check(comparison["difference"], (whole - right).mean(), resampled((whole - right)[None]))
        pairs = Counter(zip(whole.astype(bool), right, strict=True))
        assert comparison["won"] == pairs[True, False]
        assert comparison["lost"] == pairs[False, True]
    gains = [effect["comparison"]["difference"]["value"] for effect in analysis["questions"]]
    assert gains == sorted(gains, reverse=True)
    most = max(len(entry.texts) for entry in world.bank)
    assert [point["prompts"] for point in analysis["curve"]] == [1, 2, 4, most]
    last = analysis["curve"][-1]
    assert (last["value"], last["low"], last["high"]) == pytest.approx([whole.mean()] * 3)


def test_drops_are_those_of_the_raw_predictions(world: World) -> None:
    for analysis in world.evaluation["analyses"]:
        ours, theirs = by_class(world.rows[analysis["bank"], 0]), by_class(world.rows["photo", 0])
        expected = {label: ours[label] - theirs[label] for label in ours}
        expected = {label: drop for label, drop in expected.items() if drop < 0}
        told = {
            loss["name"] + (f" ({loss['id']})" if loss["id"] else ""): loss["bank"]
            - loss["control"]
            for loss in analysis["losses"]
        }
        assert told == pytest.approx(expected)
        assert list(told.values()) == sorted(told.values())
