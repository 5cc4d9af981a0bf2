import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cupl.description.captions import (
    NO_CAPTION,
    Caption,
    caption_bytes,
    caption_images,
    check_caption_file,
)
from cupl.errors import CuplError, InputError
from cupl.llm.protocol import Request, Response
from tests.description.seeing_server import SeeingModel, make_photos, picture


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "private", red=3, blue=2)


@pytest.fixture
def ask(url: str, tmp_path: Path) -> dict[str, Any]:
    return {"model": "m", "base_url": url, "cache": tmp_path / "cache"}


def test_each_photo_gets_one(photos: Path, ask: dict[str, Any], model: SeeingModel) -> None:
    model.secrets = ("secret", "private", "red/", "blue/")
    captions = caption_images(photos, **ask)
    assert [Path(str(one.path)).name for one in captions] == [
        "secret-00.png", "secret-01.png", "secret-00.png", "secret-01.png", "secret-02.png",
    ]  # fmt: skip
    assert [str(one.text).split()[1] for one in captions] == ["blue"] * 2 + ["red"] * 3
    assert len({one.text for one in captions}) == 5
    assert model.answers == 5
    assert caption_images(photos, offline=True, **ask) == captions
    assert caption_images(photos / "red" / "secret-01.png", offline=True, **ask) == [captions[3]]


def test_the_same_photo_is_asked_about_once(ask: dict[str, Any], model: SeeingModel) -> None:
    images: list[Any] = [picture("red"), np.asarray(picture("red")), picture("blue", number=1)]
    captions = caption_images(images, **ask)
    assert model.answers == 2
    assert captions[0] == captions[1] != captions[2]
    assert [one.path for one in captions] == [None] * 3


def test_a_photo_without_a_caption_has_the_reason(tmp_path: Path, photos: Path) -> None:
    class Picky:
        asked = 0

        async def complete(self, request: Request, n: int) -> list[Response]:
            self.asked += 1
            text = "I'm sorry, I can't help." if request.images[0].digest == bad else "A red card."
            return [Response(text)] * n

    from cupl.description.sent_photos import SentPhotos

    (photos / "blue" / "secret-00.png").write_bytes(b"")
    refused = photos / "red" / "secret-01.png"
    with SentPhotos() as sent:
        [photo] = sent.prepare([refused])
    assert photo.image is not None
    bad, llm = photo.image.digest, Picky()
    with pytest.warns(UserWarning, match="left out|too few"):
        captions = caption_images(photos, llm=llm, model="m", cache=tmp_path / "c")
    errors = {Path(str(one.path)).name: one.error for one in captions if one.error}
    assert errors == {"secret-00.png": "the file is empty", "secret-01.png": NO_CAPTION}
    said = "A red card."
    assert [one.text for one in captions] == [None, said, said, None, said]
    assert llm.asked == 6  # what was refused, two times more


def test_nothing_that_can_be_read_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(InputError, match="none of the photos can be read"):
        caption_images(tmp_path, model="m", cache=tmp_path / "c")
    (tmp_path / "b").mkdir()
    with pytest.raises(CuplError, match="holds no image"):
        caption_images(tmp_path / "b", model="m", cache=tmp_path / "c")
    with pytest.raises(InputError, match="mini model reads text alone"):
        caption_images(tmp_path, model="mini")


CAPTIONS = [
    Caption("a.jpg", 'A "card", red.'), Caption("=b.jpg", "=1+1 is on the card."),
    Caption("c\udcff.jpg", None, "broken"), Caption(None, "A card."),
]  # fmt: skip


def test_csv_is_safe_in_a_spreadsheet() -> None:
    data = caption_bytes(CAPTIONS, Path("x.CSV")).decode("utf-8", "surrogateescape")
    rows = list(csv.reader(io.StringIO(data)))
    assert rows == [
        ["path", "caption", "error"], ["a.jpg", 'A "card", red.', ""],
        ["'=b.jpg", "'=1+1 is on the card.", ""], ["c\udcff.jpg", "", "broken"],
        ["", "A card.", ""],
    ]  # fmt: skip


def test_json_lines_hold_any_name() -> None:
    lines = caption_bytes(CAPTIONS, Path("x.jsonl")).decode("ascii").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"path": one.path, "caption": one.text, "error": one.error} for one in CAPTIONS
    ]


def test_another_ending_is_one_error() -> None:
    with pytest.raises(InputError, match=r"^captions are written as \.csv or \.jsonl, not as 'x'$"):
        check_caption_file(Path("x"))
