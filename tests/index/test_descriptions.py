import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.errors import InputError, MissingPackageError
from cupl.index import exiv2
from cupl.index.descriptions import write_descriptions
from cupl.index.keywords import read_keywords, remove_keywords, write_keywords
from cupl.index.rewriting import original_of
from cupl.index.sidecars import describe_in_sidecar, take_from_sidecar
from cupl.index.xmp_packets import EMPTY_PACKET, description_of
from tests.index.test_keywords import DARKTABLE
from tests.index.test_photo_facts import all_of_it
from tests.processes import forked

ANY = 'lang="x-default"'


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photos" / "pond.jpg"
    path.parent.mkdir()
    path.write_bytes(plain())
    return path


def plain() -> bytes:
    """A photo that nobody has described."""
    with exiv2.opened(all_of_it("JPEG")) as image:
        image.clear_xmp()
        image.clear_iptc()
        return bytes(image.get_bytes())


def sidecar_of(photo: Path) -> Path:
    return photo.with_name(f"{photo.name}.xmp")


def names(photo: Path) -> set[str]:
    return {path.name for path in photo.parent.iterdir()}


def in_xmp(text: str) -> dict[str, Any]:
    """What exiv2 itself reads."""
    with exiv2.opened(exiv2.CARRIER) as image:
        image.modify_raw_xmp(text)
        return dict(image.read_xmp())


def described(photo: Path) -> Any:
    return in_xmp(sidecar_of(photo).read_text("utf-8")).get("Xmp.dc.description")


def person_writes(photo: Path, description: str) -> bytes:
    """A sidecar with a description, in XML."""
    content = DARKTABLE.replace("<dc:subject>", f"{description}<dc:subject>").encode()
    sidecar_of(photo).write_bytes(content)
    return content


def alternatives(**texts: str) -> str:
    each = (f'<rdf:li xml:lang="{k.replace("_", "-")}">{v}</rdf:li>' for k, v in texts.items())
    return f"<dc:description><rdf:Alt>{''.join(each)}</rdf:Alt></dc:description>"


def test_written_replaced_and_taken_away(photo: Path) -> None:
    report = write_descriptions({photo: 'A frog,\n in <water> & "mud".'})
    assert (report.changed, report.same, report.theirs, report.errors) == (1, 0, [], [])
    assert described(photo) == {ANY: 'A frog, in <water> & "mud".'}
    text = sidecar_of(photo).read_text("utf-8")
    assert '<rdf:Alt> <rdf:li xml:lang="x-default">' in text
    assert write_descriptions({photo: 'A frog, in <water> & "mud".'}).same == 1
    assert sidecar_of(photo).read_text("utf-8") == text
    assert write_descriptions({photo: "A newt."}).changed == 1
    assert described(photo) == {ANY: "A newt."}
    assert "frog" not in sidecar_of(photo).read_text("utf-8")
    assert remove_keywords(photo, dry_run=True).changed == 1
    assert remove_keywords(photo).changed == 1
    assert names(photo) == {"pond.jpg"}
    assert remove_keywords(photo, dry_run=True).same == 1


@pytest.mark.parametrize(
    "theirs",
    [
        alternatives(x_default="Mine"),
        alternatives(de="Meins"),
        "<dc:description>Mine</dc:description>",
        "<dc:description><rdf:Bag><rdf:li>Mine</rdf:li></rdf:Bag></dc:description>",
        alternatives(x_default="A, lang=&quot;fr&quot; B", de="C"),
    ],
)
def test_a_persons_description_stays(photo: Path, theirs: str) -> None:
    content = person_writes(photo, theirs)
    report = write_descriptions({photo: "A frog."})
    assert (report.changed, report.same, report.theirs) == (0, 0, [str(photo)])
    assert sidecar_of(photo).read_bytes() == content
    before = described(photo)
    write_keywords({photo: ["frog"]})
    assert described(photo) == before
    remove_keywords([photo])
    assert sidecar_of(photo).read_bytes() == content
    assert names(photo) == {"pond.jpg", "pond.jpg.xmp"}


