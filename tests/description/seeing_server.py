"""A server with a model that sees, which looks closely at what it is sent."""

import base64
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from tests.fakes import FakeServer, Reply, chat_reply, serve

COLORS = {"red": (220, 30, 30), "green": (30, 180, 30), "blue": (30, 30, 220)}
_URL = "data:image/jpeg;base64,"


def picture(
    color: str, size: tuple[int, int] = (60, 40), number: int = 0, corner: bool = False
) -> Image.Image:
    """One of a colour, no two numbers of which are the same; with a white corner, top left."""
    image = Image.new("RGB", size, COLORS[color])
    mark = (37 * number % 256, 91 * number % 256, 53 * number % 256)
    image.paste(mark, (size[0] * 3 // 4, size[1] * 3 // 4, *size))
    if corner:
        image.paste((255, 255, 255), (0, 0, size[0] // 2, size[1] // 2))
    return image


def make_photos(folder: Path, **classes: int) -> Path:
    """A folder of folders with so many photos, by the names of their colours."""
    for place, (name, number) in enumerate(classes.items()):
        (folder / name).mkdir(parents=True)
        for photo in range(number):
            color = name if name in COLORS else list(COLORS)[place % 3]
            picture(color, number=photo + 100 * place).save(
                folder / name / f"secret-{photo:02}.png"
            )
    return folder


def images_of(body: dict[str, Any]) -> list[bytes]:
    """The JPEGs of a request."""
    content = body["messages"][-1]["content"]
    urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    assert all(url.startswith(_URL) for url in urls)
    return [base64.b64decode(url[len(_URL) :], validate=True) for url in urls]


def text_of(body: dict[str, Any]) -> str:
    """The question of a request."""
    [text] = [part for part in body["messages"][-1]["content"] if part["type"] == "text"]
    return str(text["text"])


def color_of(image: Image.Image) -> str:
    """The colour of its left side."""
    pixel = image.convert("RGB").getpixel((image.width // 4, image.height * 3 // 4))
    assert isinstance(pixel, tuple)
    return min(
        COLORS, key=lambda name: sum((a - b) ** 2 for a, b in zip(pixel, COLORS[name], strict=True))
    )


@dataclass
class SeeingModel:
    """Answers what it sees, and notes whatever should not have been sent."""

    side: int = 512
    secrets: Sequence[str] = ("secret",)
    """Texts that must stand nowhere in a request."""
    asked: Counter[str] = field(default_factory=Counter)
    """How often each question about each image was answered."""
    seen: list[Image.Image] = field(default_factory=list)
    answers: int = 0

    def __call__(self, body: dict[str, Any]) -> Reply:
        wire = json.dumps(body)
        for secret in self.secrets:
            assert secret not in wire
        shown = images_of(body)
        assert shown, "no image"
        for content in shown:
            self._look(content)
        question, number = text_of(body), body.get("n", 1)
        key = base64.b64encode(b"".join(shown)).decode() + question
        self.asked[key] += number
        colors = Counter(color_of(Image.open(io.BytesIO(content))) for content in shown)
        [(color, _)] = colors.most_common(1)
        self.answers += number
        if "short names" in question:
            return 200, chat_reply(f"1. {color} things\n2. {color} cards\n3. cards")
        mark = zlib.crc32(b"".join(shown) + question.encode())
        return 200, chat_reply(*(
            f"A {color} card of kind {mark} and {place} more marks lies in the photo."
            for place in range(number)
        ))  # fmt: skip

    def _look(self, content: bytes) -> None:
        image = Image.open(io.BytesIO(content))
        image.load()
        assert image.format == "JPEG"
        assert image.mode == "RGB"
        assert max(image.size) <= self.side, image.size
        assert not image.getexif()
        assert not {"exif", "icc_profile", "comment", "xmp", "photoshop"} & image.info.keys()
        self.seen.append(image)


@contextmanager
def serve_seeing(model: SeeingModel) -> Iterator[FakeServer]:
    """The server; what it finds wrong is raised at the end."""
    wrong = list[AssertionError]()

    def reply(body: dict[str, Any]) -> Reply:
        try:
            return model(body)
        except AssertionError as error:
            wrong.append(error)
            return 401, {"error": {"message": f"the test found: {error}"}}

    with serve(reply) as server:
        yield server
    if wrong:
        raise wrong[0]
