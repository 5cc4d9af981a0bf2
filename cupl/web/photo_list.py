"""The photos that the app was opened with: a request names one by its number, never by a path."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cupl.errors import CuplError, InputError, MissingFileError
from cupl.progress import Progress
from cupl.web.open_photo import OpenPhoto, lies_inside, open_inside

if TYPE_CHECKING:
    import torch

    from cupl.embedding.image_cache import ImageCache
    from cupl.embedding.stored_vectors import Embeddings
    from cupl.encoders.protocol import Encoder

_TOLD_EVERY = 16


class PhotoList:
    """Photos in order, and their vectors as far as they are there.

    Attributes:
        paths: of the files, where they are now.
        originals: where they were before sorting moved some.
        names: what a page calls them: the path below the folder.
        folders: that they lie in, as a page calls them; ``""`` for the folder itself.
        folder_of: of each photo the number of its folder.
        left_out: links that lead out of the folder, which are not shown.
        errors: why a photo has no vector.
        encoded: how many have been tried, from the first.
        stored: vectors that were there before.
        roots: the folders that photos may be shown from, without links, as they were when the app
            was opened: that one, and where sorting moved some to; none of vectors, whose paths
            may lie anywhere.
        turns: how often photos were moved.

    """

    def __init__(self, paths: Sequence[str], root: str = "", left_out: int = 0) -> None:
        self.paths, self.originals, self.left_out = list(paths), list(paths), left_out
        self.roots = [os.path.realpath(root)] if root else []
        self.turns = 0
        self.names = [_name(path, root) for path in self.paths]
        parents = [os.path.split(name)[0] for name in self.names]
        self.folders = sorted(set(parents))
        number = {folder: place for place, folder in enumerate(self.folders)}
        self.folder_of = [number[parent] for parent in parents]
        self.errors: dict[int, str] = {}
        self.encoded = 0
        self._vectors: torch.Tensor | None = None
        self.stored: Embeddings | None = None

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str] | None,
        output: str | os.PathLike[str] | None = None,
        moved: Iterable[str] = (),
    ) -> PhotoList:
        """Those in a folder, or of which ``cupl embed`` made vectors.

        Args:
            source: the folder.
            output: a folder in it whose photos are copies and no more.
            moved: photos that sorting took out of it, by where they were, without links.

        Raises:
            MissingFileError: there is no such folder.
            InputError: it holds no photo.

        """
        if source is None:
            return cls([])
        from cupl.embedding.image_vectors import is_stored, load_embeddings

        if is_stored(source):
            stored = load_embeddings(source)
            found = cls([path for some in stored.paths() for path in some])
            found.stored = stored
            return found
        if not os.path.isdir(source):  # noqa: PTH112 - of any bytes
            raise MissingFileError(f"{os.fspath(source)} is no folder: name a folder of photos")
        root = os.path.realpath(source)
        out = None if output is None else os.path.realpath(output)
        ours = [one for one in moved if lies_inside(one, [root])]
        inside, left_out = _photos_in(source, root, out, ours)
        return cls(inside, os.fspath(source), left_out)

    def __len__(self) -> int:
        return len(self.paths)

    def number(self, asked: str) -> int:
        """The place of the photo that a request names.

        Raises:
            MissingFileError: there is none.

        """
        if asked.isascii() and asked.isdecimal() and len(asked) < 10 and int(asked) < len(self):
            return int(asked)
        raise MissingFileError(f"there is no photo {asked[:20]!r}")

    @contextmanager
    def opened(self, asked: str) -> Iterator[OpenPhoto]:
        """The photo that a request names, as long as it lies in the folder.

        Raises:
            MissingFileError: there is none, or a link that leads out has taken its place.

        """
        with open_inside(self.paths[self.number(asked)], self.roots) as photo:
            yield photo

    def left(self, number: int) -> bool:
        """Whether a photo lies in the folder no more: a link may have come in its place."""
        return bool(self.roots) and not lies_inside(
            os.path.realpath(self.paths[number]), self.roots
        )

    def follow(self, moved: Mapping[str, str], root: str) -> None:
        """Say where the photos are now that some were moved, or moved back.

        Args:
            moved: where each of them is that was moved, by where it was, without links.
            root: the folder that they were moved into.

        """
        self.turns += 1
        if self.roots and (real := os.path.realpath(root)) not in self.roots:
            self.roots.append(real)
        for number, named in enumerate(self.originals):
            parent, name = os.path.split(os.path.abspath(named))  # noqa: PTH100
            target = moved.get(os.path.join(os.path.realpath(parent), name))  # noqa: PTH118
            if target is None or os.path.lexists(named):
                target = named
            self.paths[number] = target

    def check_encoder(self, encoder: Encoder) -> None:
        """Accept the encoder of vectors that are there already.

        Raises:
            InputError: another one made them.

        """
        if self.stored is not None:
            self.stored.provenance.check_encoder(encoder)

    def encode(self, encoder: Encoder, cache: ImageCache, progress: Progress) -> dict[str, int]:
        """Fill in the vectors that are not there yet; they can be used as they come."""
        import torch

        if self._vectors is None:
            self._vectors = torch.full((len(self), encoder.dim), torch.nan)
        for vector, error in self._encoded(encoder, cache, self.encoded):
            if vector is not None:
                self._vectors[self.encoded] = vector
            else:
                self.errors[self.encoded] = error or "it cannot be read"
            self.encoded += 1
            if self.encoded % _TOLD_EVERY == 0 or self.encoded == len(self):
                progress(self.encoded, len(self))
        return {"photos": len(self), "unreadable": len(self.errors)}

    def _encoded(
        self, encoder: Encoder, cache: ImageCache, start: int
    ) -> Iterable[tuple[torch.Tensor | None, str | None]]:
        if self.stored is not None:
            self.stored.check_encoder(encoder)
            rows = (
                (None if error else vector, error)
                for shard in self.stored
                for vector, error in zip(_rows_of(shard), shard.errors, strict=True)
            )
            for place, row in enumerate(rows):
                if place >= start:
                    yield row
            return
        from cupl.embedding.image_stream import encode_sources

        for one in encode_sources(self.paths[start:], encoder, image_cache=cache):
            yield one.vector, one.error

    def readable(self, folder: int | None = None) -> list[int]:
        """The photos that have a vector, in order; of one folder where it is given."""
        return [
            number
            for number in range(self.encoded)
            if number not in self.errors and folder in (None, self.folder_of[number])
        ]

    def vectors(self, numbers: Sequence[int]) -> torch.Tensor:
        """Vectors of photos, float32 ``[photos, dim]``.

        Raises:
            InputError: one has none, or not yet.

        """
        if self._vectors is None:
            raise InputError("the photos are not encoded yet: wait a moment")
        for number in numbers:
            if number in self.errors:
                raise InputError(f"{self.names[number]}: {self.errors[number]}")
            if number >= self.encoded:
                raise InputError(f"{self.names[number]} is not encoded yet: wait a moment")
        return self._vectors[list(numbers)]


def _rows_of(shard: Any) -> Iterable[torch.Tensor]:
    import torch

    return torch.as_tensor(shard.vectors, dtype=torch.float32)


def _name(path: str, root: str) -> str:
    """As it is shown, whatever bytes the path has."""
    name = os.path.relpath(path, root) if root else path
    return os.fsencode(name).decode("utf-8", "replace")


def _photos_in(
    source: str | os.PathLike[str], root: str, output: str | None, moved: Sequence[str]
) -> tuple[list[str], int]:
    """Photos of a folder, those too that were sorted into another one, but not the copies there.

    Returns:
        Their paths, and how many links lead out of the folder.

    """
    from cupl.embedding.image_files import find_images

    taken = [
        os.path.join(source, os.path.relpath(one, root))  # noqa: PTH118 - of any bytes
        for one in moved if not os.path.lexists(one)
    ]  # fmt: skip
    try:
        paths = find_images(source)
    except CuplError:
        if not taken:
            raise
        paths = []
    own = [output] if output is not None and lies_inside(output, [root]) else []
    reals = {path: os.path.realpath(path) for path in paths}
    ours = [path for path in paths if not lies_inside(reals[path], own)]
    inside = [path for path in ours if lies_inside(reals[path], [root])]
    if not inside and not taken:
        why = "is a link that leads out of it" if ours else "was sorted into it by cupl serve"
        raise InputError(f"every photo in {os.fspath(source)} {why}")
    return sorted([*inside, *taken]) if taken else inside, len(ours) - len(inside)
