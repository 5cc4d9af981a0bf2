"""What a search for images passed over, and how that is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from cupl.io.folders import KEPT_ORIGINAL
from cupl.io.terminal import printable

_SHOWN = 5
_ENDING = 16
"""Characters of an ending that are shown."""
_HIDDEN = "hidden"
FORMATS_EXTRA = 'pip install "cupl[formats]"'


@dataclass(slots=True, eq=False)
class LeftOut:
    """Counts what a search passed over.

    Attributes:
        images: files that are images, or are called so, by ending.
        installable: those endings that can be read once the extra ``formats`` is installed.
        junk: what systems and tools left, by name.
        closed: folders that cannot be listed, each with the reason.
        empty: folders that were named among others and hold no image.
        unopened: how many files were not opened, because their ending says that they are no image.

    """

    images: Counter[str] = field(default_factory=Counter)
    installable: set[str] = field(default_factory=set)
    junk: Counter[str] = field(default_factory=Counter)
    closed: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    unopened: int = 0

    def add_image(self, name: str, ending: str, *, installable: bool) -> None:
        """Count a file that is an image and cannot be read."""
        shown = _HIDDEN if name.startswith(".") else ending[:_ENDING] or "without ending"
        self.images[shown] += 1
        if installable:
            self.installable.add(shown)

    def add_junk(self, name: str) -> None:
        """Count a file or folder that :func:`~cupl.io.folders.is_junk` knows."""
        one = "._*" if name.startswith("._") else name[: _ENDING * 2]
        self.junk[f"*{KEPT_ORIGINAL}" if name.lower().endswith(KEPT_ORIGINAL) else one] += 1

    def notes(self) -> list[str]:
        """A line on each kind of thing that was passed over; none where nothing was."""
        notes = []
        if self.images:
            notes.append(f"left out: {_counts(self.images)}{self._way_out()}")
        if self.junk:
            notes.append(f"skipped what systems and tools keep: {_counts(self.junk)}")
        if self.closed:
            notes.append(f"cannot be listed, left out: {_first(self.closed)}")
        if self.empty:
            notes.append(
                f"no image in the folder{'s' * (len(self.empty) != 1)} {_first(self.empty)}"
            )
        return notes

    def _way_out(self) -> str:
        if not self.installable:
            return ""
        some = self.installable != set(self.images)
        return f" ({FORMATS_EXTRA}{f' for {_first(sorted(self.installable))}' if some else ''})"


def _counts(counter: Counter[str]) -> str:
    """``3 .heic, 1 .dng``: the most frequent first, and never a thousand of them."""
    ordered = sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = [f"{number:,} {printable(name)}" for name, number in ordered[:_SHOWN]]
    rest = sum(number for _, number in ordered[_SHOWN:])
    return ", ".join([*shown, *([f"{rest:,} others"] if rest else [])])


def _first(names: Iterable[str]) -> str:
    names = list(names)
    shown = ", ".join(printable(name[:200]) for name in names[:_SHOWN])
    more = len(names) - _SHOWN
    return shown + (f" and {more:,} more" if more > 0 else "")
