"""The figures of a report: one file for each, and what they are drawn with.

matplotlib reads the environment when it is imported, and ends the import where a backend or a file
of settings is none. Nothing here is drawn with either.
"""

import contextlib
import os
import sys
from pathlib import Path


def _import_matplotlib() -> None:
    names = ("MPLBACKEND",) if _is_text(os.environ.get("MATPLOTLIBRC")) else _BOTH
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        import matplotlib
    finally:
        os.environ.update(kept)
    if backend := kept.get("MPLBACKEND"):
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend  # as it would itself, for the caller's pyplot


_BOTH = ("MPLBACKEND", "MATPLOTLIBRC")


def _is_text(settings: str | None) -> bool:
    """Whether matplotlib can read the file, or the folder with it, or passes over it."""
    with contextlib.suppress(OSError):
        path = Path(settings or "")
        file = path / "matplotlibrc" if path.is_dir() else path
        try:
            file.read_text("utf-8")
        except ValueError:
            return False
    return True


if "matplotlib" not in sys.modules:
    _import_matplotlib()