@pytest.mark.parametrize("blank", ["", "<dc:description/>", alternatives(x_default=" ")])
def test_a_sidecar_of_a_person_keeps_all_it_says(photo: Path, blank: str) -> None:
    content = person_writes(photo, blank)
    assert write_descriptions({photo: "A frog."}).changed == 1
    assert described(photo) == {ANY: "A frog."}
    assert "rawprepare" in sidecar_of(photo).read_text("utf-8")
    assert read_keywords(photo).all == ("mine",)
    assert original_of(sidecar_of(photo)).read_bytes() == content
    write_descriptions({photo: "A newt."})
    assert original_of(sidecar_of(photo)).read_bytes() == content
    assert remove_keywords([photo]).restored == 1
    assert sidecar_of(photo).read_bytes() == content
    assert names(photo) == {"pond.jpg", "pond.jpg.xmp"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A frog.</rdf:li>", "A green frog.</rdf:li>"),
        ("A frog.</rdf:li>", 'A frog.</rdf:li><rdf:li xml:lang="de">Ein Frosch.</rdf:li>'),
    ],
)
def test_what_a_person_has_made_of_ours_is_theirs(photo: Path, old: str, new: str) -> None:
    write_descriptions({photo: "A frog."})
    sidecar = sidecar_of(photo)
    sidecar.write_text(sidecar.read_text("utf-8").replace(old, new, 1), "utf-8")
    theirs = described(photo)
    assert write_descriptions({photo: "A newt."}).theirs == [str(photo)]
    assert remove_keywords([photo]).changed == 1
    assert described(photo) == theirs
    assert "cupl" not in sidecar.read_text("utf-8")
    assert remove_keywords([photo]).same == 1


def test_nothing_of_a_deleted_one_is_left(photo: Path) -> None:
    write_descriptions({photo: "A frog."})
    sidecar = sidecar_of(photo)
    with exiv2.opened(exiv2.CARRIER) as image:
        image.modify_raw_xmp(sidecar.read_text("utf-8"))
        image.modify_xmp({"Xmp.dc.description": None})
        sidecar.write_text(image.read_raw_xmp(), "utf-8")
    assert remove_keywords([photo]).changed == 1
    assert names(photo) == {"pond.jpg"}


def test_keywords_and_description_lie_side_by_side(photo: Path) -> None:
    write_keywords({photo: ["frog"]})
    write_descriptions({photo: "A frog."})
    write_keywords({photo: ["water"]})
    assert described(photo) == {ANY: "A frog."}
    assert read_keywords(photo).ours == ("frog", "water")
    write_descriptions({photo: "A newt."})
    assert read_keywords(photo).ours == ("frog", "water")
    assert names(photo) == {"pond.jpg", "pond.jpg.xmp"}
    remove_keywords([photo])
    assert names(photo) == {"pond.jpg"}


@pytest.mark.parametrize("where", ["xmp", "iptc", "exif"])
def test_a_description_in_the_photo_counts(photo: Path, where: str) -> None:
    said = {
        "xmp": ("modify_xmp", {"Xmp.dc.description": {ANY: "Mine"}}),
        "iptc": ("modify_iptc", {"Iptc.Application2.Caption": "Mine"}),
        "exif": ("modify_exif", {"Exif.Image.ImageDescription": "OLYMPUS DIGITAL CAMERA"}),
    }
    with exiv2.opened(plain()) as image:
        getattr(image, said[where][0])(said[where][1])
        photo.write_bytes(image.get_bytes())
    report = write_descriptions({photo: "A frog."})
    assert (report.changed, len(report.theirs)) == ((1, 0) if where == "exif" else (0, 1))


