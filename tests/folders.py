"""Folders that cannot be listed; permissions do not stop root."""

import os
from typing import Any

import pytest


def close_folder(folder: str | os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to list it."""
    listed = os.scandir

    def scandir(path: str | os.PathLike[str]) -> Any:
        if os.fspath(path) == os.fspath(folder):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
