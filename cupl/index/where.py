"""Conditions on photos, as a person writes them in SQL, in the words of each store.

Only comparisons of the columns below with texts and numbers, joined by AND, OR and NOT, are
conditions: each is taken apart (by sqlglot) and written anew, so that nothing else reaches a store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cupl.errors import InputError, MissingPackageError

TEXTS = ("path", "date", "label", "sha256")
NUMBERS = ("size", "width", "height", "latitude", "longitude", "probability")
_LISTS = ("tags",)
_HAS = "has"
_EXAMPLES = "date > '2024', width >= 1000, label = 'cat', has(tags, 'cat'), path LIKE '%holiday%'"
_COMPARISONS = {"EQ": "=", "NEQ": "!=", "GT": ">", "GTE": ">=", "LT": "<", "LTE": "<="}
_LONGEST = 10_000


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on photos.

    Attributes:
        lance: in the SQL that LanceDB reads.
        milvus: as an expression of Milvus.

    """

    lance: str
    milvus: str


def parse_where(text: str) -> Where:
    """A condition, from SQL such as ``date > '2024' AND has(tags, 'cat')``.

    Raises:
        InputError: it is none, or of a column that photos do not have.
        MissingPackageError: sqlglot is not installed.

    """
    try:
        import sqlglot
        import sqlglot.errors
    except ImportError as error:
        raise MissingPackageError(
            "conditions are read with sqlglot, which is not installed: pip install 'cupl[index]'"
        ) from error
    if len(text) > _LONGEST:
        raise InputError(f"the condition has {len(text):,} characters; {_LONGEST:,} are the most")
    try:
        trees = sqlglot.parse(f"SELECT 1 WHERE ({text}\n)")
        (tree,) = trees
        condition = tree.args["where"].this if tree is not None else None
    except (sqlglot.errors.SqlglotError, ValueError, KeyError, RecursionError) as error:
        raise _not_one(text) from error
    if condition is None or set(_present(tree)) - {"expressions", "where"}:
        raise _not_one(text)
    try:
        return Where(_Writer(_LANCE).write(condition), _Writer(_MILVUS).write(condition))
    except RecursionError as error:
        raise _not_one(text) from error
    except _UnknownError as error:
        raise _not_one(text, str(error)) from error


def where_in(column: str, values: Sequence[str]) -> Where:
    """That a column of texts is one of some values; of none, that nothing is."""
    texts = values or ["\x00"]
    return Where(
        f"{column} IN ({', '.join(map(_LANCE.text, texts))})",
        f"{column} in [{', '.join(map(_MILVUS.text, texts))}]",
    )


def both(first: Where | None, second: Where | None) -> Where | None:
    """That two conditions hold."""
    if first is None or second is None:
        return first or second
    return Where(f"({first.lance}) AND ({second.lance})", f"({first.milvus}) and ({second.milvus})")


class _UnknownError(Exception):
    """A part of a condition that photos cannot be asked for."""


def _not_one(text: str, why: str = "") -> InputError:
    return InputError(
        f"{text!r:.200} is no condition on photos{f' ({why})' if why else ''}; conditions look "
        f"like {_EXAMPLES}, joined by AND, OR and NOT",
        arguments={"where": ...},
    )


def _present(tree: Any) -> list[str]:
    return [name for name, value in tree.args.items() if value]


@dataclass(frozen=True)
class _Dialect:
    signs: Callable[[str], str]
    text: Callable[[str], str]
    has: str
    lists: tuple[str, str]
    words: Callable[[str], str]


_LANCE = _Dialect(
    signs=lambda sign: sign,
    text=lambda value: "'" + value.replace("'", "''") + "'",
    has="array_has",
    lists=("(", ")"),
    words=str.upper,
)
_MILVUS = _Dialect(
    signs=lambda sign: "==" if sign == "=" else sign,
    text=lambda value: json.dumps(value, ensure_ascii=False),
    has="array_contains",
    lists=("[", "]"),
    words=str.lower,
)


