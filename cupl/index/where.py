"""Conditions on photos, as a person writes them in SQL, in the words of each store.

Only comparisons of the columns below with texts and numbers, joined by AND, OR and NOT, are
conditions: each is taken apart (by sqlglot) and written anew, so that nothing else reaches a store.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from cupl.errors import InputError, MissingPackageError

TEXTS = ("path", "date", "label", "sha256")
_WHOLE = ("size", "width", "height")
NUMBERS = (*_WHOLE, "latitude", "longitude", "probability")
_SINGLE = "probability"
"""A column of float32: what it is compared with is rounded to one, so that equal is equal."""
_LISTS = ("tags",)
_HAS = "has"
_EXAMPLES = "date > '2024', width >= 1000, label = 'cat', has(tags, 'cat'), path LIKE '%holiday%'"
_PARTS = frozenset({"this", "expression", "expressions", "low", "high"})
"""Of a condition; whatever else a version of the parser puts into one may turn it around."""
_COMPARISONS = {"EQ": "=", "NEQ": "!=", "GT": ">", "GTE": ">=", "LT": "<", "LTE": "<="}
_OPPOSITES = {"EQ": "NEQ", "NEQ": "EQ", "GT": "LTE", "GTE": "LT", "LT": "GTE", "LTE": "GT"}
_LONGEST = 10_000
_DATE = re.compile(
    r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])( ([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d)?)?)?)?)?",
    re.ASCII,
)
"""The beginning of a date as rows have it, since texts are compared from their beginning on."""
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


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
    if not isinstance(text, str):
        raise InputError(
            f"a condition is a text such as \"date > '2024'\", not {text!r:.80}",
            arguments={"where": ...},
        )
    try:
        import sqlglot
        import sqlglot.errors
    except ImportError as error:
        raise MissingPackageError(
            "conditions are read with sqlglot, which is not installed: pip install 'cupl[index]'"
        ) from error
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _not_one(ascii(text), "it holds bytes that are no text") from error
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
    text=lambda value: f'"{value.translate(_ESCAPES)}"',
    has="array_contains",
    lists=("[", "]"),
    words=str.lower,
)


def _in_quotes(node: Any) -> bool:
    """Whether a value is a text in double quotes, which SQL would take for a column's name."""
    return bool(type(node).__name__ == "Column" and not node.table and node.this.quoted)


