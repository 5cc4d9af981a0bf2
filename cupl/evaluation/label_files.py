"""CSV files of paths and labels, as people and data sets write them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from cupl.bank.lookup import ClassIndex
from cupl.embedding.image_kinds import IMAGE_ENDINGS
from cupl.errors import InputError
from cupl.evaluation.class_numbers import class_numbers, numbers_note
from cupl.evaluation.labelled import LabelledSample, file_identity
from cupl.evaluation.sample_file import SampleRows, drawn_sample, is_sample
from cupl.io.csv import is_blank, read_rows
from cupl.io.file_kinds import PREDICTIONS

Pair = tuple[str, str]

_PATHS = (
    "path", "filepath", "file_path", "image_path", "img_path", "filename", "file_name",
    "fname", "file", "image", "image_file", "image_name", "img", "image_id", "imageid",
    "img_id", "id",
)  # fmt: skip
_LABELS = (
    "label", "class", "class_name", "classname", "category", "category_name", "target",
    "species", "breed", "label_name", "label_id", "class_id", "category_id",
)  # fmt: skip

_PREDICTED = {"path", "label", "id", "score", "probability", "error"}
"""The columns of predictions, in any order, as a spreadsheet or pandas writes them again."""
_WANTED = (
    "labels: what a person says that the images show. Put the images into a folder for each class, "
    "or write a CSV of path,label"
)


@dataclass(eq=False)
class LabelFile:
    """What a CSV file says.

    Attributes:
        pairs: path, as written, and label.
        notes: a sentence where its columns are called otherwise than path and label.
        sample: how its rows were drawn, where it is a sample to label; ``pairs`` are then the
            rows with a label.

    """

    pairs: list[Pair] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sample: SampleRows | None = None


def read_label_file(file: Path) -> LabelFile:
    """Read a CSV file with a column of paths and one of labels.

    They are ``path`` and ``label``, or the only ones that data sets call so: ``filename``,
    ``image_id``, ``class``, ``category`` and the like.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not valid CSV, has other columns, or a row lacks one.

    """
    chosen: list[str] = []
    read = LabelFile()

    def usable(columns: list[str]) -> bool:
        if set(columns) >= _PREDICTED:
            raise InputError(f"{file} is {PREDICTIONS}, not {_WANTED}")
        chosen[:] = [_chosen(columns, names) for names in (_PATHS, _LABELS)]
        read.sample = SampleRows() if is_sample(columns) else None
        return all(chosen)

    rows = read_rows(
        file,
        usable,
        "must name the columns path and label, each once; above a list without names of columns "
        "write path,label",
        _WANTED,
    )
    for where, row in rows:
        if is_blank(row):
            continue
        path, label = ((row[name] or "").strip() for name in chosen)
        if read.sample is not None and path and not read.sample.has_label(where, row, label):
            continue
        if None in row or not path or not label or "\0" in path:
            raise InputError(
                f"{where}: needed are a path and a label, in quotes where there is a comma in them"
            )
        read.pairs.append((path, label))
    if read.sample is not None:
        read.sample.check(file)
    elif not read.pairs:
        raise InputError(f"{file}: no image is named below its first line")
    if chosen != ["path", "label"]:
        read.notes.append(
            f"{file}: the column {chosen[0]!r} is read as path, {chosen[1]!r} as label"
        )
    return read


def _chosen(columns: Sequence[str], names: Sequence[str]) -> str:
    """The usual name, or the only other one; else nothing."""
    usual = names[0]
    there = [column for column in columns if column in names]
    if usual in there:
        return usual if there.count(usual) == 1 else ""
    return there[0] if len(there) == 1 else ""


def found_paths(folder: Path, pairs: Iterable[Pair]) -> Iterator[Pair]:
    """The pairs with paths that count from ``folder``, and with the ending that was left away."""
    endless = cache(_names_without_endings)
    start = os.fspath(folder)
    for path, label in pairs:
        full = os.path.join(start, path)  # noqa: PTH118 (ten times faster)
        if not full.lower().endswith(IMAGE_ENDINGS) and not os.path.lexists(full):
            parent, name = os.path.split(full)
            full = endless(parent).get(name) or full
        yield full, label


def _names_without_endings(folder: str) -> dict[str, str | None]:
    """The images in a folder by their names without ending; None where several share one."""
    found: dict[str, str | None] = {}
    try:
        names = os.listdir(folder or ".")  # noqa: PTH208 (a missing folder is no iterator's fault)
    except (OSError, ValueError):
        return found
    for name in names:
        stem, ending = os.path.splitext(name)  # noqa: PTH122
        if ending.lower() in IMAGE_ENDINGS:
            path = os.path.join(folder, name)  # noqa: PTH118
            found[stem] = None if stem in found else path
    return found


def sampled_pairs(
    file: Path, read: LabelFile, index: ClassIndex
) -> tuple[LabelledSample | None, list[Pair]]:
    """The pairs of a file with paths in full, and how they were drawn, where they are a sample."""
    if read.sample is None:
        return None, list(found_paths(file.parent, read.pairs))
    sample, kept = drawn_sample(read.sample, read.pairs, index)
    pairs = list(found_paths(file.parent, kept))
    strata = {full: sample.strata[path] for (full, _), (path, _) in zip(pairs, kept, strict=True)}
    return replace(sample, strata=strata), pairs


@dataclass(frozen=True, eq=False)
class GivenLabels:
    """The labels that a CSV file gives to paths of images that were encoded before.

    Attributes:
        of: the label of a path, empty where it has none.
        stratum: of a path that has a label, in a sample.
        numbers: the classes of labels that are numbers.
        notes: a sentence on each thing to know of the file.
        sample: how its rows were drawn, where they are a sample.

    """

    of: Callable[[str], str]
    stratum: Callable[[str], int]
    numbers: dict[str, int]
    notes: list[str]
    sample: LabelledSample | None

    @property
    def none_has_class(self) -> bool:
        """Whether all that was looked at in a sample is of no class."""
        return self.sample is not None and not self.sample.strata

    def sample_of(self, paths: Iterable[str]) -> LabelledSample | None:
        """The sample, by paths of images that have a label."""
        if self.sample is None:
            return None
        return replace(self.sample, strata={path: self.stratum(path) for path in paths})


def given_labels(file: Path, index: ClassIndex) -> GivenLabels:
    """Read the labels of a CSV file.

    Raises:
        InputError: the file is none of labels, or gives an image two.

    """
    identify, there, written = file_identity(), dict[Pair, str](), dict[str, str]()
    read = read_label_file(file)
    sample, pairs = None, read.pairs
    if read.sample is not None:
        sample, pairs = drawn_sample(read.sample, pairs, index)
    places = dict[str | tuple[str, str], str]()
    full_paths = (path for path, _ in found_paths(file.parent, pairs))
    for full, (path, label) in zip(full_paths, pairs, strict=True):
        if (before := there.setdefault(identify(full), label)) != label:
            raise InputError(f"{file}: {path!r:.200} has two labels, {before!r:.80}, {label!r:.80}")
        written[os.path.normpath(path)] = label
        places[identify(full)] = places[os.path.normpath(path)] = path
    numbers = class_numbers([label for _, label in pairs], index)

    def label_of(path: str) -> str:
        return there.get(identify(path)) or written.get(os.path.normpath(path), "")

    def stratum_of(path: str) -> int:
        assert sample is not None  # noqa: S101 (asked of samples only)
        return sample.strata[places.get(identify(path)) or places[os.path.normpath(path)]]

    notes = [*read.notes, *numbers_note(numbers, index)]
    return GivenLabels(label_of, stratum_of, numbers, notes, sample)
