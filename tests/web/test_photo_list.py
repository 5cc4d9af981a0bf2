"""The photos that the app was opened with: named by numbers, and none from outside the folder."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_stream import encode_sources
from cupl.encoders.protocol import Encoder
from cupl.errors import CuplError, InputError, MissingFileError
from cupl.progress import ignore
from cupl.web.jobs import JobStopped
from cupl.web.photo_list import PhotoList


def names_of(found: PhotoList) -> list[str]:
    return [found.names[number] for number in range(len(found))]


@pytest.fixture
def some(photos: Path, tmp_path: Path) -> Path:
    """A folder of six photos in two folders."""
    for name in ("cat", "rocket"):
        (tmp_path / "some" / name).mkdir(parents=True)
        for number in range(3):
            file = f"{name}-{number}.jpg"
            shutil.copy(photos / name / file, tmp_path / "some" / name / file)
    return tmp_path / "some"


def test_names_and_folders(some: Path) -> None:
    found = PhotoList.open(some)
    assert names_of(found)[::5] == ["cat/cat-0.jpg", "rocket/rocket-2.jpg"]
    assert (found.folders, found.folder_of) == (["cat", "rocket"], [0, 0, 0, 1, 1, 1])
    assert len(PhotoList.open(None)) == 0
    with pytest.raises(MissingFileError):
        PhotoList.open(some / "nowhere")
    with pytest.raises(CuplError):
        PhotoList.open(some / "cat" / "cat-0.jpg")


@pytest.mark.parametrize(
    "asked", ["6", "-1", "", "1.0", " 1", "1 ", "+1", "0x1", "٣", "²", "9" * 30, "1_0", "\0", "1\n"]
)
def test_a_photo_is_named_by_its_number_alone(some: Path, asked: str) -> None:
    found = PhotoList.open(some)
    assert (found.number("0"), found.number("5"), found.number("05")) == (0, 5, 5)
    with pytest.raises(MissingFileError):
        found.number(asked)


def test_links_that_lead_out_are_left_out(some: Path, tmp_path: Path, photos: Path) -> None:
    private = tmp_path / "private"
    shutil.copytree(photos / "coin", private)
    twin = tmp_path / "some-private"  # its path begins as that of the folder does
    shutil.copytree(photos / "coin", twin)
    (some / "a.jpg").symlink_to(private / "coin-0.jpg")
    (some / "b.jpg").symlink_to("../private/coin-1.jpg")
    (some / "c.jpg").symlink_to(twin / "coin-0.jpg")
    (some / "d.jpg").symlink_to("a.jpg")
    (some / "folder").symlink_to(private, target_is_directory=True)
    (some / "inside.jpg").symlink_to("cat/cat-0.jpg")
    found = PhotoList.open(some)
    assert [name for name in names_of(found) if "/" not in name] == ["inside.jpg"]
    assert len(found) == 7
    assert found.left_out == 9
    shutil.rmtree(some / "cat")
    shutil.rmtree(some / "rocket")
    (some / "inside.jpg").unlink()
    with pytest.raises(InputError, match="leads out of it"):
        PhotoList.open(some)


def test_a_folder_that_is_itself_a_link(some: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(some, target_is_directory=True)
    found = PhotoList.open(tmp_path / "link")
    assert (len(found), found.left_out) == (6, 0)
    assert shown(found, "0") == (some / "cat" / "cat-0.jpg").read_bytes()


def shown(photos: PhotoList, number: str) -> str | bytes:
    with photos.opened(number) as photo:
        return photo.source


def test_a_photo_is_looked_at_again_before_it_is_shown(some: Path, tmp_path: Path) -> None:
    found = PhotoList.open(some)
    first = Path(found.paths[0])
    first.rename(tmp_path / "away.jpg")
    first.symlink_to(tmp_path / "away.jpg")
    with pytest.raises(MissingFileError, match="any more"):
        shown(found, "0")
    (some / "cat").rename(tmp_path / "cats")
    (some / "cat").symlink_to(tmp_path / "cats", target_is_directory=True)
    with pytest.raises(MissingFileError, match="any more"):
        shown(found, "1")
    assert [found.left(number) for number in range(6)] == [True] * 3 + [False] * 3
    assert shown(found, "4")


def test_the_folder_is_the_one_that_was_opened(some: Path, tmp_path: Path) -> None:
    found = PhotoList.open(some)
    shutil.copytree(some, tmp_path / "others")
    some.rename(tmp_path / "own")
    some.symlink_to(tmp_path / "others", target_is_directory=True)
    with pytest.raises(MissingFileError, match="any more"):
        shown(found, "0")


@pytest.mark.parametrize("kind", ["folder", "pipe", "nothing"])
def test_what_is_no_photo_any_more_is_not_waited_for(some: Path, kind: str) -> None:
    found = PhotoList.open(some)
    first = Path(found.paths[0])
    first.unlink()
    if kind == "folder":
        first.mkdir()
    elif kind == "pipe":
        os.mkfifo(first)
    with pytest.raises(MissingFileError, match="any more"):
        shown(found, "0")


def test_a_link_that_comes_between_the_checks_shows_nothing(
    some: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if another program put a link in the place of a photo, and the photo back."""
    found = PhotoList.open(some)
    first, secret = Path(found.paths[0]), tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *how: real(
        secret if os.fspath(path) == str(first) else path, *how))  # fmt: skip
    with pytest.raises(MissingFileError, match="any more"):
        shown(found, "0")


