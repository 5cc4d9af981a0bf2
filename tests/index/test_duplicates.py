import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.index.duplicates import Duplicates, find_duplicates
from cupl.index.near_pairs import near_pairs
from cupl.index.photo_hashes import PhotoHashes
from cupl.index.photo_index import PhotoIndex
from cupl.index.rows import rows_table
from cupl.index.store import PhotoStore
from tests.index.conftest import photo_row, random_vectors
from tests.models import draw, save_clip

NewStore = Callable[[], PhotoStore]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_encoder(save_clip(tmp_path_factory.mktemp("clip")), precision="float32")


def picture(seed: int) -> Image.Image:
    """Something with large shapes, which a smaller copy still shows."""
    return draw(200, 160, seed).filter(ImageFilter.GaussianBlur(12))


def names(found: Duplicates) -> list[list[str]]:
    return [[Path(one.path).name for one in group.photos] for group in found.groups]


@pytest.fixture
def index(tmp_path: Path, encoder: Encoder) -> PhotoIndex:
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(6):
        picture(seed).save(photos / f"{seed}.png")
    picture(0).resize((100, 80)).save(photos / "0 small.png")
    picture(0).save(photos / "0 compressed.jpg", quality=60)
    (photos / "3 copy.png").write_bytes((photos / "3.png").read_bytes())
    turned, exif = picture(5).transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x0112] = 6
    turned.save(photos / "5 turned.jpg", quality=95, exif=exif)
    os.utime(photos / "3.png", (2e9, 2e9))
    index = PhotoIndex.open(tmp_path / "photos.lance", encoder)
    return index.add(photos, image_cache=False)


def test_copies_are_found_and_the_best_comes_first(index: PhotoIndex) -> None:
    found = index.duplicates(min_cosine=0.3)
    assert sorted(map(sorted, names(found))) == [
        ["0 compressed.jpg", "0 small.png", "0.png"], ["3 copy.png", "3.png"],
        ["5 turned.jpg", "5.png"],
    ]  # fmt: skip
    by_name = {group[0]: one for group, one in zip(names(found), found.groups, strict=True)}
    largest = by_name["0.png"]
    assert [Path(one.path).name for one in largest.photos][-1] == "0 small.png"
    assert largest.exact == [False, False, False]
    assert largest.photos[0].score == pytest.approx(1, abs=2e-3)
    assert by_name["3 copy.png"].exact == [False, True]  # the older of two files
    assert found.unread == []


def test_of_each_content_one_stays(tmp_path: Path, encoder: Encoder) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    picture(0).resize((100, 80)).save(photos / "a.jpg")
    (photos / "b.jpg").write_bytes((photos / "a.jpg").read_bytes())
    picture(0).save(photos / "c.png")
    index = PhotoIndex.open(tmp_path / "photos.lance", encoder).add(photos, image_cache=False)
    found = index.duplicates(min_cosine=0.3)
    assert names(found)[0][0] == "c.png"
    assert found.groups[0].exact == [False, False, True]


def test_a_distance_of_all_bits_opens_nothing(index: PhotoIndex, tmp_path: Path) -> None:
    for path in (tmp_path / "photos").iterdir():
        damage(path)
    assert len(index.duplicates(min_cosine=0.01, max_distance=64).groups) == 1


def damage(path: Path) -> None:
    """Make a file no image, and leave its size and time."""
    status = path.stat()
    path.write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_photos_that_cannot_be_read_are_told_and_copies_of_a_file_still_found(
    index: PhotoIndex, tmp_path: Path
) -> None:
    for path in (tmp_path / "photos").iterdir():
        damage(path)
    found = index.duplicates(min_cosine=0.3)
    assert names(found) == [["3 copy.png", "3.png"]]
    assert len(found.unread) >= 5


@pytest.mark.parametrize("distance", [10, 64])
def test_photos_that_are_gone_or_changed_are_left_out(
    index: PhotoIndex, tmp_path: Path, distance: int
) -> None:
    photos = tmp_path / "photos"
    (photos / "0.png").unlink()
    (photos / "3.png").write_bytes(b"another")
    os.utime(photos / "5.png", (1e9, 1e9))
    found = index.duplicates(min_cosine=0.3, max_distance=distance)
    shown = {name for group in names(found) for name in group}
    assert not shown & {"0.png", "3.png", "5.png"}
    assert {"0 small.png", "0 compressed.jpg"} <= shown
    assert (found.gone, found.changed, found.links) == (1, 2, 0)


def test_what_changes_while_photos_are_compared_is_left_out(
    index: PhotoIndex, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))
        (tmp_path / "photos" / "3.png").unlink()

    assert "3.png" not in str(names(index.duplicates(min_cosine=0.3, progress=progress)))
    assert told == [(10, 10)]  # photos, though two have the same content


