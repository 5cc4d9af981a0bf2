"""What adaptation to photos did, in figures and in words."""

from __future__ import annotations

from dataclasses import dataclass

_SHOWN = 5
DOUBTFUL = 0.8
"""Agreement of two halves of the photos below which a second look is worth it."""


@dataclass(frozen=True, slots=True)
class PhotosReport:
    """What adaptation did to the labels of the photos; printed, it is what ``cupl adapt`` says.

    Attributes:
        photos: how many, without those that have no direction.
        kept: why the class vectors stay as the texts made them; None where they do not.
        changed: photos whose label is another one.
        agreement: share of the photos to which class vectors adapted to one half of them, chosen at
            random, and those adapted to the other half give the same label.
        classes: name, photos by the texts and photos after adaptation of each class; where most
            photos came or went first.

    """

    photos: int
    kept: str | None = None
    changed: int = 0
    agreement: float | None = None
    classes: tuple[tuple[str, int, int], ...] = ()

    def __str__(self) -> str:
        if self.kept is not None:
            return f"kept the texts alone: {self.kept}"
        lines = [f"{self.changed:,} of {self.photos:,} photos changed their label"]
        if self.agreement is not None:
            doubt = "" if self.agreement >= DOUBTFUL else ": look at some before you trust them"
            lines.append(f"two halves of the photos agree on {self.agreement:.1%} of them{doubt}")
        moved = [one for one in self.classes if one[1] != one[2]][:_SHOWN]
        lines += [f"  {name}: {before:,} photos, now {after:,}" for name, before, after in moved]
        return "\n".join(lines)
