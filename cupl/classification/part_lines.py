"""Predictions as the lines of ``OUTPUT.part``: JSON, with the arrays of the best classes in base64.

Each line begins with its checksum, so that one that was cut off or damaged is seen and made again.
A class takes 16 characters there, and nothing to read; as an object of JSON it takes 120. Classes
are numbers: a part says which class vectors it was made with.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from cupl.bank.labels import ClassLabel
from cupl.classification.explanation import Explanation
from cupl.classification.prediction import Prediction
from cupl.classification.ranked import RankedClasses, Ranking, ranked
from cupl.io.json import parse_json

_MOST = 1.001
"""No cosine or probability is larger, but for rounding."""
_COLUMNS = {"order": "<i4", "scores": "<f4", "probabilities": "<f4"}


def part_line(prediction: Prediction) -> bytes:
    """A prediction of a classifier as a line, ASCII."""
    best = ranked(max(prediction.top, prediction.labels, key=len))
    record = {
        "path": prediction.path,
        "error": prediction.error,
        "rejected": prediction.rejected,
        "named": len(prediction.top),
        "labels": len(prediction.labels),
        "explanation": prediction.explanation and prediction.explanation.to_dict(),
    }
    for name, kind in _COLUMNS.items():
        record[name] = base64.b64encode(getattr(best, name).astype(kind)).decode("ascii")
    data = json.dumps(record).encode("ascii") + b"\n"
    return b"%08x %b" % (zlib.crc32(data), data)


def parse_part_line(line: bytes, labels: Sequence[ClassLabel]) -> Prediction | None:
    """The prediction of a line; None where it is cut off or damaged.

    Args:
        line: with its end.
        labels: the classes that it counts in.

    """
    checksum, _, data = line.partition(b" ")
    try:
        if checksum != b"%08x" % zlib.crc32(data):
            return None
        return _prediction(parse_json(data), labels)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def parse_line_of_0_1(line: bytes, labels: Sequence[ClassLabel]) -> Prediction | None:
    """The same for a line of cupl 0.1.0: the JSON that ``Prediction.to_dict`` gives."""
    known = {(label.name, label.id) for label in labels}
    try:
        prediction = Prediction.from_dict(parse_json(line)) if line.endswith(b"\n") else None
        scores = [*prediction.top, *prediction.labels] if prediction else []
        numbers = [number for one in scores for number in (one.score, one.probability)]
        right = all((one.label, one.id) in known for one in scores) and all(
            isinstance(number, float) and abs(number) <= _MOST for number in numbers
        )
        return prediction if right else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _prediction(record: Any, labels: Sequence[ClassLabel]) -> Prediction | None:
    columns = [
        np.frombuffer(base64.b64decode(record[name], validate=True), kind)[None]
        for name, kind in _COLUMNS.items()
    ]
    order, sizes = columns[0], (record["named"], record["labels"])
    if len({column.size for column in columns}) != 1 or order.size != max(sizes):
        return None
    if order.size and not 0 <= int(order.min()) <= int(order.max()) < len(labels):
        return None
    ranking, explanation = Ranking(labels, *columns), record["explanation"]
    top, accepted = (RankedClasses(ranking, 0, size) if size else () for size in sizes)
    return Prediction(
        top,
        record["path"],
        record["error"],
        record["rejected"],
        accepted,
        explanation and Explanation.from_dict(explanation),
    )
