import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from cupl.bank.labels import ClassLabel
from cupl.embedding.image_files import find_images
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_shards import (
    ImageProvenance,
    Shard,
    ShardMetadata,
    vectors_file,
    write_shard,
)
from cupl.errors import InputError, MissingFileError
from cupl.evaluation.dataset import (
    LabelledImages,
    encode_labelled,
    explain_unmatched,
    read_labelled,
)
from tests.models import HandMadeEncoder

CAT, DOG, FROG = ClassLabel("cat"), ClassLabel("dog"), ClassLabel("tree frog", "n7", ("Hyla",))
ANIMALS = [CAT, DOG, FROG]
RED, BLUE = (255, 0, 0), (0, 0, 255)
ODD = os.fsdecode(b"caf\xe9")


def encoder(fingerprint: str = "hand-made") -> HandMadeEncoder:
    return HandMadeEncoder(images={RED: (1.0, 0.0), BLUE: (0.0, 1.0)}, fingerprint=fingerprint)


def save(path: Path, color: tuple[int, int, int] = RED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), color).save(path, "PNG")
    return path


def named(found: LabelledImages, labels: Sequence[ClassLabel] = ANIMALS) -> dict[str, str]:
    """Class of each image by its file's name."""
    pairs = zip(found.paths, found.targets, strict=True)
    return {Path(path).name: labels[target].name for path, target in pairs}


def write_csv(file: Path, *rows: str, header: str = "path,label") -> Path:
    file.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return file


def test_a_folder_for_each_class_and_its_sub_folders(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "1.png")
    save(tmp_path / "Tree_Frog" / "deep" / "dog" / "2.png")
    save(tmp_path / "dog" / "3.PNG")
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    found = read_labelled(tmp_path, ANIMALS)
    assert named(found) == {"1.png": "cat", "2.png": "tree frog", "3.PNG": "dog"}
    assert not found.unmatched
    assert found.notes == []


def test_hidden_names_do_not_count(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/.2.png", ".git/3.png", "cat/.cache/4.png", ".5.png"):
        save(tmp_path / name)
    found = read_labelled(tmp_path, ANIMALS)
    assert named(found) == {"1.png": "cat"}
    assert found.notes == []


def test_what_is_passed_over_is_told(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "1.png")
    save(tmp_path / "2.png")
    save(tmp_path / "3.JPG")
    (tmp_path / "readme.txt").touch()
    for name in ("dog", *"abcde"):
        (tmp_path / name / "sub").mkdir(parents=True)
    found = read_labelled(tmp_path, ANIMALS)
    assert named(found) == {"1.png": "cat"}
    assert found.notes == [
        f"2 images in {tmp_path} itself, in no class folder: left out",
        "no image in the class folders 'a', 'b', 'c', 'd', 'dog' and 1 more",
    ]


def test_folders_that_mean_no_class(tmp_path: Path) -> None:
    for name in ("cat/1.png", "tree_frogs/2.png", "tree_frogs/3.png", "ufo/4.png"):
        save(tmp_path / name)
    found = read_labelled(tmp_path, ANIMALS)
    assert named(found) == {"1.png": "cat"}
    assert found.unmatched == {"tree_frogs": 2, "ufo": 1}
    assert explain_unmatched(found, ANIMALS) == [
        "'tree_frogs', nearly 'tree frog' (2 images)",
        "'ufo' (1 image)",
    ]
    assert len(explain_unmatched(found, ANIMALS, 1)) == 1


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "has a folder for each class; this has none"),
        (("1.png", "2.png"), "this has none, but 2 images"),
        ((".hidden/1.png",), "this has none"),
        (("cat/notes.txt", "dog/.1.png"), "none of its 2 folders holds an image"),
    ],
)
def test_nothing_to_judge(tmp_path: Path, names: Sequence[str], message: str) -> None:
    for name in names:
        save(tmp_path / name)
    with pytest.raises(InputError, match=message):
        read_labelled(tmp_path, ANIMALS)


