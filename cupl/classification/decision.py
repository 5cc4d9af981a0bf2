"""What of an image's scores becomes its label: thresholds, "none of these", several labels.

With the classes alone and no threshold, an image gets the class of the highest score. A reject
bank describes what is none of the classes. Its classes compete: an image that is closest to one
of them has no label. They stand in the softmax too, so that the probabilities of the classes fall
where an image is none of them; a sigmoid is of each class alone and stays as it is.

For several labels each class is judged alone, against a reference r, a cosine:

    probability = sigmoid(logit_scale * (score - r) / temperature)

One half is where the score is r. It is the highest of those that there are: the threshold given
for the class, or else -logit_bias / logit_scale of a model that was trained with a sigmoid (which
makes this its own probability); and the image's best score in the reject bank (which makes it the
softmax of the two). A softmax over the classes is of no use here: it sums to 1 and so cannot say
of two classes that both are there.

Class vectors with a fitted coverage (:mod:`cupl.classification.conformal`) have one label an image,
and beside it all that cannot be ruled out. A fitted threshold
(:mod:`cupl.classification.thresholds`) or negative words say of an image whether it is of the
classes at all; a fitted threshold takes the place of "closest to a class of the reject bank".
"""

from __future__ import annotations

import contextlib
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from cupl.bank.labels import ClassLabel
from cupl.bank.lookup import ClassIndex
from cupl.classification.conformal import set_sizes
from cupl.classification.top_k import best_first
from cupl.embedding.class_vectors import ClassVectors
from cupl.errors import InputError
from cupl.io.arguments import check_numbers
from cupl.io.csv import csv_lines, is_blank, read_rows
from cupl.io.replacing import write_with_warning
from cupl.io.words import number_of

HALF = 0.5
_HEADER = ("class", "cosine")


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """How scores become labels.

    Attributes:
        threshold: an image whose best probability is below has no label; with ``multi_label`` it
            has each class that reaches it, by default one half.
        multi_label: any number of labels an image.
        class_thresholds: for ``multi_label``, the cosine from which on a class is a label, by its
            name or id; of every class.

    Raises:
        InputError: a threshold cannot be used.

    """

    threshold: float | None = None
    multi_label: bool = False
    class_thresholds: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        check_numbers(threshold=self.threshold)
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InputError(f"the threshold {self.threshold} is no probability: give 0 to 1")
        if self.class_thresholds is not None and not self.multi_label:
            raise InputError("thresholds of the classes are for several labels: add multi_label")
        for name, cosine in (self.class_thresholds or {}).items():
            check_numbers(**{f"the threshold of {name!r:.100}": cosine})
            if not -1 <= cosine <= 1:
                raise InputError(f"the threshold {cosine} of {name!r:.100} is no cosine")

    @property
    def may_reject(self) -> bool:
        """Whether an image can be without a label, also where there is no reject bank."""
        return self.threshold is not None or self.multi_label


