import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.labels import ClassLabel
from cupl.classification import parquet as module
from cupl.classification.parquet import CELLS, ROW_GROUP, write_parquet
from cupl.classification.prediction import Prediction, Score
from cupl.classification.ranked import RankedClasses, Ranking

MORE = ["rejected", "labels"]
# One name twice, and ids that some have: no text may take the place of another.
LABELS = [
    ClassLabel("missile", "n1"), ClassLabel("missile", "n2"), ClassLabel("frog"), ClassLabel("树"),
]  # fmt: skip
ERROR = Prediction(path="half.jpg", error="the image is cut off")


def batch(images: int, named: int, labels: Sequence[ClassLabel] = LABELS) -> list[Prediction]:
    random = np.random.default_rng(images)
    order = np.stack([random.permutation(len(labels))[:named] for _ in range(images)])
    numbers = random.random((2, images, named), dtype=np.float32)
    ranking = Ranking(labels, order, *numbers)
    return [
        Prediction(
            RankedClasses(ranking, row, named), f"{row}.jpg", None, None if row % 3 else "below",
            RankedClasses(ranking, row, row % named),
        )
        for row in range(images)
    ]  # fmt: skip


def written(predictions: Sequence[Prediction], more: Sequence[str] = MORE) -> pq.ParquetFile:
    file = io.BytesIO()
    write_parquet(predictions, file, more)
    return pq.ParquetFile(file)


def record(prediction: Prediction) -> dict[str, object]:
    return {name: value for name, value in prediction.to_dict().items() if name != "explanation"}


@given(
    st.lists(
        st.integers(1, 5).map(lambda images: batch(images, 3))
        | st.just([ERROR])
        | st.just([Prediction((Score("owl", None, 0.5, 0.25), Score("frog", "x", 0.25, 0.5)))]),
        max_size=4,
    ),
    st.sampled_from([1, 3, 7, CELLS]),
    st.sampled_from([1, 2, ROW_GROUP]),
)
def test_any_size_of_row_groups_gives_the_same_table(
    batches: list[list[Prediction]], cells: int, rows: int
) -> None:
    predictions = [one for batch in batches for one in batch]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CELLS", cells)
        patch.setattr(module, "ROW_GROUP", rows)
        file = written(predictions)
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert sum(sizes) == len(predictions)
    assert all(size <= rows for size in sizes)
    assert file.read().to_pylist() == list(map(record, predictions))


def test_columns_are_text_and_numbers() -> None:
    best = {"label": pa.string(), "id": pa.string(), "score": pa.float32()}
    best |= {"probability": pa.float32()}
    top = pa.list_(pa.field("element", pa.struct(best)))
    columns = {"path": pa.string(), **best, "error": pa.string(), "top": top}
    assert written(batch(3, 2), []).schema_arrow == pa.schema(columns)
    assert written([], MORE).schema_arrow == pa.schema(
        columns | {"rejected": pa.string(), "labels": top}
    )


@pytest.mark.parametrize(
    ("named", "expected"), [(1, [50]), (2, [50]), (3, [33, 17]), (4, [25, 25])]
)
def test_row_groups_have_a_bounded_number_of_cells(
    monkeypatch: pytest.MonkeyPatch, named: int, expected: list[int]
) -> None:
    monkeypatch.setattr(module, "CELLS", 100)
    rows = [Prediction(one.top, one.path) for one in batch(50, named)]
    file = written(rows)
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == expected


def test_all_labels_of_an_image_count_as_cells_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CELLS", 8)
    rows = [Prediction(one.top[:1], labels=one.top) for one in batch(4, 3)]
    assert written(rows).num_row_groups == 2


def test_an_image_with_more_cells_than_a_row_group_stands_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CELLS", 2)
    assert written(batch(3, 4)).num_row_groups == 3


def test_classes_become_no_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> None:
        raise AssertionError("a class was made an object")

    monkeypatch.setattr(RankedClasses, "__iter__", refuse)
    assert written(batch(4, 3)).metadata.num_rows == 4