def test_names_that_are_not_utf8_or_look_like_patterns(tmp_path: Path) -> None:
    for name in (f"cat/{ODD}.png", "dog/[1]*.png", f"{ODD}/2.png", "[c]at/3.png"):
        save(tmp_path / name)
    found = read_labelled(tmp_path, ANIMALS)
    assert named(found) == {f"{ODD}.png": "cat", "[1]*.png": "dog"}
    assert found.unmatched == {ODD: 1, "[c]at": 1}
    assert explain_unmatched(found, ANIMALS) == [
        "'[c]at', nearly 'cat' (1 image)",
        "'caf\\udce9' (1 image)",
    ]
    encoded = encode_labelled(found, encoder())
    assert encoded.vectors is not None
    assert encoded.vectors.tolist() == [[1, 0], [1, 0]]


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    save(tmp_path / "store" / "1.png")
    root = tmp_path / "set"
    (root / "cat").mkdir(parents=True)
    (root / "dog").symlink_to(tmp_path / "store")
    (root / "cat" / "2.png").symlink_to(tmp_path / "store" / "1.png")
    (root / "round").symlink_to(root / "round")
    (root / "gone").symlink_to(tmp_path / "nothing")
    (root / "cat" / "up").symlink_to(root / "cat")
    assert named(read_labelled(root, ANIMALS)) == {"1.png": "dog", "2.png": "cat"}


def test_a_folder_under_two_names_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "1.png")
    (tmp_path / "dog").symlink_to(tmp_path / "cat")
    with pytest.raises(InputError, match="dog/1.png has two labels, 'cat' and 'dog'"):
        read_labelled(tmp_path, ANIMALS)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("closed", [".", "cat", "cat/sub"])
def test_a_folder_without_permission_is_never_taken_for_an_empty_one(
    tmp_path: Path, closed: str
) -> None:
    save(tmp_path / "root" / "dog" / "1.png")
    folder = tmp_path / "root" / closed
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0)
    try:
        with pytest.raises(InputError, match="ermission"):
            read_labelled(tmp_path / "root", ANIMALS)
    finally:
        folder.chmod(0o700)


def test_a_folder_that_cannot_be_listed_is_never_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "dog" / "1.png")
    closed = tmp_path / "cat" / "sub"
    closed.mkdir(parents=True)
    listed = os.scandir

    def scandir(path: str | os.PathLike[str]) -> Any:
        if os.fspath(path) == os.fspath(closed):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match=r"cat/sub: Permission denied"):
        read_labelled(tmp_path, ANIMALS)


def test_1001_classes(tmp_path: Path) -> None:
    image = save(tmp_path / "image.png")
    labels = [ClassLabel(f"class {number}") for number in range(1001)]
    for number in range(1001):
        (tmp_path / "set" / f"class_{number}").mkdir(parents=True)
        for i in range(2):
            os.link(image, tmp_path / "set" / f"class_{number}" / f"{i}.png")
    begin = time.process_time()
    found = read_labelled(tmp_path / "set", labels)
    assert time.process_time() - begin < 2
    assert len(found.paths) == 2002
    assert set(found.targets) == set(range(1001))


def test_paths_count_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a" / "1.png")
    save(tmp_path / "b, c" / "2.png", BLUE)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    file = write_csv(
        tmp_path / "labels.csv",
        "a/1.png,cat,x", '"b, c/2.png", n7 ,', f"{tmp_path}/a/../gone.png,DOG,",
        header="\ufeff Path ,LABEL,note",
    )  # fmt: skip
    found = read_labelled("../labels.csv", ANIMALS)
    assert found.paths[:2] == ["../a/1.png", "../b, c/2.png"]
    assert found.targets == [0, 2, 1]
    encoded = encode_labelled(read_labelled(file, ANIMALS), encoder())
    assert encoded.vectors is not None
    assert encoded.vectors.tolist() == [[1, 0], [0, 1]]
    assert encoded.targets == [0, 2]
    assert encoded.unreadable == [(f"{tmp_path}/a/../gone.png", "there is no such file")]