NEAREST_CLASS = DecisionRule()
"""Whatever is closest."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """Images judged by a rule.

    Attributes:
        order: int64 ``[images, named]``, the best class first; equal ones as the classes are.
            As many as were asked for, or as the image with the most labels has.
        scores: cosines of these classes.
        probabilities: of these classes.
        accepted: how many classes of the order are labels of each image.
        rejected: why an image has no label, or None.

    """

    order: torch.Tensor
    scores: torch.Tensor
    probabilities: torch.Tensor
    accepted: list[int]
    rejected: list[str | None]


def decide(
    scores: torch.Tensor,
    vectors: ClassVectors,
    reject: ClassVectors | None,
    rule: DecisionRule,
    top_k: int,
    outside: Sequence[str | None] | None = None,
) -> Decisions:
    """Turn the scores of images into labels.

    Args:
        scores: cosines, ``[images, classes + classes of the reject bank]``.
        vectors: the classes.
        reject: those of the reject bank, where there is one.
        rule: what decides.
        top_k: classes to name for each image; all of them where there are fewer.
        outside: why each image is none of the classes, or None, where that is decided by
            :class:`~cupl.classification.rejection.Rejection` and not by what is closest.

    Raises:
        InputError: several labels are asked for, and there is nothing to judge a class alone by.

    """
    known, others = scores.tensor_split([len(vectors.labels)], dim=1)
    leads, probabilities = _judged(scores, vectors, rule)
    threshold = rule.threshold if rule.threshold is not None else HALF if rule.multi_label else 0.0
    enough = (probabilities >= threshold).sum(dim=1)
    if not rule.multi_label:
        enough = enough.clamp(max=1)
        if vectors.provenance.coverage is not None:
            enough *= set_sizes(known, vectors.provenance, vectors.provenance.coverage)
    none_of_these: list[str | None] = [None] * len(scores)
    if outside is not None:
        none_of_these = list(outside)
        enough[[reason is not None for reason in outside]] = 0
    elif reject is not None:
        beaten = others.amax(dim=1) > known.amax(dim=1)
        if not rule.multi_label:
            enough[beaten] = 0
        none_of_these = _nearest(others, beaten, reject)
    accepted = enough.tolist()
    order = best_first(leads, max(top_k, *accepted, 0))
    best_scores, best_probabilities = known.gather(1, order), probabilities.gather(1, order)
    below = _below(order, best_scores, leads, vectors, rule, threshold)
    reasons = [
        None if labels else none or why
        for labels, none, why in zip(accepted, none_of_these, below, strict=True)
    ]
    return Decisions(order, best_scores, best_probabilities, accepted, reasons)


def _below(
    order: torch.Tensor,
    scores: torch.Tensor,
    leads: torch.Tensor,
    vectors: ClassVectors,
    rule: DecisionRule,
    threshold: float,
) -> Iterator[str]:
    """What the best class of each image lacks to be a label."""
    best = scores[:, 0], (scores - leads.gather(1, order))[:, 0]
    for index, score, needed in zip(order[:, 0].tolist(), *(x.tolist() for x in best), strict=True):
        name = vectors.labels[index].name
        if rule.class_thresholds is not None and rule.threshold is None:
            yield f"{name} {score:.3f}, needs {needed:.3f}"
        else:
            yield f"below the threshold {threshold:g}: {name}"


def _judged(
    scores: torch.Tensor, vectors: ClassVectors, rule: DecisionRule
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the classes are ordered by, and their probabilities, both ``[images, classes]``."""
    made_by = vectors.provenance
    known, others = scores.tensor_split([len(vectors.labels)], dim=1)
    if not rule.multi_label:
        return known, made_by.probabilities(scores)[:, : len(vectors.labels)]
    leads = known - _references(others, vectors, rule)
    return leads, (leads * made_by.logit_scale / made_by.temperature).sigmoid()


def _nearest(others: torch.Tensor, beaten: torch.Tensor, reject: ClassVectors) -> list[str | None]:
    """For images that are closest to a class of the reject bank, which one that is."""
    return [
        f"none of these: {reject.labels[index].name}" if is_beaten else None
        for index, is_beaten in zip(others.argmax(dim=1).tolist(), beaten.tolist(), strict=True)
    ]


def _references(others: torch.Tensor, vectors: ClassVectors, rule: DecisionRule) -> torch.Tensor:
    """The cosine at which a class alone has probability one half, ``[1 or images, classes]``."""
    made_by = vectors.provenance
    references = others.new_full((1, len(vectors.labels)), -torch.inf)
    if rule.class_thresholds is not None:
        references[0] = _thresholds(rule.class_thresholds, vectors.labels)
    elif made_by.logit_bias is not None:
        references[0] = -made_by.logit_bias / made_by.logit_scale
    elif not others.shape[1]:
        raise InputError(
            f"the probabilities of {made_by.encoder!r:.100} are a softmax, which cannot say "
            "that several classes are there: give a reject bank, which drawn words are not, or a "
            "threshold for each class",
            arguments={"reject": ..., "class_thresholds": ...},
        )
    return (
        references.maximum(others.max(dim=1, keepdim=True).values)
        if others.shape[1]
        else references
    )


