"""What an index is given from Python that it cannot use is one clear error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cupl.encoders.loading import load_encoder
from cupl.errors import InputError, MissingFileError
from cupl.index.photo_index import PhotoIndex
from tests.index.made import COLOURS, colour_index

PICTURE = Image.new("RGB", (8, 6), COLOURS["red"])
WRONG: dict[str, tuple[Callable[[Any], object], str]] = {
    "vector text": (lambda i: i.search(vector="abc"), "array of real numbers, not a str"),
    "complex": (lambda i: i.search(vector=np.ones(3, complex)), "real numbers, not an array"),
    "complex tensor": (
        lambda i: i.search(vector=torch.ones(3, dtype=torch.complex64)), "real numbers, not an? ",
    ),
    "ragged": (lambda i: i.search(vector=[[1], [1, 2]]), "real numbers, not a list"),
    "k none": (lambda i: i.search("red", None), "k must be a whole number, not None"),
    "k bool": (lambda i: i.search("red", k=True), "k must be a whole number, not True"),
    "where": (lambda i: i.search("red", where=5), "a condition is a text"),
    "remove": (lambda i: i.remove(where=5), "a condition is a text"),
    "query": (lambda i: i.search(query=["a"]), "a query is a text, .*QueryTerm, not of 'a'"),
    "query number": (lambda i: i.search(query=5), "a query is a text, .*QueryTerm, not of 5"),
    "min_score": (lambda i: i.search("red", min_score=2), "from -1 to 1, not 2"),
    "path": (lambda i: i.search(Path("x.jpg")), "as image=, a vector as vector="),
    "array": (lambda i: i.search(np.ones(3)), "as image=, a vector as vector="),
    "picture": (lambda i: i.search(PICTURE), "as image=, a vector as vector="),
    "no classes": (lambda i: i.search_classes(None), "list of names, not"),
    "dict": (lambda i: i.search_classes({"cat": ["A cat."]}), "from_dict"),
    "tag": (lambda i: i.tag(5, top=1), "list of names, not"),
    "add picture": (lambda i: i.add(PICTURE), "files, folders or patterns, not an Image"),
    "add number": (lambda i: i.add(5), "patterns, not 5"),
    "add nothing": (lambda i: i.add(None), "patterns, not None"),
    "add bytes": (lambda i: i.add(b"..."), "patterns, not a bytes"),
    "add array": (lambda i: i.add(np.ones((2, 2))), "patterns, not an array"),
    "add none": (lambda i: i.add([]), "there is no photo to add"),
    "add url": (lambda i: i.add("https://a.b/c.jpg"), "this is a URL"),
    "no worker": (lambda i: i.add("photos", workers=0), "workers is 0"),
    "workers": (lambda i: i.update(workers=-3), "workers is -3"),
    "numbers": (lambda i: i.open("n.lance", "gone", numbers="float64"), "numbers is 'float16' or"),
    "encoder": (lambda i: i.open("n.lance", ""), "an encoder is a name"),
    "place": (lambda i: i.open(5), "an index is read from a path"),
    "not opened": (lambda i: PhotoIndex("i.lance"), r"PhotoIndex.open\('i.lance'\)"),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("given")


@pytest.fixture(scope="module")
def index(folder: Path) -> PhotoIndex:
    return colour_index(folder)


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_used_is_one_sentence(
    what: str, index: PhotoIndex, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    call, message = WRONG[what]
    with pytest.raises(InputError, match=message) as caught:
        call(index)
    assert "\n" not in str(caught.value)
    assert len(index) == len(COLOURS)


@pytest.mark.parametrize("given", ["nope/", ["nope.jpg"], ["photos", "nope/"]])
def test_what_is_named_and_not_there(
    given: Any, index: PhotoIndex, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(MissingFileError, match="there is no file or folder nope"):
        index.add(given)


@pytest.mark.parametrize(
    "vector",
    [
        [1, 0, 0],
        torch.tensor([1.0, 0, 0], dtype=torch.bfloat16),
        torch.tensor([1.0, 0, 0], requires_grad=True),
        torch.tensor([1, 0, 0]),
    ],
)
def test_vectors_of_any_kind(vector: Any, index: PhotoIndex) -> None:
    assert Path(index.search(vector=vector)[0].path).stem == "red"


def test_classes_by_name(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.png")
    index = PhotoIndex.open(tmp_path / "i.lance", load_encoder("mini"))
    index.add(tmp_path / "a.png", image_cache=False)
    assert [one.label.name for one in index.search_classes(["cat", "dog"])] == ["cat", "dog"]
    (tagged,) = index.tag(["cat", "dog"], top=1)
    assert len(tagged.labels) == 1
