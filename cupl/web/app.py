"""The app: its routes, behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cupl.errors import MissingFileError
from cupl.web.answers import Body, command, query
from cupl.web.bank_routes import bank_routes
from cupl.web.evaluate_routes import evaluate_routes
from cupl.web.guard import Guard
from cupl.web.jobs import Job
from cupl.web.label_routes import label_routes
from cupl.web.review_routes import review_routes
from cupl.web.search_routes import search_routes
from cupl.web.settings import POOLINGS_SHOWN, template_choices
from cupl.web.try_routes import try_routes
from cupl.web.workspace import Workspace

STATIC = Path(__file__).parent / "static"
_PAGE = STATIC / "index.html"


class JobBody(Body):
    """A job by its number."""

    id: Annotated[int, Field(ge=1, lt=2**31)]


def make_app(space: Workspace, host: str, port: int, token: str | None = None) -> Guard:
    """The app of a workspace.

    Args:
        space: what it has open.
        host: that the server listens on.
        port: likewise.
        token: without which nothing is answered; None for loopback.

    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        space.close()

    routes = [
        Route("/", lambda request: FileResponse(_PAGE)),
        *state_routes(space),
        *try_routes(space),
        *bank_routes(space),
        *label_routes(space),
        *review_routes(space),
        *search_routes(space),
        *evaluate_routes(space),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    app = Starlette(
        routes=routes, lifespan=lifespan, exception_handlers={404: _nothing, 405: _nothing}
    )
    return Guard(app, host, port, token)


def state_routes(space: Workspace) -> list[Route]:
    """What the frame of every page shows, and its jobs."""

    def state(asked: Mapping[str, str]) -> dict[str, Any]:
        return {**workspace_state(space), "jobs": [one.summary() for one in space.jobs.listed()]}

    def job_of(number: int) -> Job:
        job = space.jobs.find(number)
        if job is None:
            raise MissingFileError(f"there is no job {number}")
        return job

    def result(asked: Mapping[str, str]) -> dict[str, Any]:
        number = asked.get("id", "")
        if not (number.isascii() and number.isdecimal() and len(number) < 10):
            raise MissingFileError("a job is asked for by its number")
        return job_of(int(number)).to_dict()

    def stop(body: JobBody) -> dict[str, Any]:
        job = job_of(body.id)
        job.stop()
        return job.summary()

    def read_on(body: Body) -> dict[str, Any]:
        return space.start_encoding().to_dict()

    return [
        query("/api/state", state),
        query("/api/jobs/result", result),
        command("/api/jobs/stop", JobBody, stop),
        command("/api/photos/read", Body, read_on),
    ]


def workspace_state(space: Workspace) -> dict[str, Any]:
    """What is open, and how far it is."""
    editor, photos = space.editor, space.photos
    classes = space.vectors.labels if space.vectors is not None else []
    return {
        "session": space.session,
        "encoder": {"ready": space.ready, "id": space.encoder.id if space.ready else None},
        "bank": None if editor is None else {
            "name": editor.bank.name, "revision": editor.revision, "unsaved": editor.unsaved,
            "classes": [entry.name for entry in editor.bank.classes], "file": str(editor.path),
            "restored": editor.restored, "can_undo": editor.can_undo, "can_redo": editor.can_redo,
        },
        "classes": [label.name for label in classes],
        "photos": {"total": len(photos), "encoded": photos.encoded,
                   "unreadable": len(photos.errors), "left_out": photos.left_out},
        "index": space.sources.index is not None,
        "folder": str(space.folder),
        "choices": {"templates": template_choices(editor is None),
                    "poolings": list(POOLINGS_SHOWN) if editor is not None else POOLINGS_SHOWN[:1]},
    }  # fmt: skip


async def _nothing(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "there is nothing here"}, getattr(error, "status_code", 404))