def _thresholds(given: Mapping[str, float], labels: Sequence[ClassLabel]) -> torch.Tensor:
    found = dict(zip(find_classes(list(given), labels), given.values(), strict=True))
    missing = [str(label) for index, label in enumerate(labels) if index not in found]
    if missing:
        have = number_of(len(missing), "class has", "classes have")
        raise InputError(f"{have} no threshold, the first {missing[0]!r}")
    return torch.tensor([found[index] for index in range(len(labels))])


def find_classes(named: Iterable[object], labels: Sequence[ClassLabel]) -> list[int]:
    """Index of each class that is named, by its index or as :class:`ClassIndex` finds it.

    Args:
        named: names, ids or whole numbers; those of NumPy and torch too.
        labels: the classes.

    Raises:
        InputError: there is no such class, several have that name, or something is neither a name
            nor a whole number.

    """
    if isinstance(named, str):
        raise InputError(f"labels are a list of names or whole numbers, not {named!r:.100}")
    index = ClassIndex(labels)

    def find(one: object) -> int:
        label = name_or_number(one)
        if isinstance(label, int):
            if not 0 <= label < len(labels):
                raise InputError(f"there is no class {label}: they are 0 to {len(labels) - 1}")
            return label
        place = index.find(label)
        if place is None:
            hint = index.hint(label)
            raise InputError(f"{label!r:.100} means no class" + (f": {hint}" if hint else ""))
        return place

    return [find(one) for one in named]


def name_or_number(label: object) -> str | int:
    """A label as plain text or a plain whole number.

    Raises:
        InputError: it is neither. A float is none even where it is whole, such as 1.0: a column of
            numbers becomes one of floats where a label is missing.

    """
    if isinstance(label, str):
        return str(label)
    is_bool = isinstance(label, bool) or "bool" in str(getattr(label, "dtype", ""))
    if not is_bool and hasattr(label, "__index__"):
        with contextlib.suppress(TypeError):  # arrays and floats of NumPy and torch
            return operator.index(label)
    raise InputError(
        f"a label is a name or a whole number that counts the classes from 0, not {label!r:.100} "
        f"({type(label).__name__})"
    )


def read_class_thresholds(path: str | os.PathLike[str]) -> dict[str, float]:
    """Read thresholds of the classes: a CSV with the columns ``class`` and ``cosine``.

    Returns:
        The cosine by the name or id of the class.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is no such table; the message names the line.

    """
    rows = read_rows(
        Path(path),
        lambda columns: set(_HEADER) <= set(columns),
        f"must name the columns: {','.join(_HEADER)}",
        "a table of thresholds",
    )
    found: dict[str, float] = {}
    for where, row in rows:
        if is_blank(row):
            continue
        name, cosine = row["class"], _number(row["cosine"])
        if not name or cosine is None or name in found:
            why = "stands here twice" if name in found else "needs a cosine from -1 to 1"
            raise InputError(f"{where}: the class {name!r:.100} {why}")
        found[name] = cosine
    return found


def save_class_thresholds(thresholds: Mapping[str, float], path: str | os.PathLike[str]) -> None:
    """Write what :func:`read_class_thresholds` reads.

    Raises:
        MissingFileError: the folder does not exist.
        InputError: the file cannot be written.

    """
    lines = csv_lines(
        [_HEADER, *((name, repr(float(cosine))) for name, cosine in thresholds.items())]
    )
    write_with_warning(Path(path), "".join(lines).encode("utf-8", "surrogateescape"))


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if -1 <= value <= 1 else None