def test_names_of_one_file_are_no_duplicates(tmp_path: Path, encoder: Encoder) -> None:
    real = tmp_path / "real"
    real.mkdir()
    picture(1).save(real / "x.png")
    (real / "copy.png").write_bytes((real / "x.png").read_bytes())
    (real / "a link.png").symlink_to(real / "x.png")
    (real / "hard.png").hardlink_to(real / "x.png")
    os.utime(real / "x.png", (2e9, 2e9))
    (tmp_path / "linked").symlink_to(real)
    index = PhotoIndex.open(tmp_path / "photos.lance", encoder)
    index.add([tmp_path / "linked", real], image_cache=False)
    found = index.duplicates(min_cosine=0.3)
    assert [[one.path for one in group.photos] for group in found.groups] == [
        [str(real / "copy.png"), str(real / "hard.png")]
    ]
    assert found.links == len(index) - 2 >= 4


def test_a_link_is_not_kept_over_a_file(tmp_path: Path, encoder: Encoder) -> None:
    photos, elsewhere = tmp_path / "photos", tmp_path / "elsewhere.png"
    photos.mkdir()
    picture(1).save(elsewhere)
    os.utime(elsewhere, (1e9, 1e9))
    (photos / "a.png").symlink_to(elsewhere)
    (photos / "b.png").write_bytes(elsewhere.read_bytes())
    index = PhotoIndex.open(tmp_path / "photos.lance", encoder).add(photos, image_cache=False)
    assert names(index.duplicates(min_cosine=0.3)) == [["b.png", "a.png"]]


def test_a_condition(index: PhotoIndex) -> None:
    found = index.duplicates(min_cosine=0.3, where="path like '%/3%'")
    assert names(found) == [["3 copy.png", "3.png"]]


@pytest.mark.parametrize(
    "limits",
    [{"min_cosine": 0}, {"min_cosine": 1.1}, {"min_cosine": float("nan")}, {"max_distance": -1},
     {"max_distance": 65}, {"max_distance": 1.5}, {"min_cosine": "a"}],
)  # fmt: skip
def test_limits_that_are_none(index: PhotoIndex, limits: dict[str, float]) -> None:
    with pytest.raises(InputError):
        index.duplicates(**limits)  # type: ignore[arg-type]


def test_what_is_the_same_as_a_third_is_the_same(new_store: NewStore, tmp_path: Path) -> None:
    angles = np.arange(30) * 0.1
    vectors = np.stack([np.cos(angles), np.sin(angles), *np.zeros((14, 30))], 1)
    store = new_store()
    rows = []
    for i in range(30):
        path = tmp_path / f"{i}.jpg"
        path.write_bytes(bytes(i))
        os.utime(path, ns=(i, i))
        rows.append(photo_row(i, path=path))
    store.add(rows_table(rows, vectors, "float16"))
    found = find_duplicates(store, min_cosine=0.99, max_distance=64)
    assert [len(group.photos) for group in found.groups] == [30]


def test_an_empty_index_has_none(new_store: NewStore) -> None:
    store: PhotoStore = new_store()
    assert find_duplicates(store).groups == []


def test_all_pairs_are_found_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cupl.index.near_pairs._ROWS", 7)
    monkeypatch.setattr("cupl.index.near_pairs._COLUMNS", 11)
    vectors = random_vectors(60, dim=4)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    close = np.triu(unit @ unit.T >= 0.7, 1)
    seen: list[tuple[int, int]] = []
    told: list[tuple[int, int]] = []
    for first, second in near_pairs(unit, 0.7, lambda done, total: told.append((done, total))):
        seen += zip(first.tolist(), second.tolist(), strict=True)
    assert sorted(seen) == sorted(zip(*(side.tolist() for side in np.nonzero(close)), strict=True))
    assert told[-1] == (60, 60)


def test_hashes_are_those_of_the_library_on_upright_photos(tmp_path: Path) -> None:
    import imagehash

    upright = picture(1)
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.save(tmp_path / "a.png")
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    turned.save(tmp_path / "b.png", exif=exif)
    picture(2).save(tmp_path / "c.png")
    hashes = PhotoHashes([str(tmp_path / name) for name in ("a.png", "b.png", "c.png", "gone")])
    pairs = np.array([0, 0, 0]), np.array([1, 2, 3])
    wanted = imagehash.phash(upright) - imagehash.phash(picture(2))
    assert hashes.distances(*pairs).tolist() == [0, wanted, 65]
    assert list(hashes.errors) == [3]
