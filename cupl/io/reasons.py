"""Why something on disk cannot be used, in words that name what is in the way."""

import errno
import os
import re
from pathlib import Path

from cupl.errors import MissingFileError

_LONGEST_NAME = 255
"""Bytes in a name, on nearly every file system."""
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/{1,2}(?!/)", re.IGNORECASE)
"""Of what is not on this machine, also where ``Path`` has taken a slash from it."""
_KEY = re.compile(r"//[^/@]*@")
_NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def reason(error: OSError, path: str | os.PathLike[str] | None = None) -> str:
    """What the operating system says, or what is behind it.

    Args:
        error: what came of it.
        path: what was to be used; by default what the error names.

    """
    named = error.filename if path is None else path
    if error.errno == errno.EMFILE:
        return _too_many_files()
    if isinstance(named, str | bytes | os.PathLike):
        text = os.fsdecode(named)
        if error.errno == errno.ENAMETOOLONG:
            return _too_long(text)
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.EEXIST) and (link := broken_link(text)):
            return link
    way_out = "; free space on its disk, then run the same again" if error.errno in _NO_ROOM else ""
    return f"{error.strerror or error}{way_out}"


def missing(path: str | os.PathLike[str], otherwise: str) -> MissingFileError:
    """The error of a path where nothing is: a link that leads nowhere, or what else to say."""
    name = os.fspath(path)
    if _ADDRESS.match(name):
        url = _ADDRESS.sub(r"\1://", name).partition("?")[0]
        shown = _KEY.sub("//***@", url)
        return MissingFileError(
            f"{shown}: this is not read from an address: copy it to this machine"
        )
    link = broken_link(path)
    return MissingFileError(f"{path}: {link}" if link else otherwise)


def broken_link(path: str | os.PathLike[str]) -> str | None:
    """What is wrong with the link that a path is or goes through; None where it is not that.

    A link to where nothing is yet is fine to be written through, and is told here too.
    """
    whole = Path(path)
    for place in (*reversed(whole.parents), whole):
        try:
            if not os.path.islink(place):  # noqa: PTH114 (of any name)
                continue
            target = os.readlink(place)  # noqa: PTH115
            os.stat(place)  # noqa: PTH116
        except (OSError, ValueError) as error:
            which = "it" if place == whole else place
            number = getattr(error, "errno", None)
            if number == errno.ELOOP:
                return f"{which} is a link that leads back to itself"
            if number == errno.ENOENT:
                return f"{which} is a link to {target:.200}, which does not exist"
            return None
    return None


def no_more_files() -> str | None:
    """What to say where this process cannot open one file more; None where it can.

    For databases and connections, which only say that they cannot be opened.
    """
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return reason(error) if error.errno in (errno.EMFILE, errno.ENFILE) else None
    return None


def _too_many_files() -> str:
    try:
        import resource

        allowed = f"no more than {resource.getrlimit(resource.RLIMIT_NOFILE)[0]:,} are allowed"
    except ImportError:  # Windows
        return os.strerror(errno.EMFILE)
    return f"too many open files, {allowed}: raise that limit, as by ulimit -n 1024"


def _too_long(path: str) -> str:
    longest = max((len(os.fsencode(part)) for part in Path(path).parts), default=0)
    if longest > _LONGEST_NAME:
        return f"its name is too long: {longest:,} bytes, and {_LONGEST_NAME} are allowed"
    return f"its path is too long: {len(os.fsencode(path)):,} bytes"
