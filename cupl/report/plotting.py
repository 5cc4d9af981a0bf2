"""One photo beside its probability bars, as a figure of matplotlib."""

from __future__ import annotations

import io
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cupl.report.figures  # noqa: F401 (before matplotlib: it minds the environment)

# isort: split
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cupl.bank.labels import ClassLabel
from cupl.classification.explanation import Explanation
from cupl.classification.prediction import Prediction, Score
from cupl.embedding.image_errors import ImageError
from cupl.embedding.image_sources import ImageSource
from cupl.embedding.images import open_image
from cupl.evaluation.numbers import cosine, percent, short
from cupl.report.cards import MOST_PROMPTS, labels_in_words, short_path
from cupl.report.figures.drawing import DARK, LIGHT, Theme, themed

MOST_BARS = 10
"""Classes that get a bar; of the others there is the number."""
_SIDE = 640
"""Pixels of the photo's longer side."""
_WIDTH, _DPI = 8.0, 110
_PHOTO_WIDTH, _PHOTO_HEIGHT = 3.9, 3.6
_BAR, _TALLEST_BAR, _LINE, _TITLE = 0.36, 0.5, 0.19, 0.4
"""Heights, in inches as the sizes above."""
_NAME, _SENTENCE, _PROMPT, _SPOKEN_FOR, _REASON = 44, 92, 100, 14, 300
"""Characters that there is room for."""
_LETTERS = 10
"""Of the name of a photo, an inch of its width."""

_Pixels = npt.NDArray[np.uint8]


