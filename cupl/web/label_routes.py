"""Labelling: a photo at a time, the accuracy so far, and the labels as examples."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from starlette.responses import Response
from starlette.routing import Route

from cupl.errors import InputError, MissingFileError
from cupl.io.atomic import make_folder
from cupl.progress import Progress
from cupl.web.answers import Body, command, query
from cupl.web.label_figures import LabelFigures, unfitted
from cupl.web.label_sheet import LabelSheet, check_whole_photos
from cupl.web.settings import ViewSettings
from cupl.web.workspace import Workspace

if TYPE_CHECKING:
    from cupl.bank.labels import ClassLabel

LABELS_FILE = "labels.csv"
ADAPTED_FILE = "adapted.safetensors"
KEYS_OF_CLASSES = 9
"""On a keyboard, 1 to 9; of more classes than that the likely ones have them."""
_Key = Annotated[str, Field(max_length=64)]
_Name = Annotated[str, Field(max_length=500)]


class BeginBody(Body):
    """A sample to draw."""

    number: Annotated[int, Field(ge=16, le=1_000_000)] = 100
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    anew: bool = False
    seen: _Key | None = None
    settings: ViewSettings = ViewSettings()


class LabelBody(Body):
    """A label for a photo, and what stood there for whoever gives it."""

    photo: _Key
    seen: _Name = ""
    label: _Name


class TakeBody(Body):
    """Who wants photos to label, which they have skipped, and what guesses the likely classes."""

    person: Annotated[str, Field(max_length=64)]
    avoid: Annotated[list[_Key], Field(max_length=10_000, default_factory=list)]
    most: Annotated[int, Field(ge=1, le=16)] = 1
    settings: ViewSettings = ViewSettings()


class FiguresBody(Body):
    """Under which settings."""

    settings: ViewSettings = ViewSettings()


class AdaptBody(FiguresBody):
    """Examples to adapt to; ``save`` writes the class vectors, too."""

    save: bool = False


def label_routes(space: Workspace) -> list[Route]:
    """The routes of the page; they give the workspace its examples."""
    page = _LabelPage(space)
    space.examples = page.figures.examples
    return [
        query("/api/label", page.state),
        query("/api/label/file", page.file),
        command("/api/label/begin", BeginBody, page.begin),
        command("/api/label/put", LabelBody, page.put),
        command("/api/label/take", TakeBody, page.take),
        command("/api/label/accuracy", FiguresBody, page.accuracy),
        command("/api/label/adapt", AdaptBody, page.adapt),
    ]


class _LabelPage:
    def __init__(self, space: Workspace) -> None:
        self.space = space
        self.sheet = LabelSheet(space.folder / LABELS_FILE)
        self.figures = LabelFigures(space, self.sheet)

    def state(self, asked: Mapping[str, str]) -> dict[str, Any]:
        from cupl.evaluation.sample_file import CANNOT_TELL, NONE_OF_THESE

        rows = [
            {
                "key": row.key, "photo": self.figures.place(row.path), "label": row.label,
                "name": os.fsencode(Path(row.path).name).decode("utf-8", "replace"),
            }
            for row in self.sheet.rows()
        ]  # fmt: skip
        return {
            "rows": rows, "drawn": self.sheet.drawn, "changed": self.figures.changed(),
            "classes": [label.name for label in self.space.labels],
            "answers": list(map(_answer, self.space.labels)),
            "none": NONE_OF_THESE, "unsure": CANNOT_TELL, "file": str(self.sheet.path),
        }  # fmt: skip

    def begin(self, body: BeginBody) -> dict[str, Any]:
        from cupl.evaluation.label_sample import (
            OtherSampleError,
            sample_to_label,
            vectors_in_words,
        )
        from cupl.evaluation.sample_file import check_sample_classes

        check_sample_classes(self.space.labels)
        photos = self.space.photos
        check_whole_photos(photos.encoded, len(photos))
        numbers = photos.readable()
        if not numbers:
            raise InputError("there is no photo that could be read")
        plain = unfitted(body.settings)
        found, _ = self.space.views.predictions(plain, numbers)
        classifier, _ = self.space.views.classifier(plain)
        drawn = sample_to_label(
            (replace(one, path=photos.paths[n]) for n, one in zip(numbers, found, strict=True)),
            body.number, seed=body.seed, by=vectors_in_words(classifier.vectors),
        )  # fmt: skip
        try:
            saved = self.sheet.begin(drawn, anew=body.anew, seen=body.seen)
        except OtherSampleError as error:
            raise InputError(
                "the bank, its settings or the photos are others than when this sample was drawn "
                f"({error.difference}), so it can be judged as it is, but not be made larger: "
                "begin another sample"
            ) from error
        return {
            "photos": saved.photos, "labelled": saved.labelled,
            "aside": None if saved.aside is None else str(saved.aside),
        }  # fmt: skip

    def put(self, body: LabelBody) -> dict[str, Any]:
        from cupl.evaluation.sample_file import CANNOT_TELL, NONE_OF_THESE

        known = {*map(_answer, self.space.labels), NONE_OF_THESE, CANNOT_TELL, ""}
        if body.label not in known:
            raise InputError(f"{body.label!r:.100} is no class: choose one of those on the page")
        self.sheet.put(body.photo, body.seen, body.label)
        return {"photo": body.photo, "label": body.label}

    def take(self, body: TakeBody) -> dict[str, Any]:
        place = {row.key: self.figures.place(row.path) for row in self.sheet.rows()}
        gone = [key for key, number in place.items() if number is None]
        keys = self.sheet.take(body.person, {*body.avoid, *gone}, body.most)
        numbers = [place.get(key) for key in keys]
        likely = self._likely(unfitted(body.settings), numbers)
        return {
            "photos": [
                {"key": key, "likely": found} for key, found in zip(keys, likely, strict=True)
            ]
        }

    def _likely(
        self, settings: ViewSettings, photos: Sequence[int | None]
    ) -> list[list[int] | None]:
        """Of many classes the nearest nine of each photo, in the order of the classes.

        Which of them is the nearest cannot be seen. None where all have a key, and of a photo that
        is not read yet.
        """
        labels, list_ = self.space.labels, self.space.photos
        usable = [
            one for one in photos
            if one is not None and one < list_.encoded and one not in list_.errors
        ]  # fmt: skip
        if len(labels) <= KEYS_OF_CLASSES or not usable:
            return [None] * len(photos)
        found, _ = self.space.views.predictions(settings, usable, KEYS_OF_CLASSES)
        place = {(label.name, label.id): n for n, label in enumerate(labels)}
        nearest = {
            photo: sorted(n for s in one.top if (n := place.get((s.label, s.id))) is not None)
            for photo, one in zip(usable, found, strict=True)
        }
        return [None if one is None else nearest.get(one) for one in photos]

    def accuracy(self, body: FiguresBody) -> dict[str, Any]:
        return self.figures.accuracy(body.settings)

    def file(self, asked: Mapping[str, str]) -> Response:
        try:
            content = self.sheet.path.read_bytes()
        except OSError:
            raise MissingFileError("there are no labels yet") from None
        kept = {"Content-Disposition": f'attachment; filename="{LABELS_FILE}"'}
        return Response(content, 200, kept, "text/csv; charset=utf-8")

    def adapt(self, body: AdaptBody) -> dict[str, Any]:
        """Adapt to the labels, as ``cupl adapt`` does to examples: a job that gives the report."""
        space = self.space
        _, numbers, targets = self.figures.examples()
        if not numbers:
            raise InputError("no photo has the label of a class yet: label some first")
        plain = body.settings.model_copy(update={"threshold": None, "adaptation": "none"})

        def work(progress: Progress) -> dict[str, Any]:
            import torch

            from cupl.adaptation.few_labels import fit_examples

            classifier, _ = space.views.classifier(plain)
            rows = space.photos.vectors(numbers)
            fitted, report = fit_examples(classifier.vectors, rows, torch.tensor(targets))
            saved = space.folder / ADAPTED_FILE
            if body.save:
                make_folder(space.folder)
                fitted.save(saved)
            return {
                "text": str(report), "before": report.accuracy_of_text, "after": report.accuracy,
                "method": report.method, "saved": str(saved) if body.save else None,
            }  # fmt: skip

        return space.jobs.start("adapt", f"Learning from {len(numbers):,} labels", work).to_dict()


def _answer(label: ClassLabel) -> str:
    """What is written for a class: its id where it has one, as names may come twice."""
    return label.name if label.id is None else label.id
