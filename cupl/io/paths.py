"""Where the shipped data lives, and where cupl keeps what it can make again."""

import atexit
import contextlib
import functools
import os
import sys
import tempfile
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

    Where there is no home folder, or one that is not written as a whole path, it is a temporary
    folder that ends with this process, and a warning says so. A relative ``$XDG_CACHE_HOME`` is
    passed over, as its specification asks.
    """
    if chosen := os.environ.get("CUPL_CACHE"):
        return Path(chosen)
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "cupl"
    with contextlib.suppress(RuntimeError):  # no $HOME, and nobody of our number in passwd
        home = Path.home()
        if home.is_absolute():
            return home / ".cache" / "cupl"
    return _temporary_cache()


@functools.cache
def _temporary_cache() -> Path:
    try:
        folder = tempfile.TemporaryDirectory(prefix="cupl-", ignore_cleanup_errors=True)
    except OSError as error:
        raise InputError(
            "there is neither a home folder nor a temporary one for the cache: set CUPL_CACHE"
        ) from error
    atexit.register(folder.cleanup)
    print(
        "warning: there is no home folder, so what is cached, answers that were paid for too, goes "
        "when this process ends: to keep it, set CUPL_CACHE to a folder",
        file=sys.stderr,
        flush=True,
    )
    return Path(folder.name)