class PredictionFigure(Figure):
    """A figure that a notebook shows, also where pyplot is not loaded."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with themed(LIGHT):  # what stands in the figure keeps the colours that it has
            self.savefig(buffer, format="png", facecolor=self.get_facecolor())
        return buffer.getvalue()


def plot(image: ImageSource, prediction: Prediction, *, dark: bool = False) -> Figure:
    """Draw a photo beside the probabilities of its classes.

    Below are the prompts that decided, where the prediction has an explanation. Texts are cut, and
    nothing in them is a formula. pyplot is not used: there is nothing to close.

    Args:
        image: what was classified; where it cannot be read, the figure says why.
        prediction: what the classifier said about it.
        dark: light on dark.

    Returns:
        The figure, which notebooks show; ``figure.savefig("photo.png")`` writes it.

    """
    theme = DARK if dark else LIGHT
    pixels, problem = _read(image)
    lines = list(_prompt_lines(prediction.explanation))
    width, height = _photo_size(pixels)
    rows = max(4, min(len(_named(prediction)), MOST_BARS + 1))
    height = max(height, _BAR * rows)
    with themed(theme):
        figure, photo, bars, below = _sheet(width, height, len(lines))
        _draw_photo(photo, pixels, "" if problem == prediction.error else problem, theme)
        name = short_path(prediction.path) if prediction.path is not None else ""
        name = short(name, int(_LETTERS * width))
        photo.set_title(name, loc="left", color=theme.muted, fontsize=8)
        if prediction.error is not None:
            _say(bars, f"No prediction: {prediction.error}")
        else:
            _draw_bars(bars, prediction, max(rows, height / _TALLEST_BAR), theme)
        _draw_lines(below, lines, theme)
    return figure


def _sheet(width: float, height: float, lines: int) -> tuple[Figure, Axes, Axes, Axes]:
    """A figure with places for the photo, the bars and so many lines of text."""
    figure = PredictionFigure((_WIDTH, _TITLE + height + _LINE * lines), _DPI)
    figure.set_layout_engine("constrained", wspace=0.04)
    heights = [_TITLE + height, max(_LINE * lines, 1e-3)]
    grid = figure.add_gridspec(2, 1, height_ratios=heights)
    upper = grid[0].subgridspec(1, 2, width_ratios=[width, _WIDTH - width])
    photo, bars, below = (figure.add_subplot(place) for place in (upper[0], upper[1], grid[1]))
    below.set_visible(lines > 0)
    return figure, photo, bars, below


def _read(image: ImageSource) -> tuple[_Pixels | None, str]:
    """The photo ``[height, width, 3]``, not larger than it is shown, or why there is none."""
    try:
        photo = open_image(image, side=_SIDE)
    except ImageError as error:
        return None, str(error)
    photo.thumbnail((_SIDE, _SIDE))
    return np.asarray(photo), ""


def _photo_size(pixels: _Pixels | None) -> tuple[float, float]:
    """Width and height in inches; a strip gets a little room beside it."""
    aspect = 0.6 if pixels is None else min(max(pixels.shape[0] / pixels.shape[1], 0.4), 2.0)
    width = min(_PHOTO_WIDTH, _PHOTO_HEIGHT / aspect)
    return width, width * aspect


def _draw_photo(axes: Axes, pixels: _Pixels | None, problem: str, theme: Theme) -> None:
    if pixels is None:
        axes.set_facecolor(theme.grid)
        _say(axes, problem and f"The photo cannot be shown: {problem}")
    else:
        _empty(axes)
        axes.imshow(pixels)


def _empty(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _say(axes: Axes, text: str) -> None:
    """A sentence in place of a picture."""
    _empty(axes)
    lines = textwrap.fill(short(text, _REASON), 36)
    axes.text(0.5, 0.5, lines, ha="center", va="center", transform=axes.transAxes)


def _named(prediction: Prediction) -> Sequence[Score]:
    """The classes that are named; there may be more labels than were asked for at the top."""
    return max(prediction.top, prediction.labels, key=len)


def _draw_bars(axes: Axes, prediction: Prediction, rows: float, theme: Theme) -> None:
    """The name and the probability of each class above its bar; there is room for ``rows``."""
    _empty(axes)
    axes.set(xlim=(0, 1), ylim=(rows - 0.6, -0.6))
    behind = {"facecolor": theme.surface, "edgecolor": "none", "pad": 1.5}  # over a wide name
    scores = _named(prediction)
    shown = scores[:MOST_BARS]
    labels = () if prediction.rejected is not None else prediction.labels or scores[:1]
    for place, (score, name) in enumerate(zip(shown, _names(shown), strict=True)):
        is_label = score in labels
        weight = "bold" if is_label else "normal"
        axes.text(0, place, name, va="bottom", weight=weight, clip_on=True)
        number = axes.text(1, place, f"{percent(score.probability)} %", va="bottom", ha="right")
        number.set_bbox(behind)
        axes.barh(place + 0.17, 1, 0.2, color=theme.grid)
        colour = theme.series[0] if is_label else theme.muted
        axes.barh(place + 0.17, score.probability, 0.2, color=colour)
    if more := len(scores) - len(shown):
        axes.text(0, len(shown), f"and {more:,} more", va="bottom", color=theme.muted)
    if sentence := labels_in_words(prediction):
        lines = textwrap.fill(short(sentence, _SENTENCE), _SENTENCE // 2)
        axes.set_title(lines, loc="left", color=theme.ink if labels else theme.series[1])


def _names(scores: Sequence[Score]) -> list[str]:
    """Of the classes, with the id where several have one name."""
    times = Counter(score.label for score in scores)
    full = (str(ClassLabel(score.label, score.id)) for score in scores)
    pairs = zip(scores, full, strict=True)
    return [short(name if times[score.label] > 1 else score.label, _NAME) for score, name in pairs]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line on a prompt and the class that it speaks for, or that of a class alone."""

    text: str
    cosine: str = ""
    speaks_for: str = ""
    its_own: bool = True


def _prompt_lines(explanation: Explanation | None) -> Iterator[_Line]:
    sides = () if explanation is None else (explanation.winner, explanation.runner_up)
    for side, other in zip(sides, reversed(sides), strict=True):
        if side is None:
            continue
        yield _Line(f"Prompts of {short(side.label, _NAME)}, {percent(side.probability)} %")
        for spoken_for, prompts in ((side, side.supporting), (other, side.opposing)):
            label = "" if spoken_for is None else short(spoken_for.label, _SPOKEN_FOR)
            for one in prompts[:MOST_PROMPTS]:
                text = short(one.text, _PROMPT)
                yield _Line(text, cosine(one.cosine), f"for {label}", spoken_for is side)


def _draw_lines(axes: Axes, lines: Sequence[_Line], theme: Theme) -> None:
    _empty(axes)
    axes.set(xlim=(0, 1), ylim=(max(len(lines), 1), 0))
    for place, line in enumerate(lines, 1):
        height = place - 0.5
        if not line.cosine:
            axes.text(0, height, line.text, va="center", weight="bold", fontsize=8, clip_on=True)
            continue
        colour = theme.series[2] if line.its_own else theme.series[1]
        axes.text(0.01, height, line.speaks_for, va="center", color=colour, fontsize=8)
        axes.text(0.17, height, line.cosine, va="center", color=theme.muted, fontsize=8)
        axes.text(0.23, height, line.text, va="center", fontsize=8, clip_on=True)
