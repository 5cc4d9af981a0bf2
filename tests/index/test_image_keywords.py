import io
import time
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from cupl.embedding.images import open_image
from cupl.errors import CuplError, InputError
from cupl.index.exiv2 import opened
from cupl.index.image_keywords import add_keywords, check_unharmed, keywords_in, take_keywords
from cupl.index.photo_facts import photo_facts
from cupl.index.xmp_packets import Keywords, keyword_of
from tests.attacks.mutating import mutated
from tests.attacks.pictures import PICTURES
from tests.embedding.pictures import encoded, textured
from tests.index.test_photo_facts import all_of_it

WRITTEN = ["JPEG", "PNG", "WEBP", "TIFF"]
OTHERS = ["GIF", "BMP", "PPM", "AVIF", "JPEG2000"]
GOOD = [all_of_it(image_format) for image_format in WRITTEN]
GOOD += [data for kind in WRITTEN for data in PICTURES[kind.lower()]]
GOOD += PICTURES["apng"]


def told(photo: bytes) -> dict[str, Any]:
    with opened(photo) as image:
        return {"xmp": image.read_xmp(), "iptc": image.read_iptc(), "packet": image.read_raw_xmp()}


@pytest.mark.parametrize("photo", GOOD)
def test_keywords_come_and_go_and_nothing_else_changes(photo: bytes) -> None:
    words = ["tree frog", "é & <b> 🐸", "x" * 100]
    tagged = add_keywords(photo, words)
    assert keywords_in(tagged) == Keywords(tuple(words), tuple(words))
    check_unharmed(photo, tagged)
    assert photo_facts(tagged) == photo_facts(photo)
    assert open_image(tagged).tobytes() == open_image(photo).tobytes()
    assert add_keywords(tagged, words[:1]) is tagged
    bare = take_keywords(tagged)
    check_unharmed(photo, bare)
    assert keywords_in(bare) == Keywords()
    assert take_keywords(bare) is bare


@pytest.mark.parametrize("image_format", WRITTEN)
def test_programs_find_them_in_xmp_and_iptc(image_format: str) -> None:
    found = told(add_keywords(all_of_it(image_format), ["frog", "long " * 20]))
    assert found["xmp"]["Xmp.dc.subject"] == ["frog", "long " * 20]
    assert "<dc:subject> <rdf:Bag>" in found["packet"]
    if image_format == "WEBP":
        assert found["iptc"] == {}
    else:
        assert found["iptc"]["Iptc.Application2.Keywords"] == ["frog"]


@pytest.mark.parametrize("image_format", OTHERS)
def test_other_kinds_are_refused_and_hold_none(image_format: str) -> None:
    photo = encoded(textured(), image_format)
    with pytest.raises(InputError, match="write XMP sidecars"):
        add_keywords(photo, ["a"])
    assert keywords_in(photo) == Keywords()
    assert take_keywords(photo) is photo


def with_own(xmp: list[str], iptc: list[str] | None = None, **more: Any) -> bytes:
    with opened(all_of_it("JPEG")) as image:
        image.modify_xmp({"Xmp.dc.subject": xmp or None, "Xmp.xmp.Rating": "4", **more})
        if iptc:
            image.modify_iptc(
                {"Iptc.Application2.Keywords": iptc, "Iptc.Application2.City": "Bonn"}
            )
        return bytes(image.get_bytes())


def test_a_persons_own_stay_also_where_they_are_the_same() -> None:
    photo = with_own(["frog", "mine"], ["pond"])
    tagged = add_keywords(photo, ["frog", "pond", "newt"])
    found = told(tagged)
    assert found["xmp"]["Xmp.dc.subject"] == ["frog", "mine", "pond", "newt"]
    assert found["iptc"]["Iptc.Application2.Keywords"] == ["pond", "frog", "newt"]
    back = told(take_keywords(tagged))
    assert back["xmp"] == told(photo)["xmp"]
    assert back["iptc"]["Iptc.Application2.Keywords"] == ["pond"]
    assert back["iptc"]["Iptc.Application2.City"] == "Bonn"


def test_what_a_person_took_away_or_added_since_is_kept_so() -> None:
    with opened(add_keywords(with_own([]), ["frog", "newt"])) as image:
        image.modify_xmp({"Xmp.dc.subject": ["newt", "later"]})
        photo = bytes(image.get_bytes())
    assert keywords_in(photo).ours == ("newt", "frog")  # it still stands in IPTC
    assert told(take_keywords(photo))["xmp"]["Xmp.dc.subject"] == ["later"]