class _Writer:
    """Writes a condition in the words of a store; what it does not know is refused.

    A NOT is written into what it is about (``NOT (a > 1 OR b = 2)`` as ``a <= 1 AND b != 2``),
    because stores disagree on whether NOT of what is unknown holds: in SQL it does not.
    """

    def __init__(self, dialect: _Dialect) -> None:
        self._dialect = dialect

    def write(self, node: Any, negated: bool = False) -> str:
        """A condition and all that it is made of, or its opposite."""
        kind = type(node).__name__
        match kind:
            case "Paren":
                return self.write(node.this, negated)
            case "And" | "Or":
                word = self._dialect.words("or" if (kind == "Or") != negated else "and")
                sides = (self.write(side, negated) for side in (node.this, node.expression))
                return f"({f' {word} '.join(sides)})"
            case "Not":
                return self.write(node.this, not negated)
        return self._test(kind, node, negated)

    def _test(self, kind: str, node: Any, negated: bool) -> str:
        """A condition on one column."""
        words = self._dialect.words
        more = {part for part, value in node.args.items() if value} - _PARTS
        if "negate" in more:  # as later versions of sqlglot read NOT LIKE
            more.remove("negate")
            negated = not negated
        if more:
            raise _UnknownError(f"not understood: {node.sql()[:80]}")
        match kind:
            case "Between":
                return self._between(node, negated)
            case "In" if node.expressions:
                begin, end = self._dialect.lists
                column = self._compared(node.this, *node.expressions)
                values = ", ".join(self._value(value, column) for value in node.expressions)
                test = f"{words('not in' if negated else 'in')} {begin}{values}{end}"
                test = self._known(column, f"{column} {test}", negated)
            case "Is" if type(node.expression).__name__ == "Null":
                column = self._column(node.this, TEXTS + NUMBERS)
                test = f"{column} {words('is not null' if negated else 'is null')}"
            case "Like":
                column = self._compared(node.this, node.expression, names=TEXTS)
                pattern = self._dialect.text(_pattern(str(node.expression.name)))
                test = f"{column} {words('like')} {pattern}"
                test = self._known(column, f"{words('not')} ({test})" if negated else test, negated)
            case "Anonymous":
                test = f"{words('not')} {self._has(node)}" if negated else self._has(node)
            case _ if kind in _COMPARISONS:
                sign = self._dialect.signs(_COMPARISONS[_OPPOSITES[kind] if negated else kind])
                column = self._compared(node.this, node.expression)
                test = f"{column} {sign} {self._value(node.expression, column)}"
            case _:
                raise _UnknownError(f"not understood: {node.sql()[:80]}")
        return test

    def _between(self, node: Any, negated: bool) -> str:
        low, high = node.args["low"], node.args["high"]
        column = self._compared(node.this, low, high)
        low, high = self._value(low, column), self._value(high, column)
        if negated:
            return f"({column} < {low} {self._dialect.words('or')} {column} > {high})"
        return f"({column} >= {low} {self._dialect.words('and')} {column} <= {high})"

    def _known(self, column: str, test: str, negated: bool) -> str:
        """A test that does not hold where nothing is known, also if it is a NOT."""
        words = self._dialect.words
        return f"({test} {words('and')} {column} {words('is not null')})" if negated else test

    def _has(self, node: Any) -> str:
        if str(node.this).lower() != _HAS or len(node.expressions) != 2:
            raise _UnknownError(f"not understood: {node.sql()[:80]}")
        column, value = node.expressions
        if not self._is_text(value):
            raise _UnknownError("a tag is a text, in single quotes")
        return f"{self._dialect.has}({self._column(column, _LISTS)}, {self._value(value, column)})"

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
            also = "" if names == _LISTS else f" and {_HAS}({_LISTS[0]}, 'x')"
            raise _UnknownError(
                f"there is no column {name!r:.80} here; there are {', '.join(names)}{also}"
            )
        return str(name)

    @staticmethod
    def _is_text(node: Any) -> bool:
        return bool(type(node).__name__ == "Literal" and node.is_string) or _in_quotes(node)

    def _value(self, node: Any, column: str) -> str:
        if self._is_text(node):
            if column == "date" and not _DATE.fullmatch(str(node.name)):
                raise _UnknownError(
                    f"{str(node.name)!r:.40} is no date as photos have it: dates look like "
                    "2023-07-14, or the beginning of 2023-07-14 16:05:00"
                )
            return self._dialect.text(str(node.name))
        negative = type(node).__name__ == "Neg"
        literal = node.this if negative else node
        if type(literal).__name__ != "Literal":
            raise _UnknownError(f"{node.sql()[:80]} is no text and no number")
        return _number(str(literal.this), column, -1 if negative else 1)


def _number(text: str, column: str, sign: int) -> str:
    try:
        number = Decimal(text) * sign
        value = float(number)
        if column == _SINGLE:
            (value,) = struct.unpack("f", struct.pack("f", value))
    except (InvalidOperation, OverflowError):
        raise _UnknownError(f"{text:.40} is no number that a photo can have") from None
    if column not in _WHOLE:
        if not math.isfinite(value):
            raise _UnknownError(f"{text:.40} is no number that a photo can have")
        return repr(value)
    if not abs(number) < 2**63 or number % 1:
        raise _UnknownError(f"{column} is compared with whole numbers below 2**63")
    return str(int(number))


def _pattern(text: str) -> str:
    r"""A pattern of LIKE in which each backslash stands before what it protects: %, _ or \."""
    return re.sub(r"\\([%_\\])|\\", lambda found: found[0] if found[1] else r"\\", text)
