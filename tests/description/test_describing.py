import asyncio
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest

import cupl
from cupl.bank.labels import ClassLabel
from cupl.bank.source import PictureFacts
from cupl.description.describing import adescribe_images, describe_images
from cupl.errors import BudgetError, InputError
from cupl.llm.protocol import Request, Response
from tests.description.seeing_server import SeeingModel, make_photos, picture


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "private", red=5, tree_frog=3)


@pytest.fixture
def ask(url: str, tmp_path: Path) -> dict[str, Any]:
    return {"model": "m", "base_url": url, "cache": tmp_path / "cache", "similarity": None}


def test_folders_become_a_bank(photos: Path, ask: dict[str, Any], model: SeeingModel) -> None:
    model.secrets = ("secret", "private", "tree_frog", ".png", str(photos))
    bank = describe_images(photos, name="cards", **ask)
    assert [entry.label for entry in bank] == [
        ClassLabel("red"), ClassLabel("tree frog", "tree_frog"),
    ]  # fmt: skip
    # 4 photos of one and 3 of the other, 2 questions about each, 3 answers to each.
    assert [entry.size for entry in bank] == [24, 18]
    assert len(model.seen) == 14
    for entry in bank:
        assert all(f'"{entry.name}"' in question for question in entry.by_question())
    assert bank.source is not None
    assert bank.source.pictures == PictureFacts(photos=7, per_class=4, side=512)
    assert (bank.source.questions, bank.source.max_tokens) == ("pictures", 100)
    assert cupl.PromptBank.from_dict({"a": ["A b c d."]}).to_bytes()
    assert b"secret" not in bank.to_bytes()


def test_nothing_is_asked_twice_whatever_a_file_is_called(
    photos: Path, ask: dict[str, Any], model: SeeingModel, tmp_path: Path
) -> None:
    first = describe_images(photos, **ask)
    (tmp_path / "elsewhere").mkdir()
    for folder in photos.iterdir():
        (tmp_path / "elsewhere" / folder.name).mkdir()
        for number, path in enumerate(sorted(folder.iterdir())):
            shutil.move(path, tmp_path / "elsewhere" / folder.name / f"IMG_{number}.PNG")
    again = describe_images(tmp_path / "elsewhere", offline=True, **ask)
    assert again.to_bytes() == first.to_bytes()
    assert set(model.asked.values()) == {3}


def test_more_photos_ask_about_the_new_ones_alone(
    photos: Path, ask: dict[str, Any], model: SeeingModel
) -> None:
    for per_class, answers in ((1, 12), (2, 24), (2, 24), (4, 42), (9, 48)):
        describe_images(photos, per_class=per_class, **ask)
        assert model.answers == answers
    describe_images(photos, per_class=9, image_side=32, **ask)
    assert model.answers == 96


def test_photos_may_come_from_python(ask: dict[str, Any], model: SeeingModel) -> None:
    given = {"mug": [picture("red")], "vase": [picture("blue", number=7)]}
    bank = describe_images(given, ["What is a {}?"], samples=1, **ask)
    assert [entry.name for entry in bank] == ["mug", "vase"]
    assert [list(entry.by_question()) for entry in bank] == [
        ["What is a mug?"], ["What is a vase?"],
    ]  # fmt: skip
    assert model.answers == 2


def test_a_single_photo_of_a_class_is_one(
    photos: Path, ask: dict[str, Any], model: SeeingModel
) -> None:
    describe_images({"cup": str(photos / "red" / "secret-00.png")}, samples=1, **ask)
    assert model.answers == 2


def test_two_classes_of_one_name_are_asked_about_apart(
    ask: dict[str, Any], model: SeeingModel
) -> None:
    given = {ClassLabel("crane", "bird"): [picture("red")],
             ClassLabel("crane", "machine"): [picture("blue")]}  # fmt: skip
    bank = describe_images(given, **ask)
    texts = [" ".join(text for texts in one.by_question().values() for text in texts)
             for one in bank]  # fmt: skip
    assert "red" in texts[0]
    assert "blue" not in texts[0]
    assert "blue" in texts[1]


def test_detail_is_sent_and_kept(photos: Path, ask: dict[str, Any], model: SeeingModel) -> None:
    bank = describe_images(photos, detail="low", per_class=1, **ask)
    assert bank.source is not None
    assert bank.source.pictures == PictureFacts(photos=2, per_class=1, side=512, detail="low")
    with pytest.raises(InputError, match="missing from the cache: 12 answers"):
        describe_images(photos, per_class=1, offline=True, **ask)


def test_a_broken_photo_is_told(photos: Path, ask: dict[str, Any]) -> None:
    (photos / "red" / "secret-00.png").write_bytes(b"broken")
    with pytest.warns(UserWarning, match=r"^1 photo left out, the first .*secret-00\.png: not an"):
        bank = describe_images(photos, **ask)
    assert bank.size == 42


def test_a_budget_stops_and_the_same_call_goes_on(
    photos: Path, ask: dict[str, Any], model: SeeingModel
) -> None:
    with pytest.raises(BudgetError, match="stopped at 4 requests; 12 new answers are in"):
        describe_images(photos, max_requests=4, **ask)
    assert model.answers == 12
    assert describe_images(photos, **ask).size == 42
    assert model.answers == 42
    # An image may be counted as 8,500 tokens: that is set aside until the server says how many.
    with pytest.raises(BudgetError, match="stopped before 8,000 tokens could be passed"):
        describe_images(photos, max_tokens_total=8000, samples=4, **ask)
    assert model.answers == 42


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"model": "mini"}, "the mini model reads text alone and cannot see"),
     ({"api": "completions"}, "a model is shown photos by chat, not by completions"),
     ({"per_class": 0}, "per_class is from 1"), ({"image_side": 1}, "image_side is from 32"),
     ({"samples": 0}, "samples must be"), ({"detail": "x"}, "detail is low")],
)  # fmt: skip
def test_a_wrong_setting_is_one_error_and_asks_nothing(
    photos: Path, ask: dict[str, Any], model: SeeingModel, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        describe_images(photos, **ask | settings)
    assert not model.answers


def test_another_thing_than_a_folder_is_one_error() -> None:
    with pytest.raises(InputError, match="a folder of photos is read from a path"):
        describe_images(5, model="m")  # type: ignore[arg-type]


class Blind:
    """Says that it sees nothing."""

    async def complete(self, request: Request, n: int) -> list[Response]:
        return [Response("There is no image attached, please upload the photo.")] * n


def test_a_model_that_sees_nothing_says_so_in_vain(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="refusal.*is it a model that can see"):
        describe_images(photos, llm=Blind(), model="m", cache=tmp_path / "c")


class Looking:
    """A model of the caller's own, which is given the photos."""

    def __init__(self) -> None:
        self.seen = list[bytes]()

    async def complete(self, request: Request, n: int) -> list[Response]:
        [image] = request.images
        self.seen.append(image.content)
        return [Response(f"A card of {len(self.seen)} and {one} is here.") for one in range(n)]


def test_a_model_of_the_callers_own_is_shown_the_photos(photos: Path, tmp_path: Path) -> None:
    model = Looking()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bank = asyncio.run(
            adescribe_images(photos, per_class=1, llm=model, model="m", cache=tmp_path / "c")
        )
    assert all(content.startswith(b"\xff\xd8") for content in model.seen)
    assert len(model.seen) == 4
    assert len(bank) == 2
