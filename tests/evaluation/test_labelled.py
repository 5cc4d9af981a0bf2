import time
from pathlib import Path

import pytest
import torch

from cupl.bank.labels import ClassLabel
from cupl.errors import InputError
from cupl.evaluation.dataset import read_labelled
from cupl.evaluation.labelled import (
    LabelledImages,
    check_matched,
    encode_labelled,
    explain_unmatched,
)
from tests.evaluation.pictures import ANIMALS, BLUE, RED, encoder, named, save, write_csv


def test_only_the_labels_that_are_shown_are_explained() -> None:
    labels = [ClassLabel(f"a long name of class {i}") for i in range(1000)]
    found = LabelledImages([], [])
    found.unmatched.update({f"a long name of klass {i}": 2 for i in range(10_000)})
    begin = time.process_time()
    lines = explain_unmatched(found, labels, 10)
    assert time.process_time() - begin < 1
    assert len(lines) == 10
    assert lines[7] == "'a long name of klass 7', nearly 'a long name of class 7' (2 images)"


def test_labels_that_mean_no_class_are_refused_by_name() -> None:
    found = LabelledImages(["1.png"], [0])
    check_matched(found, ANIMALS, skip=False)
    found.unmatched.update({"tree_frogs": 2, "ufo": 1, "a": 1, "b": 1, "c": 1})
    with pytest.raises(
        InputError,
        match=r"5 labels mean no class of the bank: 'tree_frogs', nearly 'tree frog' \(2 images\); "
        r"'ufo' \(1 image\); 'a' \(1 image\); and 2 more; rename these labels",
    ) as caught:
        check_matched(found, ANIMALS, skip=False)
    assert caught.value.arguments == {"skip_unmatched": True}
    check_matched(found, ANIMALS, skip=True)


def test_where_no_label_means_a_class_none_can_be_skipped() -> None:
    found = LabelledImages([], [])
    found.unmatched["ufo"] = 3
    for skip in (False, True):
        with pytest.raises(InputError, match=r"1 label means no class .* is it the right bank"):
            check_matched(found, ANIMALS, skip)


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


def test_vectors_are_those_of_the_encoder_or_of_its_width() -> None:
    vectors = LabelledImages(["1"], [0], torch.ones(1, 2))
    assert encode_labelled(vectors, encoder()) is vectors
    with pytest.raises(InputError, match="are 3 wide, but hand-made makes 2"):
        encode_labelled(LabelledImages(["1"], [0], torch.ones(1, 3)), encoder())


def test_a_drive_that_is_gone_stops_the_evaluation() -> None:
    paths = [f"gone/{number}.png" for number in range(60)]
    with pytest.raises(InputError, match=r"50 images in a row .* gone/0.png: there is no such"):
        encode_labelled(LabelledImages(paths, [0] * 60), encoder())
