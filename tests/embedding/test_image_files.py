import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cupl.embedding import image_files
from cupl.embedding.image_errors import ImageError
from cupl.embedding.image_kinds import FORMAT_ENDINGS, IMAGE_ENDINGS
from cupl.embedding.images import open_image
from cupl.embedding.left_out import LeftOut
from cupl.errors import InputError, MissingFileError
from tests.folders import close_folder
from tests.models import draw

Pixels = npt.NDArray[np.uint8]
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def find_images(sources: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """What is found, as objects that can be compared whatever the system's separator."""
    return list(map(Path, image_files.find_images(sources)))


@pytest.fixture
def touch(tmp_path: Path) -> Callable[..., list[Path]]:
    def make(*names: str) -> list[Path]:
        paths = [tmp_path / name for name in names]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return paths

    return make


Touch = Callable[..., list[Path]]


def test_folders_are_searched_in_order(tmp_path: Path, touch: Touch) -> None:
    images = touch("10.PNG", "2.jpg", "a/b/deep.JPeG", "a/x.webp", "b/y.tiff")
    touch("notes.txt", "a/list.csv", "jpg", ".hidden.jpg", ".git/c.jpg", "a/.cache/d/e.jpg")
    assert find_images([tmp_path]) == sorted(images, key=str)
    assert find_images([str(tmp_path)]) == find_images([tmp_path])


def test_every_known_ending_is_found(tmp_path: Path, touch: Touch) -> None:
    images = touch(*(f"image{ending}" for ending in IMAGE_ENDINGS))
    assert find_images([tmp_path]) == sorted(images, key=str)


def test_endings_belong_to_formats_that_open() -> None:
    Image.init()
    for image_format, endings in FORMAT_ENDINGS.items():
        assert image_format in Image.OPEN
        registered = {Image.registered_extensions().get(ending) for ending in endings}
        assert registered <= {image_format, "MPO", None}


def test_sources_keep_their_order_and_files_their_names(tmp_path: Path, touch: Touch) -> None:
    inside, odd = touch("folder/b.jpg", "notes.txt")
    missing = tmp_path / "missing.jpg"
    assert find_images([odd, missing, tmp_path / "folder"]) == [odd, missing, inside]
    assert find_images([]) == []


def test_duplicates_are_dropped(
    tmp_path: Path, touch: Touch, monkeypatch: pytest.MonkeyPatch
) -> None:
    b, a = touch("b.jpg", "a.jpg")
    assert find_images([b, tmp_path, str(a), tmp_path / "*.jpg"]) == [b, a]
    monkeypatch.chdir(tmp_path)
    assert find_images(["a.jpg", "./a.jpg", a, "."]) == [Path("a.jpg"), Path("b.jpg")]


def test_folders_named_like_images_are_folders(tmp_path: Path, touch: Touch) -> None:
    inside, beside = touch("set.jpg/1.jpg", "x.jpg")
    assert find_images([tmp_path / "set.jpg"]) == [inside]
    assert find_images([tmp_path]) == [inside, beside]
    assert find_images([tmp_path / "*.jpg"]) == [beside]


def test_the_first_of_two_links_names_a_folder(tmp_path: Path, touch: Touch) -> None:
    (image,) = touch("elsewhere/1.jpg")
    (tmp_path / "set").mkdir()
    for name in ("c", "a", "b"):
        (tmp_path / "set" / name).symlink_to(image.parent)
    assert find_images([tmp_path / "set"]) == [tmp_path / "set/a/1.jpg"]


def test_folder_without_images(tmp_path: Path, touch: Touch) -> None:
    touch("folder/notes.txt", "folder/.hidden.jpg")
    with pytest.raises(InputError, match="folder") as caught:
        find_images([tmp_path / "folder"])
    assert not isinstance(caught.value, ImageError)


def test_patterns(tmp_path: Path, touch: Touch) -> None:
    top, side, deep = touch("1.jpg", "a/2.PNG", "a/b/3.jpg")
    touch("a/notes.txt", ".git/4.jpg", "a/.5.jpg")
    assert find_images([tmp_path / "*.jpg"]) == [top]
    assert find_images([str(tmp_path / "*")]) == [top]
    assert find_images([tmp_path / "*/?.*"]) == [side]
    assert find_images([tmp_path / "**/*.jpg"]) == [top, deep]
    assert find_images([tmp_path / "**"]) == [top, side, deep]
    assert find_images([tmp_path / "a/**/[0-9].*"]) == [side, deep]
    assert [path.name for path in find_images([tmp_path / ".git/*"])] == ["4.jpg"]


def test_relative_patterns(tmp_path: Path, touch: Touch, monkeypatch: pytest.MonkeyPatch) -> None:
    touch("a/1.jpg", "b/2.jpg")
    monkeypatch.chdir(tmp_path / "b")
    assert find_images(["*.jpg"]) == [Path("2.jpg")]
    assert find_images(["../**/*.jpg"]) == [Path("../a/1.jpg"), Path("../b/2.jpg")]


@pytest.mark.parametrize("pattern", ["*.gif", "nowhere/**", "[ab].jpg", "**/*.txt"])
def test_pattern_without_matches(tmp_path: Path, touch: Touch, pattern: str) -> None:
    touch("1.jpg", "notes.txt")
    with pytest.raises(MissingFileError, match="no image matches") as caught:
        find_images([tmp_path / pattern])
    assert pattern in str(caught.value)


def test_pattern_that_cannot_be_read(tmp_path: Path, touch: Touch) -> None:
    (image,) = touch("ab.jpg")
    pattern = tmp_path / "a**.jpg"
    if sys.version_info >= (3, 13):
        assert find_images([pattern]) == [image]
    else:
        with pytest.raises(InputError, match=re.escape(str(pattern))):
            find_images([pattern])


def test_names_that_look_like_patterns(tmp_path: Path, touch: Touch) -> None:
    bracketed, starred, plain = touch("[x].jpg", "*.jpg", "x.jpg")
    assert find_images([bracketed]) == [bracketed]
    assert find_images([starred]) == [starred]
    assert find_images([tmp_path]) == [starred, bracketed, plain]
    bracketed.unlink()
    assert find_images([bracketed]) == [plain]


def test_odd_names_survive(tmp_path: Path) -> None:
    names = [b"new\nline.jpg", b"\xff\xfe.jpg", "übergröße 蛙.jpg".encode(), b" -x'\";$(ls).jpg"]
    for name in names:
        draw(12, 8).save(tmp_path / os.fsdecode(name), "PNG")
    found = find_images([tmp_path])
    assert {os.fsencode(path.name) for path in found} == set(names)
    assert find_images([tmp_path / "**"]) == found
    assert find_images(found) == found
    for path in found:
        assert open_image(path).size == (12, 8)


def test_links_are_followed_but_never_in_circles(tmp_path: Path, touch: Touch) -> None:
    real, inside = touch("set/z.jpg", "set/m/x.jpg")
    (outside,) = touch("elsewhere/y.jpg")
    folder = tmp_path / "set"
    (folder / "a").symlink_to(folder / "m")  # found under its real name
    (folder / "link").symlink_to(outside.parent)
    for place in (folder, folder / "m", outside.parent):
        (place / "up").symlink_to(folder)
        (place / "again").symlink_to(folder)
    (folder / "self.jpg").symlink_to(folder / "self.jpg")
    (folder / "broken.jpg").symlink_to(folder / "nothing.jpg")
    expected = {real, inside, folder / "link/y.jpg", folder / "self.jpg", folder / "broken.jpg"}
    found = find_images([folder])
    assert set(found) == expected
    assert len(found) == len(expected)
    assert {inside, real} <= set(find_images([folder / "**/*.jpg"]))


def test_folder_that_cannot_be_listed(
    tmp_path: Path, touch: Touch, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch("a.jpg", "locked/b.jpg")
    locked = tmp_path / "locked"
    close_folder(locked, monkeypatch)
    left = LeftOut()
    assert image_files.find_images(tmp_path, left_out=left) == [str(tmp_path / "a.jpg")]
    assert left.notes() == [f"cannot be listed, left out: {locked} (Permission denied)"]
    with pytest.raises(InputError, match=r"locked.*Permission denied"):
        find_images([locked])


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1))
def test_any_name_is_kept_or_refused(name: str) -> None:
    """A name without wildcards that is not there stays in the list."""
    source = f"/nonexistent/{name}"
    if not set("*?[") & set(name):
        assert find_images([source]) == [Path(source)]
    else:
        with pytest.raises((MissingFileError, InputError)):
            find_images([source])


@pytest.mark.parametrize("kind", [str, Path])
def test_one_source_need_not_be_in_a_list(kind: Any, tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    assert image_files.find_images(kind(tmp_path)) == [str(tmp_path / "a.png")]


@pytest.mark.parametrize(
    "url", ["https://example.org/a.jpg", "https://example.org/a?x=[1]", "ftp://b/*"]
)
def test_a_url_is_kept_for_its_reader_to_name(url: str) -> None:
    assert image_files.find_images([url]) == [url]
    with pytest.raises(ImageError, match="this is a URL"):
        open_image(url)
