"""A classifier that takes examples: for its labels, its thresholds and its coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy.typing as npt
import torch

from cupl.adaptation.few_labels import fit_examples
from cupl.adaptation.few_labels_report import FewLabelsReport
from cupl.adaptation.photos import adapt_to_photos, check_not_adapted
from cupl.adaptation.photos_report import PhotosReport
from cupl.classification.conformal import fit_conformal
from cupl.classification.rejection import rejection_score
from cupl.classification.scoring import scores_of
from cupl.classification.thresholds import check_rate, fit_class_thresholds, fit_thresholds
from cupl.classification.vector_classifier import Scorable, VectorClassifier
from cupl.embedding.fitted import FittedCoverage, FittedThreshold
from cupl.embedding.normalize import NO_DIRECTION, has_direction
from cupl.embedding.stored_vectors import Embeddings
from cupl.errors import InputError
from cupl.io.words import number_of
from cupl.progress import Progress, ignore


class FittingClassifier(VectorClassifier):
    """Class vectors that examples decide with, and whose decisions keep a rate asked for."""

    def fit(
        self,
        images: Scorable,
        labels: Sequence[str | int] | torch.Tensor | npt.NDArray[Any],
    ) -> FewLabelsReport:
        """Let a few labelled images decide with the texts, where that helps; :meth:`save` keeps it.

        Nothing is trained: it takes moments. Classes without an example stay as the text made them.
        Rejection goes on by the texts. From 20 examples on probabilities are as they were likeliest
        with each left out; :meth:`calibrate` with other images is better. A fitted coverage
        is dropped: fit it again, to other images.

        Args:
            images: as for :meth:`predict_proba`.
            labels: the true class of each, by index, name or id.

        Returns:
            What was chosen and what it is worth; see
            :func:`~cupl.adaptation.few_labels.fit_examples`.

        Raises:
            InputError: no image, one without a direction, a label that is no class, or class
                vectors that were adapted to photos.

        """
        rows, targets = self._joined(images), self._targets(labels)
        self.vectors, report = fit_examples(self.vectors, rows, targets)
        return report

    def adapt(self, images: Scorable, *, progress: Progress = ignore) -> PhotosReport:
        """Let photos without labels say where the classes lie among them; :meth:`save` keeps it.

        The photos are to be such as will be classified, and may be these themselves. See
        :mod:`cupl.adaptation.photos`. A fitted coverage is dropped: fit it again.

        Args:
            images: as for :meth:`predict_proba`. What ``load_embeddings`` gives is read a shard at
                a time, so that memory does not grow with it.
            progress: told how many passes over the vectors are done, and of how many.

        Returns:
            What became of the labels of these photos, or why the class vectors stay as they are.

        Raises:
            InputError: the vectors are of another width or encoder, there is none for images, or
                the class vectors were adapted before.

        """
        check_not_adapted(self.vectors)  # before images are encoded
        photos = images if isinstance(images, Embeddings) else self._joined(images)
        self.vectors, report = adapt_to_photos(self.vectors, photos, progress=progress)
        return report

    def _joined(self, images: Scorable) -> torch.Tensor:
        chunks, _ = self._rows(images)
        return torch.cat([torch.empty(0, self.vectors.matrix.shape[1]), *chunks])

    def fit_threshold(
        self, images: Scorable, keep: float = 0.95, *, progress: Progress = ignore
    ) -> FittedThreshold:
        """Fit from where on an image is one of the classes, on images that are; no labels needed.

        From then on, predictions without a ``threshold`` of their own reject what is below it.
        :meth:`save` keeps it. The score is the highest cosine with a class, centred on the
        examples' mean where that can be (see
        :class:`~cupl.classification.rejection.RejectionScore`); with a reject bank or words it is
        the odds against them, and the threshold is for the same bank or words alone.

        Args:
            images: of the classes; as for :meth:`predict_proba`. What could not be read is left
                out.
            keep: the share of such images that is to pass, on average over sets of examples.
            progress: told how many images are read, and of how many.

        Returns:
            The threshold, with the rate that is to be expected.

        Raises:
            InputError: ``keep`` is no share, or there are too few images for it.

        """
        rows = self._all_rows(images, progress, ("keep", keep))
        rows = rows[has_direction(rows)]
        score = rejection_score(self.vectors, self.reject, self.words).centred_on(rows)
        fitted = fit_thresholds(
            *score(rows), len(self.labels), keep, centre=score.centre, negatives=score.digest
        )
        self._keep(threshold=fitted)
        return fitted

    def fit_class_thresholds(
        self,
        images: Scorable,
        labels: Sequence[str | int] | torch.Tensor | npt.NDArray[Any],
        keep: float = 0.9,
    ) -> dict[str, float]:
        """Fit from where on each class alone is a label, to a few labelled images of each.

        Give the result to ``predict`` as ``class_thresholds``, with ``multi_label``. Nothing is
        kept here. How often an image gets labels that are not its own is not bounded by it.

        Args:
            images: at least two of each class; as for :meth:`predict_proba`.
            labels: the class of each, by index, name or id.
            keep: the share of images of a class that are to get its label.

        Returns:
            The cosine of each class, by its id or, where it has none, its name.

        Raises:
            InputError: ``keep`` is no share, there are too few images for it, a class has fewer
                than two, one has no direction, or a label is no class.

        """
        rows, targets = self._labelled_rows(images, labels, ("keep", keep))
        found = fit_class_thresholds(scores_of(rows, self.vectors), targets, keep)
        fitted = {
            label.id or label.name: cosine
            for label, cosine in zip(self.labels, found, strict=True)
            if cosine is not None
        }
        if missing := [str(label) for label, cosine in zip(self.labels, found, strict=True)
                       if cosine is None]:  # fmt: skip
            have = number_of(len(missing), "class has", "classes have")
            raise InputError(
                f"{have} fewer than two examples, the first {missing[0]!r:.100}: add some, or "
                "leave the class out",
                arguments={"examples": ...},
            )
        return fitted

    def fit_coverage(
        self,
        images: Scorable,
        labels: Sequence[str | int] | torch.Tensor | npt.NDArray[Any],
        coverage: float = 0.9,
    ) -> FittedCoverage:
        """Fit how unlikely a label may be and still be one that cannot be ruled out.

        From then on, predictions of one label an image carry all such ``labels``. :meth:`save`
        keeps it. See :mod:`cupl.classification.conformal`. An image that is rejected has no labels;
        where that is to be rare, ``fit_threshold`` says how rare.

        Args:
            images: as for :meth:`predict_proba`. Take other images than those that the class
                vectors were adapted to.
            labels: the true class of each, by index, name or id.
            coverage: the share of images whose true label is to be among their labels.

        Returns:
            What was fitted, with the share that is to be expected.

        Raises:
            InputError: ``coverage`` is no share, there are too few images for it, one has no
                direction, or a label is no class.

        """
        rows, targets = self._labelled_rows(images, labels, ("coverage", coverage))
        made_by = self.vectors.provenance
        fitted = fit_conformal(scores_of(rows, self.vectors), targets, made_by, coverage)
        self._keep(coverage=fitted)
        return fitted

    def _labelled_rows(
        self,
        images: Scorable,
        labels: Sequence[str | int] | torch.Tensor | npt.NDArray[Any],
        rate: tuple[str, float],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Image vectors and the class of each; too few for a rate are refused."""
        rows = self._all_rows(images, ignore, rate)
        if wrong := (~has_direction(rows)).nonzero().flatten().tolist():
            raise InputError(f"image vector {wrong[0]}: {NO_DIRECTION}; leave it out")
        targets = self._targets(labels)
        if len(targets) != len(rows):
            raise InputError(f"{len(rows)} images have {len(targets)} labels")
        return rows, targets

    def _all_rows(
        self, images: Scorable, progress: Progress, rate: tuple[str, float]
    ) -> torch.Tensor:
        """Image vectors; too few for a rate are refused before they are read."""
        chunks, total = self._rows(images)
        check_rate(*rate, total or None)
        parts, done = [torch.empty(0, self.vectors.matrix.shape[1])], 0
        for chunk in chunks:
            parts.append(chunk)
            done += len(chunk)
            progress(done, max(total, done))
        return torch.cat(parts)

    def _keep(self, **fitted: FittedThreshold | FittedCoverage) -> None:
        made_by = self.vectors.provenance.model_copy(update=fitted)
        self.vectors = replace(self.vectors, provenance=made_by)
