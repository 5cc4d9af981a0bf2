"""Self-contained HTML pages: they ask nothing of any network, and run nothing from others."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from cupl.classification.prediction import Prediction
from cupl.evaluation.made_by import MadeBy
from cupl.evaluation.numbers import chance, percent, points, short
from cupl.evaluation.schema import CalibrationBin, ClassAccuracy, Evaluation
from cupl.evaluation.verdict import explain_uncalibrated, pair_verdicts, verdicts
from cupl.io.terminal import printable
from cupl.report.cards import card
from cupl.report.examples import Example
from cupl.report.reliability import FEWEST_IN_BIN, calibrated_candidates, merged_bins

MOST_IMAGES = 200
"""Images on one page; each takes some 20 KB of it."""
_LONGEST_TEXT = 500
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as the page shows it: its data URI for either background, wide and narrow."""

    alt: str
    light: Markup
    dark: Markup
    narrow_light: Markup | None = None
    narrow_dark: Markup | None = None


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class, and its accuracy with each candidate that has it."""

    name: str
    id: str | None
    images: int
    accuracies: tuple[float | None, ...]


def report_page(
    evaluation: Evaluation, examples: Sequence[Example] = (), figures: Mapping[str, Figure] = {}
) -> bytes:
    """The page of an evaluation.

    Args:
        evaluation: its figures.
        examples: images for the gallery, of which ``MOST_IMAGES`` are shown; they are read here.
        figures: by the name of their drawing; the others are left out.

    """
    cards = [
        card(number, one.prediction, one.truth, one.name)
        for number, one in enumerate(examples[:MOST_IMAGES], 1)
    ]
    return render_page(
        "report.html.j2",
        title=", ".join(short(bank.name, 60) for bank in evaluation.banks if bank.plain is None)
        or "no bank",
        evaluation=evaluation,
        banks=evaluation.banks,
        verdicts=verdicts(evaluation),
        pair_verdicts=pair_verdicts(evaluation),
        with_top5=any(one.top5 for one in evaluation.candidates),
        compared=[(bank.name, one) for bank in evaluation.banks for one in bank.against],
        figures=figures,
        uncalibrated=explain_uncalibrated(evaluation),
        class_rows=_class_rows(evaluation),
        wrong=[one for one in cards if one.bars and not one.correct],
        correct=[one for one in cards if one.correct],
        unread=[one for one in cards if not one.bars],
        left_out=len(examples) - len(cards),
        explained=any(one.sides for one in cards),
        fewest=FEWEST_IN_BIN,
        points=list(_points(evaluation)),
    )


def _points(evaluation: Evaluation) -> Iterator[tuple[str, str, CalibrationBin]]:
    """Those of the reliability diagrams: name, before or after the fit, and what stands there."""
    for one in calibrated_candidates(evaluation):
        if one.calibration is not None:
            for bin in merged_bins(one.calibration.bins_before):
                yield one.name, "not fitted", bin
            for bin in merged_bins(one.calibration.bins_after):
                yield one.name, "fitted", bin


def _class_rows(evaluation: Evaluation) -> list[ClassRow]:
    """One for each class that has images, in the order of the first candidate that has it."""
    first: dict[tuple[str, str | None], ClassAccuracy] = {}
    columns: list[dict[tuple[str, str | None], float]] = []
    for candidate in evaluation.candidates:
        for one in candidate.classes:
            first.setdefault((one.name, one.id), one)
        columns.append({(one.name, one.id): one.accuracy for one in candidate.classes})
    return [
        ClassRow(one.name, one.id, one.images, tuple(column.get(key) for column in columns))
        for key, one in first.items()
    ]


def predictions_page(
    predictions: Sequence[Prediction], total: int | None = None, made_by: MadeBy | None = None
) -> bytes:
    """A page with each photo beside its probability bars.

    Args:
        predictions: in the order of the page; ``MOST_IMAGES`` are shown, and the page says how
            many are not.
        total: how many there are, where not all of them are given.
        made_by: what made them, to be told at the end.

    """
    cards = [card(*numbered) for numbered in enumerate(predictions[:MOST_IMAGES], 1)]
    total = len(predictions) if total is None else total
    return render_page(
        "predictions.html.j2",
        cards=cards,
        total=total,
        left_out=total - len(cards),
        made_by=made_by,
    )


def render_page(template: str, **content: Any) -> bytes:
    """A template of ``templates/`` with style and script of its own."""
    style, script = (
        (_TEMPLATES / name).read_text("utf-8").strip() for name in ("page.css", "page.js")
    )
    policy = "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    own = {"style": Markup(style), "script": Markup(script), "policy": policy}  # noqa: S704
    text = _environment().get_template(template).render(**content, **own)
    return text.encode("utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    filters = {
        "percent": percent,
        "points": points,
        "chance": chance,
        "verdict": _verdict,
        "whole": _whole,
    }
    environment.filters.update(filters)
    return environment


def _shown(value: Any) -> Any:
    """What a template shows of a value; every text goes through here, so none can be forgotten."""
    return short(value, _LONGEST_TEXT) if type(value) is str else value


def _whole(text: str) -> Markup:
    """A text that is not cut, as a command that is to be copied."""
    return escape(printable(text))


def _verdict(sentence: str) -> Markup:
    """The sentence, in which no line ends before a percent sign or within "p = 0.002"."""
    escaped = escape(sentence).replace(" %", Markup("&nbsp;%"))
    return escaped.replace("p = ", Markup("p&nbsp;=&nbsp;"))
