"""A report's files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from cupl.classification.prediction import Prediction
from cupl.evaluation.made_by import MadeBy
from cupl.evaluation.schema import Evaluation
from cupl.io.atomic import make_folder, write_atomically
from cupl.report.examples import Example
from cupl.report.figures.accuracy import accuracy_figure
from cupl.report.figures.calibration import calibration_figure
from cupl.report.figures.confusions import confusion_figure
from cupl.report.figures.drawing import DARK, LIGHT, Drawing
from cupl.report.figures.prompts import prompts_figure
from cupl.report.page import Figure, report_page
from cupl.report.photo_page import PhotoPage
from cupl.report.photos import data_uri
from cupl.report.sheets import classes_sheet, comparisons_sheet, summary_sheet

MOST_MATRICES = 4
"""Banks that get a confusion matrix."""
FIGURES = (
    "accuracy", "prompts", "reliability",
    *(f"confusions-{number}" for number in range(1, MOST_MATRICES + 1)),
)  # fmt: skip
"""Names of all figures that a report can have."""


def write_report(
    evaluation: Evaluation, examples: Sequence[Example], directory: Path
) -> list[Path]:
    """Write ``report.html``, its figures as SVG and PNG, and the numbers as JSON and CSV.

    Args:
        evaluation: its figures.
        examples: images for the gallery, of which the first 200 are shown; one that cannot be
            read any more leaves its place empty.
        directory: made where it is missing; other files in it stay.

    Returns:
        The files, ``report.html`` first.

    Raises:
        InputError: a file cannot be written.

    """
    shown: dict[str, Figure] = {}
    drawn: dict[str, bytes] = {}
    for drawing in _drawings(evaluation):
        forms = (False, True) if drawing.has_narrow else (False,)
        svgs = [
            drawing.render("svg", theme, narrow=narrow)
            for narrow in forms
            for theme in (LIGHT, DARK)
        ]
        shown[drawing.name] = Figure(drawing.alt, *(data_uri("image/svg+xml", svg) for svg in svgs))
        drawn[f"figures/{drawing.name}.svg"] = svgs[0]
        drawn[f"figures/{drawing.name}.png"] = drawing.render("png")
    files = {
        "report.html": report_page(evaluation, examples, shown),
        **drawn,
        "evaluation.json": _json(evaluation),
        "summary.csv": summary_sheet(evaluation),
        "classes.csv": classes_sheet(evaluation),
        "comparisons.csv": comparisons_sheet(evaluation),
    }
    paths = [Path(directory) / name for name in files]
    for path, data in zip(paths, files.values(), strict=True):
        make_folder(path.parent)
        write_atomically(path, data)
    return paths


def _drawings(evaluation: Evaluation) -> list[Drawing]:
    drawn = [
        accuracy_figure(evaluation),
        prompts_figure(evaluation),
        calibration_figure(evaluation),
        *(
            confusion_figure(bank, f"confusions-{number}")
            for number, bank in enumerate(evaluation.banks[:MOST_MATRICES], 1)
        ),
    ]
    return [drawing for drawing in drawn if drawing is not None]


def _json(evaluation: Evaluation) -> bytes:
    # Not model_dump_json, which refuses file names that are not valid text.
    text = json.dumps(evaluation.model_dump(), indent=1, ensure_ascii=False)
    return (text + "\n").encode("utf-8", "backslashreplace")


def write_predictions_page(
    path: Path,
    predictions: Iterable[Prediction],
    total: int | None = None,
    made_by: MadeBy | None = None,
) -> None:
    """Write one page with each photo beside its probability bars.

    Args:
        path: the file.
        predictions: in the order of the page; the first 5,000 are shown, and the page says how many
            are not.
        total: how many there are, where not all of them are given.
        made_by: what made them.

    Raises:
        InputError: the file cannot be written.
        MissingFileError: its folder does not exist.

    """
    page = PhotoPage()
    for prediction in predictions:
        page.add(prediction)
    page.save(Path(path), total, made_by)
