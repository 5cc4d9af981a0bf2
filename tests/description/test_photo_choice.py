from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.labels import ClassLabel
from cupl.description.photo_choice import ChosenPhotos, choose_photos, photos_of_folders, spread
from cupl.description.sent_photos import SentPhotos
from cupl.errors import CuplError, InputError, MissingFileError
from tests.models import draw

CUP, JUG = ClassLabel("cup"), ClassLabel("jug")


@pytest.fixture
def sent() -> Iterator[SentPhotos]:
    with SentPhotos() as photos:
        yield photos


def contents(chosen: ChosenPhotos, label: ClassLabel) -> list[str]:
    return [image.digest for image in chosen.images[label]]


@given(st.integers(0, 300))
def test_each_number_comes_once(number: int) -> None:
    assert sorted(spread(number)) == list(range(number))


@given(st.integers(1, 9), st.integers(2, 2000))
def test_the_first_lie_far_apart(power: int, number: int) -> None:
    taken = min(2**power, number)
    places = sorted(islice(spread(number), taken))
    gaps = [b - a for a, b in zip(places, [*places[1:], number], strict=True)]
    assert places[0] == 0
    assert max(gaps) <= 2 * -(-number // taken)


def test_more_are_taken_beside_those_before(sent: SentPhotos) -> None:
    photos = [draw(20, 20, seed=number) for number in range(17)]
    chosen = [choose_photos([(CUP, photos)], sent, most) for most in (1, 4, 9, 17, 50)]
    digests = [contents(one, CUP) for one in chosen]
    for few, many in pairwise(digests):
        assert many[: len(few)] == few
    assert [one.number for one in chosen] == [1, 4, 9, 17, 17]
    assert chosen[1].one_by_one[CUP] == [(image,) for image in chosen[1].images[CUP]]


def test_the_next_takes_the_place_of_one_that_cannot_be_read(
    tmp_path: Path, sent: SentPhotos
) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    for number, path in enumerate(paths):
        draw(20, 20, seed=number).save(path)
    paths[0].write_bytes(b"broken")
    paths[4].write_bytes(b"")
    chosen = choose_photos([(CUP, paths), (JUG, paths[1:2])], sent, 3)
    assert [Path(path).name for path, _ in chosen.unreadable] == ["0.png", "4.png"]
    assert chosen.unreadable[1][1] == "the file is empty"
    good = [image.image for image in sent.prepare([paths[2], paths[6], paths[1]])]
    assert chosen.images[CUP] == good
    assert len(chosen.images[JUG]) == 1


def test_the_same_photo_is_sent_once_for_a_class(sent: SentPhotos) -> None:
    same, other = draw(20, 20), draw(20, 20, seed=1)
    chosen = choose_photos([(CUP, [same, same, other, same]), (JUG, [same])], sent, 3)
    assert len(chosen.images[CUP]) == 2
    assert contents(chosen, JUG)[0] in contents(chosen, CUP)


def test_a_class_of_which_no_photo_can_be_read_is_an_error(
    tmp_path: Path, sent: SentPhotos
) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(
        InputError, match=r"^no photo can be read of jug \(.*a\.png: the file is em"
    ):
        choose_photos([(CUP, [draw(9, 9)]), (JUG, [tmp_path / "a.png"])], sent, 3)


@pytest.mark.parametrize("most", [0, 1001, "4"])
def test_a_wrong_number_is_an_error(sent: SentPhotos, most: Any) -> None:
    with pytest.raises(InputError, match="^per_class "):
        choose_photos([(CUP, [draw(9, 9)])], sent, most)


def test_progress_reaches_its_end(sent: SentPhotos) -> None:
    told = list[tuple[int, int]]()
    same = draw(20, 20)
    photos = [same, same, draw(20, 20, seed=1), draw(20, 20, seed=2)]
    choose_photos([(CUP, photos)], sent, 2, progress=lambda *pair: told.append(pair))
    assert told == [(1, 2), (2, 2)]


def test_folders_are_the_classes(tmp_path: Path) -> None:
    for place in ("tree_frog/far", "newt", "empty", ".hidden"):
        (tmp_path / place).mkdir(parents=True)
    draw(9, 9).save(tmp_path / "tree_frog" / "b.png")
    draw(9, 9).save(tmp_path / "tree_frog" / "far" / "a.png")
    draw(9, 9).save(tmp_path / "newt" / "n.png")
    draw(9, 9).save(tmp_path / "beside.png")
    found = photos_of_folders(tmp_path)
    labels = [label for label, _ in found.classes]
    assert labels == [ClassLabel("newt"), ClassLabel("tree frog", "tree_frog")]
    assert [[Path(path).name for path in photos] for _, photos in found.classes] == [
        ["n.png"], ["b.png", "a.png"],
    ]  # fmt: skip
    assert found.complete
    assert "1 image beside the folders, of no class: left out" in found.notes
    assert any("empty" in note for note in found.notes)


def test_two_classes_of_one_name_have_photos_of_their_own(sent: SentPhotos) -> None:
    bird, machine = ClassLabel("crane", "bird"), ClassLabel("crane", "machine")
    classes = [(bird, [draw(9, 9)]), (machine, [draw(9, 9, seed=1)])]
    chosen = choose_photos(classes, sent, 1)
    assert contents(chosen, bird) != contents(chosen, machine)


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [("nowhere", MissingFileError, "there is no folder"),
     ("plain", InputError, "has none; photos without classes are put into groups, or get capt"),
     ("plain/a.png", InputError, "a.png")],
)  # fmt: skip
def test_what_has_no_classes_is_one_error(
    tmp_path: Path, place: str, error: type[CuplError], message: str
) -> None:
    (tmp_path / "plain").mkdir()
    draw(9, 9).save(tmp_path / "plain" / "a.png")
    with pytest.raises(error, match=message) as caught:
        photos_of_folders(tmp_path / place)
    assert "\n" not in str(caught.value)
