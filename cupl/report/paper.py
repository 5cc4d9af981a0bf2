"""Tables for papers: Markdown, and LaTeX with booktabs."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cupl.io.terminal import printable

BETTER, WORSE = "*", "†"
"""Behind a figure: shown to be better or worse than that of the reference."""

_MARKDOWN = re.compile(r"[\\`*_{}\[\]#|~^$]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$",
    "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "†": r"$\dagger$",
    "±": r"$\pm$", "\N{MINUS SIGN}": "$-$", "–": "--", "“": "``", "”": "''",
    '"': r"\char`\"{}",
}  # fmt: skip
_LATEX_MARKS = {"": "", BETTER: "$^{*}$", WORSE: r"$^{\dagger}$"}


@dataclass(frozen=True, slots=True)
class PaperCell:
    """Text of a cell; ``bold`` where it is the best of its column and that is shown."""

    text: str
    bold: bool = False
    mark: str = ""


@dataclass(frozen=True)
class PaperTable:
    """A table.

    Attributes:
        head: titles of the columns.
        groups: rows, each with a cell for every column, between which a line is drawn.
        notes: sentences that explain it.

    """

    head: Sequence[str]
    groups: Sequence[Sequence[Sequence[PaperCell]]]
    notes: Sequence[str]


def to_markdown(table: PaperTable) -> bytes:
    """The table in the Markdown of GitHub, the notes below."""
    lines = [
        _row(map(_in_markdown, table.head)),
        _row(["---", *["---:"] * (len(table.head) - 1)]),
        *(_row(map(_markdown_cell, row)) for group in table.groups for row in group),
    ]
    notes = [line for note in table.notes for line in ("", _in_markdown(note))]
    return _encoded([*lines, *notes])


def _row(cells: Collection[str] | map[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_cell(cell: PaperCell) -> str:
    text = _in_markdown(cell.text)
    return (f"**{text}**" if cell.bold else text) + _in_markdown(cell.mark)


def _in_markdown(text: str) -> str:
    escaped = _MARKDOWN.sub(r"\\\g<0>", _one_line(text))
    return re.sub("[&<>]", lambda sign: _ENTITIES[sign[0]], escaped)


def to_latex(table: PaperTable) -> bytes:
    r"""A ``tabular`` that needs ``\usepackage{booktabs}``, the notes as its last rows."""
    width = len(table.head)
    lines = [
        r"% \usepackage{booktabs}",
        rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}",
        r"\toprule",
        _latex_row(map(_in_latex, table.head)),
    ]
    for group in table.groups:
        lines += [r"\midrule", *(_latex_row(map(_latex_cell, row)) for row in group)]
    lines.append(r"\bottomrule")
    for note in table.notes:
        wide = rf"\multicolumn{{{width}}}{{p{{0.9\linewidth}}}}"
        lines.append(rf"{wide}{{\footnotesize {_in_latex(note)}}} \\")
    return _encoded([*lines, r"\end{tabular}"])


def _latex_row(cells: map[str]) -> str:
    # After a line break LaTeX takes what begins with [ or * for an argument of it.
    return f"{{}}{' & '.join(cells)} \\\\"


def _latex_cell(cell: PaperCell) -> str:
    text = _in_latex(cell.text)
    return (rf"\textbf{{{text}}}" if cell.bold else text) + _LATEX_MARKS[cell.mark]


def _in_latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in _one_line(text))


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _encoded(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")
