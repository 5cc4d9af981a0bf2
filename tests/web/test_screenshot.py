"""The picture of the README is one of the app as it is; ``--screenshot`` makes it anew."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.web.conftest import Serve
from tests.web.photos import make_photos
from tests.web.serving import visited

PICTURE = Path(__file__).parents[2] / ".github" / "serve.png"
SIZE = {"width": 1200, "height": 760}
LARGEST = 0.12
"""Mean difference of the two, of 1: fonts and edges are drawn otherwise on other machines."""


@pytest.fixture
def picture(serve: Serve, browser: Any, tmp_path: Path) -> Path:
    own, made = make_photos(tmp_path / "photos", each=3), tmp_path / "serve.png"
    with (
        serve(photos=own) as app,
        visited(browser, app.url, viewport=SIZE, color_scheme="light") as visit,
    ):
        page = visit.page
        page.get_by_text("24 photos judged").wait_for()
        for name in ("cat-0.jpg", "coffee-cup-0.jpg", "rocket-0.jpg"):
            page.get_by_role("listitem", name=f"/{name}").click()
            page.locator(".card").get_by_role("heading", name=name).wait_for()
        page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
        page.wait_for_function(
            "() => [...document.images].slice(0, 12).every((one) => one.complete)"
        )
        page.screenshot(path=made, animations="disabled")
    return made


def test_the_picture_is_of_the_app(picture: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--screenshot"):
        with Image.open(picture) as image:
            image.convert("P", palette=Image.Palette.ADAPTIVE, colors=255).save(
                PICTURE, optimize=True
            )
    images = []
    for path in (picture, PICTURE):
        with Image.open(path) as image:
            assert image.size == (SIZE["width"], SIZE["height"])
            images.append(np.asarray(image.convert("L").resize((300, 190)), np.float64) / 255)
    assert np.abs(images[0] - images[1]).mean() < LARGEST
