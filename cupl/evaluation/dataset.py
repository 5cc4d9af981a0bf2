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
from cupl.classification.sort_journal import JOURNAL_NAME
from cupl.embedding.elsewhere import as_url
from cupl.embedding.foreign_vectors import ForeignEmbeddings, is_vector_file, open_vector_files
from cupl.embedding.image_files import ImageSearch
from cupl.embedding.image_kinds import IMAGE_ENDINGS
from cupl.embedding.image_shards import Shard
from cupl.embedding.image_vectors import is_stored, load_embeddings
from cupl.embedding.remote_stores import is_stored_remotely
from cupl.embedding.stored_vectors import Embeddings
from cupl.embedding.tar_files import is_tar, tar_and_member
from cupl.errors import InputError
from cupl.evaluation.class_numbers import class_numbers, numbers_note
from cupl.evaluation.label_files import given_labels, read_label_file, sampled_pairs
from cupl.evaluation.labelled import ImageMatcher, LabelledImages, images_in_words
from cupl.evaluation.labels_elsewhere import labelled_elsewhere
from cupl.evaluation.sampled import explain_sample, without_class
from cupl.io.file_kinds import FOLDER, check_own_kind
from cupl.io.reasons import missing, reason

_SHOWN = 5


def read_labelled(
    source: str | os.PathLike[str],
    labels: Sequence[ClassLabel],
    label_file: str | os.PathLike[str] | None = None,
    *,
    all_files: bool = False,
) -> LabelledImages:
    """Find labelled images and match their labels with the classes.

    Args:
        source: an ImageFolder (a folder for each class, searched through its sub-folders), a
            ``.csv`` with the columns ``path`` and ``label`` (a path counts from the file's
            folder; see :func:`~cupl.evaluation.label_files.read_label_file`), a directory that
            ``cupl embed`` wrote, a file of vectors that were made elsewhere (``.npy``, ``.npz``,
            ``.parquet``, ``.safetensors``), which may have the labels in it, or the URL of an
            object store, or tars; see
            :func:`~cupl.evaluation.labels_elsewhere.labelled_elsewhere`.
        labels: the classes.
        label_file: a CSV of path and label for such vectors; a path counts from the file's folder,
            or stands as ``cupl embed`` was given it, or is the number of the row of a file that
            has no paths. By default the label is the
            nearest folder in an image's path that means a class, but none that all images are
            in; else the nearest.
        all_files: open every file of an ImageFolder to see whether it is an image.

    Raises:
        MissingFileError: there is no such file or folder.
        InputError: it holds no labelled image, or cannot be read, or an image has two labels.

    """
    path, index, name = Path(source), ClassIndex(labels), as_url(source)
    elsewhere = is_stored_remotely(name) or is_tar(name)
    if not elsewhere and not os.path.exists(path):  # noqa: PTH110 (Path's raises for over-long names)
        raise missing(path, f"{path}: no such file or folder")
    folder = os.path.isdir(path)  # noqa: PTH112 (Path.is_dir raises for over-long names)
    embedded = is_vector_file(path) or (folder and is_stored(path))
    if label_file is not None and not embedded:
        raise InputError(
            f"{path} holds no image vectors, such as cupl embed writes; a file of labels goes with "
            "those"
        )
    if elsewhere:
        images = labelled_elsewhere(name, index, all_files=all_files)
    elif embedded:
        images = _from_embeddings(path, index, label_file)
    elif folder:
        images = _from_folder(path, index, all_files)
    else:
        images = _from_csv(path, index)
    if not images.paths and not images.unmatched:
        if images.sample is not None and images.sample.looked_at:
            raise InputError(f"{label_file or path}: {without_class(images.sample)}")
        raise InputError(f"{path}: no labelled image that can be read")
    images.notes.extend(explain_sample(images))
    return replace(
        images,
        source=name,
        label_file=None if label_file is None else os.fspath(label_file),
    )


def _from_folder(root: Path, index: ClassIndex, all_files: bool) -> LabelledImages:
    if os.path.lexists(root / JOURNAL_NAME):
        raise InputError(
            f"{root}: cupl sort put these photos into folders by what it predicts, which cannot "
            "show whether that is right. Take a small sample and label it (cupl label); or, where "
            f"somebody has looked at every photo since, copy the folders without {JOURNAL_NAME}"
        )
    check_own_kind(root, "an ImageFolder", FOLDER)
    search = ImageSearch(all_files=all_files)
    try:
        folders, loose = search.listing(root)
    except OSError as error:
        raise InputError(f"{root}: cannot be listed ({reason(error, root)})") from error
    if not folders:
        raise _no_folders(root, len(loose))
    found = {entry.name: search.folder(root / entry.name) for entry in folders}
    empty = [name for name, paths in found.items() if not paths]
    if len(empty) == len(folders):
        raise search.nothing(f"{root}: none of its {len(folders)} folders holds an image")
    numbers = class_numbers([name for name in found if found[name]], index)
    matcher = ImageMatcher(index, numbers)
    for name, paths in found.items():
        for path in paths:
            matcher.add(path, name)
    images = matcher.done()
    images.notes.extend(numbers_note(numbers, index))
    if loose:
        images.notes.append(
            f"{images_in_words(len(loose))} in {root} itself, in no class folder: left out"
        )
    if empty:
        names = ", ".join(f"{name!r:.80}" for name in empty[:_SHOWN])
        more = f" and {len(empty) - _SHOWN:,} more" * (len(empty) > _SHOWN)
        images.notes.append(f"no image in the class folder{'s' * (len(empty) != 1)} {names}{more}")
    images.notes.extend(search.left_out.notes())
    return images


