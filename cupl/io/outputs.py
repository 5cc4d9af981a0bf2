"""Where a result may be written: not over what is read, and not into it."""

import os
from pathlib import Path

from cupl.errors import InputError
from cupl.io.atomic import check_file, check_folder


def check_target(path: Path, *inputs: str | Path | None) -> None:
    """Find out before the work, not after it, that a result cannot be written.

    Args:
        path: the result.
        inputs: files that are read, which it must not take the place of; a name that is no file
            is that of something that comes with cupl.

    Raises:
        MissingFileError: the folder does not exist.
        InputError: it is a folder or an input, or cannot be written.

    """
    real = os.path.realpath(path)
    for source in inputs:
        if source is not None and _same(source, path, real):
            which = "" if str(source) == str(path) else f" ({source})"
            raise InputError(
                f"cannot write {path}: it is also what is read{which}; name another file"
            )
    check_file(path)


def check_folder_target(folder: Path, *inputs: str | Path) -> None:
    """The same for a folder of results: it must not be one that is read.

    Raises:
        MissingFileError: the folder that it belongs in does not exist.
        InputError: it is an input, or cannot be written into.

    """
    check_other_folder(folder, *inputs)
    check_folder(folder)


def check_other_folder(folder: Path, *inputs: str | Path) -> None:
    """Of that only whether it is one that is read.

    Raises:
        InputError: it is.

    """
    if os.path.realpath(folder) in map(os.path.realpath, inputs):
        raise InputError(f"cannot write into {folder}: it is also what is read; name another")


def check_outside(output: Path, data: str | Path) -> None:
    """Keep results out of the data: figures would be images there, and a file a shard.

    Raises:
        InputError: the output lies in the folder of the data.

    """
    inside = os.path.realpath(output).startswith(os.path.realpath(data) + os.sep)
    if inside and os.path.isdir(data):  # noqa: PTH112
        raise InputError(f"cannot write {output}: it lies in {data}, which is read; name another")


def _same(source: str | Path, path: Path, real: str) -> bool:
    """Whether writing to a path would change an input; also one that has a second name."""
    if os.path.realpath(source) == real:
        named = isinstance(source, Path) and not os.path.lexists(path)
        return named or os.path.isfile(path)  # noqa: PTH113
    try:
        return os.path.isfile(path) and os.path.samefile(source, path)  # noqa: PTH113, PTH121
    except OSError:
        return False
