"""The overview of several evaluations on disk, and what an earlier one has left."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from cupl.evaluation.grid import EvaluationGrid, GridCell
from cupl.evaluation.made_by import MadeBy
from cupl.io.atomic import make_folder, staging, write_atomically
from cupl.report.grid_page import grid_page
from cupl.report.old_reports import GRID_FORMAT, keep_others, set_aside
from cupl.report.paper import to_latex, to_markdown
from cupl.report.paper_tables import grid_table
from cupl.report.sheets import records_sheet


def write_grid(grid: EvaluationGrid, directory: Path) -> None:
    """Write an overview of all cells; their reports are in ``ENCODER/DATA``.

    Args:
        grid: what was found out.
        directory: made where it is missing.

    Raises:
        InputError: a file cannot be written.

    """
    table = grid_table(grid)
    files = {
        "summary.json": _json(grid),
        "summary.csv": records_sheet(grid.to_records()),
        "means.csv": records_sheet(grid.means_to_records()) if grid.means else None,
        "summary.md": to_markdown(table),
        "summary.tex": to_latex(table),
        "report.html": grid_page(grid, made_by_all(grid)),
    }
    make_folder(directory)
    keep_others(directory, [name for name, data in files.items() if data is not None])
    for name, data in files.items():
        if data is not None:
            write_atomically(directory / name, data)


def made_by_all(grid: EvaluationGrid) -> MadeBy | None:
    """What made the cells, together."""
    made = [cell.evaluation.made_by for cell in grid.cells]
    some = [one for one in made if one is not None]
    if not some:
        return None
    together = {
        name: tuple(dict.fromkeys(fact for one in some for fact in getattr(one, name)))
        for name in ("encoders", "banks", "data")
    }
    # A candidate has a bank for each data set.
    settings = {
        key: text
        if all(one.settings.get(key) == text for one in some)
        else "; ".join(
            dict.fromkeys(
                f"{cell.data}: {cell.evaluation.made_by.settings.get(key, 'none')}"
                for cell in grid.cells
                if cell.evaluation.made_by is not None
            )
        )
        for key, text in some[0].settings.items()
    }
    return some[-1].model_copy(update={**together, "settings": settings})


def _json(grid: EvaluationGrid) -> bytes:
    made_by = made_by_all(grid)
    content = {
        "format": GRID_FORMAT,
        "made_by": None if made_by is None else made_by.model_dump(),
        "cells": [_cell(cell) for cell in grid.cells],
        "means": grid.means_to_records(),
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return (text + "\n").encode("utf-8", "backslashreplace")


def _cell(cell: GridCell) -> dict[str, Any]:
    found = cell.evaluation
    figures = {"name", "kind", "top1", "per_class", "comparison", "comparisons", "spread"}
    return {
        "encoder": cell.encoder,
        "data": cell.data,
        "folder": cell.folder,
        "images": found.images,
        "unreadable": len(found.unreadable),
        "classes": found.classes,
        "reference": found.reference,
        "candidates": [one.model_dump(include=figures) for one in found.candidates],
    }


def clear_grid(directory: Path) -> None:
    """Take away what an earlier run has left in a directory: its overview and its reports."""
    if os.path.isdir(directory):  # noqa: PTH112
        with staging(directory / "report.html") as folder:
            set_aside(directory, folder / "old")
