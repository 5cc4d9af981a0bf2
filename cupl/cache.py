"""The response cache: one JSON text for each answered sample, on disk the moment it arrives."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import diskcache

from cupl.errors import InputError
from cupl.llm.base import Request, Response
from cupl.paths import cache_dir

_OWN_FILE = re.compile(r"[0-9a-f]{2}[/\\][0-9a-f]{2}[/\\][0-9a-f]{28}\.val")


class _TextDisk(diskcache.Disk):  # type: ignore[misc]
    """Keys and values are text; pickles are neither written nor read (CVE-2025-69872)."""

    def put(self, key: Any) -> Any:
        if not isinstance(key, str):
            raise TypeError("keys of the response cache are text")
        return super().put(key)

    def get(self, key: Any, raw: bool) -> Any:
        if not raw:
            raise ValueError("the response cache holds a pickled key")
        return super().get(key, raw)

    def store(self, value: Any, read: bool, key: Any = diskcache.UNKNOWN) -> Any:
        if read or not isinstance(value, str):
            raise TypeError("values of the response cache are text")
        return super().store(value, read, key=key)

    def fetch(self, mode: int, filename: Any, value: Any, read: bool) -> Any:
        if mode not in (diskcache.core.MODE_RAW, diskcache.core.MODE_TEXT):
            raise ValueError("the response cache holds a value that is not text")
        if filename is not None and not _OWN_FILE.fullmatch(filename):
            raise ValueError("the response cache names a file that is not its own")
        return super().fetch(mode, filename, value, read)


class ResponseCache:
    """Answers on disk, for any number of processes at once.

    Args:
        folder: where it lies; made, for its owner's eyes alone, if it is not there.

    Raises:
        InputError: the folder cannot be used or is damaged; nothing in it is deleted.

    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = Path(folder) if folder is not None else cache_dir() / "responses"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._cache = diskcache.Cache(
                str(self.folder), disk=_TextDisk, eviction_policy="none", timeout=60
            )
        except (OSError, sqlite3.Error, diskcache.Timeout) as error:
            raise self._unusable(error) from error

    def __enter__(self) -> ResponseCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cache.close()

    def get(self, request: Request, sample: int) -> Response | None:
        """The answer, or None where it is not there.

        Raises:
            InputError: the cache is damaged.

        """
        try:
            text = self._cache.get(request.key(sample))
            return None if text is None else Response(**json.loads(text))
        except (OSError, sqlite3.Error, ValueError, TypeError) as error:
            raise self._unusable(error) from error

    def put(self, request: Request, sample: int, response: Response) -> None:
        """Keep an answer; of two for one sample, from two runs at once, the first stays.

        Raises:
            InputError: it cannot be written, for example because the disk is full.

        """
        try:
            self._cache.add(request.key(sample), json.dumps(asdict(response)), retry=True)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def __len__(self) -> int:
        return len(self._cache)

    def _unusable(self, error: Exception) -> InputError:
        return InputError(
            f"the response cache {self.folder} cannot be used ({error}); nothing in it was "
            "deleted; free space or repair it, or choose another with --cache"
        )
