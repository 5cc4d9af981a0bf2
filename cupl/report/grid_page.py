"""The page over several encoders and data sets, with a link to each report."""

from __future__ import annotations

from urllib.parse import quote

from cupl.evaluation.grid import EvaluationGrid
from cupl.evaluation.made_by import MadeBy
from cupl.evaluation.verdict import explain_asked, verdicts
from cupl.report.page import page_template


def grid_page(grid: EvaluationGrid, made_by: MadeBy | None = None) -> bytes:
    """The page.

    Args:
        grid: its figures.
        made_by: what made them, to be told at the end.

    """
    links = [
        (cell, f"{quote(cell.folder)}/report.html" if cell.folder is not None else None)
        for cell in grid.cells
    ]
    said = [
        (cell, [*verdicts(cell.evaluation), *explain_asked(cell.evaluation)]) for cell in grid.cells
    ]
    return page_template("grid.html.j2", "page.js").render(
        grid=grid, links=links, said=said, with_means=bool(grid.means), made_by=made_by
    )
