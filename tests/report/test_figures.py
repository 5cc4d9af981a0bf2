import io
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from PIL import Image

from cupl.evaluation.schema import ClassAccuracy, Confusion, Evaluation
from cupl.report.figures.accuracy import accuracy_figure
from cupl.report.figures.calibration import calibration_figure
from cupl.report.figures.confusions import (
    MOST_CLASSES,
    confused_classes,
    confusion_figure,
    confusion_shares,
)
from cupl.report.figures.drawing import DARK, LIGHT, Drawing, Theme
from cupl.report.figures.prompts import prompts_figure
from tests.report.evaluations import (
    GREEK,
    HOSTILE,
    bare_evaluation,
    candidate,
    evaluation,
    hostile_evaluation,
)


def drawings(found: Evaluation) -> list[Drawing]:
    drawn = [
        accuracy_figure(found),
        calibration_figure(found),
        confusion_figure(found.candidates[0], "confusions"),
        prompts_figure(found),
    ]
    return [one for one in drawn if one is not None]


def texts(svg: bytes) -> list[str]:
    root = ET.fromstring(svg)  # noqa: S314
    return [
        "".join(one.itertext()).strip() for one in root.iter("{http://www.w3.org/2000/svg}text")
    ]


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_drawn_twice_it_is_the_same(kind: str) -> None:
    for one, other in zip(drawings(evaluation()), drawings(evaluation()), strict=True):
        assert one.render(kind) == other.render(kind)  # type: ignore[arg-type]


def test_global_state_is_left_alone() -> None:
    before = dict(matplotlib.rcParams)
    drawings(evaluation())[0].render("svg", DARK)
    assert dict(matplotlib.rcParams) == before
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


def test_a_user_s_settings_change_nothing() -> None:
    [first, *_] = drawings(evaluation())
    usual = first.render("svg")
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "text.parse_math": True}):
        assert first.render("svg") == usual


def test_the_numbers_of_the_bars() -> None:
    shown = accuracy_figure(evaluation())
    assert shown
    written = texts(shown.render("svg"))
    assert {"74.2", "73.0", "71.1", "my bank", "template (control)"} <= set(written)


def test_texts_are_no_formulas_and_break_no_file() -> None:
    for drawing in drawings(hostile_evaluation()):
        for theme in (LIGHT, DARK):
            ET.fromstring(drawing.render("svg", theme))  # noqa: S314
        with Image.open(io.BytesIO(drawing.render("png"))) as image:
            image.load()
    few = candidate("$x_1$ \\frac{1}{0} $", HOSTILE[4:6], confusions=2)
    matrix = confusion_figure(few, "confusions")
    assert matrix
    written = texts(matrix.render("svg"))
    assert "$x_1$ \\frac{1}{0} $" in written
    assert any(text.startswith("=HYPERLINK") for text in written)


def test_colours_follow_the_background() -> None:
    for drawing in drawings(evaluation()):
        for theme, other in ((LIGHT, DARK), (DARK, LIGHT)):
            with Image.open(io.BytesIO(drawing.render("png", theme))) as image:
                corner = image.convert("RGB").getpixel((2, 2))
            assert corner == tuple(bytes.fromhex(theme.surface[1:]))
            svg = drawing.render("svg", theme).decode()
            assert theme.ink in svg
            assert other.ink not in svg


def _luminance(colour: str) -> float:
    """Relative luminance as the Web Content Accessibility Guidelines define it."""
    channels = np.array(list(bytes.fromhex(colour[1:]))) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_stands_out(theme: Theme) -> None:
    def contrast(colour: str) -> float:
        light, dark = sorted((_luminance(colour), _luminance(theme.surface)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    assert min(map(contrast, (theme.ink, theme.muted))) >= 4.5
    assert min(map(contrast, theme.series)) >= 4.5


def test_nothing_to_draw() -> None:
    bare = bare_evaluation()
    assert calibration_figure(bare) is None
    assert prompts_figure(bare) is None
    assert confusion_figure(bare.candidates[0], "confusions") is None
    assert accuracy_figure(bare.model_copy(update={"candidates": []})) is None


def test_a_matrix_of_many_classes_keeps_the_most_frequent() -> None:
    names = [f"class {number}" for number in range(1000)]
    one = candidate("bank", names)
    pairs = [
        Confusion(truth=names[2 * n], predicted=names[2 * n + 1], images=99 - n, share=0.5)
        for n in range(40, 0, -1)
    ]
    one = one.model_copy(update={"confusions": pairs})
    chosen = confused_classes(one)
    assert len(chosen) == MOST_CLASSES
    assert chosen == [names[n] for n in range(62, 82)]


def test_the_cells_of_a_matrix() -> None:
    one = candidate("bank", GREEK).model_copy(
        update={
            "classes": [
                ClassAccuracy(name="missile", id="a", images=30, accuracy=0.5),
                ClassAccuracy(name="missile", id="b", images=10, accuracy=1.0),
                ClassAccuracy(name="rocket", id="c", images=4, accuracy=0.25),
            ],
            "confusions": [
                Confusion(truth="rocket (c)", predicted="missile (b)", images=2, share=0.5),
                Confusion(truth="missile (a)", predicted="ghost (d)", images=1, share=0.025),
            ],
        }
    )
    classes = confused_classes(one)
    assert classes == ["missile (a)", "missile (b)", "rocket (c)", "ghost (d)"]
    assert confusion_shares(one, classes).tolist() == [
        [0.5, 0, 0, 0.025],
        [0, 1, 0, 0],
        [0, 0.5, 0.25, 0],
        [0, 0, 0, 0],
    ]
    matrix = confusion_figure(one, "confusions")
    assert matrix
    written = texts(matrix.render("svg"))
    assert {"missile (a)", "missile (b)", "rocket", "ghost (d)"} <= set(written)


@pytest.mark.parametrize("numbers", [[1], [1, 2, 5, 10, 25, 50], list(range(1, 51)), [0, 1, 3]])
def test_labels_of_the_axis_do_not_touch(numbers: list[int]) -> None:
    found = evaluation()
    [one] = found.analyses
    points = [one.curve[0].model_copy(update={"prompts": number}) for number in numbers]
    found = found.model_copy(update={"analyses": [one.model_copy(update={"curve": points})]})
    drawing = prompts_figure(found)
    assert drawing
    ticks = [int(text) for text in texts(drawing.render("svg")) if text.isdigit()]
    shown = [number for number in ticks if number in numbers and number <= 50]
    assert numbers[-1] in shown
    below = [number for number in shown if number <= numbers[-1]]
    assert all(b >= 1.2 * a for a, b in pairwise(sorted(set(below))))
