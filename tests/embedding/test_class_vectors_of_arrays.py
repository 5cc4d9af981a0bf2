"""Class vectors of embeddings that were made elsewhere."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cupl.bank.labels import ClassLabel
from cupl.embedding.class_vectors import ClassVectors
from cupl.encoders.loading import load_encoder
from cupl.errors import InputError
from tests.models import HandMadeEncoder, save_clip

ROWS = [[3.0, 4.0, 0.0], [0.0, 0.0, -2.0]]
UNIT = [[0.6, 0.8, 0.0], [0.0, 0.0, -1.0]]
NAMES = ["cat", "tree frog"]


def matrices() -> list[Any]:
    return [
        ROWS,
        [[3, 4, 0], [0, 0, -2]],
        *(np.array(ROWS, dtype) for dtype in ("f2", "f4", "f8", ">f4", "i8", "i1", "longdouble")),
        np.array(ROWS, order="F"),
        np.array(ROWS).T.copy().T,
        *(torch.tensor(ROWS).to(getattr(torch, name)) for name in ("float16", "bfloat16")),
        *(torch.tensor(ROWS).to(getattr(torch, name)) for name in ("float32", "float64", "int8")),
        torch.tensor(ROWS).requires_grad_(),
        list(torch.tensor(ROWS)),
    ]


@pytest.mark.parametrize("number", range(len(matrices())))
def test_rows_of_any_type_are_brought_to_length_1(number: int) -> None:
    vectors = ClassVectors.from_arrays(NAMES, matrices()[number])
    assert vectors.matrix.dtype == torch.float32
    torch.testing.assert_close(vectors.matrix, torch.tensor(UNIT), rtol=0, atol=1e-6)
    assert vectors.labels == [ClassLabel("cat"), ClassLabel("tree frog")]


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 5), st.integers(1, 6)),
        elements=st.floats(-1e150, 1e150).filter(lambda x: x == 0 or abs(x) > 1e-150),
    )
)
def test_every_row_has_length_1_or_is_refused(matrix: np.ndarray[Any, Any]) -> None:
    names = [f"class {row}" for row in range(len(matrix))]
    zero = [name for name, row in zip(names, matrix, strict=True) if not row.any()]
    if zero:
        with pytest.raises(InputError, match=f"the vector of {zero[0]!r} is zero or not finite"):
            ClassVectors.from_arrays(names, matrix)
        return
    found = ClassVectors.from_arrays(names, matrix).matrix
    assert torch.allclose(found.norm(dim=1), torch.ones(len(matrix)), atol=1e-6)
    expected = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-7)


def test_rows_are_left_as_they_are_where_one_says_so() -> None:
    vectors = ClassVectors.from_arrays(NAMES, ROWS, normalize=False)
    assert vectors.matrix.tolist() == ROWS
    with pytest.raises(InputError, match="the vector of 'tree frog' is zero or not finite"):
        ClassVectors.from_arrays(NAMES, [[1.0, 0.0], [0.0, 0.0]], normalize=False)


def test_the_array_stays_the_callers() -> None:
    given_ = np.array(UNIT, np.float32)
    given_.flags.writeable = False
    vectors = ClassVectors.from_arrays(NAMES, given_, normalize=False)
    vectors.matrix[0, 0] = 9
    assert given_[0, 0] == np.float32(0.6)
    tensor = torch.tensor(UNIT)
    ClassVectors.from_arrays(NAMES, tensor, normalize=False).matrix[0, 0] = 9
    assert tensor.tolist() == torch.tensor(UNIT).tolist()


def test_names_are_texts_or_labels() -> None:
    label = ClassLabel("tree frog", "n01644373", ("frog",))
    names: list[Any] = [np.str_("cat"), label]
    found = ClassVectors.from_arrays(names, ROWS)
    assert found.labels == [ClassLabel("cat"), label]
    assert type(found.labels[0].name) is str
    assert ClassVectors.from_arrays(np.array(NAMES), ROWS).labels[1].name == "tree frog"
    assert ClassVectors.from_arrays((name for name in NAMES), ROWS).labels[1].name == "tree frog"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("ab", "give a list of them"),
        (["cat", 5], "a class is named by text or a ClassLabel, not by 5"),
        (["cat", b"frog"], "a class is named by text or a ClassLabel, not by b'frog'"),
        (["cat", None], "a class is named by text or a ClassLabel, not by None"),
        (["cat"], "2 class vectors for 1 labels"),
        (["cat", "cat"], "two classes are named 'cat'"),
        (["cat", " frog"], "begins or ends with a space"),
        ([], "no classes"),
    ],
)
def test_names_that_are_none(names: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        ClassVectors.from_arrays(names, ROWS)


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (np.zeros((2, 3), bool), "are a matrix of numbers, not of bool"),
        (np.zeros((2, 3), complex), "are a matrix of numbers, not of complex128"),
        (torch.zeros(2, 3, dtype=torch.complex64), "are a matrix of numbers, not of complex64"),
        (np.array([["a", "b"], ["c", "d"]]), "are a matrix of numbers, not of <U1"),
        (np.array([[None], [1]]), "are a matrix of numbers, not of object"),
        ([[1.0], [1.0, 2.0]], "rows of one length"),
        (None, "are a matrix of numbers, not of object"),
        (np.ones(2), "a float32 matrix, not float32 of 1 dimensions"),
        (np.ones((2, 3, 1)), "a float32 matrix, not float32 of 3 dimensions"),
        ([[1.0, math.nan], [1.0, 0.0]], "the vector of 'cat' is zero or not finite"),
        ([[1.0, 0.0], [math.inf, 0.0]], "the vector of 'tree frog' is zero or not finite"),
        (np.zeros((2, 0)), "the vector of 'cat' is zero or not finite"),
    ],
)
def test_matrices_that_are_none(matrix: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        ClassVectors.from_arrays(NAMES, matrix)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"logit_scale": 0}, "logit_scale is a number above 0, not 0"),
        ({"logit_scale": -1.0}, "logit_scale is a number above 0, not -1.0"),
        ({"logit_scale": math.nan}, "logit_scale is a number above 0, not nan"),
        ({"logit_scale": "100"}, "logit_scale is a number above 0, not '100'"),
        ({"logit_scale": None}, "logit_scale is a number above 0, not None"),
        ({"temperature": 0.0}, "temperature is a number above 0, not 0.0"),
        ({"temperature": math.inf}, "temperature is a number above 0, not inf"),
        ({"logit_bias": math.inf}, "logit_bias is a number or None, not inf"),
        ({"logit_bias": "0"}, "logit_bias is a number or None, not '0'"),
    ],
)
def test_settings_that_mean_nothing(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ClassVectors.from_arrays(NAMES, ROWS, **settings)


def test_settings_are_kept_and_used() -> None:
    plain = ClassVectors.from_arrays(NAMES, ROWS).provenance
    assert (plain.logit_scale, plain.logit_bias, plain.temperature) == (100.0, None, 1.0)
    scale: Any = torch.tensor(10.0)
    bias: Any = np.float32(-2)
    made = ClassVectors.from_arrays(
        NAMES, ROWS, logit_scale=scale, logit_bias=bias, temperature=4, encoder="open_clip ViT-B-32"
    ).provenance
    assert made.encoder == "open_clip ViT-B-32"
    scores = torch.tensor([[0.5, 0.0]])
    expected = torch.sigmoid((scores * 10 - 2) / 4)
    torch.testing.assert_close(made.probabilities(scores), expected)


def test_they_are_saved_and_loaded(tmp_path: Path) -> None:
    vectors = ClassVectors.from_arrays(NAMES, ROWS, encoder="open_clip ViT-B-32", logit_scale=50.0)
    for name in ("a", "b"):
        vectors.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    loaded = ClassVectors.load(tmp_path / "a")
    assert loaded.labels == vectors.labels
    assert loaded.provenance == vectors.provenance
    assert torch.equal(loaded.matrix, vectors.matrix)
    assert loaded.provenance.made_elsewhere


def test_no_encoder_is_taken_for_theirs(tmp_path: Path) -> None:
    vectors = ClassVectors.from_arrays(NAMES, ROWS, encoder="hand-made")
    encoders = [
        HandMadeEncoder({"a": [0.0, 0.0, 1.0]}, fingerprint=print_)
        for print_ in ("hand-made", vectors.provenance.fingerprint)
    ]
    for encoder in [*encoders, load_encoder(save_clip(tmp_path), "cpu")]:
        with pytest.raises(InputError) as caught:
            vectors.check_encoder(encoder)
        assert str(caught.value) == (
            "these class vectors were made outside of cupl by 'hand-made', without a fingerprint "
            f"that could tell whether {encoder.id} is the same: classify image vectors of their "
            "encoder with them (predict_vectors)"
        )


def test_two_unknown_encoders_are_not_the_same() -> None:
    first = ClassVectors.from_arrays(NAMES, ROWS).provenance.fingerprint
    other = ClassVectors.from_arrays(NAMES, ROWS[::-1]).provenance.fingerprint
    again = ClassVectors.from_arrays(NAMES, np.array(ROWS)).provenance.fingerprint
    assert first == again != other
    assert not all(char in "0123456789abcdef" for char in first)


def test_an_encoder_of_ones_own_can_be_named_by_its_fingerprint(tmp_path: Path) -> None:
    encoder = load_encoder(save_clip(tmp_path), "cpu")
    vectors = ClassVectors.from_arrays(
        NAMES, torch.eye(2, encoder.dim),
        encoder=encoder.id, revision=encoder.revision, fingerprint=encoder.fingerprint,
    )  # fmt: skip
    vectors.check_encoder(encoder)
    assert not vectors.provenance.made_elsewhere
    assert vectors.load_encoder("cpu").fingerprint == encoder.fingerprint
    other = load_encoder(save_clip(tmp_path / "other", seed=1), "cpu")
    with pytest.raises(InputError, match="use that encoder, or encode the bank again"):
        vectors.check_encoder(other)


def test_their_encoder_cannot_be_loaded() -> None:
    vectors = ClassVectors.from_arrays(NAMES, ROWS, encoder="mini")
    with pytest.raises(
        InputError, match="outside of cupl by .mini.: classify image vectors of that"
    ):
        vectors.load_encoder("cpu")


def test_a_reject_bank_is_pooled_as_they_are() -> None:
    pooling = ClassVectors.from_arrays(NAMES, ROWS).provenance.pooling
    assert pooling == "normalized-mean"
    as_they_are = ClassVectors.from_arrays(NAMES, ROWS, normalize=False).provenance.pooling
    assert as_they_are == "similarity"


def test_the_format_of_their_file_is_that_of_others(tmp_path: Path) -> None:
    ClassVectors.from_arrays(NAMES, ROWS).save(tmp_path / "v")
    header = (tmp_path / "v").read_bytes()[8:]
    text = json.JSONDecoder().raw_decode(header.decode("utf-8", "replace"))[0]
    assert json.loads(text["__metadata__"]["cupl"])["format"] == "cupl-vectors/1"


@pytest.mark.parametrize(
    "settings",
    [{"logit_scale": 1e300}, {"logit_scale": 10**400}, {"temperature": 1e-300}],
)
def test_numbers_that_leave_no_probability_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(settings))} is a number from"):
        ClassVectors.from_arrays(["a", "b"], np.eye(2), **settings)


@pytest.mark.parametrize("row", [[0.0, 0.0], [3e38, 3e38]])
def test_a_row_of_a_file_that_has_no_direction_is_refused(row: list[float]) -> None:
    good = ClassVectors.from_arrays(["a", "b"], np.eye(2))
    with pytest.raises(InputError, match="a class vector is zero, or too long"):
        replace(good, matrix=torch.tensor([[1.0, 0.0], row]))
