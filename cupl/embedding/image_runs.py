"""The image vectors of a folder of any size: encoded, and written shard by shard."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from cupl.embedding.first_images import settle_on
from cupl.embedding.image_cache import ImageCache
from cupl.embedding.image_engines import ImageEngine, LocalEngine
from cupl.embedding.image_errors import may_pass
from cupl.embedding.image_files import ImagePaths, find_images
from cupl.embedding.image_retries import tried_again, until_lost
from cupl.embedding.image_shards import (
    MAX_SHARD_SIZE,
    ImageProvenance,
    Shard,
    ShardMetadata,
    images_file,
    read_shard,
    shard_numbers,
    vectors_file,
    write_shard,
)
from cupl.embedding.image_sources import described
from cupl.embedding.image_stream import Encoded
from cupl.embedding.ray_engine import RayEngine
from cupl.encoders.loading import named_encoder
from cupl.encoders.protocol import Encoder, EncoderIdentity
from cupl.errors import InputError, leading_to
from cupl.io.atomic import check_folder
from cupl.io.locks import sole_writer
from cupl.progress import Progress, ignore

SHARD_SIZE = 1024
"""Half a minute's work of two cores; a multiple of the usual batches."""
_EXAMPLES = 5
_FILES: dict[Literal["images", "vectors"], Callable[[Path, int], Path]] = {
    "images": images_file,
    "vectors": vectors_file,
}


@dataclass
class ImageTally:
    """What a directory holds so far: whole shards, those of earlier runs included."""

    images: int = 0
    shards: int = 0
    failed: int = 0
    may_pass: int = 0
    """Those of them that are no fault of the image: they may be read another time."""
    examples: list[tuple[str, str]] = field(default_factory=list)
    """Path and error of the first few images that could not be read."""

    def add(self, shard: Shard) -> None:
        """Count one more shard."""
        self.images += len(shard.paths)
        self.shards += 1
        failed = [
            pair for pair in zip(shard.paths, shard.errors, strict=True) if pair[1] is not None
        ]
        self.failed += len(failed)
        self.may_pass += sum(map(may_pass, shard.errors))
        self.examples += [(path, str(error)) for path, error in failed]
        del self.examples[_EXAMPLES:]


def check_directory(directory: Path, *, resume: bool) -> None:
    """Find out before the work, not in the midst of it, that a directory cannot be used.

    Raises:
        MissingFileError: the folder that it belongs in does not exist.
        InputError: it is no folder, writing is not allowed, or without ``resume`` it already
            holds image vectors.

    """
    check_folder(directory)
    if not resume and any(shard_numbers(directory, kind) for kind in ("images", "vectors")):
        raise InputError(
            f"{directory} already holds image vectors: go on with them, or name another directory",
            arguments={"resume": True},
        )


def embed_images(
    paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str],
    encoder: Encoder | str | os.PathLike[str] | RayEngine,
    directory: str | os.PathLike[str],
    *,
    shard_size: int = SHARD_SIZE,
    resume: bool = False,
    all_files: bool = False,
    workers: int | None = None,
    image_cache: ImageCache = None,
    tally: ImageTally | None = None,
    progress: Progress = ignore,
) -> ImageTally:
    """Encode images into a directory of shards, each written the moment it is done.

    Memory holds a shard and a few batches. An image that cannot be read is a row with its error.
    :func:`~cupl.embedding.image_vectors.load_embeddings` reads what is written.

    Args:
        paths: the images; or one file, folder or pattern, see
            :func:`~cupl.embedding.image_files.find_images`.
        encoder: its image tower encodes them; an encoder, or the name of one as for
            :func:`~cupl.encoders.loading.load_encoder`; or the machines of a cluster, for which
            ``workers`` and ``image_cache`` mean nothing.
        directory: made where it is missing; what else lies in it is left alone.
        shard_size: images a shard, which is what a crash costs at most.
        resume: keep the whole shards that are there and make the others; images that could not
            be read for no fault of theirs are tried again. The files become those of a run without
            faults with the same machine and batch size, and the same cache before it.
        all_files: open every file of a folder to see whether it is an image.
        workers: threads that read images; see :func:`~cupl.embedding.image_stream.encode_sources`.
        image_cache: where vectors of files are looked up and kept, or False for nowhere.
        tally: counts whole shards, for a caller who wants to know after an interruption.
        progress: told how many images are done, and of how many.

    Returns:
        The tally of the whole directory.

    Raises:
        MissingFileError: the folder that ``directory`` belongs in does not exist.
        InputError: ``directory`` cannot be used (see :func:`check_directory`), or holds vectors
            of other images, another encoder, precision or shard size, a damaged file, or a file
            of that name that cupl did not write; or so many images in a row could not be read
            that the drive must be gone.

    """
    directory, tally = Path(directory), ImageTally() if tally is None else tally
    paths = _listed(paths, all_files)
    if not paths:
        raise InputError("there is no image to embed")
    if not 1 <= shard_size <= MAX_SHARD_SIZE:
        raise InputError(f"the shard size is {shard_size}; it goes from 1 to {MAX_SHARD_SIZE:,}")
    engine: ImageEngine
    if isinstance(encoder, RayEngine):
        engine = encoder
    else:
        engine = LocalEngine(named_encoder(encoder), workers, image_cache)
    check_directory(directory, resume=resume)
    with sole_writer(directory):
        return _embed(directory, paths, engine, shard_size, resume, tally, progress)