def test_iptc_in_another_encoding_is_left_alone() -> None:
    with opened(all_of_it("JPEG")) as image:
        image.modify_iptc({"Iptc.Application2.Keywords": ["QQ"]})
        photo = bytes(image.get_bytes()).replace(b"QQ", b"\xe9\xe8")
    tagged = add_keywords(photo, ["frog"])
    with opened(tagged) as image:
        assert image.read_iptc("latin-1") == {"Iptc.Application2.Keywords": ["éè"]}
    assert "frog" in keywords_in(tagged).ours
    assert keywords_in(take_keywords(tagged)).ours == ()


def test_frames_and_what_hangs_behind_are_kept() -> None:
    buffer = io.BytesIO()
    textured().save(buffer, "MPO", save_all=True, append_images=[textured(20, 10)])
    for photo in (buffer.getvalue(), encoded(textured(), "JPEG") + b"a film behind the photo"):
        tagged = add_keywords(photo, ["frog"])
        check_unharmed(photo, tagged)
        assert tagged.endswith(photo[-100:])
        assert take_keywords(tagged) == photo
    with pytest.raises(InputError, match="what follows its header would not be"):
        check_unharmed(photo, photo[:-1])


def test_harm_is_seen() -> None:
    photo = with_own(["mine"], ["pond"])
    with opened(photo) as image:
        image.modify_exif({"Exif.Image.DateTime": "2020:01:01 00:00:00"})
        exif = bytes(image.get_bytes())
    with opened(photo) as image:
        image.modify_iptc({"Iptc.Application2.City": "Ulm"})
        iptc = bytes(image.get_bytes())
    other = encoded(textured().rotate(180), "JPEG")
    xmp = with_own([], ["pond"], **{"Xmp.xmp.Rating": "5"})
    for harmed, what in ((exif, "EXIF"), (iptc, "IPTC"), (xmp, "XMP"), (other, "pixels")):
        with pytest.raises(InputError, match=what):
            check_unharmed(photo, harmed)


def test_too_much_for_the_kind_of_file_is_told() -> None:
    with pytest.raises(InputError, match="larger than 65535"):
        add_keywords(all_of_it("JPEG"), [f"{number} {'x' * 200}" for number in range(400)])


def test_an_error_of_one_photo_is_not_told_of_the_next() -> None:
    broken = encoded(textured(), "JPEG", xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF>oops")
    for _ in range(2):
        with pytest.raises(InputError, match="cannot be read or changed"):
            add_keywords(broken, ["a"])
        assert keywords_in(all_of_it("JPEG")) == Keywords()


def test_no_entity_is_expanded() -> None:
    laughs = "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
    packet = f'<!DOCTYPE x [<!ENTITY a "a">{laughs}]><x:xmpmeta xmlns:x="adobe:ns:meta/">&j;'
    start = time.process_time()
    with pytest.raises(InputError):
        add_keywords(encoded(textured(), "JPEG", xmp=packet.encode()), ["a"])
    assert time.process_time() - start < 2


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), photo=st.sampled_from(GOOD), tagged=st.booleans())
def test_mutated_photos_are_changed_right_or_refused(seed: int, photo: bytes, tagged: bool) -> None:
    whole = add_keywords(photo, ["ours"]) if tagged else photo
    broken = mutated(whole, GOOD, False, Random(seed))  # noqa: S311
    try:
        result = add_keywords(broken, ["frog"])
        check_unharmed(broken, result)
    except CuplError:
        return
    assert "frog" in keywords_in(result).all


@given(label=st.text(max_size=400))
def test_any_label_becomes_a_keyword_that_comes_back(label: str) -> None:
    word = keyword_of(label)
    assert len(word) <= 256
    assert keyword_of(word) == word
    if word:
        assert keywords_in(add_keywords(GOOD[1], [word])).ours == (word,)


@pytest.mark.parametrize(
    ("label", "word"),
    [
        ("a\nb\tc\x00d\x1b[2Je", "a b c d [2Je"),
        ("  \u2028 x \ud800y\uffff ", "x y"),
        ("\u202eRTL 🐸 \u0627", "\u202eRTL 🐸 \u0627"),
        ("x" * 10_000, "x" * 255 + "…"),
        ("type=Bag lang=x-default", "type=Bag lang=x-default"),
        ("\r\n", ""),
    ],
)
def test_labels_as_keywords(label: str, word: str) -> None:
    assert keyword_of(label) == word


def test_an_image_of_pillow_keeps_its_comment_and_profile() -> None:
    image = Image.new("RGB", (8, 8), "red")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = encoded(image, "JPEG", comment=b"mine", icc_profile=profile, dpi=(72, 72))
    tagged = add_keywords(photo, ["a"])
    check_unharmed(photo, tagged)
    after = Image.open(io.BytesIO(tagged))
    assert after.info["comment"].rstrip(b"\0") == b"mine"
    assert after.info["icc_profile"] == profile
