"""Trying: photos of the folder or dropped ones, their bars, and the prompts for and against."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cupl.web.answers import Body, JsonAnswer, RefusedError, answered, body_parts, command, query
from cupl.web.settings import ViewSettings
from cupl.web.thumbnails import WHOLE, jpeg_of
from cupl.web.uploads import MOST_BYTES_OF_ONE
from cupl.web.workspace import Workspace

if TYPE_CHECKING:
    import torch

    from cupl.classification.prediction import Prediction

PHOTOS_AT_ONCE = 64
_NAMED = 3
_UPLOADS_AT_ONCE = 8
"""In memory; others wait."""
_KEPT_BY_BROWSERS = "private, max-age=86400"


class ClassifyBody(Body):
    """Photos to judge, by their numbers."""

    photos: Annotated[list[str], Field(min_length=1, max_length=PHOTOS_AT_ONCE)]
    settings: ViewSettings = ViewSettings()
    top_k: Annotated[int, Field(ge=1, le=50)] = 5


class RelabelBody(Body):
    """All photos of a folder, or of all folders, to judge."""

    settings: ViewSettings = ViewSettings()
    folder: int | None = None


def try_routes(space: Workspace) -> list[Route]:
    """The routes of photos, and of what is said about them."""
    turns = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    def picture(asked: Mapping[str, str]) -> Response:
        key = asked["photo"]
        if key.startswith("u"):
            return _jpeg(space.uploads.find(key).thumb)
        with space.photos.opened(key) as photo:
            return _jpeg(space.thumbnails.of(photo))

    def whole(asked: Mapping[str, str]) -> Response:
        with space.photos.opened(asked["photo"]) as photo:
            return _jpeg(jpeg_of(photo.source, WHOLE))

    def listed(asked: Mapping[str, str]) -> dict[str, Any]:
        photos = space.photos
        return {
            "names": photos.names, "folder_of": photos.folder_of, "folders": photos.folders,
            "errors": {str(number): error for number, error in photos.errors.items()},
        }  # fmt: skip

    def classify(body: ClassifyBody) -> dict[str, Any]:
        classifier, revision = space.views.classifier(body.settings)
        found = classifier.predict_vectors(
            _rows(space, body.photos), body.top_k, threshold=body.settings.threshold,
            explain=0 if classifier.explainer is None else _NAMED,
        )  # fmt: skip
        told = [
            {"photo": photo, **said(one)} for photo, one in zip(body.photos, found, strict=True)
        ]
        return {"revision": revision, "predictions": told}

    def relabel(body: RelabelBody) -> dict[str, Any]:
        numbers = space.photos.readable(body.folder)
        found, revision = space.views.predictions(body.settings, numbers) if numbers else ([], 0)
        labels = [None if one.label is None else one.top[0].label for one in found]
        return {
            "revision": revision, "photos": numbers, "labels": labels,
            "best": [one.top[0].label for one in found],
            "probabilities": [round(one.probability or 0.0, 4) for one in found],
        }  # fmt: skip

    async def upload(request: Request) -> Response:
        async def answer() -> Response:
            name = unquote(request.headers.get("x-file-name", "photo"))[:200]
            if request.headers.get("content-type", "") != "application/octet-stream":
                raise RefusedError(415, "a photo is sent as application/octet-stream")
            async with turns:
                parts = [part async for part in body_parts(request, MOST_BYTES_OF_ONE)]
                content = b"".join(parts)
                key = await run_in_threadpool(
                    lambda: space.uploads.add(content, name, space.encoder)
                )
            return JsonAnswer({"photo": key, "name": name})

        return await answered(answer)

    return [
        query("/thumb/{photo}", picture),
        query("/photo/{photo}", whole),
        query("/api/photos", listed),
        command("/api/classify", ClassifyBody, classify),
        command("/api/relabel", RelabelBody, relabel),
        Route("/api/uploads", upload, methods=["POST"]),
    ]


def _jpeg(data: bytes) -> Response:
    return Response(data, 200, {"Cache-Control": _KEPT_BY_BROWSERS}, "image/jpeg")


def _rows(space: Workspace, photos: list[str]) -> torch.Tensor:
    import torch

    return torch.stack(
        [
            space.uploads.find(one).vector
            if one.startswith("u")
            else space.photos.vectors([space.photos.number(one)])[0]
            for one in photos
        ]
    )


def said(prediction: Prediction) -> dict[str, Any]:
    """A prediction as a page shows it."""
    told = prediction.to_dict()
    return {
        "label": prediction.label, "rejected": prediction.rejected, "error": prediction.error,
        "top": [one.to_dict() for one in prediction.top],
        "explanation": told.get("explanation") or (
            None if prediction.explanation is None else prediction.explanation.to_dict()
        ),
    }  # fmt: skip
