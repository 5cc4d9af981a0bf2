"""A condition holds for the same photos in each store as in SQL, whatever is not known of them."""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.index.opening import open_store
from cupl.index.rows import PhotoRow
from cupl.index.store import PhotoStore
from cupl.index.where import parse_where
from tests.index.conftest import fill, metadata, photo_row

Unsure = bool | None
Test = Callable[[PhotoRow], Unsure]
"""Whether a condition holds for a photo, or None where SQL says that it is unknown."""

_TEXTS = [
    "", "a", "A", "ab", "it's", 'a"b', "a%b", "a_b", "a\\b", "\\", "a\\%", "b\na", "a\tb", "ü",
    "日本", "\x07", "--", "2024-01-01", "'; DROP", "😀",
]  # fmt: skip
_WHOLE = [0, 1, 2, 1000, 2**31 - 1]
_REAL = [-90.0, -0.5, 0.0, 0.1, 1.0, 179.25]
_SINGLE = [float(np.float32(value)) for value in (0.0, 0.1, 0.25, 1.0)]
_SIGNS: dict[str, Callable[[object, object], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,  # type: ignore[operator]
    ">=": lambda a, b: a >= b,  # type: ignore[operator]
}
_DATES = ["2023", "2023-07", "2023-07-14", "2023-07-14 16:05:00", "2024-01-01 00:00:00"]
_COLUMNS: dict[str, list[Any]] = {
    "path": _TEXTS, "label": _TEXTS, "date": _DATES, "size": _WHOLE, "width": _WHOLE,
    "latitude": _REAL, "probability": _SINGLE,
}  # fmt: skip


def _photos() -> list[PhotoRow]:
    """Photos with all that the conditions are about, and often without."""
    draw = np.random.default_rng(0)

    def some(values: list[Any]) -> object:
        return None if draw.random() < 0.3 else values[draw.integers(len(values))]

    return [
        photo_row(
            i, path=f"/{text}/{i}", label=some(_TEXTS), date=some(_DATES),
            size=_WHOLE[i % 5], width=_WHOLE[i % 4], latitude=some(_REAL),
            probability=some(_SINGLE), tags=tuple(draw.choice(_TEXTS[1:], i % 3, replace=False)),
        )
        for i, text in enumerate(itertools.islice(itertools.cycle(_TEXTS), 60))
    ]  # fmt: skip


_PHOTOS = _photos()
_NONE = pa.table({"path": pa.array([], pa.string())})


@pytest.fixture(scope="module")
def stores(milvus: str, tmp_path_factory: pytest.TempPathFactory) -> list[PhotoStore]:
    folder: Path = tmp_path_factory.mktemp("where")
    places = [str(folder / "photos.lance"), f"{milvus}#photos_{uuid4().hex}"]
    both = [open_store(place, metadata()) for place in places]
    for store in both:
        fill(store, _PHOTOS)
    return both


def _sql(value: object) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _key(value: object) -> object:
    return value.encode() if isinstance(value, str) else value  # SQL orders texts by their bytes


def _compare(column: str, sign: str, value: object) -> tuple[str, Test]:
    def test(photo: PhotoRow) -> Unsure:
        known = getattr(photo, column)
        return None if known is None else _SIGNS[sign](_key(known), _key(value))

    return f"{column} {sign} {_sql(value)}", test


def _both(first: Unsure, second: Unsure) -> Unsure:
    if first is False or second is False:
        return False
    return None if first is None or second is None else True


def _opposite(known: Unsure) -> Unsure:
    return None if known is None else not known


def _between(column: str, low: object, high: object) -> tuple[str, Test]:
    above, below = _compare(column, ">=", low)[1], _compare(column, "<", high)[1]
    same = _compare(column, "=", high)[1]
    text = f"{column} BETWEEN {_sql(low)} AND {_sql(high)}"
    return text, lambda photo: _both(above(photo), below(photo) or same(photo))


def _within(column: str, values: list[object]) -> tuple[str, Test]:
    def test(photo: PhotoRow) -> Unsure:
        known = getattr(photo, column)
        return None if known is None else known in values

    return f"{column} IN ({', '.join(map(_sql, values))})", test


def _like(column: str, pieces: list[str]) -> tuple[str, Test]:
    wild = {"%": ".*", "_": "."}
    regex = re.compile("".join(wild.get(p, re.escape(p)) for p in pieces), re.DOTALL)

    def test(photo: PhotoRow) -> Unsure:
        known = getattr(photo, column)
        return None if known is None else regex.fullmatch(known) is not None

    return f"{column} LIKE {_sql(''.join(pieces))}", test


def _inner_not(condition: tuple[str, Test]) -> tuple[str, Test]:
    """``a NOT LIKE b``, which parsers read otherwise than ``NOT (a LIKE b)``."""
    text = re.sub(r" (LIKE|IN) ", r" NOT \1 ", condition[0], count=1)
    text = re.sub(r" IS NULL$", " IS NOT NULL", text)
    return text, lambda photo: _opposite(condition[1](photo))


def _is_null(column: str) -> tuple[str, Test]:
    return f"{column} IS NULL", lambda photo: getattr(photo, column) is None


def _has(tag: str) -> tuple[str, Test]:
    return f"has(tags, {_sql(tag)})", lambda photo: tag in photo.tags


# Without backslashes in patterns: Milvus Lite takes what they protect for wild at times.
_TEXT_COLUMNS = st.sampled_from(["path", "label", "date"])
_LEAVES = st.one_of(
    st.sampled_from(list(_COLUMNS)).flatmap(
        lambda name: st.one_of(
            st.builds(_compare, st.just(name), st.sampled_from(list(_SIGNS)),
                      st.sampled_from(_COLUMNS[name])),
            st.builds(_between, st.just(name), *[st.sampled_from(_COLUMNS[name])] * 2),
            st.builds(_within, st.just(name),
                      st.lists(st.sampled_from(_COLUMNS[name]), min_size=1, max_size=3)),
        )
    ),
    st.builds(_like, _TEXT_COLUMNS,
              st.lists(st.sampled_from(["%", "_", "a", "b", "ü", "'", "\n",
                                        '"', ".", "[", "A", "😀"]), max_size=5)),
    st.builds(_is_null, st.sampled_from(list(_COLUMNS))),
    st.builds(_has, st.sampled_from(_TEXTS[1:])),
    st.builds(_inner_not, st.builds(_like, _TEXT_COLUMNS,
              st.lists(st.sampled_from(["%", "_", "a", "b", "ü", "A"]), max_size=5))),
    st.builds(_inner_not, st.builds(_within, st.just("path"),
              st.lists(st.sampled_from(_COLUMNS["path"]), min_size=1, max_size=3))),
    st.builds(_inner_not, st.builds(_is_null, st.sampled_from(list(_COLUMNS)))),
)  # fmt: skip
_Condition = tuple[str, Test]


def _not(one: _Condition) -> _Condition:
    return f"NOT ({one[0]})", lambda photo: _opposite(one[1](photo))


def _and(one: _Condition, two: _Condition) -> _Condition:
    return f"({one[0]} AND {two[0]})", lambda photo: _both(one[1](photo), two[1](photo))


def _or(one: _Condition, two: _Condition) -> _Condition:
    def test(photo: PhotoRow) -> Unsure:
        return _opposite(_both(_opposite(one[1](photo)), _opposite(two[1](photo))))

    return f"({one[0]} OR {two[0]})", test


_CONDITIONS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(_not, inner), st.builds(_and, inner, inner), st.builds(_or, inner, inner)
    ),
    max_leaves=5,
)


