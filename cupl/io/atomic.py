"""Writing files whole or not at all, and keeping what lay in their place.

One file is written beside its place and renamed; several that belong together are staged in a
folder and put in place at once.
"""

import contextlib
import errno
import filecmp
import itertools
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from cupl.errors import CuplError, InputError, MissingFileError
from cupl.io.locks import held, remove_dead
from cupl.io.reasons import broken_link, reason
from cupl.io.targets import check_stream, is_stream, open_stream

_UNFINISHED = ".cupl-unfinished-"
"""How files and folders of ours begin: a name that nobody else gives, since dead ones go."""
_DEAD = re.compile(re.escape(_UNFINISHED) + "[a-z0-9_]{8}")
_LONGEST = 255
"""Bytes in a name, on nearly every file system."""


@contextlib.contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write; at the end, and only then, it takes the place of ``path``.

    A link stays a link and what it points to is replaced; what is no file is written straight on.

    Raises:
        MissingFileError: the folder does not exist.
        InputError: the file cannot be written (no permission, no space, a folder of that name).

    """
    if not os.path.isdir(path.parent):  # noqa: PTH112
        raise _no_folder(path)
    try:
        if is_stream(path):
            with open_stream(path) as file:
                yield file
        else:
            with _replacement(_real(path)) as file:
                yield file
    except (CuplError, BrokenPipeError):
        raise  # from the caller's own work; or whoever read has enough
    except OSError as error:
        raise InputError(f"cannot write {path}: {reason(error, path)}") from error


def _no_folder(path: Path, verb: str = "write") -> CuplError:
    """Why there is no folder for it."""
    folder = path.parent
    if (link := broken_link(folder)) is not None:
        return MissingFileError(f"cannot {verb} {path}: the folder {folder} is not there: {link}")
    try:
        folder.lstat()
    except OSError as error:
        if error.errno != errno.ENOENT:
            return InputError(f"cannot {verb} {path}: the folder {folder}: {reason(error, folder)}")
    return MissingFileError(f"cannot {verb} {path}: the folder {folder} does not exist")


def _real(path: Path) -> Path:
    """What a path leads to, through all links.

    Raises:
        OSError: they lead back to themselves.

    """
    real = Path(os.path.realpath(path))
    if os.path.islink(real):  # noqa: PTH114
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return real


@contextlib.contextmanager
def _replacement(path: Path) -> Iterator[BinaryIO]:
    with own_file(path.parent) as file:
        temporary = Path(file.name)
        if path.is_file():
            temporary.chmod(path.stat().st_mode & 0o777)
        yield file
        file.flush()
        os.fsync(file.fileno())
        file.close()
        temporary.replace(path)


@contextlib.contextmanager
def own_file(folder: Path) -> Iterator[BinaryIO]:
    """A new file that :func:`remove_dead` leaves alone; it goes at the end unless renamed."""
    remove_dead(folder, _DEAD)
    while True:
        temporary = folder / f"{_UNFINISHED}{secrets.token_hex(4)}"
        try:
            with temporary.open("xb") as file, held(temporary) as ours:
                if ours:
                    yield file
                    return
        finally:
            temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed runs have left in a folder, half written."""
    remove_dead(folder, _DEAD)


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` holds either what it held before or all of it.

    Raises:
        MissingFileError: the folder does not exist.
        InputError: the file cannot be written.

    """
    with open_atomically(path) as file:
        file.write(data)


def make_folder(directory: Path) -> None:
    """Make a folder, and those that it lies in, unless it is there.

    Raises:
        InputError: it cannot be made.

    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make {directory}: {reason(error, directory)}") from error


def check_folder(directory: Path) -> None:
    """Find out before the work that files cannot be written into a folder, or that be made.

    Raises:
        MissingFileError: the folder that it belongs in does not exist.
        InputError: it is no folder, or cannot be written into.

    """
    # os.path, because Path.is_dir raises for names that cannot be looked up.
    if os.path.isdir(directory):  # noqa: PTH112
        place = directory
    elif os.path.lexists(directory):
        what = broken_link(directory) or "it is not a folder"
        raise InputError(f"cannot write into {directory}: {what}")
    elif os.path.isdir(directory.parent):  # noqa: PTH112
        place = directory.parent
    else:
        raise _no_folder(directory, "make")
    try:
        _try(place, directory)
    except OSError as error:
        raise InputError(f"cannot write into {directory}: {reason(error, directory)}") from error


def check_file(path: Path) -> None:
    """Find out before the work that a file cannot be written, or what is written straight on.

    Raises:
        MissingFileError: the folder does not exist.
        InputError: it is a folder, or cannot be written.

    """
    if not os.path.isdir(path.parent):  # noqa: PTH112
        raise _no_folder(path)
    if os.path.isdir(path):  # noqa: PTH112
        raise InputError(f"cannot write {path}: it is a folder")
    try:
        if is_stream(path):
            check_stream(path)
            return
        real = _real(path)
        if os.path.lexists(real) and not os.access(real, os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        _try(real.parent, real)
    except OSError as error:
        raise InputError(f"cannot write {path}: {reason(error, path)}") from error


def _try(folder: Path, path: Path) -> None:
    """Make a file in a folder and remove it, and look a path up: no rights tell all.

    Raises:
        OSError: a file cannot be made there, or have such a name.

    """
    with contextlib.suppress(FileNotFoundError):
        path.lstat()
    with own_file(folder):
        pass


def keep_old(path: Path, new: bytes) -> Path | None:
    """Before ``new`` is written over a file that says something else, set that file aside.

    A person may have worked on it for hours.

    Returns:
        Where the old content is now, or None where nothing had to be kept.

    Raises:
        InputError: it cannot be kept.

    """
    try:
        if is_stream(path) or not path.is_file() or _holds(path, new):
            return None
        aside = next(one for one in _old_names(path) if not one.exists() or _equal(one, path))
    except OSError as error:
        raise InputError(f"{path}: cannot be kept ({reason(error, path)})") from error
    if not aside.exists():  # else a run that was killed has kept it
        with open_atomically(aside) as file, path.open("rb") as old:
            shutil.copyfileobj(old, file)
    return aside


def write_keeping_old(path: Path, data: bytes) -> Path | None:
    """Both: ``data`` is on the disk before the file that it replaces is set aside.

    Returns:
        As :func:`keep_old`.

    Raises:
        MissingFileError: the folder does not exist.
        InputError: a file cannot be written.

    """
    with open_atomically(path) as file:
        file.write(data)
        file.flush()
        return keep_old(path, data)


def _holds(path: Path, data: bytes) -> bool:
    return path.stat().st_size == len(data) and path.read_bytes() == data


def _equal(one: Path, other: Path) -> bool:
    return one.is_file() and filecmp.cmp(one, other, shallow=False)


@contextlib.contextmanager
def staging(output: Path) -> Iterator[Path]:
    """A folder beside ``output`` where files are written that :func:`settle` puts in place.

    Raises:
        MissingFileError: the folder of ``output`` does not exist.
        InputError: something cannot be written.

    """
    if not os.path.isdir(output.parent):  # noqa: PTH112
        raise _no_folder(output)
    try:
        # Beside what is no file there is no place: /dev is not for ours.
        beside = Path(tempfile.gettempdir()) if is_stream(output) else output.parent
        remove_dead(beside, _DEAD)
        with _own_folder(beside) as folder:
            yield folder
    except (CuplError, BrokenPipeError):
        raise
    except OSError as error:
        raise InputError(f"cannot write {output}: {reason(error, output)}") from error


@contextlib.contextmanager
def _own_folder(beside: Path) -> Iterator[Path]:
    """A new folder that :func:`remove_dead` leaves alone; it goes at the end."""
    while True:
        with (
            tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=beside) as folder,
            held(Path(folder)) as ours,
        ):
            if ours:
                yield Path(folder)
                return


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
    for _, path in files:
        if path.is_dir():
            raise InputError(f"cannot write {path}: it is a folder")
    streams = [(new, path) for new, path in files if is_stream(path)]
    fresh = [
        (new, path)
        for new, path in files
        if (new, path) not in streams
        and not (path.is_file() and filecmp.cmp(new, path, shallow=False))
    ]
    old = [path for _, path in fresh if os.path.lexists(path)] + list(stale)
    kept = [(path, _set_aside(path)) for path in old]
    for new, path in fresh:
        with new.open("rb+") as file:
            os.fsync(file.fileno())
        new.replace(path)
    for new, path in streams:
        with new.open("rb") as source, open_stream(path) as target:
            shutil.copyfileobj(source, target)
    return kept


def _set_aside(path: Path) -> Path:
    return path.rename(next(one for one in _old_names(path) if not os.path.lexists(one)))


def _old_names(path: Path) -> Iterator[Path]:
    return (name_beside(path, f".old{number or ''}") for number in itertools.count())


def name_beside(path: Path, suffix: str) -> Path:
    """The path with more behind its name, which is cut where it would be too long."""
    return path.with_name(_cut(path.name, _LONGEST - len(os.fsencode(suffix))) + suffix)


def _cut(name: str, most: int) -> str:
    """The beginning of a name that has so many bytes, no letter in two."""
    data = os.fsencode(name)
    if len(data) > most:
        while most > 0 and data[most] & 0xC0 == 0x80:  # within a letter in UTF-8
            most -= 1
    return os.fsdecode(data[:most])
