"""Self-contained HTML pages: they ask nothing of any network, and run nothing from others."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from cupl.bank.labels import ClassLabel
from cupl.evaluation.numbers import chance, cosine, percent, points, short
from cupl.evaluation.sampled import sample_note
from cupl.evaluation.schema import CalibrationBin, ClassAccuracy, Evaluation
from cupl.evaluation.verdict import explain_uncalibrated, pair_verdicts, verdicts
from cupl.io.terminal import printable
from cupl.report.cards import card
from cupl.report.examples import Example
from cupl.report.reliability import FEWEST_IN_BIN, calibrated_candidates, merged_bins

MOST_EXAMPLES = 200
"""Images of a report; each takes some 20 KB of it."""
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
        examples: images for the gallery, of which ``MOST_EXAMPLES`` are shown; they are read here.
        figures: by the name of their drawing; the others are left out.

    """
    cards = [
        card(number, one.prediction, one.truth, one.name)
        for number, one in enumerate(examples[:MOST_EXAMPLES], 1)
    ]
    return page_template("report.html.j2", "page.js").render(
        title=", ".join(short(bank.name, 60) for bank in evaluation.banks if bank.plain is None)
        or "no bank",
        evaluation=evaluation,
        sample_note=sample_note(evaluation.sample) if evaluation.sample else "",
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


def _telling(id: str | None, name: str) -> bool:
    """Whether an id says more than the name beside it."""
    return ClassLabel(name, id).telling_id is not None


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


def page_template(template: str, script: str) -> PageTemplate:
    """A template with the style and the script of its pages, and the policy that allows no other.

    Args:
        template: its file.
        script: that of its script.

    """
    style, code = ((_TEMPLATES / name).read_text("utf-8").strip() for name in ("page.css", script))
    policy = "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src {_hash(style)}",
            f"script-src {_hash(code)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    own = {"style": Markup(style), "script": Markup(code), "policy": policy}  # noqa: S704
    return PageTemplate(_environment(), template, own)


@dataclass(frozen=True)
class PageTemplate:
    """A template and what is the same on all of its pages."""

    environment: Environment
    name: str
    own: Mapping[str, Any]

    @property
    def macros(self) -> Any:
        """What parts of a page are rendered with."""
        return self.environment.get_template("macros.html.j2").module

    def render(self, **content: Any) -> bytes:
        """A whole page."""
        text = self.environment.get_template(self.name).render(**content, **self.own)
        return text.encode("utf-8")

    def parts(self, **content: Any) -> tuple[bytes, bytes]:
        """What stands before and after the ``middle`` of a page, which is written in between."""
        mark = f"<!-- {secrets.token_hex(16)} -->"
        head, tail = self.render(**content, middle=Markup(mark)).split(mark.encode())  # noqa: S704
        return head, tail


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
        "cosine": cosine,
        "telling": _telling,
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
