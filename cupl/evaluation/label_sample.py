"""A small sample of photos to label by hand, that tells most about the accuracy on all of them.

Photos are put into strata by the probability of their label, which says where the errors are: as
many strata as there are, of equal sums of the standard deviation of "right or wrong" (Dalenius &
Hodges, JASA 54, 1959), so that as many photos of each are as good a choice as can be (Neyman's).
Probabilities are not believed beyond 0.1 and 0.9, for a model that is too sure of itself.

Within a stratum chance alone decides, and the strata take turns: the first m photos are such a
sample for every m. So who stops early has a smaller sample and no worse one, and a larger sample
begins with the smaller. The labels predicted take part through their probability only: spreading
the sample over them too made errors smaller by an eighth and intervals no narrower, so that these
covered the truth more often than they say.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cupl.classification.prediction import Prediction, listed_predictions
from cupl.embedding.class_vectors import ClassVectors
from cupl.errors import InputError
from cupl.evaluation.sample_file import SAMPLE_COLUMNS, SampleRows, design_of, is_sample
from cupl.io.arguments import check_whole
from cupl.io.atomic import write_keeping_old
from cupl.io.csv import csv_lines, is_blank, read_rows

STRATA = 8
_LEAST_SURE, _SUREST = 0.1, 0.9
FEWEST_TO_LABEL = 2 * STRATA
"""Photos of a sample: two of each stratum, without which there is no interval."""
_MOST_SEED = 2**63


@dataclass(frozen=True, slots=True)
class SampledPhoto:
    """A photo to label.

    Attributes:
        path: of the photo.
        stratum: from 1, the least sure photos first.
        stratum_photos: photos of the collection in it.

    """

    path: str
    stratum: int
    stratum_photos: int


class OtherSampleError(InputError):
    """A sample that is there was drawn from other photos, or by another bank or encoder.

    Args:
        target: its file.
        difference: what is another.

    """

    def __init__(self, target: Path, difference: str) -> None:
        self.difference = difference
        super().__init__(
            f"{target}: its sample was drawn from other photos or otherwise ({difference}): it can "
            "be evaluated as it is, but not be made larger; write a new sample to another file"
        )


@dataclass(frozen=True)
class SavedSample:
    """What was written.

    Attributes:
        photos: rows of the file.
        labelled: of them with a label that was there before.
        added: photos that are new in it.
        aside: where the file that was there is kept, if it said something else.

    """

    photos: int
    labelled: int
    added: int
    aside: Path | None


@dataclass(frozen=True, eq=False)
class LabelSample:
    """Photos to label, in the order in which to label them.

    Attributes:
        drawn: all photos of the collection, in the order in which they would be drawn.
        number: of them that are to be labelled.
        by: what drew them.
        unreadable: path and error of images that could not be read, and are not in the collection.

    """

    drawn: list[SampledPhoto]
    number: int
    by: str
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    @property
    def photos(self) -> list[SampledPhoto]:
        """The photos of the sample."""
        return self.drawn[: self.number]

    def save(self, path: str | os.PathLike[str]) -> SavedSample:
        """Write the photos as a CSV file with an empty column ``label``, or add them to one.

        A file of a smaller sample of the same photos keeps its labels, rows and other columns, and
        is set aside as ``PATH.old``. Paths count from the file's folder where they are below it.

        Args:
            path: ends with ``.csv``.

        Raises:
            InputError: something else is in that place, or the file cannot be written.

        """
        target = Path(path)
        names = {self._name(one.path, target): place for place, one in enumerate(self.drawn)}
        before = _rows_of(target) if os.path.lexists(target) else {}
        self._check_same(target, before, names)
        number = max([self.number, *(names[name] + 1 for name in before)])
        more = [name for name in next(iter(before.values()), {}) if name not in SAMPLE_COLUMNS]
        lines = csv_lines(self._lines(target, number, before, more))
        aside = write_keeping_old(target, "".join(lines).encode("utf-8", "surrogateescape"))
        labelled = sum(bool((row.get("label") or "").strip()) for row in before.values())
        return SavedSample(number, labelled, number - len(before), aside)

    def _lines(
        self, target: Path, number: int, before: dict[str, dict[str, str | None]], more: list[str]
    ) -> Iterator[list[str | int | None]]:
        yield [*SAMPLE_COLUMNS, *more]
        for one in self.drawn[:number]:
            name = self._name(one.path, target)
            row = before.get(name, {})
            label = (row.get("label") or "").strip()
            yield [
                name, label, one.stratum, one.stratum_photos, len(self.drawn), self.by, number,
                *(row.get(key) for key in more),
            ]  # fmt: skip

    @staticmethod
    def _name(path: str, target: Path) -> str:
        """A photo's path as the file has it."""
        folder, full = os.path.realpath(target.parent), os.path.abspath(path)  # noqa: PTH100
        parent, name = os.path.split(full)
        full = os.path.join(os.path.realpath(parent), name)  # noqa: PTH118
        below = full.startswith(folder.rstrip(os.sep) + os.sep)
        return os.path.relpath(full, folder) if below else full

    def _check_same(
        self, target: Path, before: dict[str, dict[str, str | None]], names: dict[str, int]
    ) -> None:
        """Accept a file whose rows are of this draw.

        Raises:
            InputError: they are not; labels would lose what says how they were drawn.

        """
        for name, row in before.items():
            one = self.drawn[names[name]] if name in names else None
            same = row.get("drawn") == self.by and one is not None
            if one is not None:
                same &= design_of(row) == [one.stratum, one.stratum_photos, len(self.drawn)]
            if not same:
                _check_design(target, before)
                difference = self._difference(name, row, there=one is not None)
                raise OtherSampleError(target, difference)

    def _difference(self, name: str, row: dict[str, str | None], *, there: bool) -> str:
        """What a row says that this draw does not."""
        (_, _, photos), now, by = design_of(row), len(self.drawn), row.get("drawn")
        found = []
        if by != self.by:
            found.append(f"{by or 'unknown'!s:.200}; here {self.by}")
        if photos != now:
            found.append(f"{photos:,} photos then, {now:,} now")
        if not there:
            found.append(f"{name!r:.200} is not among those here")
        return "; ".join(found) or f"the photos around {name!r:.200} have changed"


