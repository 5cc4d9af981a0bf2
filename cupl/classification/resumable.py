"""Classifying a list of images of any length into a file, so that a stopped run can go on.

Predictions are kept as they come in ``OUTPUT.part`` (:mod:`cupl.classification.part_files`). The
output, in whatever format, is made of that file at the end and is whole or not there at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.decision import NEAREST_CLASS, DecisionRule
from cupl.classification.part_files import PartFile
from cupl.classification.prediction import Prediction
from cupl.classification.writers import FailedImages, check_format, columns_of, write_predictions
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.first_images import settle_on
from cupl.embedding.image_engines import ImageEngine
from cupl.embedding.image_files import ImagePaths
from cupl.embedding.image_retries import LOST_IN_A_ROW, any_can_be_opened, until_lost
from cupl.embedding.image_stream import Encoded
from cupl.embedding.stored_vectors import Embeddings
from cupl.errors import CuplError, InputError, MissingFileError, leading_to
from cupl.io.atomic import name_beside
from cupl.io.reasons import reason
from cupl.io.targets import is_stream
from cupl.progress import Progress, ignore

_PART = 256
"""Images that go to another machine together, or a few more."""


def classify_to_file(
    classifier: ZeroShotClassifier,
    images: ImagePaths | Embeddings,
    output: Path | None,
    format: str,
    top_k: int = 5,
    *,
    rule: DecisionRule = NEAREST_CLASS,
    explain: int = 0,
    on_prediction: Callable[[Prediction], None] = ignore,
    encoded: Sequence[Encoded] | None = None,
    engine: ImageEngine | None = None,
    resume: bool = False,
    progress: Progress = ignore,
) -> FailedImages:
    """Classify images and write a row for each.

    Args:
        classifier: what names the images.
        images: their paths, or what ``cupl embed`` wrote of them, for which no encoder is needed.
        output: the file to write, whole or not at all. What is no regular file, such as a pipe,
            is written directly, and so is standard output, which None stands for.
        format: one of ``cupl.classification.writers.FORMATS``.
        top_k: classes to name for each image; all of them where there are fewer.
        rule: how scores become labels.
        explain: as for :meth:`ZeroShotClassifier.predict`.
        on_prediction: told each prediction as it is written, those of the earlier run included.
        encoded: the same images, where they were encoded just now.
        engine: what encodes them, where that is not the classifier's encoder.
        resume: go on where a run has left ``OUTPUT.part``, as it does when it is stopped and when
            images could not be read for no fault of theirs: these are tried again. The result is
            the same as of one run without faults. Without such a file the run begins at the
            first image. Otherwise none may be there with only some of the images.
        progress: told after each image how many are done.

    Returns:
        The images that could not be read, those of the earlier run included.

    Raises:
        InputError: a file cannot be written, ``top_k`` is below 1, what was left was made with
            something else or of other images, or so many images in a row could not be read that
            the drive must be gone.
        MissingFileError: the folder does not exist.

    """
    check_format(format, output)
    top_k = min(top_k, len(classifier.labels))
    more = columns_of(
        rejected=rule.may_reject or classifier.may_reject,
        labels=rule.multi_label or classifier.vectors.provenance.coverage is not None,
        explanation=explain > 0,
    )
    run = _Run(classifier, images, encoded, top_k, rule, explain, engine)
    paths = run.paths

    def write(predictions: Iterable[Prediction]) -> FailedImages:
        return write_predictions(_shown(predictions, on_prediction), top_k, format, output, more)

    run.predict_from(len(paths)).close()  # refuses what cannot be used, before a file is made
    if output is None or is_stream(output):
        if resume:
            raise InputError(
                f"{output or 'standard output'} is no ordinary file: nothing is kept to go on with",
                arguments={"resume": False},
            )
        with closing(run.predict_from(0)) as predictions:
            return write(run.until_lost(predictions, lambda: "what came before is written"))
    partial = name_beside(output, ".part")

    def kept() -> str:
        before = part.done - LOST_IN_A_ROW
        done = f"{before:,} of {len(paths):,} images are done and kept in {partial}, to go on with"
        return done + (engine.readers if engine else "")

    try:
        opened = PartFile(partial, run.settings(), paths, classifier.labels, resume=resume)
        with closing(opened) as part:
            if run.stored is None:
                part.try_again(run.image_batch, run.predict_again, run.can_open)
            if paths:
                progress(part.done, len(paths))
            with closing(run.predict_from(part.done)) as predictions:
                for prediction in run.until_lost(predictions, kept, resume=True):
                    part.append(prediction)
                    progress(part.done, len(paths))
            with leading_to(resume=True):  # all is kept
                failures = write(part.predictions())
            if run.stored is not None or not failures.may_pass:
                part.remove()
    except CuplError:
        raise  # some are an OSError too
    except FileNotFoundError as error:
        folder = output.parent
        raise MissingFileError(
            f"cannot write {output}: the folder {folder} does not exist"
        ) from error
    except OSError as error:
        why = f"cannot write {partial}: {reason(error, partial)}"
        raise InputError(why, arguments={"resume": True}) from error
    return failures


def _shown(
    predictions: Iterable[Prediction], on_prediction: Callable[[Prediction], None]
) -> Iterator[Prediction]:
    for prediction in predictions:
        on_prediction(prediction)
        yield prediction


@dataclass(frozen=True)
class _Run:
    """What is classified, and how."""

    classifier: ZeroShotClassifier
    images: ImagePaths | Embeddings
    encoded: Sequence[Encoded] | None
    top_k: int
    rule: DecisionRule
    explain: int
    engine: ImageEngine | None

    @property
    def stored(self) -> Embeddings | None:
        """What ``cupl embed`` wrote, where that is classified."""
        return self.images if isinstance(self.images, Embeddings) else None

    @cached_property
    def paths(self) -> ImagePaths:
        """Of all images."""
        if not isinstance(self.images, Embeddings):
            return self.images
        return list(chain.from_iterable(self.images.paths()))

    def predict_from(self, start: int) -> Generator[Prediction, None, None]:
        """The predictions without the first ``start``."""
        if self.stored is not None:
            return self.classifier.predict_stored(
                self.stored, self.top_k, start=start, rule=self.rule, explain=self.explain
            )
        if self.encoded is not None:
            return self._predict_encoded(self.encoded[start:])
        if self.engine is not None:
            return self._predict_encoded(self.engine.encode_parts(self._parts(start)))
        return self.classifier.predict(
            self.paths[start:], self.top_k, **asdict(self.rule), explain=self.explain
        )

    def predict_again(self, batch: list[str]) -> Iterator[Prediction]:
        """The predictions of images that are read and encoded again, together."""
        again = self.engine.encode_again if self.engine else self.classifier.encode_again
        return self._predict_encoded(again(batch))

    def can_open(self, paths: Sequence[str | None]) -> bool:
        """Whether any of some files can be read from where images are read."""
        return self.engine.can_open(paths) if self.engine else any_can_be_opened(paths)

    @property
    def image_batch(self) -> int:
        """Images that are encoded and judged together."""
        return (self.engine.made_by if self.engine else self.classifier.encoder).image_batch

    def until_lost(
        self, predictions: Iterator[Prediction], kept: Callable[[], str], **arguments: object
    ) -> Iterator[Prediction]:
        """See :func:`~cupl.embedding.image_retries.until_lost`; what is stored is on no drive."""
        if self.stored is not None:
            return predictions
        return until_lost(predictions, self.paths, kept, arguments, self.can_open)

    def settings(self) -> dict[str, Any]:
        """All that decides a row. The last digits of a score depend on the batch it was made in.

        What is not used is None, as it is to the files of before it could be used.
        """
        classifier, stored = self.classifier, self.stored
        reject, thresholds = classifier.reject, self.rule.class_thresholds
        if stored is None and self.engine is None:
            settle_on(classifier.encoder, map(os.fsdecode, self.paths))
        precision = (
            stored.provenance.precision  # of what is stored no encoder is needed
            if stored is not None
            else (self.engine.made_by if self.engine else classifier.encoder).precision
        )
        return {
            "format": "cupl-part/2",
            "class vectors": _digest(classifier.vectors),
            "precision": precision,
            "batch size": self.image_batch if stored is None else 1,
            "top-k": self.top_k,
            "threshold": self.rule.threshold,
            "several labels": self.rule.multi_label or None,
            "thresholds of the classes": thresholds and dict(thresholds),
            "reject bank": reject and _digest(reject),
            "words": classifier.words and _digest(classifier.words),
            "explanations": self.explain or None,
            "image vectors": None if stored is None else stored.provenance.fingerprint,
            "files of image vectors": None if stored is None else _written(stored),
        }

    def _parts(self, start: int) -> Iterator[list[str]]:
        """Lists of the images from there on, in whole batches."""
        size = -(-_PART // self.image_batch) * self.image_batch
        for first in range(start, len(self.paths), size):
            yield [os.fspath(path) for path in self.paths[first : first + size]]

    def _predict_encoded(self, images: Iterable[Encoded]) -> Generator[Prediction, None, None]:
        return self.classifier.predict_encoded(
            images, self.top_k, rule=self.rule, explain=self.explain, batch=self.image_batch
        )


def _written(stored: Embeddings) -> str:
    """Changes with the files: one that was written anew may have the same names and other rows."""
    times = [stored.made_ns(number) for number in range(stored.shards)]
    return hashlib.sha256(json.dumps(times).encode()).hexdigest()


def _digest(vectors: ClassVectors) -> str:
    # Without what is no news beside the matrices, so that what 0.1.0 began goes on.
    made_by = vectors.provenance.model_dump_json(exclude={"adaptation"})
    described = [made_by, *(asdict(one) for one in vectors.labels)]
    digest = hashlib.sha256(json.dumps(described).encode())
    for values in vectors.tensors().values():
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()