def test_errors_are_told_and_the_others_go_on(photo: Path) -> None:
    folder = photo.parent
    (folder / "a.heic").write_bytes(b"nothing that exiv2 can read")
    (folder / "b.jpg").write_bytes(plain())
    sidecar_of(folder / "b.jpg").write_bytes(b"no xmp")
    given = [folder / name for name in ("a.heic", "b.jpg", "gone.jpg", "pond.jpg")]
    report = write_descriptions(dict.fromkeys(given, "A frog."))
    assert report.changed == 2
    assert [Path(path).name for path, _ in report.errors] == ["b.jpg", "gone.jpg"]
    assert all(why and "\n" not in why for _, why in report.errors)
    assert sidecar_of(folder / "b.jpg").read_bytes() == b"no xmp"
    assert not sidecar_of(folder / "gone.jpg").exists()
    assert write_descriptions({photo: "\x00 \n"}).same == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_what_is_read_only_is_left(photo: Path) -> None:
    content = person_writes(photo, "")
    sidecar_of(photo).chmod(0o444)
    assert "read-only" in write_descriptions({photo: "A frog."}).errors[0][1]
    assert sidecar_of(photo).read_bytes() == content


def test_bad_arguments(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: Any
    for wrong, message in (("a.jpg", "of each path, not 'a.jpg'"), ({photo: 5}, "a text, not 5")):
        with pytest.raises(InputError, match=message):
            write_descriptions(wrong)
    exiv2.need_exiv2.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "pyexiv2", None)
    with pytest.raises(MissingPackageError, match=r'pip install "cupl\[keywords\]"'):
        write_descriptions({photo: "a"})
    assert names(photo) == {"pond.jpg"}


texts = st.text(max_size=60) | st.lists(
    st.sampled_from([', lang="de" ', 'lang="x-default"', ", ", "<rdf:Seq>", "&", "]]>", "é", "🐸"])
).map("".join)


@settings(max_examples=60, deadline=None)
@given(texts, texts)
def test_any_text_is_read_as_it_was_written(first: str, second: str) -> None:
    before = person_sidecar = DARKTABLE.encode()
    for text in filter(None, map(description_of, (first, second))):
        before = describe_in_sidecar(before, text)
        found = in_xmp(before.decode())
        assert found["Xmp.dc.description"] == {ANY: text}
        assert describe_in_sidecar(before, text) is before
        assert in_xmp(take_from_sidecar(before).decode()) == in_xmp(person_sidecar.decode())
        own = describe_in_sidecar(EMPTY_PACKET.encode(), text)
        assert take_from_sidecar(own) == b""


def describe_all(folder: Path) -> None:
    write_descriptions({path: f"A photo of {path.name}." for path in sorted(folder.glob("*.jpg"))})


def test_killed_at_any_moment_nothing_is_half(photo: Path) -> None:
    folder, number = photo.parent, 12
    photo.unlink()
    for one in range(number):
        (folder / f"{one:02}.jpg").write_bytes(plain())
        if one % 2:
            person_writes(folder / f"{one:02}.jpg", "")
    kills = 0
    for at in range(1, number, 2):
        remove_keywords(list(folder.glob("*.jpg")))
        process = forked(describe_all, (folder,))
        process.start()
        while process.is_alive() and len(list(folder.glob("*.xmp"))) < number // 2 + at // 2:
            time.sleep(0)
        if process.is_alive():
            os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        kills += bool(process.exitcode)
        for path in folder.glob("*.xmp"):
            told = in_xmp(path.read_text("utf-8"))
            assert told.get("Xmp.dc.description") in (None, {ANY: f"A photo of {path.stem}."})
            assert int(path.stem[:2]) % 2 == 0 or "Xmp.darktable.history" in str(told)
        describe_all(folder)
        assert len(list(folder.glob("*.xmp"))) == number
        assert len(list(folder.iterdir())) == number * 2 + number // 2
    assert kills
    remove_keywords(list(folder.glob("*.jpg")))
    left = [path.read_text("utf-8") for path in folder.iterdir() if path.suffix != ".jpg"]
    assert left == [DARKTABLE] * (number // 2)
