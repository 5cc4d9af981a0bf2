import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cupl.errors import InputError, MissingPackageError
from cupl.index import exiv2
from cupl.index.image_keywords import add_keywords
from cupl.index.keywords import read_keywords, remove_keywords, write_keywords
from cupl.index.rewriting import original_of, rewrite
from cupl.io.locks import held
from tests.embedding.pictures import encoded, textured
from tests.index.test_photo_facts import all_of_it

PLACES = pytest.mark.parametrize("place", ["xmp", "exif"])
DARKTABLE = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><!-- by hand -->
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:darktable="http://darktable.sf.net/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" darktable:xmp_version="5">
<dc:subject><rdf:Bag><rdf:li>mine</rdf:li></rdf:Bag></dc:subject>
<darktable:history><rdf:Seq><rdf:li darktable:num="0" darktable:operation="rawprepare"/></rdf:Seq>
</darktable:history></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>
"""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photos" / "pond.jpg"
    path.parent.mkdir()
    path.write_bytes(all_of_it("JPEG"))
    return path


def names(photo: Path) -> set[str]:
    return {path.name for path in photo.parent.iterdir()}


@PLACES
def test_written_twice_and_taken_away(photo: Path, place: str) -> None:
    before, time_before = photo.read_bytes(), photo.stat().st_mtime_ns
    report = write_keywords({photo: ["frog", "a\nb"]}, place)  # type: ignore[arg-type]
    assert (report.changed, report.same, report.errors) == (1, 0, [])
    assert read_keywords(photo).ours == ("frog", "a b")
    assert names(photo) == {"pond.jpg", {"xmp": "pond.jpg.xmp", "exif": "pond.jpg_original"}[place]}
    there = {name: (photo.parent / name).read_bytes() for name in names(photo)}
    assert write_keywords({photo: ["a b"]}, place).same == 1  # type: ignore[arg-type]
    assert there == {name: (photo.parent / name).read_bytes() for name in names(photo)}
    report = remove_keywords(photo)
    assert (report.changed, report.restored) == (1, int(place == "exif"))
    assert names(photo) == {"pond.jpg"}
    assert photo.read_bytes() == before
    assert photo.stat().st_mtime_ns == time_before
    assert remove_keywords([photo]).same == 1


def test_the_first_original_is_kept(photo: Path) -> None:
    before = photo.read_bytes()
    write_keywords({photo: ["frog"]}, "exif")
    write_keywords({photo: ["newt"]}, "exif")
    assert original_of(photo).read_bytes() == before
    assert read_keywords(photo).ours == ("frog", "newt")
    assert photo.stat().st_mtime_ns > original_of(photo).stat().st_mtime_ns
    remove_keywords([photo])
    assert photo.read_bytes() == before


def test_an_original_that_says_less_stays(photo: Path) -> None:
    """A person has worked on the photo since: that work is kept, and the original too."""
    before = photo.read_bytes()
    write_keywords({photo: ["frog"]}, "exif")
    with exiv2.opened(photo.read_bytes()) as image:
        image.modify_xmp({"Xmp.xmp.Rating": "5"})
        photo.write_bytes(image.get_bytes())
    report = remove_keywords([photo])
    assert (report.changed, report.restored) == (1, 0)
    with exiv2.opened(photo.read_bytes()) as image:
        assert image.read_xmp() == {"Xmp.xmp.Rating": "5"}
    assert original_of(photo).read_bytes() == before


def test_a_sidecar_of_a_person_keeps_all_it_says(photo: Path) -> None:
    sidecar = photo.with_name("pond.jpg.xmp")
    sidecar.write_text(DARKTABLE, "utf-8")
    write_keywords({photo: ["frog", "mine"]})
    assert read_keywords(photo).all == ("mine", "frog")
    text = sidecar.read_text("utf-8")
    assert "rawprepare" in text
    assert text.endswith('<?xpacket end="w"?>\n')
    assert original_of(sidecar).read_text("utf-8") == DARKTABLE
    assert remove_keywords([photo]).restored == 1
    assert sidecar.read_text("utf-8") == DARKTABLE
    assert names(photo) == {"pond.jpg", "pond.jpg.xmp"}


def test_a_sidecar_that_somebody_added_to_stays(photo: Path) -> None:
    write_keywords({photo: ["frog"]})
    sidecar = photo.with_name("pond.jpg.xmp")
    text = sidecar.read_text("utf-8")
    sidecar.write_text(text.replace("<rdf:li>frog</rdf:li>", "<rdf:li>frog</rdf:li><rdf:li>own</rdf:li>", 1))  # fmt: skip  # noqa: E501
    remove_keywords([photo])
    assert read_keywords(photo).all == ("own",)


def test_the_sidecar_of_adobe_is_used_where_it_can_only_be_of_this_photo(photo: Path) -> None:
    adobe = photo.with_name("pond.xmp")
    adobe.write_text(DARKTABLE, "utf-8")
    write_keywords({photo: ["frog"]})
    assert names(photo) == {"pond.jpg", "pond.xmp", "pond.xmp_original"}
    remove_keywords([photo])
    photo.with_name("pond.cr2").write_bytes(b"II*\0 raw")
    write_keywords({photo: ["frog"]})
    assert names(photo) == {"pond.jpg", "pond.cr2", "pond.xmp", "pond.jpg.xmp"}


@pytest.mark.parametrize("content", [b"no xmp", b"\xff\xfe\0", b"", b"<x/>"])
def test_a_sidecar_that_is_none_is_left(photo: Path, content: bytes) -> None:
    sidecar = photo.with_name("pond.jpg.xmp")
    sidecar.write_bytes(content)
    report = write_keywords({photo: ["frog"]})
    if content:
        assert [path for path, _ in report.errors] == [str(photo)]
        assert sidecar.read_bytes() == content
    else:
        assert read_keywords(photo).ours == ("frog",)


def test_errors_are_told_and_the_others_go_on(photo: Path) -> None:
    folder = photo.parent
    (folder / "a.gif").write_bytes(encoded(textured(), "GIF"))
    (folder / "b.jpg").write_bytes(b"\xff\xd8\xff\xe1no photo")
    (folder / "c.jpg").mkdir()
    (folder / "e.jpg").symlink_to(folder / "gone.jpg")
    given = {folder / name: ["frog"] for name in ("a.gif", "b.jpg", "c.jpg", "d.jpg", "e.jpg")}
    report = write_keywords(given | {photo: ["frog"]}, "exif")
    assert report.changed == 1
    assert [Path(path).name for path, _ in report.errors] == [path.name for path in given]
    assert all(why and "\n" not in why for _, why in report.errors)
    assert "write XMP sidecars" in dict(report.errors)[str(folder / "a.gif")]
    assert names(photo) == {"a.gif", "b.jpg", "c.jpg", "e.jpg", "pond.jpg", "pond.jpg_original"}
    assert write_keywords({folder / "a.gif": []}, "exif").same == 1


def test_links_are_followed(photo: Path) -> None:
    link = photo.parent.parent / "link.jpg"
    link.symlink_to(photo)
    write_keywords({link: ["frog"]}, "exif")
    assert link.is_symlink()
    assert read_keywords(photo).ours == ("frog",)
    write_keywords({link: ["newt"]}, "xmp")
    assert names(photo) == {"pond.jpg", "pond.jpg_original", "pond.jpg.xmp"}
    remove_keywords([link])
    assert names(photo) == {"pond.jpg"}


def test_another_name_of_the_file_keeps_the_old_content(photo: Path) -> None:
    other = photo.with_name("other.jpg")
    other.hardlink_to(photo)
    before = other.read_bytes()
    write_keywords({photo: ["frog"]}, "exif")
    assert other.read_bytes() == before
    assert write_keywords({other: ["frog"]}, "exif").changed == 1
    remove_keywords([photo, other])
    assert photo.read_bytes() == other.read_bytes() == before


def test_odd_names(tmp_path: Path) -> None:
    photo = tmp_path / os.fsdecode(b"a\xff\n b.jpg")
    photo.write_bytes(all_of_it("JPEG"))
    for place in ("xmp", "exif"):
        assert write_keywords({photo: ["frog"]}, place).changed == 1
    assert read_keywords(photo).all == ("frog",)
    remove_keywords([photo])
    assert names(photo) == {photo.name}
    long = tmp_path / f"{'x' * 250}.jpg"
    long.write_bytes(all_of_it("JPEG"))
    assert "too long" in write_keywords({long: ["frog"]}, "exif").errors[0][1]
    assert "too long" in write_keywords({long: ["frog"]}, "xmp").errors[0][1]
    assert long.read_bytes() == all_of_it("JPEG")


def test_a_photo_that_changes_meanwhile_is_left(photo: Path) -> None:
    def check(before: bytes, after: bytes) -> None:
        photo.write_bytes(all_of_it("JPEG") + b"edited")

    with pytest.raises(InputError, match="changed while it was looked at"):
        rewrite(photo, lambda old: add_keywords(old, ["frog"]), check, lambda _: True)
    assert photo.read_bytes().endswith(b"edited")
    assert not [name for name in names(photo) if "unfinished" in name]


def test_another_run_on_the_same_photo_is_told(photo: Path) -> None:
    with held(photo) as ours:
        assert ours
        assert "another run" in write_keywords({photo: ["frog"]}, "exif").errors[0][1]
    assert write_keywords({photo: ["frog"]}, "exif").changed == 1


def test_two_threads_lose_nothing(photo: Path) -> None:
    others = [photo.with_name(f"{number}.jpg") for number in range(8)]
    for other in others:
        other.write_bytes(all_of_it("JPEG"))
    words = {word: {other: [word] for other in others} for word in ("frog", "newt")}
    runs = [threading.Thread(target=write_keywords, args=(some, "exif")) for some in words.values()]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    for some in words.values():
        write_keywords(some, "exif")  # what was told as an error
    assert all(set(read_keywords(other).ours) == {"frog", "newt"} for other in others)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_what_is_read_only_is_left(photo: Path) -> None:
    photo.chmod(0o444)
    assert "read-only" in write_keywords({photo: ["frog"]}, "exif").errors[0][1]


def test_rights_are_kept(photo: Path) -> None:
    photo.chmod(0o640)
    write_keywords({photo: ["frog"]}, "exif")
    assert photo.stat().st_mode & 0o777 == 0o640
    assert abs(photo.stat().st_mtime - time.time()) < 60


def test_bad_arguments(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="xmp or exif, not to 'iptc'"):
        write_keywords({photo: ["a"]}, "iptc")  # type: ignore[arg-type]
    wrong: Any
    for wrong, message in (("a.jpg", "a mapping, not 'a.jpg'"), ({photo: [5]}, "a text, not 5"),
                           ({photo: None}, "a text, not None")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            write_keywords(wrong)
    for call in (read_keywords, remove_keywords):
        wrong = 5
        with pytest.raises(InputError, match="not from 5"):
            call(wrong)
    with pytest.raises(InputError, match="No such file"):
        read_keywords(photo.with_name("gone.jpg"))
    exiv2.need_exiv2.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "pyexiv2", None)
    with pytest.raises(MissingPackageError, match=r'pip install "cupl\[keywords\]"'):
        write_keywords({photo: ["a"]})
    assert names(photo) == {"pond.jpg"}


def test_a_photo_that_cannot_be_read_does_not_keep_its_sidecar(photo: Path) -> None:
    write_keywords({photo: ["frog"]})
    photo.write_bytes(b"\xff\xd8\xff\xe1\x00\x20Exif\x00\x00cut off")
    report = remove_keywords([photo])
    assert (report.changed, report.errors) == (1, [])
    assert names(photo) == {"pond.jpg"}


def test_an_original_of_another_photo_is_not_taken_for_this_ones(photo: Path) -> None:
    other = encoded(textured(), "JPEG")
    original_of(photo).write_bytes(other)
    before = photo.read_bytes()
    (error,) = write_keywords({photo: ["frog"]}, "exif").errors
    assert "pond.jpg_original is of another photo" in error[1]
    assert photo.read_bytes() == before
    original_of(photo).write_bytes(add_keywords(before, ["a person's"]))
    assert write_keywords({photo: ["frog"]}, "exif").changed == 1
    original_of(photo).write_bytes(other)
    assert remove_keywords(photo).restored == 0
    assert original_of(photo).read_bytes() == other


def test_what_is_not_there_is_told_as_that(photo: Path) -> None:
    link = photo.with_name("link.jpg")
    link.symlink_to("nowhere.jpg")
    gone = photo.with_name("gone.jpg")
    (first, second) = remove_keywords([link, gone]).errors
    assert first[1] == "it is a link to nowhere.jpg, which does not exist"
    assert "No such file" in second[1]