def _no_folders(root: Path, loose: int) -> InputError:
    return InputError(
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
    read = read_label_file(file)
    sample, pairs = sampled_pairs(file, read, index)
    numbers = class_numbers([label for _, label in pairs], index)
    matcher = ImageMatcher(index, numbers)
    for path, label in pairs:
        matcher.add(path, label)
    images = matcher.done()
    images.notes[:0] = [*read.notes, *numbers_note(numbers, index)]
    return replace(images, sample=sample)


def _from_embeddings(
    directory: Path, index: ClassIndex, label_file: str | os.PathLike[str] | None
) -> LabelledImages:
    foreign = is_vector_file(directory)
    embeddings = open_vector_files([directory], None) if foreign else load_embeddings(directory)
    shards = list(embeddings)
    paths = [path for shard in shards for path in shard.readable]
    given = None if label_file is None else given_labels(Path(label_file), index)
    stored = _stored_labels(embeddings, shards) if given is None else None
    label_of = _label_by_folder(paths, index) if given is None else given.of
    labels = [label_of(path) for path in paths] if stored is None else stored
    if given is not None and paths and not any(labels) and not given.none_has_class:
        raise InputError(f"{label_file} names no image of {directory}, such as {paths[0]!r:.200}")
    own = None if stored is None else class_numbers(labels, index)
    numbers = own if given is None else given.numbers
    matcher = ImageMatcher(index, numbers)
    rows = [
        row for row, (path, label) in enumerate(zip(paths, labels, strict=True))
        # Of a sample most images have no label: that is what it is for.
        if (label or given is None or given.sample is None) and matcher.add(path, label)
    ]  # fmt: skip
    vectors = torch.cat([shard.vectors for shard in shards])
    images = matcher.done()
    return replace(
        images,
        notes=[
            *(given.notes if given else ()),
            *(numbers_note(numbers, index) if stored is not None and numbers else ()),
            *images.notes,
        ],
        vectors=vectors if len(rows) == len(vectors) else vectors[rows],
        # The person says which encoder made them, and its width is compared.
        provenance=None if foreign else embeddings.provenance,
        has_files=embeddings.has_files,
        unreadable=[
            (path, error) for shard in shards
            for path, error in zip(shard.paths, shard.errors, strict=True) if error is not None
        ],
        sample=None if given is None else given.sample_of(images.paths),
    )  # fmt: skip


def _stored_labels(embeddings: Embeddings, shards: Sequence[Shard]) -> list[str] | None:
    """The labels of the readable images that a file of vectors has beside them.

    Raises:
        InputError: it has none, nor paths whose folders could be labels.

    """
    if not isinstance(embeddings, ForeignEmbeddings):
        return None
    if (labels := embeddings.labels()) is not None:
        errors = (error for shard in shards for error in shard.errors)
        return [label for label, error in zip(labels, errors, strict=True) if error is None]
    if not embeddings.has_files:
        raise InputError(
            f"{embeddings.directory} has neither labels nor paths: give a file of labels, whose "
            "path is the number of the row, from 0",
            arguments={"labels": ...},
        )
    return None


def _label_by_folder(paths: Iterable[str], index: ClassIndex) -> Callable[[str], str]:
    """The nearest folder that means a class, below those that all share; else the nearest."""
    parts = {folder: Path(folder).parts for folder in set(map(_folder_of, paths))}
    shared = len(os.path.commonprefix(list(parts.values())))  # noqa: RUF071 (of tuples)

    @cache
    def label_of(folder: str) -> str:
        below = reversed(parts[folder][shared:])
        nearest = Path(folder).name
        return next((name for name in below if index.find(name) is not None), nearest)

    return lambda path: label_of(_folder_of(path))


def _folder_of(path: str) -> str:
    """A tar's name counts as that of a folder."""
    member = tar_and_member(path)
    return os.path.dirname("/".join(member) if member else path)  # noqa: PTH120
