"""Tags: every class of a bank that a photo is of, each judged alone, or the best few of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from cupl.classification.decision import DecisionRule
from cupl.classification.prediction import Prediction
from cupl.classification.vector_classifier import VectorClassifier
from cupl.errors import InputError
from cupl.index.rows import COLUMNS, VECTOR, paths_of, vector_matrix, with_columns
from cupl.index.store import PhotoStore
from cupl.index.unusable import usable_rows, warn_unusable
from cupl.progress import Progress, ignore

_TAG_COLUMNS = ("label", "probability", "tags")


@dataclass(frozen=True)
class TagRule:
    """Which classes become tags.

    Attributes:
        decision: how scores become labels.
        top: of these the so many of the highest cosine; without several labels an image, the best
            so many classes of each image that is not rejected.

    """

    decision: DecisionRule
    top: int | None = None

    @property
    def top_k(self) -> int:
        """Classes that a prediction has to name."""
        return 1 if self.decision.multi_label else self.top or 1

    def tagged(self, prediction: Prediction) -> Prediction:
        """The prediction with its tags as ``labels``, that of the highest cosine first."""
        if self.decision.multi_label:
            # Thresholds say what is a tag. How far above its own one a score lies says little of
            # which tag is right: of classes that are hard to tell they are low.
            labels = tuple(sorted(prediction.labels, key=lambda one: -one.score)[: self.top])
            return replace(prediction, top=labels[:1] or prediction.top[:1], labels=labels)
        labels = () if prediction.label is None else tuple(prediction.top)
        return replace(prediction, top=prediction.top[:1], labels=labels)


def tag_rule(
    classifier: VectorClassifier,
    *,
    threshold: float | None = None,
    class_thresholds: Mapping[str, float] | None = None,
    top: int | None = None,
) -> TagRule:
    """Each class alone where something says from where on it is one, else the best ``top``.

    Args:
        classifier: the classes.
        threshold: probability from which on a class is a tag; by default one half. With the best
            ``top`` alone, of the best class.
        class_thresholds: cosine from which on each class is one.
        top: tags that a photo has at most.

    Raises:
        InputError: a threshold cannot be used, ``top`` is below 1, or nothing says what is a tag.

    """
    if top is not None and top < 1:
        raise InputError(f"top is {top}: a photo has one tag at least")
    alone = (
        class_thresholds is not None
        or classifier.reject is not None
        or classifier.vectors.provenance.logit_bias is not None
    )
    if not alone and top is None:
        raise InputError(
            f"the scores of {classifier.vectors.provenance.encoder!r:.100} do not say by "
            "themselves which classes a photo is of: give labelled examples, a threshold for each "
            "class, a reject bank, or how many of the best are tags",
            arguments={"examples": ..., "class_thresholds": ..., "reject": ..., "top": 1},
        )
    return TagRule(DecisionRule(threshold, alone, class_thresholds), top)


def tag_rows(
    store: PhotoStore,
    classifier: VectorClassifier,
    rule: TagRule,
    *,
    dry_run: bool = False,
    progress: Progress = ignore,
) -> Iterator[Prediction]:
    """Tag the photos of an index by their vectors, a prediction each, as they are written down.

    A photo that another run changes at the same time gets the facts back that it had: the next
    update of the index reads it again.

    Args:
        store: of the index.
        classifier: of class vectors by the same encoder.
        rule: which classes become tags.
        dry_run: write nothing down.
        progress: told how many photos are done, and of how many.

    Raises:
        InputError: the class vectors are of another encoder, or the index cannot be written.

    """
    classifier.vectors.check_embeddings(store.metadata.provenance)
    total, done = store.count(), 0
    unusable = 0
    for scanned in store.scan([*COLUMNS, VECTOR]):
        table = usable_rows(scanned)
        unusable += len(scanned) - len(table)
        if not len(table):
            continue
        found = classifier.predict_vectors(
            vector_matrix(table), rule.top_k,
            threshold=rule.decision.threshold, multi_label=rule.decision.multi_label,
            class_thresholds=rule.decision.class_thresholds,
        )  # fmt: skip
        paths = paths_of(table)
        predictions = [
            replace(rule.tagged(one), path=path) for one, path in zip(found, paths, strict=True)
        ]
        _write(store, table, predictions, dry_run)
        for prediction in predictions:
            done += 1
            yield prediction
            progress(done, max(total, done))
    warn_unusable(unusable)


def all_paths(store: PhotoStore) -> list[str]:
    """The paths of the photos of an index."""
    return [path for table in store.scan(["path", "raw_path"]) for path in paths_of(table)]


def clear_tags(
    store: PhotoStore,
    *,
    but: Collection[str] = (),
    dry_run: bool = False,
    progress: Progress = ignore,
) -> int:
    """Take the tags from the photos of an index.

    Args:
        store: of the index.
        but: paths of photos that keep theirs.
        dry_run: only count.
        progress: told how many photos are done, and of how many.

    Returns:
        How many had any.

    """
    total, done, cleared = store.count(), 0, 0
    for table in store.scan([*COLUMNS, VECTOR]):
        rows = usable_rows(table)  # an update takes the tags of the others
        kept = [path not in but for path in paths_of(rows)]
        some = rows.filter(pa.array(kept, pa.bool_()))
        cleared += _write(store, some, [Prediction()] * len(some), dry_run)
        done += len(table)
        progress(done, max(total, done))
    return cleared


def _write(store: PhotoStore, table: Any, predictions: list[Prediction], dry_run: bool) -> int:
    """Put tags into the rows of a table; how many rows had others."""
    new: dict[str, list[Any]] = {
        "label": [one.labels[0].label if one.labels else None for one in predictions],
        "probability": [one.labels[0].probability if one.labels else None for one in predictions],
        "tags": [[score.label for score in one.labels] for one in predictions],
    }
    changed = with_columns(table, new)
    before, after = (part.select(_TAG_COLUMNS).to_pylist() for part in (table, changed))
    differs = [_told(old) != _told(new) for old, new in zip(before, after, strict=True)]
    if any(differs) and not dry_run:
        store.add(changed.filter(pa.array(differs)))
    return sum(differs)


def _told(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["label"], row["probability"], tuple(row["tags"] or ())
