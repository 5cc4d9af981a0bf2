import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cupl.embedding.image_runs import embed_images
from cupl.errors import InputError, MissingFileError
from cupl.index import photo_facts, reading
from cupl.index.photo_index import PhotoIndex
from cupl.index.rows import absolute
from tests.index.photo_files import ColourEncoder, content_of, opened, picture, put


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(6):
        put(tmp_path / "photos" / f"{number}.ppm", number, at=1000 + number)
    return tmp_path / "photos"


def test_what_is_known_is_not_encoded_again(photos: Path, tmp_path: Path) -> None:
    encoder = ColourEncoder()
    index = opened(tmp_path / "i.lance", encoder).add(photos, image_cache=False)
    put(tmp_path / "copies" / "0.ppm", 0)
    put(tmp_path / "copies" / "1.ppm", 77)
    put(tmp_path / "copies" / "2.ppm", 77)
    os.utime(photos / "5.ppm", (1, 1))
    again = opened(tmp_path / "i.lance", encoder)
    again.add([photos, tmp_path / "copies"], image_cache=False)
    assert (again.changes.added, again.changes.unchanged, len(index)) == (3, 6, 9)
    assert encoder.encoded == 7


def test_unreadable_photos_are_told_and_what_was_known_of_them_is_kept(
    photos: Path, tmp_path: Path
) -> None:
    index = opened(tmp_path / "i.lance").add(photos)
    before = content_of(index)
    (photos / "0.ppm").write_bytes(b"P6 no photo")
    (photos / "new.ppm").write_bytes(b"P6 no photo")
    for _ in range(2):
        index.add(photos)
        assert (index.changes.failed, index.changes.unchanged) == (2, 5)
        assert content_of(index) == before
    put(photos / "0.ppm", 50)
    assert index.update().changed == 1


def test_a_photo_that_changes_while_it_is_read_is_read_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = photo_facts.photo_facts, iter([90, 91, 92, 93])

    def written_meanwhile(content: bytes) -> object:
        if content != picture(3) and (number := next(left, None)) is not None:
            put(photos / "1.ppm", number, at=number)
        return real(content)

    monkeypatch.setattr(reading, "photo_facts", written_meanwhile)
    index = opened(tmp_path / "i.lance").add([photos / "1.ppm"], workers=1, image_cache=False)
    assert index.changes.failed == 1
    assert "changed while it was read" in index.changes.examples[0][1]
    assert index.add([photos / "1.ppm"], image_cache=False).changes.added == 1
    fresh = opened(tmp_path / "fresh.lance").add([photos / "1.ppm"], image_cache=False)
    assert content_of(index) == content_of(fresh)


def test_vectors_of_an_embed_folder_are_taken(photos: Path, tmp_path: Path) -> None:
    put(photos / "gone.ppm", 60)
    embed_images(photos, ColourEncoder(), tmp_path / "shards", shard_size=3, image_cache=False)
    (photos / "gone.ppm").unlink()
    later = (tmp_path / "shards" / "images-00000.parquet").stat().st_mtime + 10
    put(photos / "0.ppm", 61, at=later)
    encoder = ColourEncoder()
    index = opened(tmp_path / "i.lance", encoder).add(tmp_path / "shards")
    assert (index.changes.added, index.changes.failed, encoder.encoded) == (5, 2, 0)
    said = dict(index.changes.examples)
    assert said[str(photos / "gone.ppm")] == "there is no such file"
    assert "it has changed since its vector was made" in said[str(photos / "0.ppm")]
    assert index.add(tmp_path / "shards").changes.unchanged == 5
    other = opened(tmp_path / "other.lance", ColourEncoder("another"))
    with pytest.raises(InputError, match="the vectors in .* were made by .*: make another index"):
        other.add(tmp_path / "shards")


def test_an_index_among_the_photos_is_none_of_them(photos: Path, tmp_path: Path) -> None:
    index = opened(photos / "i.lance").add(photos, all_files=True)
    put(photos / "i.lance" / "photo.ppm", 9)
    assert index.add(photos, all_files=True).changes.unchanged == 6
    assert len(index) == 6


def test_another_encoder_is_refused(photos: Path, tmp_path: Path) -> None:
    opened(tmp_path / "i.lance").add(photos)
    with pytest.raises(InputError, match=r"use that encoder, or make another index \(this one is"):
        opened(tmp_path / "i.lance", ColourEncoder("another"))


def test_a_lost_drive_ends_the_run(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [tmp_path / "lost" / f"{number}.ppm" for number in range(60)]
    last = photos / "0.ppm"
    with pytest.raises(InputError, match="as if their drive was gone.*the same again goes on"):
        opened(tmp_path / "i.lance").add(
            [last, *names], progress=lambda *_: last.unlink(missing_ok=True)
        )


def odd_names(folder: Path) -> Iterator[bytes]:
    for name in (b"\xff\xfe", b"new\nline", b"it's \"", b"\\xff", b"x'); DROP TABLE photos; --",
                 b" ", b"-rf", b"[a]*", "\u202e\U0001f600".encode(), b"d" * 200):  # fmt: skip
        yield os.fsencode(folder) + b"/" + name + b".ppm"
    yield b"/".join([os.fsencode(folder), *[b"\xff" * 200] * 12, b"deep.ppm"])


def test_paths_of_any_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "odd\udcff"
    names = [os.fsdecode(name) for name in odd_names(folder)]
    for number, name in enumerate(names):
        put(Path(name), number)
    index = opened(tmp_path / "i.lance").add(folder)
    assert set(content_of(index)) == set(names)
    assert index.update(prune=True).unchanged == len(names)
    for left, name in reversed(list(enumerate(names))):
        assert index.remove(name) == 1
        assert len(index) == left
    assert index.update(prune=True).added == 0
    assert all(map(os.path.exists, names))


def test_photos_out_of_an_index(photos: Path, tmp_path: Path) -> None:
    put(photos / "in" / "7.ppm", 7)
    index = opened(tmp_path / "i.lance").add(photos)
    with pytest.raises(InputError, match="the index has no photo .*nosuch"):
        index.remove([photos / "0.ppm", photos / "nosuch"])
    with pytest.raises(InputError, match="say which photos"):
        index.remove()
    assert len(index) == 7
    assert index.remove(photos / "in", where="width > 1") == 0
    assert index.remove(photos / "in", where="width = 1") == 1
    assert index.remove(where="path LIKE '%/0.ppm'") == 1
    info = index.info()
    assert (info.photos, info.dated, info.tagged, info.encoder) == (5, 0, 0, "hand-made")
    assert index.update().added == 2


def test_no_index_to_open(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such index: name an encoder to make one"):
        PhotoIndex.open(tmp_path / "i.lance")
    for name, said in {
        "none/i.lance": "the folder .*none does not exist",
        "a\nb": "its path has characters",
        "a\udcff": "its path is no text in UTF-8",
        "link": "it is a link to .*, which does not exist",
    }.items():
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        with pytest.raises((InputError, MissingFileError), match=said):
            opened(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link"]


def test_members_of_a_tar_keep_their_names() -> None:
    """They mean nothing to a file system: none is that of a file beside the tar."""
    for member in ("../../x.jpg", "./a/../b.jpg", "a//1.jpg", "/etc/x.jpg"):
        assert absolute(f"tars/dots.tar::{member}") == f"{Path.cwd()}/tars/dots.tar::{member}"
    assert absolute("a/../b.jpg") == f"{Path.cwd()}/b.jpg"
    assert absolute("s3://bucket/a//b.jpg") == "s3://bucket/a//b.jpg"
