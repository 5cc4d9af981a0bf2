"""Which files are a report's, and taking those of an earlier run away."""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from cupl.errors import CuplError
from cupl.io.atomic import keep_old, make_folder
from cupl.io.file_kinds import EVALUATION, FIGURE_TABLE, JUDGED, REPORT_PAGE, kind_of_file
from cupl.io.json import read_json
from cupl.io.outputs import check_other_folder, check_outside, check_target
from cupl.report.file_names import file_names

REPORT_FILES = (
    "report.html",
    "evaluation.json",
    "summary.csv",
    "classes.csv",
    "comparisons.csv",
    "predictions.csv",
    "summary.md",
    "summary.tex",
)
"""Of one evaluation, beside the figures and the files of each candidate."""
_KINDS = {
    "report.html": REPORT_PAGE,
    "evaluation.json": EVALUATION,
    "summary.csv": FIGURE_TABLE,
    "classes.csv": FIGURE_TABLE,
    "comparisons.csv": FIGURE_TABLE,
    "predictions.csv": JUDGED,
    "means.csv": FIGURE_TABLE,
}
"""Files that say themselves that they are ours."""
GRID_FORMAT = "cupl-evaluation-grid/1"
_FOLDER = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def report_files(directory: Path) -> list[Path]:
    """The files of a report that lie in a directory, the page first; figures are left out."""
    names = dict.fromkeys((*_KINDS, *_ours(directory)))
    return [directory / name for name in names if os.path.lexists(directory / name)]


def check_report_place(
    directory: Path, data: Sequence[str | Path], inputs: Sequence[str | Path | None]
) -> None:
    """Refuse to write a report over or into what it is made of.

    Args:
        directory: where the report is to be.
        data: the folders and files of labelled images.
        inputs: all files that are read.

    Raises:
        InputError: it is the folder of the images, or in that, or one of its files is read.

    """
    check_other_folder(directory, *data)
    for path in dict.fromkeys([*report_files(directory), *(directory / n for n in REPORT_FILES)]):
        if os.path.lexists(path):
            check_target(path, *inputs)
    for one in data:
        check_outside(directory, one)


def candidate_files(names: Sequence[str]) -> list[tuple[str, str]]:
    """Names of the confusion matrix and of the scores of each candidate."""
    return [(f"confusion-{name}.csv", f"scores-{name}.npy") for name in file_names(names)]


def _ours(directory: Path) -> list[str]:
    """What reports in a directory have written, of what does not say itself that it is ours."""
    names = list[str]()
    with contextlib.suppress(CuplError, KeyError, TypeError):  # none, or of somebody else
        content: Any = read_json(directory / "evaluation.json")
        candidates = [str(one["name"]) for one in content["contenders"]]
        names += ["summary.md", "summary.tex", *chain.from_iterable(candidate_files(candidates))]
    if _overview(directory):
        names += ["summary.md", "summary.tex", "summary.json"]
    return names


def keep_others(directory: Path, names: Sequence[str]) -> None:
    """Set aside what has the name of a file of ours and is none, as predictions of classify.

    Args:
        directory: where the report is to be.
        names: of its files.

    """
    ours = _ours(directory)
    for name in names:
        path = Path(os.path.realpath(directory / name))
        if name in ours or "/" in name or not (path.is_file() and path.stat().st_size):
            continue
        if name not in _KINDS or kind_of_file(path) != _KINDS[name]:
            warnings.warn(
                f"{path} held something else: kept as {keep_old(path, b'')}", stacklevel=3
            )


def set_aside(directory: Path, aside: Path) -> None:
    """Take an older report away, its page first: it is never seen mixed with a new one.

    Of several evaluations their reports go, too. All other files stay.

    Args:
        directory: where the report is.
        aside: a folder for what is taken away.

    """
    folders = [directory / name for name in _earlier_folders(directory)]
    page, *rest = report_files(directory) or [directory / "report.html"]
    old = [page, *(path for folder in folders for path in _all_files(folder))]
    old += [*rest, *_figures(directory)]
    make_folder(aside)
    for number, path in enumerate(old):
        if (real := Path(os.path.realpath(path))).is_file():
            real.replace(aside / str(number))
    for folder in folders:
        for empty in (folder / "figures", folder, folder.parent):
            with contextlib.suppress(OSError):  # something of somebody else is in it
                empty.rmdir()


def _all_files(directory: Path) -> Iterator[Path]:
    yield from report_files(directory)
    yield from _figures(directory)


def _figures(directory: Path) -> list[Path]:
    from cupl.report.files import FIGURES

    folder = directory / "figures"
    return [folder / f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")]


def _earlier_folders(directory: Path) -> list[str]:
    """Of the reports that the overview in a directory names."""
    names = [cell.get("folder") for cell in _overview(directory) if isinstance(cell, dict)]
    return [name for name in names if isinstance(name, str) and _FOLDER.fullmatch(name)]


def _overview(directory: Path) -> list[Any]:
    """The cells of an overview; none where there is none of ours."""
    try:
        content: Any = read_json(directory / "summary.json")
        return list(content["cells"]) if content["format"] == GRID_FORMAT else []
    except (CuplError, KeyError, TypeError):
        return []
