"""Evaluating banks in one call, from Python or from the command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr

from cupl.bank.labels import ClassLabel
from cupl.embedding.image_cache import ImageCache
from cupl.embedding.pooling import DEFAULT_POOLING
from cupl.embedding.text_cache import TextCache
from cupl.embedding.twins import explain_twins
from cupl.encoders.loading import (
    DEFAULT_ENCODER,
    load_encoder,
    load_recorded_encoder,
    named_encoder,
)
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.evaluation.candidate_spec import SpecSource
from cupl.evaluation.candidates import DRAWS
from cupl.evaluation.comparison_plan import (
    BankSource,
    TestedPairs,
    plan_comparison,
)
from cupl.evaluation.controls import CONTROLS
from cupl.evaluation.dataset import read_labelled
from cupl.evaluation.judging import EvaluationRun, judge_candidates, prompts_of
from cupl.evaluation.labelled import (
    LabelledImages,
    check_matched,
    encode_labelled,
    images_in_words,
    keep_classes,
)
from cupl.evaluation.pairs import Images, Labels, match_pair
from cupl.evaluation.records import (
    Record,
    candidate_records,
    class_records,
    comparison_records,
    prediction_records,
)
from cupl.evaluation.schema import Evaluation
from cupl.evaluation.spread import SUBSAMPLES, parts_of
from cupl.evaluation.summary import summarize_evaluation
from cupl.evaluation.verdict import Verdict, pair_verdicts, verdicts
from cupl.io.outputs import check_outside, check_target
from cupl.progress import Progress, ignore
from cupl.report.old_reports import check_report_place
from cupl.report.writing import save_calibrated, write_evaluation

DataSource = str | os.PathLike[str] | tuple[Images, Labels] | LabelledImages


class EvaluationResult(Evaluation):
    """An evaluation that was just made, with what it was made of.

    It has the fields of ``evaluation.json`` (``candidates``, ``analyses``, ...). Printed, it is
    what the command ``cupl evaluate`` prints. The image vectors stay in memory with it.
    """

    _run: EvaluationRun = PrivateAttr()
    _encoder: Encoder = PrivateAttr()
    _text_cache: TextCache = PrivateAttr(None)

    @classmethod
    def of(
        cls, run: EvaluationRun, encoder: Encoder, text_cache: TextCache = None
    ) -> EvaluationResult:
        """Of a run, and the encoder and the cache of text embeddings that it used."""
        result = cls(**dict(run.evaluation))
        result._run, result._encoder, result._text_cache = run, encoder, text_cache
        return result

    def __str__(self) -> str:
        return summarize_evaluation(self)

    @property
    def figures(self) -> Evaluation:
        """The fields alone, without the image vectors."""
        return Evaluation(**dict(self))

    @property
    def verdicts(self) -> list[Verdict]:
        """What the figures say of each bank."""
        return verdicts(self)

    @property
    def pair_verdicts(self) -> list[Verdict]:
        """What the figures say of each two banks that were tested against each other."""
        return pair_verdicts(self)

    @property
    def notes(self) -> list[str]:
        """A sentence on each kind of thing in the data that was passed over."""
        data = self._run.data
        number = data.unmatched.total()
        left = f"{images_in_words(number)} left out: the label means no class"
        return [*data.notes, *([left] if number else [])]

    @property
    def warnings(self) -> list[str]:
        """A sentence on each bank in which classes have the same vector."""
        found = [
            (entry.name, explain_twins(entry.vectors))
            for entry in self._run.entries
            if entry.kind == "bank"
        ]
        return [f"{name:.100}: {sentence}" for name, sentence in found if sentence]

    def to_records(self) -> list[Record]:
        """A flat row a candidate, the columns of ``summary.csv``; ``DataFrame`` takes the list."""
        return candidate_records(self)

    def comparisons_to_records(self) -> list[Record]:
        """A flat row a bank and what it was tested against, the columns of ``comparisons.csv``."""
        return comparison_records(self)

    def classes_to_records(self) -> list[Record]:
        """A flat row a class and candidate, the columns of ``classes.csv``."""
        return class_records(self)

    def predictions_to_records(self) -> list[Record]:
        """A flat row an image, candidate and draw, the columns of ``predictions.csv``."""
        return list(prediction_records(self._run))

    def save_report(self, directory: str | os.PathLike[str], *, scores: bool = False) -> None:
        """Write ``report.html``, the figures, ``evaluation.json`` and tables for other programs.

        Args:
            directory: made where it is missing; other files in it stay.
            scores: write those of all images and classes, too, a ``scores-CANDIDATE.npy`` each:
                float32 ``[images, classes]``, the images in the order of ``predictions.csv``.

        Raises:
            InputError: a file cannot be written, or the directory is that of the images or in it.

        """
        check_report_place(Path(directory), *sources_of(self._run.data))
        write_evaluation(self._run, self._encoder, Path(directory), self._text_cache, scores=scores)

    def save_calibrated(self, path: str | os.PathLike[str]) -> float:
        """Write the first bank's class vectors with its temperature, and return that.

        Raises:
            InputError: no temperature could be fitted, or the file cannot be written or lies among
                the images.

        """
        folders, files = sources_of(self._run.data)
        for one in folders:
            check_outside(Path(path), one)
        check_target(Path(path), *files)
        return save_calibrated(self._run, Path(path))


def evaluate(
    data: DataSource,
    banks: BankSource | Sequence[BankSource] = (),
    *,
    candidates: SpecSource | Sequence[SpecSource] = (),
    encoder: Encoder | str | os.PathLike[str] | None = None,
    controls: str | Sequence[str] | None = CONTROLS,
    seeds: int = DRAWS,
    reference: str | os.PathLike[str] | None = None,
    pairs: TestedPairs = "controls",
    templates: str | os.PathLike[str] | Sequence[str] = (),
    pooling: str | Sequence[str] = DEFAULT_POOLING,
    adapt: bool = False,
    subsample: int | None = None,
    subsamples: int = SUBSAMPLES,
    folds: int | None = None,
    labels: str | os.PathLike[str] | None = None,
    classes: Sequence[str | ClassLabel] | None = None,
    all_files: bool = False,
    skip_unmatched: bool = False,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str = "auto",
    text_cache: TextCache = None,
    image_cache: ImageCache = None,
    progress: Progress = ignore,
) -> EvaluationResult:
    """Judge banks on labelled images, against controls that cost nothing to write.

    ::

        result = cupl.evaluate("photos/", "bank.yaml", encoder="mini")
        print(result.verdicts[0].sentence)
        pandas.DataFrame(result.to_records())
        result.save_report("report/")

    Args:
        data: labelled images: an ImageFolder, a CSV of path and label, a directory of ``cupl
            embed``; or a pair of paths and labels, or of vectors ``[images, dim]`` and labels. A
            label is a class's name, id or alias, in a pair also its number.
        banks: one or several, or their files; all are judged on the classes of the first.
        candidates: banks and templates that are joined, such as ``"both=bank.yaml+photo"``; see
            :class:`~cupl.evaluation.candidate_spec.CandidateSpec`. Where there is no bank, the
            classes are those of the first bank of these.
        encoder: an encoder or its name; see :func:`~cupl.encoders.loading.load_encoder`. By
            default the one that made the vectors, if it is on this machine, or where there are
            none CLIP ViT-B/32.
        controls: ``photo``, ``names``, ``random-words``, ``shuffled``, or the name or file of a set
            of templates; the first is the reference, and only ``random-words`` can show that
            descriptions help. None for none.
        seeds: how often ``random-words`` and ``shuffled`` are drawn.
        reference: name of the bank or control that differences are to, or a bank's file; by
            default the first control. Where it is a bank, every other is tested against it, too.
        pairs: ``controls`` tests every bank against every control, ``all`` against every other
            bank, too. All p are corrected together.
        templates: added to the prompts of every bank and of these two controls; or the name or
            file of a set of them.
        pooling: how the prompts of a class become one vector: ``normalized-mean``, ``mean``,
            ``similarity`` or ``top``. Of several the first is also that of the controls, and each
            bank stands once more for each of the others, by the name "BANK, top".
        adapt: judge each bank adapted to the images, too, without their labels: each half by class
            vectors adapted to the other, "BANK (adapted cross-fitted)", and all by those adapted to
            themselves, "BANK (adapted in place)".
        subsample: tell the accuracy, too, on random subsamples of so many images, with its mean and
            standard deviation over them.
        subsamples: how many are drawn; not ``seeds``, which are draws of the controls.
        folds: the same on so many folds of the images.
        labels: a CSV of path and label for the images of a directory of ``cupl embed``.
        classes: only these of the first bank, by name, id or alias; images of the others are left
            out.
        all_files: open every file of an ImageFolder to see whether it is an image.
        skip_unmatched: leave out images whose label means no class.
        revision: of the encoder: commit, branch or tag of the model hub.
        device: where an encoder given by name is loaded.
        precision: of an encoder given by name.
        batch_size: of an encoder given by name.
        text_cache: where embeddings of prompts are kept, or False for nowhere.
        image_cache: where vectors of image files are kept, or False for nowhere.
        progress: told how many images and prompts are embedded, and of how many in all.

    Raises:
        CuplError: the data, a bank or the encoder cannot be loaded, a label means no class, a
            control cannot be made, or a setting is wrong.

    """
    plan = plan_comparison(
        banks, candidates, controls=controls, seeds=seeds, reference=reference, pairs=pairs,
        templates=templates, pooling=pooling, adapt=adapt, classes=classes,
    )  # fmt: skip
    every = [entry.label for entry in plan.whole]
    labelled = read_data(data, every, labels, all_files)
    check_matched(labelled, every, skip_unmatched)
    labelled = keep_classes(labelled, plan.whole, plan.first)
    parted = {"subsample": subsample, "subsamples": subsamples, "folds": folds}
    parts_of(labelled, **parted)  # before the long work
    if encoder is None:
        encoder = usual_encoder(labelled, revision, device, precision, batch_size)
    else:
        encoder = named_encoder(encoder, device, precision, batch_size, revision)
    pictures = len(labelled.paths) if labelled.vectors is None else 0
    everything = pictures + len(prompts_of(plan.candidates))
    images = encode_labelled(
        labelled, encoder, lambda done, _: progress(done, everything), image_cache
    )
    run = judge_candidates(
        images, plan.candidates, encoder, pooling=plan.pooling,
        reference=plan.reference, every_pair=plan.every_pair,
        parts=parts_of(images, **parted), text_cache=text_cache,
        progress=lambda done, _: progress(pictures + done, everything),
    )  # fmt: skip
    made_by = plan.made_by(labelled, encoder, parted)
    remarks = [*plan.remarks, *run.evaluation.remarks]
    found = run.evaluation.model_copy(update={"made_by": made_by, "remarks": remarks})
    run = replace(run, evaluation=found)
    return EvaluationResult.of(run, encoder, text_cache)


def sources_of(data: LabelledImages) -> tuple[list[str], list[str]]:
    """Where labelled images were read from, and with that the file of their labels."""
    sources = [] if data.source is None else [data.source]
    return sources, [*sources, *([] if data.label_file is None else [data.label_file])]


def read_data(
    data: Any,
    classes: Sequence[ClassLabel],
    labels: str | os.PathLike[str] | None,
    all_files: bool,
) -> LabelledImages:
    """Labelled images from all that :func:`evaluate` takes."""
    if isinstance(data, str | os.PathLike):
        return read_labelled(data, classes, labels, all_files=all_files)
    if labels is not None:
        raise InputError("a file of labels goes with a directory that cupl embed wrote")
    if isinstance(data, LabelledImages):
        return data
    if isinstance(data, tuple) and len(data) == 2:
        return match_pair(*data, classes)
    raise InputError(
        "labelled images are a folder, a file or a pair of images and labels, not "
        f"{type(data).__name__}"
    )


def usual_encoder(
    labelled: LabelledImages,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str = "auto",
) -> Encoder:
    """The encoder that made the vectors; where there are none, the default one."""
    made_by = labelled.provenance
    if made_by is not None and revision is None:
        return load_recorded_encoder(
            made_by.encoder, made_by.revision, device, precision, batch_size
        )
    if made_by is None and labelled.vectors is not None:
        raise InputError("name the encoder that made the image vectors", arguments={"encoder": ...})
    name = DEFAULT_ENCODER if made_by is None else made_by.encoder
    return load_encoder(
        name, device, precision, batch_size, revision=revision, download=made_by is None
    )
