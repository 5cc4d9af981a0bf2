"""Large files that belong together, put in place at once; what lay there is kept."""

from __future__ import annotations

import contextlib
import filecmp
import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cupl.errors import CuplError, InputError, MissingFileError


@contextlib.contextmanager
def staging(output: Path) -> Iterator[Path]:
    """A folder beside ``output`` where files are written that :func:`settle` puts in place.

    Raises:
        MissingFileError: the folder of ``output`` does not exist.
        InputError: something cannot be written.

    """
    if not output.parent.is_dir():
        raise MissingFileError(f"cannot write {output}: the folder {output.parent} does not exist")
    try:
        with tempfile.TemporaryDirectory(prefix=".cupl-", dir=output.parent) as folder:
            yield Path(folder)
    except CuplError:
        raise
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror or error}") from error


def settle(
    files: Sequence[tuple[Path, Path]], *, stale: Iterable[Path] = ()
) -> list[tuple[Path, Path]]:
    """Rename written files to where they belong, each whole.

    First everything old goes out of the way: should this process be killed, old and new files are
    never seen together.

    Args:
        files: where each is and where it belongs.
        stale: files that must not stay beside them.

    Returns:
        Old and new name of each file that said something else.

    """
    fresh = [
        (new, path)
        for new, path in files
        if not (path.is_file() and filecmp.cmp(new, path, shallow=False))
    ]
    old = [path for _, path in fresh if os.path.lexists(path)] + list(stale)
    kept = [(path, _set_aside(path)) for path in old]
    for new, path in fresh:
        with new.open("rb+") as file:
            os.fsync(file.fileno())
        new.replace(path)
    return kept


def _set_aside(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.old{number or ''}") for number in itertools.count())
    return path.rename(next(name for name in names if not os.path.lexists(name)))
