"""The photos that the app was opened with: a request names one by its number, never by a path."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cupl.errors import InputError, MissingFileError
from cupl.progress import Progress

if TYPE_CHECKING:
    import torch

    from cupl.embedding.image_cache import ImageCache
    from cupl.embedding.stored_vectors import Embeddings
    from cupl.encoders.protocol import Encoder

_TOLD_EVERY = 16


class PhotoList:
    """Photos in order, and their vectors as far as they are there.

    Attributes:
        paths: of the files.
        names: what a page calls them: the path below the folder.
        folders: that they lie in, as a page calls them; ``""`` for the folder itself.
        folder_of: of each photo the number of its folder.
        left_out: links that lead out of the folder, which are not shown.
        errors: why a photo has no vector.
        encoded: how many have been tried, from the first.
        stored: vectors that were there before.
        roots: the folders that photos may be shown from: the one that was opened, and where
            sorting moved some to; none of vectors, whose paths may lie anywhere.

    """

    def __init__(self, paths: Sequence[str], root: str = "", left_out: int = 0) -> None:
        self.paths, self.left_out = list(paths), left_out
        self.roots = [root] if root else []
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
    def open(cls, source: str | os.PathLike[str] | None) -> PhotoList:
        """Those in a folder, or of which ``cupl embed`` made vectors.

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
        from cupl.embedding.image_files import find_images

        paths = find_images(source)
        inside = _inside(paths, os.path.realpath(source))
        if not inside:
            raise InputError(f"every photo in {os.fspath(source)} is a link that leads out of it")
        return cls(inside, os.fspath(source), len(paths) - len(inside))

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

    def file(self, asked: str) -> str:
        """The path of the photo that a request names, as long as it lies in the folder.

        Raises:
            MissingFileError: there is none, or a link that leads out has taken its place.

        """
        path = self.paths[self.number(asked)]
        roots = [os.path.realpath(root) for root in self.roots]
        if roots and not any(_inside([path], root) for root in roots):
            raise MissingFileError("this photo does not lie in the folder any more")
        return path

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


def _inside(paths: Iterable[str], root: str) -> list[str]:
    start = root.rstrip(os.sep) + os.sep
    return [path for path in paths if os.path.realpath(path).startswith(start)]
