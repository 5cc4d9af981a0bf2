"""What every figure is drawn with: colours, styles, and rendering to SVG and PNG.

matplotlib's global state is left alone. Every text in a figure may come from others: names are cut,
control characters spelled out, and dollar signs are no formulas.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

LONGEST_NAME = 26
"""Characters of a name in a figure."""
NARROW = 3.7
"""Inches of a figure on a phone: at its own size its letters can be read there."""
_DPI = 160
_STYLE = {
    "text.parse_math": False,
    "svg.fonttype": "none",  # a browser has glyphs for more scripts than matplotlib's fonts
    "svg.hashsalt": "cupl",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 9,
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours for one background."""

    surface: str
    ink: str
    muted: str
    grid: str
    series: tuple[str, ...]
    """Told apart also by those who confuse red and green."""


LIGHT = Theme(
    "#ffffff", "#1c2126", "#59626b", "#dde2e7", ("#2565ae", "#b9540b", "#0d7a6f", "#7c4dba")
)
DARK = Theme(
    "#15181c", "#e4e7ea", "#9ea7b0", "#31373e", ("#69a8ea", "#eb995b", "#45bfae", "#b898ec")
)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure before it has colours and a file format."""

    name: str
    """Of its files, without an ending."""
    alt: str
    """What it shows, for those who cannot see it."""
    paint: Callable[[Theme, bool], Figure]
    """In the colours of a theme, and narrow enough for a phone where that is wanted."""
    has_narrow: bool = True
    """Whether the narrow form is another one."""

    def render(
        self, kind: Literal["svg", "png"], theme: Theme = LIGHT, *, narrow: bool = False
    ) -> bytes:
        """The file; the same evaluation and matplotlib give the same bytes."""
        buffer = io.BytesIO()
        with themed(theme):
            figure = self.paint(theme, narrow)
            metadata = {"Date": None} if kind == "svg" else None
            figure.savefig(buffer, format=kind, dpi=_DPI, metadata=metadata)
        return buffer.getvalue()


def _colours(theme: Theme) -> dict[str, str]:
    names = {
        "text.color axes.labelcolor axes.titlecolor": theme.ink,
        "xtick.labelcolor ytick.labelcolor": theme.ink,
        "axes.edgecolor xtick.color ytick.color": theme.muted,
        "figure.facecolor axes.facecolor savefig.facecolor": theme.surface,
        "grid.color": theme.grid,
    }
    return {key: colour for keys, colour in names.items() for key in keys.split()}


@contextmanager
def themed(theme: Theme) -> Iterator[None]:
    """Draw in these colours, whatever settings the user of matplotlib has."""
    # A box stands for a glyph that matplotlib's fonts do not have; it would warn of each.
    quiet = warnings.catch_warnings(action="ignore", category=UserWarning)
    with matplotlib.style.context(["default", _STYLE, _colours(theme)]), quiet:
        yield


def new_sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of that size in inches with one pair of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def add_legend(figure: Figure, axes: Axes) -> None:
    """What the lines and bars of the axes are, above them."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 3 if figure.get_figwidth() > NARROW else 1
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, fontsize=8)
