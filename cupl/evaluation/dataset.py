"""Labelled images: an ImageFolder, a CSV of path and label, or vectors from ``cupl embed``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import torch

from cupl.bank.labels import ClassLabel
from cupl.bank.lookup import ClassIndex
from cupl.embedding.image_files import find_images
from cupl.embedding.image_shards import ImageProvenance, shard_numbers
from cupl.embedding.image_stream import encode_sources
from cupl.embedding.image_vectors import load_embeddings
from cupl.embedding.images import IMAGE_ENDINGS
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError, MissingFileError
from cupl.io.csv import read_rows
from cupl.progress import Progress, ignore

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and the class of each, before anything is encoded.

    Attributes:
        paths: the images that have a class, each once.
        targets: its number.
        vectors: float32 ``[images, dim]`` where the images were encoded before.
        provenance: of these vectors.
        unmatched: labels that mean no class, and the images of each; they are not in ``paths``. The
            label of an image that has none is empty.
        unreadable: path and error of images that could not be read.
        notes: a sentence on each kind of thing that was passed over.

    """

    paths: list[str]
    targets: list[int]
    vectors: torch.Tensor | None = None
    provenance: ImageProvenance | None = None
    unmatched: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_labelled(
    source: str | os.PathLike[str],
    labels: Sequence[ClassLabel],
    label_file: str | os.PathLike[str] | None = None,
) -> LabelledImages:
    """Find labelled images and match their labels with the classes.

    Args:
        source: an ImageFolder (a folder for each class, searched through its sub-folders), a
            ``.csv`` with the columns ``path`` and ``label`` (a path counts from the file's
            folder), or a directory that ``cupl embed`` wrote.
        labels: the classes.
        label_file: a CSV of path and label for the images of that directory; a path counts from the
            file's folder, or stands as ``cupl embed`` was given it. By default the label is the
            nearest folder in an image's path that means a class, but none that all images are
            in; else the nearest.

    Raises:
        MissingFileError: there is no such file or folder.
        InputError: it holds no labelled image, or cannot be read, or an image has two labels.

    """
    path, index = Path(source), ClassIndex(labels)
    if not os.path.lexists(path):
        raise MissingFileError(f"{path}: no such file or folder")
    folder = os.path.isdir(path)  # noqa: PTH112 (Path.is_dir raises for over-long names)
    embedded = folder and shard_numbers(path, "images")
    if label_file is not None and not embedded:
        raise InputError(
            f"{path} holds no vectors that cupl embed wrote; a file of labels goes with those"
        )
    if embedded:
        found = _from_embeddings(path, index, label_file)
    elif folder:
        found = _from_folder(path, index)
    else:
        found = _from_csv(path, index)
    if not found.paths and not found.unmatched:
        raise InputError(f"{path}: no labelled image that can be read")
    return found


def explain_unmatched(
    found: LabelledImages, labels: Sequence[ClassLabel], most: int | None = None
) -> list[str]:
    """A line for each label that means no class, the most frequent first.

    Args:
        found: its ``unmatched``.
        labels: the classes, to suggest one that may be meant.
        most: lines.

    """
    index, lines = ClassIndex(labels), []
    for label, number in found.unmatched.most_common(most):
        hint = index.hint(label) if label else None
        name = f"{label!r:.80}" if label else "no label"
        more = f", {hint}" if hint else ""
        lines.append(f"{name}{more} ({_images(number)})")
    return lines


