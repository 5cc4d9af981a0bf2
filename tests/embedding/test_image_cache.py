import contextlib
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cupl.embedding import image_stream
from cupl.embedding.image_cache import most_bytes
from cupl.embedding.image_sources import ImageSource
from cupl.embedding.image_stream import Encoded, encode_sources
from cupl.errors import InputError
from cupl.io.paths import cache_dir
from tests.caches import room_for
from tests.models import HandMadeEncoder

VECTORS = {(shade, 0, 0): [1.0, shade / 7, 0.5] for shade in range(60)}


@pytest.fixture(autouse=True)
def _cache_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUPL_IMAGE_CACHE_SIZE")


def encoder_of(batch: int = 4, fingerprint: str = "f") -> HandMadeEncoder:
    encoder = HandMadeEncoder(images=VECTORS, fingerprint=fingerprint)
    encoder.image_batch = batch
    return encoder


def photo(folder: Path, shade: int, name: str | None = None) -> str:
    path = folder / (name or f"{shade:02}.png")
    Image.new("RGB", (3, 2), (shade, 0, 0)).save(path)
    return str(path)


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    return [photo(tmp_path, shade) for shade in range(20)]


def database() -> Path:
    return cache_dir() / "embeddings" / "images" / "cache.db"


def change(sql: str) -> None:
    with sqlite3.connect(database()) as connection:
        connection.execute(sql)
    connection.close()


def told(images: list[Encoded]) -> list[tuple[str | None, str | None, list[float] | None]]:
    return [
        (image.path, image.error, None if image.vector is None else image.vector.tolist())
        for image in images
    ]


