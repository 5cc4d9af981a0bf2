"""Photos of the index that a page may ask for: those it was told of, by the keys of their rows."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cupl.errors import MissingFileError
from cupl.web.open_photo import OpenPhoto, open_inside

if TYPE_CHECKING:
    from cupl.index.found import FoundPhoto

_KEPT = 200_000


class HandedOut:
    """Paths by key, with and without links, of the photos that were found last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def tell(self, found: FoundPhoto) -> dict[str, Any]:
        """What a page shows of a photo that was found; from then on it may ask for it."""
        photo = found.photo
        place = photo.path, _without_links(photo.path)
        with self._lock:
            self._places[photo.id] = place
            self._places.move_to_end(photo.id)
            while len(self._places) > _KEPT:
                self._places.popitem(last=False)
        shown = os.fsencode(photo.path).decode("utf-8", "replace")
        position = None if photo.latitude is None else [photo.latitude, photo.longitude]
        return {
            "id": photo.id, "path": shown, "name": os.path.split(shown)[1],
            "score": round(found.score, 4), "date": photo.date, "width": photo.width,
            "height": photo.height, "size": photo.size, "place": position, "label": photo.label,
            "probability": photo.probability, "tags": list(photo.tags),
        }  # fmt: skip

    def path(self, key: str) -> str:
        """Where a photo is.

        Raises:
            MissingFileError: it was not told of.

        """
        return self._place(key)[0]

    @contextmanager
    def opened(self, key: str) -> Iterator[OpenPhoto]:
        """The photo itself, where it lay when it was told of.

        A link that came into its place, or into that of a folder above it, is not followed.

        Raises:
            MissingFileError: it is no file, or lies elsewhere now.

        """
        path, real = self._place(key)
        with ExitStack() as opened:
            try:
                photo = opened.enter_context(open_inside(path, [str(Path(real).parent)]))
            except MissingFileError:
                photo = None
            if photo is None or photo.path != real:
                raise MissingFileError("this photo is not where the index has it: update the index")
            yield photo

    def _place(self, key: str) -> tuple[str, str]:
        with self._lock:
            found = self._places.get(key)
        if found is None:
            raise MissingFileError("this photo is not among those that were found: search again")
        return found


def _without_links(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # no path that a file could have
        return path
