import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.io.tables import Column, TableCell, draw_table
from cupl.io.terminal import cell_length, folded, middle

COLUMNS = [
    Column("image", "path"),
    Column("label"),
    Column("probability", "number"),
    Column("score", "number", rank=1),
    Column("then", rank=2),
]
WIDTHS = [60, 80, 120]
NAMES = ["great white shark", "a", "Trockenblumen-Gesteck", "猫の手も借りたい", "كلب البحر الأبيض"]
PATHS = [f"/home/someone/photos/of {name}/IMG_20260101_120000_{name}.jpg" for name in NAMES]
ROWS: list[list[TableCell] | None] = [
    [path, name, "93.1%", "0.281", ", ".join(f"{other} 4.0%" for other in NAMES)]
    for path, name in zip(PATHS, NAMES, strict=True)
]


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal_and_no_number_is_broken(width: int) -> None:
    text = plain(draw_table(COLUMNS, ROWS, width))
    assert max(map(cell_length, text.splitlines())) <= width
    assert text.count("93.1%") == len(ROWS)
    assert "(paths in /home/someone/photos)" in text
    for word in ("great", "white", "shark", "probability", "Trockenblumen-Gesteck"):
        assert word in text.replace("…", " ").split() or word in text.split()
    assert ("0.281" in text) or "too narrow for: score, then" in text


def test_elsewhere_a_row_is_a_line_and_nothing_is_left_out() -> None:
    lines = draw_table(COLUMNS, ROWS).splitlines()
    assert len(lines) == 2 + len(ROWS)
    for line, row in zip(lines[2:], ROWS, strict=True):
        assert all(str(cell) in line for cell in row or ())


def test_what_fits_is_left_as_it_is() -> None:
    rows = [["photos/a.jpg", "cat", "1%"], ["photos/b.jpg", "dog", "2%"]]
    columns = [Column("image", "path"), Column("label"), Column("probability", "number")]
    assert plain(draw_table(columns, rows, 80)) == draw_table(columns, rows)
    assert "paths in" not in draw_table(columns, rows, 80)


def test_what_matters_least_goes_first_and_is_named() -> None:
    columns = [Column("a", "number"), Column("b", "number", rank=1), Column("c", "number", rank=2)]
    rows = [["1" * 10, "2" * 10, "3" * 10]]
    assert "too narrow for: c)" in draw_table(columns, rows, 30)
    assert "too narrow for: b, c)" in draw_table(columns, rows, 15)
    # What has to be shown is whole on any terminal, too narrow as it may be.
    assert "1" * 10 in draw_table(columns, rows, 5)


def test_a_label_that_just_fits_is_not_folded_for_a_list() -> None:
    columns = [Column("image", "path"), Column("label"), Column("probability", "number"),
               Column("score", "number", rank=1), Column("then", "list", rank=2)]  # fmt: skip
    rows = [
        [f"{folder}/image_0001.jpg", label, "60.2%", "0.441", f"{other}, street 5.0%"]
        for folder, label, other in [
            ("Industrial", "tall building", "living_room 19.8%"),
            ("InsideCity", "living_room", "tall building 22.9%"),
        ]
    ]
    text = plain(draw_table(columns, rows, 80))
    assert "tall building  " in text
    assert len(text.splitlines()) == 4 + ("(paths" in text)
    assert max(map(cell_length, text.splitlines())) <= 80


def test_several_lines_of_a_cell_a_gap_and_marked_rows() -> None:
    columns = [Column("name"), Column("top-1", "number")]
    text = draw_table(columns, [["x", ("74.2", "71.2–77.2")], None, ["y", ""]])
    assert text.splitlines()[2:4] == ["x          74.2", "      71.2–77.2"]
    assert text.splitlines()[4] == ""
    assert "\x1b" not in draw_table(columns, [["x", "1"]], None, {0})


def test_nothing_can_repaint_the_terminal() -> None:
    rows: list[list[TableCell]] = [["\x1b[31m\n[red]", ("1\n2", "\x9b")]]
    for width in (None, 80):
        text = plain(draw_table([Column("\x07"), Column("b", "number")], rows, width))
        assert all(char.isprintable() for char in text.replace("\n", ""))
        assert "\\x1b[31m\\n[red]" in text
    assert draw_table([Column("a")], []).split() == ["a", "─"]


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Zs"]), max_size=60)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=5), st.integers(40, 130))
def test_any_texts_fit(texts: list[tuple[str, str, str]], width: int) -> None:
    columns = [Column("image", "path"), Column("label"), Column("n", "number"), Column("x", rank=1)]
    rows = [[path, label, "12.5%", other] for path, label, other in texts]
    text = plain(draw_table(columns, rows, width))
    table = [line for line in text.splitlines() if not line.startswith("(")]
    assert max(map(cell_length, table)) <= width
    assert text.count("12.5%") >= len(rows)


@given(st.text(max_size=80), st.integers(1, 40))
def test_a_middle_is_left_out_once(text: str, width: int) -> None:
    short = middle(text, width)
    assert cell_length(short) <= max(width, 1)
    if short != text:
        head, _, tail = short.partition("…")
        assert text.startswith(head)
        assert text.endswith(short[len(head) + 1 :]) or tail == ""


def test_lines_are_folded_between_words() -> None:
    long = "  no word of this is broken, not /even/a/path/that/is/longer/than/a/line.jpg, at 20"
    lines = folded(f"{long}\n\nnext", 20).split("\n")
    assert lines[-2:] == ["", "next"]
    assert " ".join(line.strip() for line in lines[:-2]) == long.strip()
    assert all(line.startswith("  ") for line in lines[:-2])
    assert folded(long, None) == long
