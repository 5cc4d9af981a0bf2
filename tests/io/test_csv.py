import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.errors import InputError, MissingFileError
from cupl.io.csv import Cell, csv_lines, read_rows


def rows_of(file: Path) -> list[tuple[str, dict[str, str | None]]]:
    return list(read_rows(file, lambda columns: "a" in columns, "must name a"))


def test_rows_by_the_names_of_their_columns(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text('\ufeff A ,B\n1,"2\n3"\n4,5\n', "utf-8")
    assert rows_of(file) == [
        (f"{file}: line 3", {"a": "1", "b": "2\n3"}),
        (f"{file}: line 4", {"a": "4", "b": "5"}),
    ]


@pytest.mark.parametrize("sign", [";", "\t"])
def test_what_separates_columns_where_a_comma_stands_in_numbers(tmp_path: Path, sign: str) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f'\ufeffA{sign}B\r\n"x{sign}y"{sign}0,5\r\n', "utf-8")
    assert rows_of(file) == [(f"{file}: line 2", {"a": f"x{sign}y", "b": "0,5"})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: must name a"),
        ("b,c\n", "line 1: must name a"),
        ("b;c\n", "line 1: must name a"),
        ("a;b,\n", "line 1: must name a"),
        ('a,b\n1,"2\n', "line 1: not valid CSV"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "x.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        rows_of(file)
    with pytest.raises(MissingFileError):
        rows_of(tmp_path / "no.csv")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ('=HYPERLINK("x")', '\'=HYPERLINK("x")'),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("-- dashed", "'-- dashed"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\nx", "'\nx"),
        ("＝1+1", "'＝1+1"),
        ("-1+1", "'-1+1"),
        ("+1_0", "'+1_0"),
        ("-inf", "'-inf"),
        ("-5", "-5"),
        ("-0.25", "-0.25"),
        ("+1e-05", "+1e-05"),
        ("'=1", "''=1"),
        ("'-5", "''-5"),
        ("'tis", "'tis"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text: str, cell: str, tmp_path: Path) -> None:
    [header, row] = csv_lines([["a", "b"], [text, "x"]])
    assert next(csv.reader(io.StringIO(row, newline=""))) == [cell, "x"]
    (tmp_path / "x.csv").write_bytes((header + row).encode())
    [(_, read)] = rows_of(tmp_path / "x.csv")
    assert read == {"a": text, "b": "x"}


cells = st.text() | st.from_regex(r"\A'*[=+\-@\t\r\n＝]?'*[0-9.e,\"]*\Z")


@given(st.lists(st.tuples(cells, cells)), st.sampled_from(["\n", "\r\n"]))
def test_every_text_is_read_back_as_it_was(rows: list[tuple[str, str]], end: str) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "x.csv")
        file.write_bytes("".join(csv_lines([("a", "b"), *rows], end)).encode())
        assert [row for _, row in rows_of(file)] == [{"a": a, "b": b} for a, b in rows]


@given(cells)
def test_what_is_written_is_a_number_or_begins_with_no_sign_of_a_formula(text: str) -> None:
    [line] = csv_lines([[text, ""]])
    [cell, _] = next(csv.reader(io.StringIO(line, newline="")))
    if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")):
        float(cell)


def test_numbers_and_nothing_are_written_plainly() -> None:
    rows: list[list[Cell]] = [["a", 1, -2.5, None], ['"', "x,y", "z\n", "\r"]]
    assert list(csv_lines(rows)) == ["a,1,-2.5,\n", '"""","x,y","z\n","\'\r"\n']
    assert list(csv_lines(rows[:1], "\r\n")) == ["a,1,-2.5,\r\n"]
