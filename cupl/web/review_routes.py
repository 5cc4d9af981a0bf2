"""Routes of the page review."""

from __future__ import annotations

from starlette.routing import Route

from cupl.web.workspace import Workspace


def review_routes(space: Workspace) -> list[Route]:
    """None yet."""
    return []