def encode_labelled(
    data: LabelledImages, encoder: Encoder, progress: Progress = ignore
) -> LabelledImages:
    """The same with a vector for each image; those that cannot be read go to ``unreadable``.

    Raises:
        InputError: the vectors are another encoder's, or no image can be read.

    """
    if data.provenance is not None:
        data.provenance.check_encoder(encoder)
        return data
    paths, targets, unreadable = list[str](), list[int](), list(data.unreadable)
    vectors = torch.empty(len(data.paths), encoder.dim)
    with closing(encode_sources(data.paths, encoder)) as images:
        for number, image in enumerate(images):
            if image.vector is None:
                unreadable.append((data.paths[number], str(image.error)))
            else:
                vectors[len(paths)] = image.vector
                paths.append(data.paths[number])
                targets.append(data.targets[number])
            progress(number + 1, len(data.paths))
    if not paths:
        path, error = unreadable[0]
        raise InputError(f"no image could be read; the first was {path}: {error}")
    return replace(
        data, paths=paths, targets=targets, vectors=vectors[: len(paths)], unreadable=unreadable
    )


class _Matcher:
    """Collects images with their classes, each once."""

    def __init__(self, index: ClassIndex) -> None:
        self.found = LabelledImages([], [])
        self.repeated = 0
        self._find = cache(index.find)
        self._labels: dict[tuple[str, str], str] = {}
        self._identity = _identity()

    def add(self, path: str, label: str) -> bool:
        """Whether the image is one more that has a class."""
        identity = self._identity(path)
        if (before := self._labels.get(identity)) is not None:
            if before != label:
                raise InputError(f"{path} has two labels, {before!r:.80} and {label!r:.80}")
            self.repeated += 1
            return False
        self._labels[identity] = label
        number = self._find(label) if label else None
        if number is None:
            self.found.unmatched[label] += 1
            return False
        self.found.paths.append(path)
        self.found.targets.append(number)
        return True

    def done(self) -> LabelledImages:
        """What was found, with a note on images that came several times."""
        if self.repeated:
            repeated = _images(self.repeated, "repeated ")
            self.found.notes.append(f"{repeated} left out: each counts once")
        return self.found


def _identity() -> Callable[[str], tuple[str, str]]:
    """A function from a path to a folder and a name that other ways to the same file share.

    Links to folders are followed, links to files are not: in some stores equal files are one.
    """
    real = cache(os.path.realpath)

    def identify(path: str) -> tuple[str, str]:
        folder, name = os.path.split(path)
        try:
            return real(folder), name
        except ValueError:  # no name that a folder can have
            return folder, name

    return identify


def _from_folder(root: Path, index: ClassIndex) -> LabelledImages:
    folders, loose = _list_folder(root)
    matcher, empty = _Matcher(index), list[str]()
    for name in folders:
        try:
            paths = find_images([root / name])
        except InputError as error:
            if error.__cause__ is not None:  # a folder that cannot be listed, not an empty one
                raise
            empty.append(name)
            continue
        for path in paths:
            matcher.add(path, name)
    if len(empty) == len(folders):
        raise InputError(f"{root}: none of its {len(folders)} folders holds an image")
    found = matcher.done()
    if loose:
        found.notes.append(f"{_images(loose)} in {root} itself, in no class folder: left out")
    if empty:
        names = ", ".join(f"{name!r:.80}" for name in empty[:_SHOWN])
        more = f" and {len(empty) - _SHOWN:,} more" * (len(empty) > _SHOWN)
        found.notes.append(f"no image in the class folder{'s' * (len(empty) != 1)} {names}{more}")
    return found


def _list_folder(root: Path) -> tuple[list[str], int]:
    """The folders in it, and how many images lie beside them; hidden names do not count."""
    try:
        with os.scandir(root) as entries:
            there = sorted((e.name, e.path) for e in entries if not e.name.startswith("."))
    except OSError as error:
        raise InputError(f"{root}: cannot be listed ({error.strerror or error})") from error
    folders = [name for name, path in there if os.path.isdir(path)]  # noqa: PTH112 (see above)
    images = {name for name, _ in there if name.lower().endswith(IMAGE_ENDINGS)}
    loose = len(images.difference(folders))
    if folders:
        return folders, loose
    if shard_numbers(root, "vectors"):
        raise InputError(
            f"{root}: cupl embed did not finish its first shard; let it go on (resume)"
        )
    raise InputError(
        f"{root}: an ImageFolder has a folder for each class; this has none"
        + (f", but {_images(loose)}" if loose else "")
        + " (a CSV of path and label works too)"
    )