@settings(max_examples=100)
@given(_CONDITIONS)
def test_the_same_photos_everywhere(stores: list[PhotoStore], condition: _Condition) -> None:
    text, holds = condition
    expected = sorted(photo.path for photo in _PHOTOS if holds(photo) is True)
    where = parse_where(text)
    for store in stores:
        found = [
            path for table in store.scan(["path"], where) for path in table["path"].to_pylist()
        ]
        assert sorted(found) == expected, where
        assert store.count(where) == len(expected)


@pytest.mark.parametrize("pattern", [r"%\\", r"\\%", r"%\%", r"a\_b", r"a\\b", r"%\b", "\\"])
def test_a_backslash_protects_what_is_wild(stores: list[PhotoStore], pattern: str) -> None:
    wild = {"%": ".*", r"\%": "%", r"\_": "_", r"\\": r"\\", "\\": r"\\"}
    pieces = re.findall(r"\\[%_\\]|.", pattern)
    regex = re.compile("".join(wild.get(piece, re.escape(piece)) for piece in pieces))
    labels = [photo.label for photo in _PHOTOS if photo.label is not None]
    expected = sum(regex.fullmatch(label) is not None for label in labels)
    assert expected > 0
    assert stores[0].count(parse_where(f"label LIKE '{pattern}'")) == expected
