"""Classifying a list of images of any length into a file, so that a stopped run can go on.

Predictions are kept as they come in ``OUTPUT.part``, a JSON line each whatever the format of the
output, below a first line that says what they were made with. The output is made of that file at
the end and is whole or not there at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.decision import NEAREST_CLASS, DecisionRule
from cupl.classification.prediction import Prediction
from cupl.classification.writers import (
    FailedImages,
    check_format,
    columns_of,
    json_lines,
    write_predictions,
)
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_files import ImagePaths
from cupl.errors import CuplError, InputError, MissingFileError
from cupl.io.atomic import name_beside
from cupl.io.json import parse_json
from cupl.io.locks import is_at, try_lock
from cupl.io.targets import is_stream, why_not_written
from cupl.progress import Progress, ignore

_BEGINNING = b'{"format": "cupl-part/'
_MAX_ROW = 2**28
"""Bytes of a line; 100,000 classes with long names take a tenth of it."""


def classify_to_file(
    classifier: ZeroShotClassifier,
    images: ImagePaths,
    output: Path | None,
    format: str,
    top_k: int = 5,
    *,
    rule: DecisionRule = NEAREST_CLASS,
    explain: int = 0,
    on_prediction: Callable[[Prediction], None] = ignore,
    resume: bool = False,
    progress: Progress = ignore,
) -> FailedImages:
    """Classify images and write a row for each.

    Args:
        classifier: what names the images.
        images: their paths.
        output: the file to write, whole or not at all. What is no regular file, such as a pipe,
            is written directly, and so is standard output, which None stands for.
        format: one of ``cupl.classification.writers.FORMATS``.
        top_k: classes to name for each image; all of them where there are fewer.
        rule: how scores become labels.
        explain: as for :meth:`ZeroShotClassifier.predict`.
        on_prediction: told each prediction as it is written, those of the earlier run included.
        resume: go on where a run that was stopped has left ``OUTPUT.part``; the result is the
            same as if it had not been stopped. Without such a file the run begins at the first
            image. Otherwise what was left is thrown away.
        progress: told after each image how many are done.

    Returns:
        The images that could not be read, those of the earlier run included.

    Raises:
        InputError: a file cannot be written, ``top_k`` is below 1, or what was left was made with
            something else or of other images.
        MissingFileError: the folder does not exist.

    """
    check_format(format, output)
    top_k = min(top_k, len(classifier.labels))
    more = columns_of(
        rejected=rule.may_reject or classifier.reject is not None,
        labels=rule.multi_label,
        explanation=explain > 0,
    )

    def predict(images: ImagePaths) -> Generator[Prediction, None, None]:
        return classifier.predict(images, top_k, **asdict(rule), explain=explain)

    def write(predictions: Iterable[Prediction]) -> FailedImages:
        return write_predictions(_shown(predictions, on_prediction), top_k, format, output, more)

    predict(()).close()  # refuses what cannot be used, before a file is made
    if output is None or is_stream(output):
        if resume:
            raise InputError(
                f"{output or 'standard output'} is no ordinary file: nothing is kept to go on with",
                arguments={"resume": False},
            )
        return write(predict(images))
    partial = name_beside(output, ".part")
    try:
        with _opened(partial, resume) as file:
            done = _begun(file, partial, _settings(classifier, top_k, rule, explain), images)
            if images:
                progress(done, len(images))
            with closing(predict(images[done:])) as predictions:
                for line in json_lines(predictions, top_k, more):
                    file.write(line.encode("ascii"))
                    file.flush()  # what a killed process has handed over is not lost
                    done += 1
                    progress(done, len(images))
            failures = write(_rows(file, partial))
        partial.unlink(missing_ok=True)
    except CuplError:
        raise  # some are an OSError too
    except FileNotFoundError as error:
        folder = output.parent
        raise MissingFileError(
            f"cannot write {output}: the folder {folder} does not exist"
        ) from error
    except OSError as error:
        raise InputError(f"cannot write {partial}: {why_not_written(error)}") from error
    return failures


def _opened(partial: Path, resume: bool) -> BinaryIO:
    """The partial file, locked; what another run or program has there is not touched."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    if partial.is_symlink() or (partial.exists() and not partial.is_file()):
        raise _not_ours(partial)
    file = os.fdopen(os.open(partial, flags | getattr(os, "O_NOFOLLOW", 0), 0o666), "r+b")
    try:
        if not try_lock(file.fileno()) or not is_at(file.fileno(), partial):
            raise InputError(
                f"another run is writing {partial}: wait for its end, or name another output"
            )
        if not resume:
            if not _BEGINNING.startswith(file.read(len(_BEGINNING))):
                raise _not_ours(partial)
            file.seek(0)
            file.truncate()
    except BaseException:
        file.close()
        raise
    return file


