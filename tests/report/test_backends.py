import os
import subprocess
import sys
from pathlib import Path

import pytest

DRAW = """
import hashlib
from PIL import Image
from cupl import plot
from cupl.classification.prediction import Prediction, Score
from cupl.report.figures.accuracy import accuracy_figure
from tests.report.evaluations import evaluation

figure = plot(Image.new("RGB", (60, 40)), Prediction((Score("frog", None, 0.3, 0.7),)))
drawn = accuracy_figure(evaluation())
for data in (figure._repr_png_(), drawn.render("svg"), drawn.render("png")):
    print(hashlib.sha256(data).hexdigest())
"""


def drawn(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def usual() -> str:
    return drawn(MPLBACKEND="")


@pytest.mark.parametrize(
    "backend",
    ["module://matplotlib_inline.backend_inline", "module://ipympl.nowhere", "nonsense", "TkAgg"],
)
def test_a_picture_does_not_depend_on_the_backend(backend: str, usual: str) -> None:
    assert drawn(MPLBACKEND=backend) == usual


@pytest.mark.parametrize(
    "settings",
    [
        b"text.usetex: True\nsavefig.dpi: 7\nfont.family: No Such Font\nbackend: TkAgg\n",
        b"no settings at all",
        b"\xff\xfe\x00",
    ],
)
def test_a_picture_does_not_depend_on_a_file_of_settings(
    settings: bytes, usual: str, tmp_path: Path
) -> None:
    (tmp_path / "rc").write_bytes(settings)
    assert drawn(MATPLOTLIBRC=str(tmp_path / "rc"), MPLCONFIGDIR="/proc/none") == usual
