import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cupl.errors import InputError
from cupl.index.photo_index import PhotoIndex
from cupl.index.query import QueryTerm
from cupl.index.rows import rows_table
from tests.index.conftest import metadata, photo_row, random_vectors
from tests.index.made import COLOURS, colour_encoder, colour_index
from tests.models import bank_of


@pytest.fixture
def index(tmp_path: Path) -> PhotoIndex:
    return colour_index(tmp_path)


def names(found: object) -> list[str]:
    return [Path(path).stem for path in found.paths]  # type: ignore[attr-defined]


def test_the_closest_photos_come_first(index: PhotoIndex) -> None:
    found = index.search("red", k=3)
    assert names(found) == ["red", "orange", "violet"]
    assert found[0].score == pytest.approx(1, abs=1e-3)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_several_texts_are_averaged(index: PhotoIndex) -> None:
    both, term = index.search(["red", "blue"], k=1), index.search(query="red + blue", k=1)
    assert names(both) == names(term) == ["violet"]


def test_terms_with_weights_and_signs(index: PhotoIndex) -> None:
    assert names(index.search(query="9:red + green", k=1)) == ["red"]
    assert names(index.search(query="red + green", k=1)) == ["orange"]
    assert names(index.search(query="violet - red", k=1)) == ["blue"]
    assert set(names(index.search(query="- red", k=2))) == {"green", "blue"}


def test_a_text_is_taken_as_it_is_where_no_query_is_given(index: PhotoIndex) -> None:
    with pytest.raises(KeyError, match="red - green"):
        index.search("red - green")


def test_more_like_a_photo_of_the_index_which_is_left_out(
    index: PhotoIndex, tmp_path: Path
) -> None:
    path = tmp_path / "photos" / "red.png"
    found = index.search(image=path, k=20)
    assert names(found)[0] == "orange"
    assert len(found) == len(COLOURS) - 1
    path.unlink()  # what the index knows of it is enough
    assert index.search(image=path, k=20).paths == found.paths


def test_a_photo_that_was_changed_is_read_again(index: PhotoIndex, tmp_path: Path) -> None:
    path = tmp_path / "photos" / "red.png"
    Image.new("RGB", (9, 9), COLOURS["blue"]).save(path)
    assert names(index.search(image=path, k=1)) == ["blue"]


def test_images_of_any_source(index: PhotoIndex) -> None:
    image = Image.new("RGB", (5, 5), COLOURS["blue"])
    file = io.BytesIO()
    image.save(file, "PNG")
    for source in (image, np.array(image), file.getvalue(), file):
        assert names(index.search(image=source, k=1)) == ["blue"]
    assert names(index.search(image=[image, image], k=1)) == ["blue"]


def test_a_vector_of_any_length(index: PhotoIndex) -> None:
    assert names(index.search(vector=[0, 0, 7.5], k=1)) == ["blue"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give one"),
        ({"text": "red", "vector": [1, 0, 0]}, "alone"),
        ({"text": ""}, "is a text, not ''"),
        ({"text": [3]}, "is a text, not 3"),
        ({"vector": [0, 0, 0]}, "no direction"),
        ({"vector": [np.nan, 0, 1]}, "no direction"),
        ({"vector": [1, 0]}, r"shape \[2\]"),
        ({"query": "red - red"}, "leave nothing"),
        ({"query": "red - 1000:red + 999:red"}, "leave nothing"),
        ({"text": "red", "k": 0}, "1 photo or more"),
        ({"text": "red", "k": 1.5}, "whole number"),
        ({"text": "red", "min_score": float("nan")}, "cosine"),
        ({"text": "red", "min_score": "high"}, "number"),
        ({"text": "red", "where": "nothing = 1"}, "condition"),
        ({"query": "./gone.jpg"}, "gone.jpg: "),
        ({"image": "https://a.b/c.jpg"}, "URL"),
        ({"image": b"no image"}, "the image: "),
    ],
)
def test_what_cannot_be_searched_for_is_refused(
    index: PhotoIndex, given: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        index.search(**given)  # type: ignore[arg-type]


def test_a_folder_is_no_photo(index: PhotoIndex, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder"):
        index.search(image=tmp_path)


def test_limits(index: PhotoIndex) -> None:
    assert len(index.search("red", k=10**30)) == len(COLOURS)
    assert names(index.search("red", min_score=0.99)) == ["red"]
    assert len(index.search("red", 2)) == 2
    assert len(index.search("red", where="width > 100")) == 0


def test_an_empty_index_has_nothing(tmp_path: Path) -> None:
    index = PhotoIndex.open(tmp_path / "empty.lance", colour_encoder())
    assert len(index.search("red")) == 0


def test_of_a_text_that_is_too_long_the_beginning_is_searched_for(index: PhotoIndex) -> None:
    with pytest.warns(UserWarning, match="only the beginning of 'red red"):
        index.search(" ".join(["red"] * 20))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index.search("red")


@pytest.mark.parametrize("numbers", ["float16", "float32"])
def test_hits_are_those_of_brute_force(tmp_path: Path, numbers: str) -> None:
    made = metadata().model_copy(update={"numbers": numbers})
    from cupl.index.opening import open_store

    store = open_store(str(tmp_path / "p.lance"), made)
    vectors = random_vectors(400)
    # Pairs that half precision hardly tells apart.
    vectors[1::2] = vectors[::2] + 0.003 * random_vectors(200, seed=3)
    store.add(rows_table([photo_row(i) for i in range(400)], vectors, store.metadata.numbers))
    kept = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(numbers)
    kept = kept.astype(np.float32)
    kept /= np.linalg.norm(kept, axis=1, keepdims=True)
    index = PhotoIndex(store)
    for query in random_vectors(20, seed=9):
        best = np.argsort(-(kept @ (query / np.linalg.norm(query))))[:10]
        assert index.search(vector=query, k=10).paths == [f"/photos/{i}.jpg" for i in best]


def test_terms_may_be_given_as_they_are(index: PhotoIndex) -> None:
    terms = [QueryTerm("violet"), QueryTerm("red", weight=-1)]
    assert names(index.search(query=terms, k=1)) == ["blue"]


def test_a_path_that_is_no_text_is_in_a_table(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    odd = folder / os.fsdecode(b"\xff.png")
    Image.new("RGB", (8, 6), COLOURS["red"]).save(odd)
    index = PhotoIndex.open(tmp_path / "i.lance", colour_encoder()).add(folder, image_cache=False)
    table = index.search("red").to_pandas()
    assert table["path"].tolist() == [str(odd)]
    assert table["path"].dtype == object
    assert len(index.search("red", where="width > 100").to_pandas()) == 0
    assert index.to_pandas()["path"].tolist() == [str(odd)]


def test_all_that_is_known_is_in_a_table(index: PhotoIndex) -> None:
    index.tag(bank_of({"red": ["red"], "blue": ["blue"]}), top=1)
    table = index.to_pandas()
    assert [Path(path).stem for path in table["path"]] == sorted(COLOURS)
    assert set(table["label"]) == {"red", "blue"}
    assert len(index.to_pandas("label = 'red'")) == sum(table["label"] == "red")
    assert list(index.to_pandas("width > 100").columns) == list(table.columns)
    assert not {"vector", "id", "raw_path"} & set(table.columns)
