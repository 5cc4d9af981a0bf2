"""Where a text belongs, a file of another kind is named for what it is."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cupl.bank.class_lists import read_classes
from cupl.bank.importing import import_json
from cupl.bank.model import PromptBank
from cupl.errors import InputError
from cupl.evaluation.label_files import read_label_file

READERS: dict[str, Callable[[Path], object]] = {
    "bank.yaml": PromptBank.load,
    "prompts.json": import_json,
    "classes.txt": read_classes,
    "classes.csv": read_classes,
    "classes.json": read_classes,
    "labels.csv": read_label_file,
}


def pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(["cat", "dog"]))


def workbook(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")


def array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html><body>Sign in</body></html>")


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("write", "said"),
    [
        (pointer, "a git-lfs pointer, not the file itself: run 'git lfs pull'"),
        (pickled, "a pickle, which could run code and is not read"),
        (workbook, "a zip archive, as Excel's workbooks"),
        (array, "an array of numpy"),
        (page, "a web page, not the file that was to be downloaded"),
    ],
)
def test_it_is_named(name: str, write: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    write(tmp_path / name)
    with pytest.raises(InputError, match=f"{name} is {said}"):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("lab.csv", "path,label\na.jpg,cat\n", r"a table \(CSV\)"),
        ("c.json", '["dog", "horse"]', "JSON"),
    ],
)
def test_a_text_that_is_no_bank_is_named(name: str, text: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=f"{name}: this is {kind}, not a prompt bank"):
        PromptBank.load(tmp_path / name)
