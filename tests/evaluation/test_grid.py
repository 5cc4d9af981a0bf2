import numpy as np
import pytest

from cupl.evaluation.grid import EvaluationGrid, GridCell, mean_interval
from cupl.evaluation.schema import Evaluation, Interval
from tests.report.evaluations import evaluation


def moved(found: Evaluation, by: float, names: tuple[str, ...] = ()) -> Evaluation:
    """With other accuracies, and other names of the first candidates."""
    some = [
        one.model_copy(
            update={
                "top1": Interval(value=one.top1.value + by, low=0.1, high=0.95),
                **({"name": names[i]} if i < len(names) else {}),
            }
        )
        for i, one in enumerate(found.candidates)
    ]
    return found.model_copy(update={"candidates": some})


def grid() -> EvaluationGrid:
    found = evaluation()
    return EvaluationGrid(
        [
            GridCell("clip", "pets", found, "clip/pets"),
            GridCell("clip", "food", moved(found, 0.1), "clip/food"),
            GridCell("siglip", "pets", found, "siglip/pets"),
            GridCell("siglip", "food", moved(found, 0.1, ("other",)), "siglip/food"),
        ]
    )


def test_the_interval_of_a_mean_is_that_of_independent_figures() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.6, 0.03, 100_000), rng.normal(0.8, 0.01, 100_000)
    figures = [
        Interval(value=float(x.mean()), low=low, high=high)
        for x in (one, other)
        for low, high in [map(float, np.quantile(x, [0.025, 0.975]))]
    ]
    found = mean_interval(figures)
    low, high = np.quantile((one + other) / 2, [0.025, 0.975])
    assert found.value == pytest.approx(0.7, abs=1e-3)
    assert [found.low, found.high] == pytest.approx([low, high], abs=1e-3)
    assert mean_interval(figures[:1]) == figures[0]


def test_means_are_of_candidates_that_every_data_set_has() -> None:
    made = grid()
    bank, *rest = (one.name for one in evaluation().candidates)
    assert [(one.encoder, one.name) for one in made.means] == [
        ("clip", bank), *(("clip", name) for name in rest), *(("siglip", name) for name in rest),
    ]  # fmt: skip
    first = made.means[0]
    value = evaluation().candidates[0].top1.value
    assert first.top1.value == pytest.approx(value + 0.05)
    assert first.data_sets == 2
    assert EvaluationGrid(made.cells[:1]).means == []


def test_rows_name_encoder_and_data_set() -> None:
    rows = grid().to_records()
    number = len(evaluation().candidates)
    assert [(row["encoder"], row["data"]) for row in rows[:: number]] == [
        ("clip", "pets"), ("clip", "food"), ("siglip", "pets"), ("siglip", "food"),
    ]  # fmt: skip
    assert {"name", "top1", "p_holm", "spread_sd"} <= rows[0].keys()
    assert {"top1_low", "difference"} <= grid().means_to_records()[0].keys()


def test_the_table_has_a_line_a_candidate_and_encoder() -> None:
    text = str(grid())
    assert text.count("siglip") == 1 + len(evaluation().candidates) + len(["pets", "food"])
    assert "pets" in text
    assert "The mean counts every data set the same" in text
    alone = str(EvaluationGrid(grid().cells[:1]))
    assert "mean" not in alone
