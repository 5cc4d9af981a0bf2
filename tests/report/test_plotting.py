import io
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cupl.classification.explanation import ClassExplanation, Explanation, PromptScore
from cupl.classification.prediction import Prediction, Score
from cupl.report.figures.drawing import DARK, LIGHT
from cupl.report.plotting import MOST_BARS, PredictionFigure, plot
from tests.report.evaluations import HOSTILE

PHOTO = Image.new("RGB", (60, 40), "teal")
FROG, TOAD = Score("tree frog", None, 0.31, 0.751), Score("toad", "n2", 0.2, 0.249)
GOOD = Prediction((FROG, TOAD), "photos/pond/a.jpg")


def texts(figure: Figure) -> list[str]:
    """What a reader of the figure reads."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg")
    root = ET.fromstring(buffer.getvalue())  # noqa: S314
    found = root.iter("{http://www.w3.org/2000/svg}text")
    return ["".join(one.itertext()).strip() for one in found]


def rendered(figure: Figure) -> Image.Image:
    assert isinstance(figure, PredictionFigure)
    return Image.open(io.BytesIO(figure._repr_png_())).convert("RGB")


def test_a_photo_beside_its_bars() -> None:
    figure = plot(PHOTO, GOOD)
    written = texts(figure)
    assert {"tree frog", "75.1 %", "toad", "24.9 %", "pond/a.jpg"} == set(written)
    photo, bars, _ = figure.axes
    shown = photo.images[0].get_array()
    assert shown is not None
    assert shown.shape == (40, 60, 3)
    widths = [bar.get_extents().width / bars.bbox.width for bar in bars.patches]
    assert widths == pytest.approx([1, 0.751, 1, 0.249])
    best, other = (bars.patches[place].get_facecolor() for place in (1, 3))
    assert best != other


def test_an_image_of_any_kind(tmp_path: Path) -> None:
    PHOTO.save(tmp_path / "a.png")
    kinds: list[Any] = [tmp_path / "a.png", (tmp_path / "a.png").read_bytes(), np.asarray(PHOTO)]
    for image in [*kinds, PHOTO]:
        assert rendered(plot(image, GOOD)).size == rendered(plot(PHOTO, GOOD)).size
    assert PHOTO.size == (60, 40)


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (900, 3), (220, 530), (500, 188)])
def test_photos_of_every_shape(size: tuple[int, int]) -> None:
    picture = rendered(plot(Image.new("RGB", size, "red"), GOOD))
    assert 800 < picture.width < 1000
    assert 150 < picture.height < 600
    found = np.asarray(picture)
    assert ((found == [255, 0, 0]).all(axis=2)).any()


def test_many_classes_are_a_number() -> None:
    top = tuple(Score(f"class {number}", None, 0.1, 0.01) for number in range(1000))
    written = texts(plot(PHOTO, Prediction(top)))
    assert sum(text.startswith("class") for text in written) == MOST_BARS
    assert "and 990 more" in written


def test_what_has_no_label_says_why() -> None:
    rejected = Prediction((FROG, TOAD), rejected="none of these: an empty room")
    figure = plot(PHOTO, rejected)
    assert "No label: none of these: an empty room" in texts(figure)
    bars = figure.axes[1].patches
    assert bars[1].get_facecolor() == bars[3].get_facecolor()


def test_several_labels_are_all_shown() -> None:
    figure = plot(PHOTO, Prediction((FROG,), labels=(FROG, TOAD)))
    written = texts(figure)
    assert "Labels: tree frog, toad (n2)" in written
    assert {"tree frog", "toad"} <= set(written)
    bars = figure.axes[1].patches
    assert bars[1].get_facecolor() == bars[3].get_facecolor()


def test_an_image_that_cannot_be_read_says_why_once(tmp_path: Path) -> None:
    gone = Prediction(path=str(tmp_path / "gone.jpg"), error="there is no such file")
    assert texts(plot(tmp_path / "gone.jpg", gone))[1:] == ["No prediction: there is no such file"]
    since = " ".join(texts(plot(tmp_path / "gone.jpg", GOOD)))
    assert "The photo cannot be shown: there is" in since
    assert "tree frog" in since


def test_classes_of_one_name_have_their_ids() -> None:
    twins = (Score("missile", "n1", 0.2, 0.6), Score("missile", "n2", 0.1, 0.4))
    assert {"missile (n1)", "missile (n2)"} <= set(texts(plot(PHOTO, Prediction(twins))))


def test_the_prompts_that_decided_stand_below() -> None:
    pads = PromptScore("It has toe pads.", "What?", 0.3456)
    explanation = Explanation(
        None,
        ClassExplanation("tree frog", None, 0.31, 0.751, (pads,) * 5, ()),
        ClassExplanation("toad", "n2", 0.2, 0.249, (), (PromptScore("warts", "", 0.1),)),
    )
    written = texts(plot(PHOTO, Prediction((FROG, TOAD), explanation=explanation)))
    assert written.count("It has toe pads.") == written.count("0.346") == 3
    assert written[-3:] == ["for tree frog", "0.100", "warts"]
    assert "Prompts of tree frog, 75.1 %" in written


@pytest.mark.parametrize("dark", [False, True])
def test_hostile_texts_are_cut_and_no_formulas(dark: bool) -> None:
    names = [*HOSTILE, "$\\frac{1}{0}$ $", "W" * 400, "a\nb\x1b[31m"]
    top = tuple(Score(name, name, 0.1, 0.1) for name in names)
    prompt = PromptScore("$\\frac{1}{0}$" * 99, "", 0.1)
    side = ClassExplanation(names[-2], None, 0.1, 0.1, (prompt,), (prompt,))
    hostile = Prediction(
        top, f"/x/{names[-3]}.jpg", None, f"none of these: {names[-2]}", (),
        Explanation(None, side, side),
    )  # fmt: skip
    for prediction in (hostile, Prediction(path="\udcff\0", error=names[-3] * 99)):
        figure = plot(PHOTO, prediction, dark=dark)
        assert max(map(len, texts(figure))) < 120
        assert rendered(figure).width == 880
        # Whatever the settings are when it is shown.
        with matplotlib.rc_context({"text.parse_math": True, "text.usetex": False}):
            figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize(("dark", "theme"), [(False, LIGHT), (True, DARK)])
def test_colours_follow_the_background(dark: bool, theme: Any) -> None:
    with matplotlib.rc_context({"savefig.facecolor": "red", "text.color": "red", "font.size": 30}):
        picture = rendered(plot(PHOTO, GOOD, dark=dark))
    assert picture.getpixel((2, 2)) == tuple(bytes.fromhex(theme.surface[1:]))
    assert (255, 0, 0) not in {color for _, color in picture.getcolors(2**20) or ()}
    assert picture.tobytes() == rendered(plot(PHOTO, GOOD, dark=dark)).tobytes()


def test_global_state_is_left_alone() -> None:
    before = dict(matplotlib.rcParams)
    rendered(plot(PHOTO, GOOD))
    assert dict(matplotlib.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