def _in_quotes(node: Any) -> bool:
    """Whether a value is a text in double quotes, which SQL would take for a column's name."""
    return bool(type(node).__name__ == "Column" and not node.table and node.this.quoted)


class _Writer:
    """Writes a condition in the words of a store; what it does not know is refused."""

    def __init__(self, dialect: _Dialect) -> None:
        self._dialect = dialect

    def write(self, node: Any) -> str:
        """A condition and all that it is made of."""
        kind, words = type(node).__name__, self._dialect.words
        match kind:
            case "Paren":
                return f"({self.write(node.this)})"
            case "And" | "Or":
                return f"({self.write(node.this)} {words(kind)} {self.write(node.expression)})"
            case "Not":
                return f"{words('not')} ({self.write(node.this)})"
        return self._test(kind, node)

    def _test(self, kind: str, node: Any) -> str:
        """A condition on one column."""
        words = self._dialect.words
        match kind:
            case "Between":
                low, high = node.args["low"], node.args["high"]
                column = self._compared(node.this, low, high)
                low, high = self._value(low), self._value(high)
                return f"({column} >= {low} {words('and')} {column} <= {high})"
            case "In" if node.expressions:
                begin, end = self._dialect.lists
                column = self._compared(node.this, *node.expressions)
                values = ", ".join(map(self._value, node.expressions))
                test = f"{words('in')} {begin}{values}{end}"
            case "Is" if type(node.expression).__name__ == "Null":
                column, test = self._column(node.this, TEXTS + NUMBERS), words("is null")
            case "Like":
                column = self._compared(node.this, node.expression, names=TEXTS)
                test = f"{words('like')} {self._value(node.expression)}"
            case "Anonymous":
                return self._has(node)
            case _ if sign := _COMPARISONS.get(kind):
                column = self._compared(node.this, node.expression)
                test = f"{self._dialect.signs(sign)} {self._value(node.expression)}"
            case _:
                raise _UnknownError(f"not understood: {node.sql()[:80]}")
        return f"{column} {test}"

    def _has(self, node: Any) -> str:
        if str(node.this).lower() != _HAS or len(node.expressions) != 2:
            raise _UnknownError(f"not understood: {node.sql()[:80]}")
        column, value = node.expressions
        if not self._is_text(value):
            raise _UnknownError("a tag is a text, in single quotes")
        return f"{self._dialect.has}({self._column(column, _LISTS)}, {self._value(value)})"

    def _compared(self, node: Any, *values: Any, names: Sequence[str] = TEXTS + NUMBERS) -> str:
        """The column, if the values are of its kind."""
        column = self._column(node, names)
        wants_text = column in TEXTS
        for value in values:
            if self._is_text(value) != wants_text:
                kind = "texts, in single quotes" if wants_text else "numbers"
                raise _UnknownError(f"{column} is compared with {kind}")
        return column

    @staticmethod
    def _column(node: Any, names: Sequence[str]) -> str:
        name = node.name.lower() if type(node).__name__ == "Column" else node.sql()[:80]
        if type(node).__name__ != "Column" or node.table or name not in names:
            raise _UnknownError(
                f"there is no column {name!r:.80} here; there are {', '.join(names)}"
            )
        return str(name)

    @staticmethod
    def _is_text(node: Any) -> bool:
        return bool(type(node).__name__ == "Literal" and node.is_string) or _in_quotes(node)

    def _value(self, node: Any) -> str:
        if type(node).__name__ == "Neg":
            return f"-{self._value(node.this)}"
        if _in_quotes(node):
            return self._dialect.text(str(node.name))
        if type(node).__name__ != "Literal":
            raise _UnknownError(f"{node.sql()[:80]} is no text and no number")
        if node.is_string:
            return self._dialect.text(str(node.this))
        try:
            float(node.this)
        except ValueError:
            raise _UnknownError(f"{node.this!s:.40} is no number") from None
        return str(node.this)