def test_labels_and_paths_may_hold_anything(tmp_path: Path) -> None:
    label = ClassLabel('"Sir" Cat, the 3rd')
    file = write_csv(
        tmp_path / "x.csv",
        '[1]*.png,"""Sir"" Cat, the 3rd"',
        '2.png,"""Sir"" Cat, the 3rd\nof his name"',
    )
    found = read_labelled(file, [label])
    assert found.paths == [str(tmp_path / "[1]*.png")]
    assert found.unmatched == {'"Sir" Cat, the 3rd\nof his name': 1}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_any_line_ending_and_blank_lines(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(ending.join(["path,label", "1.png,cat", "", "2.png,dog"]).encode())
    assert named(read_labelled(file, ANIMALS)) == {"1.png": "cat", "2.png": "dog"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: must name the columns path and label"),
        (b"1.png,cat\n", "line 1: must name the columns path and label"),
        (b"path\n1.png\n", "line 1: must name the columns path and label"),
        (b"path,label,Label\n1.png,cat,dog\n", "each once"),
        (b"path;label\n1.png;cat\n", "separated by ';'; use commas"),
        (b"path\tlabel\n1.png\tcat\n", r"separated by '\\t'; use commas"),
        (b"path,label\n", "no image is named below"),
        (b"path,label\n1.png,cat\n2.png,\n", "line 3: needed are a path and a label"),
        (b"path,label\n,cat\n", "line 2: needed are a path and a label"),
        (b"path,label\n1.png\n", "line 2: needed are"),
        (b"path,label\n1, 2.png,cat\n", "line 2: .*in quotes where there is a comma"),
        (b"path,label\n1\0.png,cat\n", "line 2"),
        (b'path,label\n"1.png,cat\n', "not valid CSV"),
        (b"path,label\n1.png,caf\xe9\n", "line 2: not UTF-8"),
        ("path,label\n1.png,cat\n".encode("utf-16"), "not UTF-8"),
        (b"path,label\n1.png,cat\n1.png,dog\n", "1.png has two labels, 'cat' and 'dog'"),
        (b"path,label\n1.png,cat\n./x/../1.png,ufo\n", "two labels, 'cat' and 'ufo'"),
        (b"path,label\n" + b"x" * 200_000 + b",cat\n", "not valid CSV"),
    ],
)
def test_what_is_no_list_of_labels(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_labelled(tmp_path / "x.csv", ANIMALS)
    assert str(tmp_path) in str(caught.value)


def test_an_image_that_is_named_again_counts_once(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    rows = ["1.png,cat", "./1.png,cat", "link/1.png,cat", f"{tmp_path}/1.png,cat", "2.png,cat"]
    found = read_labelled(write_csv(tmp_path / "x.csv", *rows), ANIMALS)
    assert named(found) == {"1.png": "cat", "2.png": "cat"}
    assert len(found.paths) == 2
    assert found.notes == ["3 repeated images left out: each counts once"]


def test_equal_files_behind_links_are_two_images(tmp_path: Path) -> None:
    save(tmp_path / "store" / "f00")
    for name in ("1.png", "2.png"):
        (tmp_path / name).symlink_to(tmp_path / "store" / "f00")
    file = write_csv(tmp_path / "x.csv", "1.png,cat", "2.png,dog")
    assert named(read_labelled(file, ANIMALS)) == {"1.png": "cat", "2.png": "dog"}


def test_data_that_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an image; labelled images are a folder"):
        read_labelled(save(tmp_path / "1.JPG"), ANIMALS)
    with pytest.raises(MissingFileError, match="no such file or folder"):
        read_labelled(tmp_path / "nothing", ANIMALS)
    with pytest.raises(MissingFileError, match="no such file or folder"):
        read_labelled("x" * 5000, ANIMALS)
    (tmp_path / "broken.csv").symlink_to("nothing")
    with pytest.raises(MissingFileError, match="no such file"):
        read_labelled(tmp_path / "broken.csv", ANIMALS)
    image = save(tmp_path / "image").rename(tmp_path / "image.csv")
    with pytest.raises(InputError, match="not UTF-8"):
        read_labelled(image, ANIMALS)


def write_shards(
    directory: Path, *shards: Mapping[str, str | None], fingerprint: str = "f"
) -> Path:
    """Shards of images and their errors; an image's vector is its number."""
    directory.mkdir()
    maker, number = encoder(fingerprint), 0
    provenance = ImageProvenance.of(maker)
    for place, images in enumerate(shards):
        rows = list(range(number, number + len(images)))
        readable = [row for row, why in zip(rows, images.values(), strict=True) if why is None]
        vectors = torch.tensor([[float(row), 1.0] for row in readable]).reshape(-1, 2)
        metadata = ShardMetadata(shard=place, shard_size=1000, provenance=provenance)
        write_shard(directory, metadata, Shard([*images], [*images.values()], vectors))
        number += len(images)
    return directory


def rows_of(found: LabelledImages) -> list[int]:
    """Numbers of the images whose vectors were kept."""
    assert found.vectors is not None
    assert len(found.vectors) == len(found.paths) == len(found.targets)
    return [int(row) for row, _ in found.vectors.tolist()]


def test_what_cupl_embed_wrote(tmp_path: Path) -> None:
    for name, color in {"cat/1": RED, "cat/2": BLUE, f"dog/{ODD}": BLUE, "ufo/3": RED}.items():
        save(tmp_path / "set" / f"{name}.png", color)
    (tmp_path / "set" / "dog" / "broken.png").write_bytes(b"")
    embed_images(find_images([tmp_path / "set"]), encoder(), tmp_path / "v", shard_size=2)
    found = encode_labelled(read_labelled(tmp_path / "v", ANIMALS), encoder())
    assert named(found) == {"1.png": "cat", "2.png": "cat", f"{ODD}.png": "dog"}
    assert found.vectors is not None
    assert found.vectors.tolist() == [[1, 0], [0, 1], [0, 1]]
    assert found.unmatched == {"ufo": 1}
    broken = str(tmp_path / "set" / "dog" / "broken.png")
    assert found.unreadable == [(broken, "the file is empty")]


def test_the_images_need_not_be_there_any_more(tmp_path: Path) -> None:
    save(tmp_path / "set" / "cat" / "1.png")
    embed_images(find_images([tmp_path / "set"]), encoder(), tmp_path / "v")
    shutil.rmtree(tmp_path / "set")
    found = encode_labelled(read_labelled(tmp_path / "v", ANIMALS), encoder())
    assert named(found) == {"1.png": "cat"}


def test_the_nearest_folder_that_means_a_class(tmp_path: Path) -> None:
    paths = [
        "/set/cat/dog/more/1.png", "/set/dog/2.png", "/set/Tree-Frog/x/3.png",
        "/set/zebra/new/4.png", f"/set/{ODD}/5.png",
    ]  # fmt: skip
    found = read_labelled(write_shards(tmp_path / "v", dict.fromkeys(paths)), ANIMALS)
    assert named(found) == {"1.png": "dog", "2.png": "dog", "3.png": "tree frog"}
    assert rows_of(found) == [0, 1, 2]
    assert found.unmatched == {"new": 1, ODD: 1}


def test_a_folder_that_all_images_are_in_names_no_class(tmp_path: Path) -> None:
    home = "/home/cat/photos"
    found = read_labelled(
        write_shards(tmp_path / "v", {f"{home}/husky/1.png": None, f"{home}/dog/2.png": None}),
        ANIMALS,
    )
    assert named(found) == {"2.png": "dog"}
    assert found.unmatched == {"husky": 1}
    found = read_labelled(write_shards(tmp_path / "w", {f"{home}/1.png": None}), ANIMALS)
    assert found.unmatched == {"photos": 1}


def test_all_images_of_one_class(tmp_path: Path) -> None:
    paths = {"set/cat/1.png": None, "set/cat/2.png": None}
    found = read_labelled(write_shards(tmp_path / "v", paths), ANIMALS)
    assert named(found) == {"1.png": "cat", "2.png": "cat"}


@pytest.mark.parametrize("path", ["1.png", "/1.png"])
def test_an_image_in_no_folder_has_no_label(tmp_path: Path, path: str) -> None:
    found = read_labelled(write_shards(tmp_path / "v", {path: None, "/cat/2": None}), ANIMALS)
    assert found.unmatched == {"": 1}
    assert rows_of(found) == [1]
    assert explain_unmatched(found, ANIMALS) == ["no label (1 image)"]


def test_several_shards_and_what_could_not_be_read(tmp_path: Path) -> None:
    directory = write_shards(
        tmp_path / "v", {"s/cat/0": None, "s/cat/1": "cut off"}, {"s/dog/2": "empty"},
        {"s/ufo/3": None, "s/dog/4": None, "s/x/5": "gone"},
    )  # fmt: skip
    found = read_labelled(directory, ANIMALS)
    assert named(found) == {"0": "cat", "4": "dog"}
    assert rows_of(found) == [0, 4]
    reasons = [("s/cat/1", "cut off"), ("s/dog/2", "empty"), ("s/x/5", "gone")]
    assert found.unreadable == reasons


def test_nothing_could_be_read(tmp_path: Path) -> None:
    directory = write_shards(tmp_path / "v", {"s/cat/0": "cut off"})
    with pytest.raises(InputError, match="no labelled image that can be read"):
        read_labelled(directory, ANIMALS)


def test_vectors_of_another_encoder_are_refused(tmp_path: Path) -> None:
    found = read_labelled(write_shards(tmp_path / "v", {"cat/1": None}), ANIMALS)
    with pytest.raises(InputError, match="made by the encoder 'hand-made'"):
        encode_labelled(found, encoder("another"))


def test_a_run_that_did_not_finish_a_shard(tmp_path: Path) -> None:
    vectors_file(tmp_path, 0).touch()
    with pytest.raises(InputError, match="cupl embed did not finish its first shard"):
        read_labelled(tmp_path, ANIMALS)


def test_labels_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path counts from the file's folder, or stands as cupl embed was given it."""
    work = tmp_path / "work"
    (work / "photos").mkdir(parents=True)
    (tmp_path / "link").symlink_to(work)
    monkeypatch.chdir(work)
    paths = [f"photos/{i}.png" for i in range(5)] + [f"{work}/photos/{i}.png" for i in (5, 6)]
    directory = write_shards(tmp_path / "v", dict.fromkeys(paths))
    rows = ["photos/0.png,cat", "./photos//1.png,dog", "../work/photos/2.png,n7",
            f"{work}/photos/3.png,cat", f"{tmp_path}/link/photos/4.png,dog",
            "photos/5.png,cat", f"{work}/./photos/6.png,ufo"]  # fmt: skip
    expected = ["cat", "dog", "tree frog", "cat", "dog", "cat"]
    for file in ("labels.csv", "photos/../labels.csv"):
        write_csv(work / file, *rows)
        found = read_labelled(directory, ANIMALS, file)
        assert list(named(found).values()) == expected
        assert found.unmatched == {"ufo": 1}
    # As written, wherever the file lies.
    elsewhere = write_csv(tmp_path / "x.csv", "photos/0.png,cat", "./photos/1.png,dog")
    found = read_labelled(directory, ANIMALS, elsewhere)
    assert list(named(found).values()) == ["cat", "dog"]
    assert found.unmatched == {"": 5}
    assert explain_unmatched(found, ANIMALS) == ["no label (5 images)"]


def test_labels_of_links(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        (tmp_path / name).symlink_to(tmp_path / "store")
    paths = {str(tmp_path / "1.png"): None, str(tmp_path / "2.png"): None}
    file = write_csv(tmp_path / "x.csv", "1.png,cat", "2.png,dog")
    found = read_labelled(write_shards(tmp_path / "v", paths), ANIMALS, file)
    assert named(found) == {"1.png": "cat", "2.png": "dog"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["s/0,cat", "./s/0,dog"], "'./s/0' has two labels, 'cat', 'dog'"),
        (["t/0,cat"], r"names no image of .*, such as 's/0'"),
        (["s/0,"], "line 2"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, rows: Sequence[str], message: str) -> None:
    directory = write_shards(tmp_path / "v", {"s/0": None})
    with pytest.raises(InputError, match=message):
        read_labelled(directory, ANIMALS, write_csv(tmp_path / "x.csv", *rows))


def test_a_file_of_labels_goes_with_vectors(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "1.png")
    file = write_csv(tmp_path / "x.csv", "cat/1.png,cat")
    with pytest.raises(InputError, match="holds no vectors that cupl embed wrote"):
        read_labelled(tmp_path, ANIMALS, file)
    directory = write_shards(tmp_path / "v", {"s/0": None})
    with pytest.raises(MissingFileError, match="no.csv: no such file"):
        read_labelled(directory, ANIMALS, tmp_path / "no.csv")


def test_the_same_image_twice(tmp_path: Path) -> None:
    directory = write_shards(tmp_path / "v", {"s/cat/0": None, "s/dog/1": None, "s/cat/2": None})
    file = write_csv(tmp_path / "x.csv", "s/cat/0,cat", "s/cat/./0,cat", "s/dog/1,dog")
    assert rows_of(read_labelled(directory, ANIMALS, file)) == [0, 1]
    again = write_shards(tmp_path / "w", {"s/cat/0": None, "s/dog/1": None, "./s/cat/0": None})
    found = read_labelled(again, ANIMALS)
    assert rows_of(found) == [0, 1]
    assert found.notes == ["1 repeated image left out: each counts once"]


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    directory = write_shards(tmp_path / "v", {"s/\0/0": None, "s/cat/1": None})
    found = read_labelled(directory, ANIMALS)
    assert rows_of(found) == [1]
    assert explain_unmatched(found, ANIMALS) == [r"'\x00' (1 image)"]


def test_the_time_grows_with_the_images_and_not_faster(tmp_path: Path) -> None:
    """100,000 images of 1,000 classes take about half a second, of a file 1.5."""
    labels = [ClassLabel(f"class {i}", f"n{i}", (f"alias {i}",)) for i in range(1000)]
    paths = [f"/set/class_{i // 100}/{i}.png" for i in range(100_000)]
    directory = write_shards_of(tmp_path / "v", paths)
    file = write_csv(
        tmp_path / "x.csv", *(f"{path},Class-{i // 100}" for i, path in enumerate(paths))
    )
    for label_file in (None, file):
        begin = time.process_time()
        found = read_labelled(directory, labels, label_file)
        assert time.process_time() - begin < 6
        assert found.targets == [i // 100 for i in range(100_000)]


def test_only_the_labels_that_are_shown_are_explained() -> None:
    labels = [ClassLabel(f"a long name of class {i}") for i in range(1000)]
    found = LabelledImages([], [])
    found.unmatched.update({f"a long name of klass {i}": 2 for i in range(10_000)})
    begin = time.process_time()
    lines = explain_unmatched(found, labels, 10)
    assert time.process_time() - begin < 1
    assert len(lines) == 10
    assert lines[7] == "'a long name of klass 7', nearly 'a long name of class 7' (2 images)"


def write_shards_of(directory: Path, paths: Sequence[str]) -> Path:
    directory.mkdir()
    metadata = ShardMetadata(shard=0, shard_size=100_000, provenance=ImageProvenance.of(encoder()))
    shard = Shard([*paths], [None] * len(paths), torch.ones(len(paths), 2))
    write_shard(directory, metadata, shard)
    return directory


def test_images_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    for name, color in {"cat/1": RED, "dog/2": BLUE, "dog/3": (9, 9, 9)}.items():
        save(tmp_path / f"{name}.png", color)
    (tmp_path / "cat" / "0.png").write_bytes(b"no image")
    (tmp_path / "dog" / "folder.png").mkdir()
    save(tmp_path / "dog" / "folder.png" / "4.png")
    save(tmp_path / "ufo" / "5.png")
    save(tmp_path / "6.png")
    seen: list[tuple[int, int]] = []
    data = read_labelled(tmp_path, ANIMALS)
    found = encode_labelled(data, encoder(), lambda done, all: seen.append((done, all)))
    assert named(found) == {"1.png": "cat", "2.png": "dog", "4.png": "dog"}
    assert found.vectors is not None
    assert found.vectors.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert [Path(path).name for path, _ in found.unreadable] == ["0.png", "3.png"]
    assert "no vector for the pixel" in found.unreadable[1][1]
    assert seen == [(done, 5) for done in range(1, 6)]
    assert (found.unmatched, found.notes) == (data.unmatched, data.notes)
    assert data.unreadable == []


def test_no_image_can_be_read(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "x.csv", "1.png,cat", "2.png,dog")
    data = read_labelled(file, ANIMALS)
    with pytest.raises(InputError, match=r"the first was .*1.png: there is no such file"):
        encode_labelled(data, encoder())
