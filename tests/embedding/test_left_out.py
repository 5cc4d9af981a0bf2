"""What a search for images passes over, and what it says of that."""

import os
import warnings
from io import BytesIO
from pathlib import Path

import pytest

from cupl.embedding.image_files import find_images
from cupl.embedding.left_out import LeftOut
from cupl.errors import InputError, MissingFileError
from tests.models import draw


def picture(path: Path, kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = BytesIO()
    draw(12, 8).save(data, kind)
    path.write_bytes(data.getvalue())
    return path


def search(folder: Path, *, all_files: bool = False) -> tuple[list[str], list[str]]:
    left = LeftOut()
    found = find_images(folder, all_files=all_files, left_out=left)
    return [Path(path).relative_to(folder).as_posix() for path in found], left.notes()


@pytest.mark.parametrize(
    "name",
    ["a.jpg_large", "e.jpg?w=300", "photo.jpg.1", "photo", "x.jpg~", "a.jpg!d", "0001.image",
     "IMG.tga", "y.heic", "z.HEIC", "w.dng", "with.dots.in it", "a.png-large", "b.jpg.bak"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000"])
def test_an_image_is_found_by_its_content(tmp_path: Path, name: str, kind: str) -> None:
    picture(tmp_path / name, kind)
    assert search(tmp_path) == ([name], [])


@pytest.mark.parametrize("name", ["a.txt", "b.json", "c.mp4", "d.csv"])
def test_endings_of_other_kinds_are_opened_when_asked(tmp_path: Path, name: str) -> None:
    picture(tmp_path / name)
    (tmp_path / "readme.txt").write_text("no image")
    with pytest.raises(InputError, match="holds no image.*not opened: 2") as caught:
        search(tmp_path)
    assert caught.value.arguments == {"all_files": True}
    assert search(tmp_path, all_files=True) == ([name], [])
    picture(tmp_path / "z.jpg")
    assert search(tmp_path) == (["z.jpg"], [])


def test_images_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    picture(tmp_path / "1.jpg")
    for number in range(3):
        (tmp_path / f"{number}.psd").write_bytes(b"8BPS\0\1")
    (tmp_path / "t.SVG").write_bytes(bytes(30))
    (tmp_path / "layers").write_bytes(b"8BPS\0\1")
    (tmp_path / ".hidden.jpg").touch()
    for name in ("notes.txt", "sidecar.xmp", "1.jpg.json", "clip.mp4", "text", "Makefile"):
        (tmp_path / name).write_text("BM, P5 or P of no image")
    assert search(tmp_path) == (
        ["1.jpg"],
        ["left out: 3 .psd, 1 .svg, 1 hidden, 1 without ending"],
    )


def test_the_line_is_short_and_harmless(tmp_path: Path) -> None:
    picture(tmp_path / "1.jpg")
    for number in range(9):
        (tmp_path / f"x.p\x1b[3{number}m{'o' * 99}").write_bytes(b"8BPS\0\1")
    _, notes = search(tmp_path)
    assert len(notes) == 1
    assert notes[0].isprintable()
    assert len(notes[0]) < 200
    assert notes[0].endswith("4 others")


@pytest.mark.parametrize(
    "junk",
    ["@eaDir/a.jpg/SYNOPHOTO.jpg", "#recycle/a.jpg", "$RECYCLE.BIN/S-1-5/$R1.png", "._1.jpg",
     "System Volume Information/a.jpg", ".Trash-1000/files/a.jpg", ".thumbnails/a.png",
     "__MACOSX/._1.jpg", "lost+found/a.jpg", "__pycache__/a", ".ipynb_checkpoints/a.png",
     ".git/a.png", "Thumbs.db", "desktop.ini", ".DS_Store", "@Recycle/a.jpg", ".@__thumb/a.jpg",
     "$Recycle.Bin/a.jpg", "Desktop.ini", "1.jpg:Zone.Identifier", "#snapshot/a.jpg",
     ".Trashes/a.jpg"],
)  # fmt: skip
def test_junk_is_skipped_with_a_note(tmp_path: Path, junk: str) -> None:
    picture(tmp_path / "set" / "1.jpg")
    picture(tmp_path / "set" / "deep" / junk)
    found, notes = search(tmp_path / "set")
    name = "._*" if junk.startswith("._") else junk.split("/", maxsplit=1)[0]
    assert (found, notes) == (["1.jpg"], [f"skipped what systems and tools keep: 1 {name}"])
    left = LeftOut()
    pattern = tmp_path / "set" / "**" / "*"
    assert find_images(pattern, left_out=left) == [str(tmp_path / "set" / "1.jpg")]


def test_originals_that_are_kept_beside_photos_are_passed_over(tmp_path: Path) -> None:
    photo = picture(tmp_path / "a.jpg")
    for name in ("a.jpg_original", "b.PNG_original"):
        picture(tmp_path / name)
    others = [picture(tmp_path / name) for name in ("the_original.jpg", "photo_original")]
    left = LeftOut()
    assert find_images(tmp_path, left_out=left) == sorted(map(str, [photo, *others]))
    assert left.notes() == ["skipped what systems and tools keep: 2 *_original"]


def test_junk_named_alone_is_read_and_skipped_among_others(tmp_path: Path) -> None:
    junk = picture(tmp_path / "@eaDir" / "a.jpg")
    photo = picture(tmp_path / "b" / "1.jpg")
    assert find_images(junk.parent) == [str(junk)]
    assert find_images([junk.parent]) == [str(junk)]
    left = LeftOut()
    assert find_images([junk.parent, photo.parent], left_out=left) == [str(photo)]
    assert left.notes() == ["skipped what systems and tools keep: 1 @eaDir"]


def test_an_empty_folder_among_several_goes_on(tmp_path: Path) -> None:
    photo = picture(tmp_path / "a" / "1.jpg")
    for name in ("b", "c", "d"):
        (tmp_path / name).mkdir()
    (tmp_path / "d" / "notes.txt").touch()
    folders = sorted(tmp_path.iterdir())
    left = LeftOut()
    assert find_images(folders, left_out=left) == [str(photo)]
    assert left.notes() == ["no image in the folders " + ", ".join(map(str, folders[1:]))]
    with pytest.raises(InputError, match="none of these 2 folders holds an image"):
        find_images(folders[1:3])


def test_an_error_says_what_is_there_instead(tmp_path: Path) -> None:
    (tmp_path / "a.psd").write_bytes(b"8BPS\0\1")
    with pytest.raises(InputError, match="holds no image .*; left out: 1 .psd"):
        find_images(tmp_path)
    with pytest.raises(MissingFileError, match="no image matches .*; left out: 1 .psd"):
        find_images(tmp_path / "*")


def test_who_keeps_no_count_is_warned(tmp_path: Path) -> None:
    picture(tmp_path / "1.jpg")
    (tmp_path / "a.psd").write_bytes(b"8BPS\0\1")
    with pytest.warns(UserWarning, match=r"^left out: 1 \.psd$"):
        find_images(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_images(tmp_path, left_out=LeftOut())
        find_images([tmp_path / "1.jpg"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    picture(tmp_path / "1.jpg")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "nowhere").symlink_to("nothing")
    (tmp_path / "round").symlink_to("round")
    assert search(tmp_path, all_files=True) == (["1.jpg"], [])


def test_the_ending_of_an_image_may_be_wrong(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg", "PNG")
    picture(tmp_path / "b.png", "WEBP")
    assert search(tmp_path) == (["a.jpg", "b.png"], [])
