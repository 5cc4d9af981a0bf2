"""An index at the URL of an object store."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.class_vectors import ClassVectors
from cupl.errors import CuplError, InputError, MissingFileError, ServerError
from cupl.index.opening import check_place, open_store
from cupl.index.photo_index import PhotoIndex
from tests.index.conftest import fill, metadata, photo_row
from tests.index.photo_files import content_of, opened, put


def test_a_library_in_an_object_store(tmp_path: Path, s3_bucket: str) -> None:
    photos = tmp_path / "photos"
    for number in range(12):
        put(photos / f"{number}.ppm", number, at=1000 + number)
    index = opened(s3_bucket).add(photos, image_cache=False)
    assert index.changes.added == len(index) == 12
    again = opened(s3_bucket).add(photos, image_cache=False)
    assert (again.changes.added, again.changes.unchanged) == (0, 12)
    assert content_of(again) == content_of(opened(str(tmp_path / "i.lance")).add(photos))
    assert len(again.search(vector=[1, 2, 3, 4], k=3)) == 3
    (photos / "0.ppm").unlink()
    assert again.update(prune=True, image_cache=False).removed == 1
    assert again.remove(photos / "1.ppm") == 1
    unit = ClassVectors.from_arrays(["a", "b"], np.eye(4)[:2], fingerprint="colours")
    tagged = again.tag(ZeroShotClassifier(unit), top=1)
    assert (len(tagged), again.info().tagged) == (10, 10)
    index.compact()
    assert (index.info().photos, index.info().bytes) == (10, None)
    assert list(tmp_path.glob("s3*")) == []


def test_several_write_at_once(s3_bucket: str) -> None:
    open_store(s3_bucket, metadata())

    def write(first: int) -> None:
        store = open_store(s3_bucket)
        for start in range(first, first + 9, 3):
            fill(store, [photo_row(number) for number in range(start, start + 3)])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, (0, 9, 9)))
    assert open_store(s3_bucket).count() == 18


def complaint(place: str) -> CuplError:
    with pytest.raises(CuplError) as caught:
        open_store(place, metadata())
    said = str(caught.value)
    assert "damaged" not in said
    assert "not-to-be-shown" not in said
    assert len(said) < 300
    return caught.value


def test_what_is_not_there(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingFileError, match="there is no index of photos"):
        open_store(s3_bucket)
    assert "there is no such bucket" in str(complaint("s3://other/photos"))
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    assert "AWS_ALLOW_HTTP=true" in str(complaint(s3_bucket))


def test_a_store_that_is_away(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
    error = complaint(s3_bucket)
    assert isinstance(error, ServerError)
    assert "it cannot be reached" in str(error)


@pytest.mark.parametrize(
    ("place", "said"),
    [("file:///tmp/i.lance", "without file://"), ("memory://", "would be lost"),
     ("foo://x", "this kind of URL is not known"), ("db://x", "this kind of URL is not known"),
     ("s3://key:secret@b/x", "take it out")],
)  # fmt: skip
def test_urls_at_which_no_index_can_be(place: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        check_place(place, make=True)
    assert "secret" not in str(caught.value)
    with pytest.raises(InputError, match=said):
        PhotoIndex.open(place)
