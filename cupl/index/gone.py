"""Whether files are gone, or only out of reach: a drive that is not there takes nothing along."""

from __future__ import annotations

import contextlib
import os
import stat

from cupl.embedding.elsewhere import is_elsewhere
from cupl.io.folders import is_junk


class GoneFiles:
    """Tells files that were removed or moved from those that cannot be seen at the moment.

    What was found out of a folder is remembered: one is made for a run.
    """

    def __init__(self) -> None:
        self._there: dict[str, bool] = {}
        self._readable: dict[str, bool] = {}

    def __call__(self, path: str, root: int) -> bool:
        """Whether a file is gone.

        Args:
            path: of the file.
            root: how many characters of it are the folder that must be there; 0 for its own.

        """
        folder = os.path.dirname(path)  # noqa: PTH120
        if is_elsewhere(path):
            return False
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return self.is_there(path[:root] or folder) and self._is_readable(folder)
        except (OSError, ValueError):
            pass
        return False

    def is_there(self, root: str) -> bool:
        """Whether a folder is there and holds anything: the place of a lost drive is empty."""
        if root not in self._there:
            self._there[root] = False
            with contextlib.suppress(OSError), os.scandir(root) as entries:
                self._there[root] = any(not is_junk(entry.name) for entry in entries)
        return self._there[root]

    def empty_place(self, path: str) -> str | None:
        """The folder that is left of a gone file's path, where it holds nothing.

        A drive may have been there; of a folder that was removed, the one around it holds more.
        """
        folder = os.path.dirname(path)  # noqa: PTH120
        while not os.path.isdir(folder) and folder != os.path.dirname(folder):  # noqa: PTH112, PTH120
            folder = os.path.dirname(folder)  # noqa: PTH120
        return None if self.is_there(folder) else folder

    def _is_readable(self, folder: str) -> bool:
        """Whether what is not seen in a folder is not there; of one that is gone, its own one."""
        if folder not in self._readable:
            self._readable[folder] = self._look(folder)
        return self._readable[folder]

    def _look(self, folder: str) -> bool:
        try:
            status = os.stat(folder)  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            # A link that leads nowhere is one to a drive.
            above = os.path.dirname(folder)  # noqa: PTH120
            return not os.path.islink(folder) and above != folder and self._is_readable(above)  # noqa: PTH114
        except (OSError, ValueError):
            return False
        return stat.S_ISDIR(status.st_mode) and os.access(folder, os.X_OK)