def _not_ours(partial: Path) -> InputError:
    return InputError(f"cannot write {partial}: cupl did not make what is there; move it away")


def _shown(
    predictions: Iterable[Prediction], on_prediction: Callable[[Prediction], None]
) -> Iterator[Prediction]:
    for prediction in predictions:
        on_prediction(prediction)
        yield prediction


def _settings(
    classifier: ZeroShotClassifier, top_k: int, rule: DecisionRule, explain: int
) -> dict[str, Any]:
    """All that decides a row. The last digits of a score depend on the batch it was made in.

    What is not used is None, as it is to the files of before it could be used.
    """
    encoder, reject, thresholds = classifier.encoder, classifier.reject, rule.class_thresholds
    return {
        "format": "cupl-part/1",
        "class vectors": _digest(classifier.vectors),
        "precision": encoder.precision,
        "batch size": encoder.image_batch,
        "top-k": top_k,
        "threshold": rule.threshold,
        "several labels": rule.multi_label or None,
        "thresholds of the classes": thresholds and dict(thresholds),
        "reject bank": reject and _digest(reject),
        "explanations": explain or None,
    }


def _digest(vectors: ClassVectors) -> str:
    described = [vectors.provenance.model_dump_json(), *(asdict(one) for one in vectors.labels)]
    digest = hashlib.sha256(json.dumps(described).encode())
    digest.update(vectors.matrix.numpy().tobytes())
    return digest.hexdigest()


def _begun(file: BinaryIO, partial: Path, settings: dict[str, Any], images: ImagePaths) -> int:
    """Leave ``file`` at its end, after the rows that are of use; returns how many these are."""
    first = file.readline(_MAX_ROW)
    if not first.endswith(b"\n"):  # new, or killed at its very beginning
        if not _BEGINNING.startswith(first[: len(_BEGINNING)]):
            raise _not_ours(partial)
        file.seek(0)
        file.truncate()
        file.write(json.dumps(settings).encode("ascii") + b"\n")
        file.flush()
        return 0
    _check_settings(partial, _json(first), settings)
    end, done = file.tell(), 0
    # Whole batches only, so that the rest falls into the batches of a run that was not stopped.
    for number, prediction in enumerate(_whole_rows(file), 1):
        if number > len(images) or prediction.path != os.fspath(images[number - 1]):
            raise InputError(
                f"{partial} is of another list of images: its image {number:,} is "
                f"{prediction.path!r:.200}; give the same images, or begin again without resume",
                arguments={"resume": False},
            )
        if number % settings["batch size"] == 0 or number == len(images):
            end, done = file.tell(), number
    file.seek(end)
    file.truncate()
    return done


def _check_settings(partial: Path, found: Any, settings: dict[str, Any]) -> None:
    found = found if isinstance(found, dict) else {}
    for name, value in settings.items():
        if found.get(name) != value:
            raise InputError(
                f"{partial} was made with {name} {str(found.get(name))[:12]!r}, not "
                f"{str(value)[:12]!r}: give the same, or begin again without resume",
                arguments={"resume": False},
            )


def _rows(file: BinaryIO, partial: Path) -> Iterator[Prediction]:
    file.seek(0)
    file.readline(_MAX_ROW)
    yield from _whole_rows(file)
    if file.read(1):
        raise InputError(
            f"{partial} is damaged; begin again without resume", arguments={"resume": False}
        )


def _whole_rows(file: BinaryIO) -> Iterator[Prediction]:
    """Predictions up to the end or the first line that is cut off or damaged."""
    while line := file.readline(_MAX_ROW):
        prediction = _parsed(line)
        if prediction is None:
            file.seek(-len(line), os.SEEK_CUR)
            return
        yield prediction


def _parsed(line: bytes) -> Prediction | None:
    record: Any = _json(line) if line.endswith(b"\n") else None
    try:
        prediction = Prediction.from_dict(record)
    except (TypeError, KeyError, AttributeError, ValueError):
        return None
    return prediction if prediction.top or prediction.error is not None else None


def _json(line: bytes) -> Any:
    try:
        return parse_json(line)
    except ValueError:
        return None
