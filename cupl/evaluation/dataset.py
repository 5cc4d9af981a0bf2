"""Labelled images on disk: an ImageFolder, a CSV of path and label, a run of ``cupl embed``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from cupl.bank.labels import ClassLabel
from cupl.bank.lookup import ClassIndex
from cupl.embedding.image_files import find_images
from cupl.embedding.image_kinds import IMAGE_ENDINGS
from cupl.embedding.image_shards import shard_numbers
from cupl.embedding.image_vectors import load_embeddings
from cupl.errors import InputError, MissingFileError
from cupl.evaluation.labelled import ImageMatcher, LabelledImages, file_identity, images_in_words
from cupl.io.csv import is_blank, read_rows

_SHOWN = 5


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
        images = _from_embeddings(path, index, label_file)
    elif folder:
        images = _from_folder(path, index)
    else:
        images = _from_csv(path, index)
    if not images.paths and not images.unmatched:
        raise InputError(f"{path}: no labelled image that can be read")
    return images


def _from_folder(root: Path, index: ClassIndex) -> LabelledImages:
    folders, loose = _list_folder(root)
    matcher, empty = ImageMatcher(index), list[str]()
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
    images = matcher.done()
    if loose:
        images.notes.append(
            f"{images_in_words(loose)} in {root} itself, in no class folder: left out"
        )
    if empty:
        names = ", ".join(f"{name!r:.80}" for name in empty[:_SHOWN])
        more = f" and {len(empty) - _SHOWN:,} more" * (len(empty) > _SHOWN)
        images.notes.append(f"no image in the class folder{'s' * (len(empty) != 1)} {names}{more}")
    return images


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
        + (f", but {images_in_words(loose)}" if loose else "")
        + " (a CSV of path and label works too)"
    )


def _from_csv(file: Path, index: ClassIndex) -> LabelledImages:
    if file.name.lower().endswith(IMAGE_ENDINGS):
        raise InputError(
            f"{file} is an image; labelled images are a folder with a folder for each class, or a "
            "CSV of path and label"
        )
    matcher = ImageMatcher(index)
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
    pairs = []
    for where, row in rows:
        if is_blank(row):
            continue
        path, label = (row["path"] or "").strip(), (row["label"] or "").strip()
        if None in row or not path or not label or "\0" in path:
            raise InputError(
                f"{where}: needed are a path and a label, in quotes where there is a comma in them"
            )
        pairs.append((path, label))
    if not pairs:
        raise InputError(f"{file}: no image is named below its first line")
    return pairs


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
    matcher = ImageMatcher(index)
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
    identify, there, written = file_identity(), dict[tuple[str, str], str](), dict[str, str]()
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