def sample_to_label(
    predictions: Iterable[Prediction], number: int = 100, *, seed: int = 0, by: str = "cupl"
) -> LabelSample:
    """Draw photos to label, such that a few tell most about the accuracy on all.

    ::

        classifier = cupl.ZeroShotClassifier.load("vectors.safetensors")
        paths = sorted(Path("photos").rglob("*.jpg"))
        cupl.sample_to_label(classifier.predict(paths), 100).save("to_label.csv")

    Args:
        predictions: of all photos of the collection, each with its path.
        number: of photos to label; all of them where there are fewer.
        seed: another one draws other photos.
        by: what made the predictions, for the file.

    Raises:
        InputError: there is no photo that could be read, one has no path or comes twice, or
            ``number`` is too small.

    """
    check_whole(number=number, seed=seed)
    if number < FEWEST_TO_LABEL:
        raise InputError(
            f"a sample of {number} photos says nothing: at least {FEWEST_TO_LABEL} are drawn",
            arguments={"sample": 100},
        )
    if not 0 <= seed < _MOST_SEED:
        raise InputError(f"the seed is 0 or a number above, not {seed}")
    paths, sure, unreadable = list[str](), list[float](), list[tuple[str, str]]()
    for one in listed_predictions(predictions):
        if one.path is None:
            raise InputError("a photo to label needs a path, and one of the predictions has none")
        if one.error is not None or one.probability is None:
            unreadable.append((one.path, str(one.error)))
        else:
            paths.append(one.path)
            sure.append(one.probability)
    if not paths:
        raise InputError("no photo could be read" if unreadable else "there is no photo to sample")
    if len(set(paths)) < len(paths):
        raise InputError("a photo comes twice among the predictions")
    by_path = sorted(range(len(paths)), key=paths.__getitem__)
    names, confidence = [paths[i] for i in by_path], np.array([sure[i] for i in by_path])
    strata = confidence_strata(confidence)
    sizes = np.bincount(strata).tolist()
    drawn = [
        SampledPhoto(names[i], int(strata[i]) + 1, sizes[strata[i]])
        for i in drawing_order(strata, np.random.default_rng(seed)).tolist()
    ]
    return LabelSample(drawn, min(number, len(drawn)), f"{by}, seed {seed}", unreadable)


def vectors_in_words(vectors: ClassVectors) -> str:
    """What tells class vectors from others, for the file of a sample."""
    made_by = vectors.provenance
    digest = hashlib.sha256(vectors.matrix.numpy().tobytes()).hexdigest()
    return f"{made_by.bank or 'class vectors'} by {made_by.encoder} ({digest[:12]})"


def confidence_strata(confidence: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The stratum of each photo, int64 ``[photos]`` from 0, the least sure first.

    Args:
        confidence: ``[photos]``, the probability of each one's label.

    """
    order = np.argsort(confidence, kind="stable")
    believed = confidence[order].clip(_LEAST_SURE, _SUREST)
    total = np.cumsum(np.sqrt(believed * (1 - believed)))
    place = np.ceil(total / total[-1] * STRATA - 1e-9).astype(np.int64) - 1
    strata = np.empty(len(order), np.int64)
    strata[order] = np.unique(place.clip(0, STRATA - 1), return_inverse=True)[1]
    return strata


def drawing_order(strata: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """All photos in the order in which they are drawn, int64 ``[photos]``.

    One of each stratum comes first, then the strata take turns, none of them two ahead of another
    until its photos are used up. Within each the order is one of chance.
    """
    turns, order = np.empty(len(strata)), rng.permutation(len(strata))
    for stratum in range(int(strata.max()) + 1):
        own = order[strata[order] == stratum]
        turns[own] = np.arange(len(own)) + rng.random()
    return np.argsort(turns, kind="stable").astype(np.int64)


def _rows_of(file: Path) -> dict[str, dict[str, str | None]]:
    """The rows of a sample by their path as written."""

    def usable(columns: list[str]) -> bool:
        return is_sample(columns) and {"path", "label"} <= set(columns)

    needed = "a file is there already, and is no sample to label; name another"
    return {
        (row["path"] or "").strip(): row
        for _, row in read_rows(file, usable, needed, own=True)
        if not is_blank(row)
    }


def _check_design(file: Path, rows: dict[str, dict[str, str | None]]) -> None:
    """Accept rows that still say how they were drawn; others cannot be evaluated either."""
    design = SampleRows()
    for name, row in rows.items():
        design.has_label(f"{file}, {name!r:.200}", row, (row.get("label") or "").strip())
    design.check_strata(file)
