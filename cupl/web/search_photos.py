"""Photos of the index that a page may ask for: those it was told of, by the keys of their rows."""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from cupl.errors import MissingFileError

if TYPE_CHECKING:
    from cupl.index.found import FoundPhoto

_KEPT = 200_000


class HandedOut:
    """Paths by key, of the photos that were found last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paths: OrderedDict[str, str] = OrderedDict()

    def tell(self, found: FoundPhoto) -> dict[str, Any]:
        """What a page shows of a photo that was found; from then on it may ask for it."""
        photo = found.photo
        with self._lock:
            self._paths[photo.id] = photo.path
            self._paths.move_to_end(photo.id)
            while len(self._paths) > _KEPT:
                self._paths.popitem(last=False)
        shown = os.fsencode(photo.path).decode("utf-8", "replace")
        place = None if photo.latitude is None else [photo.latitude, photo.longitude]
        return {
            "id": photo.id, "path": shown, "name": os.path.split(shown)[1],
            "score": round(found.score, 4), "date": photo.date, "width": photo.width,
            "height": photo.height, "size": photo.size, "place": place, "label": photo.label,
            "probability": photo.probability, "tags": list(photo.tags),
        }  # fmt: skip

    def path(self, key: str) -> str:
        """Where a photo is.

        Raises:
            MissingFileError: it was not told of.

        """
        with self._lock:
            found = self._paths.get(key)
        if found is None:
            raise MissingFileError("this photo is not among those that were found: search again")
        return found

    def file(self, key: str) -> str:
        """The same, of a photo that is a file still.

        Raises:
            MissingFileError: it is not.

        """
        path = self.path(key)
        try:
            regular = stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - of any bytes
        except (OSError, ValueError):
            regular = False
        if not regular:
            raise MissingFileError("this photo is not where the index has it: update the index")
        return path
