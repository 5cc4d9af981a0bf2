"""Names for files and folders, made of names that others gave."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ODD = re.compile(r"[^\w.-]+")
_LONGEST = 60


def file_names(names: Sequence[str]) -> list[str]:
    """A name for a file or folder for each, no two alike in any system.

    Letters, digits, ``_``, ``.`` and ``-`` stay, all else becomes ``-``. No name begins with a dot.
    """
    given, taken = list[str](), set[str]()
    for name in names:
        plain = _ODD.sub("-", name).strip("-.")
        while len(plain.encode()) > _LONGEST:
            plain = plain[:-1]
        plain = plain or "unnamed"
        new, number = plain, 2
        while new.casefold() in taken:
            new, number = f"{plain}-{number}", number + 1
        taken.add(new.casefold())
        given.append(new)
    return given