def _images(number: int, kind: str = "") -> str:
    return f"{number:,} {kind}image{'s' * (number != 1)}"


def _from_csv(file: Path, index: ClassIndex) -> LabelledImages:
    if file.name.lower().endswith(IMAGE_ENDINGS):
        raise InputError(
            f"{file} is an image; labelled images are a folder with a folder for each class, or a "
            "CSV of path and label"
        )
    matcher = _Matcher(index)
    folder = os.fspath(file.parent)
    for path, label in _csv_rows(file):
        matcher.add(os.path.join(folder, path), label)  # noqa: PTH118 (ten times faster)
    return matcher.done()


def _csv_rows(file: Path) -> list[tuple[str, str]]:
    """Path, as written, and label."""
    rows = read_rows(
        file,
        lambda columns: all(columns.count(name) == 1 for name in ("path", "label")),
        "must name the columns path and label, each once",
    )
    found = []
    for where, row in rows:
        path, label = (row["path"] or "").strip(), (row["label"] or "").strip()
        if None in row or not path or not label or "\0" in path:
            raise InputError(
                f"{where}: needed are a path and a label, in quotes where there is a comma in them"
            )
        found.append((path, label))
    if not found:
        raise InputError(f"{file}: no image is named below its first line")
    return found


def _from_embeddings(
    directory: Path, index: ClassIndex, label_file: str | os.PathLike[str] | None
) -> LabelledImages:
    embeddings = load_embeddings(directory)
    shards = list(embeddings)
    paths = [path for shard in shards for path in shard.readable]
    label_of = (
        _label_by_folder(paths, index) if label_file is None else _given_label(Path(label_file))
    )
    labels = [label_of(path) for path in paths]
    if label_file is not None and paths and not any(labels):
        raise InputError(f"{label_file} names no image of {directory}, such as {paths[0]!r:.200}")
    matcher = _Matcher(index)
    rows = [row for row, pair in enumerate(zip(paths, labels, strict=True)) if matcher.add(*pair)]
    vectors = torch.cat([shard.vectors for shard in shards])
    return replace(
        matcher.done(),
        vectors=vectors if len(rows) == len(vectors) else vectors[rows],
        provenance=embeddings.provenance,
        unreadable=[
            (path, error) for shard in shards
            for path, error in zip(shard.paths, shard.errors, strict=True) if error is not None
        ],
    )  # fmt: skip


def _given_label(file: Path) -> Callable[[str], str]:
    """The label that a CSV gives to a path; empty where it does not."""
    identify, there, written = _identity(), dict[tuple[str, str], str](), dict[str, str]()
    folder = os.fspath(file.parent)
    for path, label in _csv_rows(file):
        identity = identify(os.path.join(folder, path))  # noqa: PTH118
        if (before := there.setdefault(identity, label)) != label:
            raise InputError(f"{file}: {path!r:.200} has two labels, {before!r:.80}, {label!r:.80}")
        written[os.path.normpath(path)] = label

    def label_of(path: str) -> str:
        return there.get(identify(path)) or written.get(os.path.normpath(path), "")

    return label_of


def _label_by_folder(paths: Iterable[str], index: ClassIndex) -> Callable[[str], str]:
    """The nearest folder that means a class, below those that all share; else the nearest."""
    parts = {folder: Path(folder).parts for folder in set(map(os.path.dirname, paths))}
    shared = len(os.path.commonprefix(list(parts.values())))  # noqa: RUF071 (of tuples)

    @cache
    def label_of(folder: str) -> str:
        below = reversed(parts[folder][shared:])
        nearest = Path(folder).name
        return next((name for name in below if index.find(name) is not None), nearest)

    return lambda path: label_of(os.path.dirname(path))  # noqa: PTH120
