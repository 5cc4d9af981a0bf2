"""Where the shipped data lives, and where cupl keeps what it can make again."""

import os
from pathlib import Path


def prompts_dir() -> Path:
    """Folder with ``questions/``, ``templates/``, ``classes/`` and ``banks/``.

    It lies inside an installed package and beside the package in a checkout.
    """
    package = Path(__file__).parent
    installed = package / "prompts"
    return installed if installed.is_dir() else package.parent / "prompts"


def cache_dir() -> Path:
    """``$CUPL_CACHE``, else ``cupl`` in ``$XDG_CACHE_HOME``, else ``~/.cache/cupl``."""
    if chosen := os.environ.get("CUPL_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "cupl"