@given(
    before=st.lists(st.integers(0, 25), max_size=40),
    after=st.lists(st.integers(0, 25), max_size=40),
    batch=st.integers(1, 7),
    workers=st.integers(1, 3),
)
def test_a_cache_changes_nothing_but_what_is_encoded(
    before: list[int],
    after: list[int],
    batch: int,
    workers: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("photos")
    paths = [photo(folder, shade) for shade in range(20)]
    paths += [photo(folder, 99), photo(folder, 98), str(folder / "gone.png")]
    (folder / "cut.png").write_bytes(Path(paths[0]).read_bytes()[:40])
    paths += [str(folder / "cut.png"), str(folder), photo(folder, 3, "same as 3.png")]
    first = encoder_of(batch)
    cache = folder / "cache"
    list(encode_sources([paths[i] for i in before], first, workers, cache))
    again = encoder_of(batch)
    listed = [paths[i] for i in after]
    found = list(encode_sources(listed, again, workers, cache))
    assert told(found) == told(list(encode_sources(listed, encoder_of(batch), image_cache=False)))
    known = {3 if i == 25 else i for i in before}
    new = [i for i in after if i < 20 or i == 25]
    at_least = len({3 if i == 25 else i for i in new} - known)
    at_most = sum((3 if i == 25 else i) not in known for i in new)
    assert at_least <= sum(again.image_calls) <= at_most
    assert all(call <= batch for call in again.image_calls)


def test_what_is_known_is_neither_decoded_nor_encoded(
    photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = list(encode_sources(photos, encoder_of()))
    monkeypatch.setattr(image_stream, "decoded_image", lambda *_, **__: pytest.fail("decoded"))
    encoder = encoder_of()
    assert told(list(encode_sources(photos, encoder))) == told(first)
    assert encoder.image_calls == []


def test_a_photo_is_known_by_its_content_wherever_it_lies(
    photos: list[str], tmp_path: Path
) -> None:
    list(encode_sources(photos[:1], encoder_of()))
    moved = shutil.copy(photos[0], tmp_path / "another name.jpg")
    content = Path(photos[0]).read_bytes()
    encoder = encoder_of()
    sources: list[ImageSource] = [str(moved), content, io.BytesIO(content)]
    assert len({str(one.vector) for one in encode_sources(sources, encoder)}) == 1
    assert encoder.image_calls == []


def test_an_edited_photo_is_another(photos: list[str], tmp_path: Path) -> None:
    list(encode_sources(photos, encoder_of()))
    photo(tmp_path, 33, Path(photos[4]).name)
    encoder = encoder_of()
    found = list(encode_sources(photos, encoder))
    assert encoder.image_calls == [1]
    assert found[4].vector is not None
    assert found[4].vector.tolist() == torch.tensor(VECTORS[33, 0, 0]).tolist()


def test_another_encoder_or_precision_has_others(photos: list[str]) -> None:
    list(encode_sources(photos, encoder_of()))
    half = encoder_of()
    half.precision = "bfloat16"
    for other in (encoder_of(fingerprint="g"), half):
        list(encode_sources(photos, other))
        assert sum(other.image_calls) == 20


def test_what_is_no_file_is_not_kept() -> None:
    images = [Image.new("RGB", (3, 2), (5, 0, 0))]
    for _ in range(2):
        encoder = encoder_of()
        list(encode_sources(images, encoder))
        assert encoder.image_calls == [1]
    assert not database().exists()


def test_a_failure_is_tried_each_time(tmp_path: Path) -> None:
    path = photo(tmp_path, 7)
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[:40])
    assert next(encode_sources([path], encoder_of())).error
    Path(path).write_bytes(content)
    blind = HandMadeEncoder(images={(1, 0, 0): [1.0, 0, 0]}, fingerprint="f")
    assert "no vector for the pixel" in str(next(encode_sources([path], blind)).error)
    assert next(encode_sources([path], encoder_of())).vector is not None


def test_a_vector_without_direction_is_not_kept(photos: list[str]) -> None:
    zero = HandMadeEncoder(images=dict.fromkeys(VECTORS, [0.0] * 3), fingerprint="f")
    assert all(one.vector is None for one in encode_sources(photos, zero))
    assert all(one.vector is not None for one in encode_sources(photos, encoder_of()))


def test_bytes_that_are_an_image_by_their_name_alone(tmp_path: Path) -> None:
    named, unnamed = tmp_path / "a.tga", tmp_path / "a.bin"
    Image.new("RGB", (3, 2), (5, 0, 0)).save(named)
    content = named.read_bytes().removesuffix(named.read_bytes()[-26:])  # its signature
    for path in (named, unnamed):
        path.write_bytes(content)
    assert next(encode_sources([str(named)], encoder_of())).vector is not None
    assert "not an image" in str(next(encode_sources([str(unnamed)], encoder_of())).error)


def test_without_lookup_vectors_are_made_anew_and_kept(photos: list[str]) -> None:
    for _ in range(2):
        encoder = encoder_of()
        list(encode_sources(photos, encoder, lookup=False))
        assert sum(encoder.image_calls) == 20
    encoder = encoder_of()
    list(encode_sources(photos, encoder))
    assert encoder.image_calls == []


def test_what_was_done_before_an_interrupt_is_kept(photos: list[str]) -> None:
    stream = encode_sources(photos, encoder_of())
    for _ in range(9):
        next(stream)
    stream.close()
    encoder = encoder_of()
    list(encode_sources(photos, encoder))
    assert 8 <= sum(encoder.image_calls) <= 12


@pytest.mark.parametrize(
    "damage",
    ["value = zeroblob(12)", "value = x'00'", "value = 'text'", "tag = tag + 1", "tag = NULL",
     "raw = 0", "value = NULL"],
)  # fmt: skip
def test_what_is_no_whole_vector_is_computed_again(damage: str, photos: list[str]) -> None:
    first = list(encode_sources(photos, encoder_of()))
    change(f"UPDATE Cache SET {damage}")  # noqa: S608
    encoder = encoder_of()
    assert told(list(encode_sources(photos, encoder))) == told(first)
    assert sum(encoder.image_calls) == 20


def test_vectors_under_each_others_keys_are_none_of_theirs(photos: list[str]) -> None:
    first = list(encode_sources(photos[:2], encoder_of()))
    with sqlite3.connect(database()) as connection:
        ((one,), (two,)) = connection.execute("SELECT key FROM Cache").fetchall()
        for old, new in ((one, "other"), (two, one), ("other", two)):
            connection.execute("UPDATE Cache SET key = ? WHERE key = ?", (new, old))
    connection.close()
    assert told(list(encode_sources(photos[:2], encoder_of()))) == told(first)


def test_a_damaged_database_costs_only_time(photos: list[str]) -> None:
    first = list(encode_sources(photos, encoder_of()))
    database().write_bytes(b"no database" * 1000)
    with pytest.warns(UserWarning, match="the cache of image vectors .* is damaged"):
        assert told(list(encode_sources(photos, encoder_of()))) == told(first)


def test_a_disk_that_is_full_costs_only_time(photos: list[str]) -> None:
    encoder = encoder_of()
    with pytest.warns(UserWarning, match="image vectors .* cannot be used"), room_for(5000):
        found = list(encode_sources(photos, encoder))
    assert all(one.vector is not None for one in found)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_may_only_be_read_is_read(photos: list[str]) -> None:
    list(encode_sources(photos[:10], encoder_of()))
    database().parent.chmod(0o500)
    encoder = encoder_of()
    list(encode_sources(photos, encoder))
    database().parent.chmod(0o700)
    assert sum(encoder.image_calls) == 10


def test_a_folder_that_is_a_file_costs_only_time(photos: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(UserWarning, match="cannot be used"):
        found = list(encode_sources(photos, encoder_of(), image_cache=tmp_path / "file"))
    assert all(one.vector is not None for one in found)


def test_nobody_else_can_look(photos: list[str]) -> None:
    list(encode_sources(photos, encoder_of()))
    assert database().parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("off", ["0", "none", "0GB"])
def test_it_can_be_turned_off(off: str, photos: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUPL_IMAGE_CACHE_SIZE", off)
    list(encode_sources(photos, encoder_of()))
    monkeypatch.delenv("CUPL_IMAGE_CACHE_SIZE")
    list(encode_sources(photos, encoder_of(), image_cache=False))
    assert not database().exists()


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("", 2**30), (" 5MB ", 5_000_000), ("2 g", 2_000_000_000), ("123", 123), ("4KiB", 4000)],
)
def test_its_size_is_what_one_says(text: str, bytes_: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUPL_IMAGE_CACHE_SIZE", text)
    assert most_bytes() == bytes_


@pytest.mark.parametrize("text", ["lots", "-1", "1.5GB", "/tmp/cache"])  # noqa: S108
def test_what_is_no_size_is_refused(
    text: str, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUPL_IMAGE_CACHE_SIZE", text)
    with pytest.raises(InputError, match="CUPL_IMAGE_CACHE_SIZE is .* which is no size"):
        list(encode_sources(photos, encoder_of()))


def test_the_oldest_go_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUPL_IMAGE_CACHE_SIZE", "200kB")
    wide = {shade: [1.0, float(shade), *([0.0] * 500)] for shade in range(200)}
    encoder = HandMadeEncoder(
        images={(shade, 0, 0): vector for shade, vector in wide.items()}, fingerprint="f"
    )
    paths = [photo(tmp_path, shade, f"{shade}.png") for shade in range(200)]
    for _ in range(3):
        list(encode_sources(paths, encoder))
    encoder.image_calls.clear()
    list(encode_sources(paths[-30:], encoder))
    assert sum(encoder.image_calls) < 20
    assert database().stat().st_size < 400_000


_ANOTHER = """
import sys
from cupl.embedding.image_stream import encode_sources
from tests.embedding.test_image_cache import encoder_of
found = list(encode_sources(sys.argv[1:], encoder_of()))
assert all(one.vector is not None for one in found)
"""


def test_one_that_another_process_begins_to_make_is_empty(photos: list[str]) -> None:
    """Between its file and its table nothing is there, and nothing is damaged."""
    folder = cache_dir() / "embeddings" / "images"
    folder.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(folder / "cache.db")) as database:
        database.execute("CREATE TABLE Settings (key TEXT NOT NULL UNIQUE, value)")
    for encodes in (True, False):
        encoder = encoder_of()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            list(encode_sources(photos, encoder))
        assert bool(encoder.image_calls) == encodes


def test_several_processes_share_it(photos: list[str]) -> None:
    runs = [subprocess.Popen([sys.executable, "-W", "error", "-c", _ANOTHER, *photos])
            for _ in range(3)]  # fmt: skip
    assert [run.wait() for run in runs] == [0, 0, 0]
    encoder = encoder_of()
    list(encode_sources(photos, encoder))
    assert encoder.image_calls == []
