from pathlib import Path

import pytest

from cupl.errors import InputError, MissingFileError
from cupl.io.csv import read_rows


def rows_of(file: Path) -> list[tuple[str, dict[str, str | None]]]:
    return list(read_rows(file, lambda columns: "a" in columns, "must name a"))


def test_rows_by_the_names_of_their_columns(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text('\ufeff A ,B\n1,"2\n3"\n4,5\n', "utf-8")
    assert rows_of(file) == [
        (f"{file}: line 3", {"a": "1", "b": "2\n3"}),
        (f"{file}: line 4", {"a": "4", "b": "5"}),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: must name a"),
        ("b,c\n", "line 1: must name a"),
        ("a;b\n", "line 1: the columns are separated by ';'; use commas"),
        ("a\tb\n", r"line 1: the columns are separated by '\\t'; use commas"),
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