def _embed(
    directory: Path,
    paths: ImagePaths,
    engine: ImageEngine,
    shard_size: int,
    resume: bool,
    tally: ImageTally,
    progress: Progress,
) -> ImageTally:
    check_directory(directory, resume=resume)  # again: another run may just have ended
    # By the first of all, not of those that are missing: a run goes on in what it began in.
    if isinstance(engine, LocalEngine):
        settle_on(engine.made_by, map(os.fsdecode, paths))

    whole = _whole_shards(directory, paths, engine, shard_size, tally) if resume else set()
    missing = [i for i in range(math.ceil(len(paths) / shard_size)) if i not in whole]
    parts = (_part(paths, number, shard_size) for number in missing)
    done = itertools.count(tally.images + 1)

    def kept() -> str:
        done = f"{tally.images:,} of {len(paths):,} images are kept in {directory}, to go on with"
        return done + engine.readers

    made_by = engine.made_by
    with closing(engine.encode_parts(parts)) as stream:
        images = until_lost(stream, paths, kept, {"resume": True}, engine.can_open)
        for number in missing:
            part = _part(paths, number, shard_size)
            shard = _shard(part, images, made_by, lambda: progress(next(done), len(paths)))
            with leading_to(resume=True):  # out of a full disk, say: the shards before are kept
                write_shard(directory, _metadata(made_by, number, shard_size), shard)
            tally.add(shard)
    _check_all_there(directory, tally)
    return tally


def _check_all_there(directory: Path, tally: ImageTally) -> None:
    """Count what is there, not what was written: another program may have had a hand in it."""
    expected = set(range(tally.shards))
    for kind, file_of in _FILES.items():
        if lost := sorted(expected.difference(shard_numbers(directory, kind))):
            raise InputError(
                f"another program has removed {file_of(directory, lost[0])} while the run was on; "
                "a run that resumes makes it again",
                arguments={"resume": True},
            )


def _listed(
    paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str], all_files: bool
) -> ImagePaths:
    if isinstance(paths, str | os.PathLike):
        return find_images(paths, all_files=all_files)
    listed = paths if isinstance(paths, Sequence) else list(paths)
    if wrong := [path for path in listed if not isinstance(path, str | os.PathLike)][:1]:
        raise InputError(f"images are embedded from paths, not {described(wrong[0])}")
    if impossible := [path for path in listed if "\0" in os.fsdecode(path)][:1]:
        raise InputError(f"{impossible[0]!r:.200} is no name that a file can have")
    return listed


def _part(paths: ImagePaths, number: int, shard_size: int) -> list[str]:
    start = number * shard_size
    return [os.fspath(path) for path in paths[start : start + shard_size]]


def _metadata(encoder: EncoderIdentity, number: int, shard_size: int) -> ShardMetadata:
    provenance = ImageProvenance.of(encoder)
    return ShardMetadata(shard=number, shard_size=shard_size, provenance=provenance)


def _shard(
    paths: list[str],
    images: Iterator[Encoded],
    encoder: EncoderIdentity,
    progress: Callable[[], None] = ignore,
) -> Shard:
    """Of the next images."""
    errors: list[str | None] = []
    vectors: list[torch.Tensor] = []
    for image in itertools.islice(images, len(paths)):
        errors.append(image.error)
        if image.vector is not None:
            vectors.append(image.vector)
        progress()
    return Shard(paths, errors, torch.stack(vectors) if vectors else torch.empty(0, encoder.dim))


def _whole_shards(
    directory: Path,
    paths: ImagePaths,
    engine: ImageEngine,
    shard_size: int,
    tally: ImageTally,
) -> set[int]:
    """Numbers of the shards that are there and part of this run, what may have passed mended.

    Raises:
        InputError: what is there is damaged, or of another run.

    """
    encoder, whole = engine.made_by, set()
    for number in shard_numbers(directory, "images"):
        metadata, shard = read_shard(directory, number)
        metadata.provenance.check_encoder(encoder)
        made_in = metadata.provenance.precision
        _check_setting(directory, "precision", made_in, encoder.precision)
        _check_setting(directory, "shard_size", str(metadata.shard_size), str(shard_size))
        present = _part(paths, number, shard_size)
        if shard.paths == present:
            whole.add(number)
            if any(map(may_pass, shard.errors)):
                images = tried_again(
                    _images(shard), encoder.image_batch, engine.encode_again, engine.can_open
                )
                mended = _shard(shard.paths, images, encoder)
                if mended.errors != shard.errors:
                    write_shard(directory, metadata, mended)
                    shard = mended
            tally.add(shard)
        elif shard.paths != present[: len(shard.paths)]:  # else the end of a list that has grown
            raise InputError(_explain_other_list(images_file(directory, number), shard, present))
    return whole


def _images(shard: Shard) -> Iterator[Encoded]:
    rows = iter(shard.vectors)
    for path, error in zip(shard.paths, shard.errors, strict=True):
        yield Encoded(path, next(rows) if error is None else None, error)


def _check_setting(directory: Path, argument: str, then: str, now: str) -> None:
    if then != now:
        raise InputError(
            f"{directory} was begun with {argument}={then:.20}, not {now}: go on with that, or "
            "name another directory",
            arguments={argument: f"{then:.20}"},
        )


def _explain_other_list(file: Path, shard: Shard, present: list[str]) -> str:
    pairs = itertools.zip_longest(shard.paths, present, fillvalue="nothing")
    then, now = next(pair for pair in pairs if pair[0] != pair[1])
    return (
        f"{file} is of another list of images: {then:.200} there, {now:.200} in its place now; "
        "name the same in the same order, with new ones at the end, or another directory"
    )