def test_the_folder_of_the_output_is_left_out(some: Path) -> None:
    shutil.copytree(some / "cat", some / "out" / "sorted" / "cat")
    assert len(PhotoList.open(some, some / "out")) == 6
    assert len(PhotoList.open(some / "out", some / "out")) == 3
    shutil.rmtree(some / "cat")
    shutil.rmtree(some / "rocket")
    with pytest.raises(InputError, match="was sorted into it by cupl serve"):
        PhotoList.open(some, some / "out")


def test_names_of_any_bytes(some: Path) -> None:
    odd = os.fsencode(some) + b"/\xff<b>.jpg"
    shutil.copy(os.fsencode(some / "cat" / "cat-0.jpg"), odd)
    found = PhotoList.open(some)
    number = next(n for n, name in enumerate(names_of(found)) if "<b>" in name)
    assert names_of(found)[number] == "\ufffd<b>.jpg"
    assert os.fsencode(found.paths[number]) == odd


def test_vectors_come_as_they_are_made(some: Path, mini: Encoder) -> None:
    (some / "cat" / "cat-1.jpg").write_text("no photo")
    found = PhotoList.open(some)
    with pytest.raises(InputError, match="not encoded yet"):
        found.vectors([0])

    def stop(done: int, total: int) -> None:
        raise JobStopped

    with pytest.raises(JobStopped):
        found.encode(mini, False, stop)
    assert found.encode(mini, False, ignore) == {"photos": 6, "unreadable": 1}
    assert found.readable() == [0, 2, 3, 4, 5]
    assert found.readable(0) == [0, 2]
    with pytest.raises(InputError, match=r"cat/cat-1.jpg"):
        found.vectors([1])
    [expected] = encode_sources([found.paths[5]], mini, image_cache=False)
    assert expected.vector is not None
    assert torch.allclose(found.vectors([0, 5])[1], expected.vector, atol=1e-5)


def test_stored_vectors_are_taken_as_they_are(some: Path, mini: Encoder, tmp_path: Path) -> None:
    plain = PhotoList.open(some)
    plain.encode(mini, False, ignore)
    embed_images(some, mini, tmp_path / "vectors", image_cache=False)
    found = PhotoList.open(tmp_path / "vectors")
    found.encode(mini, False, ignore)
    assert len(found) == 6
    assert torch.allclose(found.vectors(range(6)), plain.vectors(range(6)), atol=1e-5)
