"""The file of a sample to label: its columns, and what a person may write into it.

It is a CSV of path and label with three columns more, which say how the photos were drawn; their
order, a byte-order mark and the separator are whatever a spreadsheet makes of them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from cupl.bank.labels import ClassLabel
from cupl.bank.lookup import ClassIndex
from cupl.errors import InputError
from cupl.evaluation.labelled import LabelledSample

SAMPLE_COLUMNS = ("path", "label", "stratum", "stratum_photos", "photos", "drawn", "sample")
"""``label`` is empty until a person writes it; ``stratum`` counts from 1, the least sure photos
first; ``stratum_photos`` and ``photos`` are how many there are of it and in all; ``drawn`` says by
what, so that the same sample can be made larger; ``sample`` is how many photos it has, so that rows
taken out are missed. What the classifier predicts is not there: who
sees an answer tends to agree with it."""
NONE_OF_THESE, CANNOT_TELL = "none of these", "cannot tell"
_NONE = frozenset({NONE_OF_THESE, "none", "no class"})
_UNSURE = frozenset({CANNOT_TELL, "can't tell", "can’t tell", "unsure", "?"})
_DIGITS = 10
_DESIGN = ("stratum", "stratum_photos", "photos")


def check_sample_classes(labels: Iterable[ClassLabel]) -> None:
    """Accept classes that cannot be mistaken for what stands in a sample in place of one.

    Raises:
        InputError: one is called so.

    """
    for label in labels:
        for name in (label.name, label.id or ""):
            if name.strip().lower() in {NONE_OF_THESE, CANNOT_TELL}:
                raise InputError(
                    f"a class is called {name!r}, which in a sample says that a photo is of no "
                    "class, or that nobody can tell: rename it"
                )


@dataclass(eq=False)
class SampleRows:
    """What the rows of a sample say beside path and label.

    Attributes:
        photos: of the collection.
        sizes: photos of each stratum.
        strata: of each row with a label, in their order.
        unlabelled: rows without one.
        drawn: rows that the file was written with; 0 where it does not say.

    """

    photos: int = 0
    sizes: dict[int, int] = field(default_factory=dict)
    strata: list[int] = field(default_factory=list)
    unlabelled: int = 0
    drawn: int = 0

    def has_label(self, where: str, row: Mapping[str, str | None], label: str) -> bool:
        """Note a row; False where nobody has labelled it yet.

        Raises:
            InputError: its stratum is not told, or otherwise than in rows before.

        """
        stratum, size, photos = self._design(where, row)
        known = self.sizes.setdefault(stratum, size), self.photos or photos
        if known != (size, photos):
            raise InputError(
                f"{where}: stratum_photos or photos is not what rows before say: leave these "
                "columns as they were written"
            )
        self.photos = photos
        self.drawn = max(self.drawn, _number(row.get("sample")) or 0)
        if label:
            self.strata.append(stratum)
        else:
            self.unlabelled += 1
        return bool(label)

    @staticmethod
    def _design(where: str, row: Mapping[str, str | None]) -> tuple[int, int, int]:
        stratum, size, photos = design_of(row)
        if not stratum or not size or not photos:
            raise InputError(
                f"{where}: {', '.join(_DESIGN)} must be numbers above 0: leave these columns as "
                "they were written"
            )
        return stratum, size, photos

    def check(self, file: str | os.PathLike[str]) -> None:
        """Accept a file that can be evaluated.

        Raises:
            InputError: as for :meth:`check_strata`, or no row has a label.

        """
        self.check_strata(file)
        if not self.strata:
            raise InputError(
                f"{file}: no row has a label yet: write the name of a class, {NONE_OF_THESE!r} or "
                f"{CANNOT_TELL!r} into the column label, from the top down"
            )

    def check_strata(self, file: str | os.PathLike[str]) -> None:
        """Accept a file whose strata are all of the collection.

        Raises:
            InputError: a stratum is missing, or there is one too many.

        """
        if sum(self.sizes.values()) != self.photos:
            raise InputError(
                f"{file}: its strata have {sum(self.sizes.values()):,} photos of {self.photos:,}: "
                "rows were taken out, or of two samples; put back the rows as cupl label wrote "
                "them, without a label where there is none"
            )


def design_of(row: Mapping[str, str | None]) -> list[int | None]:
    """Stratum, photos in it, and photos in all; None for what is no number."""
    return [_number(row.get(name)) for name in _DESIGN]


def _number(cell: str | None) -> int | None:
    text = (cell or "").strip().removesuffix(".0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _DIGITS else None


def is_sample(columns: Collection[str]) -> bool:
    """Whether a file has the columns of a sample."""
    return set(_DESIGN) <= set(columns)


def drawn_sample(
    rows: SampleRows, pairs: Iterable[tuple[str, str]], index: ClassIndex
) -> tuple[LabelledSample, list[tuple[str, str]]]:
    """The sample, and the pairs of path and label that may mean a class.

    A class of the name ``none of these`` is a class.

    Args:
        rows: of the file.
        pairs: its labelled rows, the paths in full.
        index: of the classes.

    """
    strata, outside, unsure = dict[str, int](), Counter[int](), 0
    seen, kept = set[str](), list[tuple[str, str]]()
    for (path, label), stratum in zip(pairs, rows.strata, strict=True):
        word = " ".join(label.casefold().split())
        if word in _NONE | _UNSURE and index.find(label) is None:
            if path not in seen:
                unsure += word in _UNSURE
                outside[stratum] += word in _NONE
            seen.add(path)
            continue
        strata[path] = stratum
        kept.append((path, label))
    there = len(strata) + outside.total() + unsure + rows.unlabelled
    sample = LabelledSample(
        rows.photos, rows.sizes, strata, dict(outside), unsure, rows.unlabelled,
        missing=max(0, rows.drawn - there),
    )  # fmt: skip
    return sample, kept
