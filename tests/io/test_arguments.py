from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cupl.errors import InputError
from cupl.io.arguments import check_numbers, check_path, check_whole, several


@pytest.mark.parametrize(
    ("given", "listed"),
    [("ab", ["ab"]), (b"ab", [b"ab"]), (Path("a"), [Path("a")]), (5, [5]), ({"a": 1}, [{"a": 1}]),
     (["a", "b"], ["a", "b"]), (("a",), ["a"]), (iter("ab"), ["a", "b"]), ((), [])],
)  # fmt: skip
def test_a_single_one_is_a_list_of_one(given: Any, listed: list[Any]) -> None:
    assert several(given) == listed
    assert several(given, type(given)) == [given]


def test_numbers_of_every_library_are_numbers() -> None:
    check_whole(n=3, m=np.int64(3), of=torch.tensor(3), none=None)
    check_numbers(n=3, m=np.float32(0.5), of=torch.tensor(0.5), decimal=Decimal(1), none=None)


@pytest.mark.parametrize("value", ["3", b"3", [3], {}, 1.5])
def test_what_is_no_whole_number_is_named(value: Any) -> None:
    with pytest.raises(InputError, match="^folds must be a whole number, not"):
        check_whole(seeds=1, folds=value)


@pytest.mark.parametrize("value", ["0.5", b"3", [3], {}])
def test_what_is_no_number_is_named(value: Any) -> None:
    with pytest.raises(InputError, match="^threshold must be a number, not"):
        check_numbers(threshold=value)


@pytest.mark.parametrize("path", [b"x", None, 5, {}])
def test_what_is_no_path(path: Any) -> None:
    check_path("x", "a bank")
    check_path(Path("x"), "a bank")
    with pytest.raises(InputError, match="^a bank is read from a path, a text or a Path, not"):
        check_path(path, "a bank")
