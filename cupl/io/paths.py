"""Where the shipped data lives, and where cupl keeps what it can make again."""

import os
from pathlib import Path

from cupl.errors import InputError


def prompts_dir() -> Path:
    """Folder with ``questions/``, ``templates/``, ``classes/`` and ``banks/``.

    It lies inside an installed package and beside the package in a checkout.
    """
    package = Path(__file__).parent.parent
    installed = package / "prompts"
    return installed if installed.is_dir() else package.parent / "prompts"


def cache_dir() -> Path:
    """``$CUPL_CACHE``, else ``cupl`` in ``$XDG_CACHE_HOME``, else ``~/.cache/cupl``.

    Raises:
        InputError: none of them is set and there is no home folder.

    """
    if chosen := os.environ.get("CUPL_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "cupl"
    except RuntimeError as error:
        raise InputError("there is no home folder for the cache: set CUPL_CACHE") from error
