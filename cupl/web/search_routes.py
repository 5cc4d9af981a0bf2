"""Routes of the page search."""

from __future__ import annotations

from starlette.routing import Route

from cupl.web.workspace import Workspace


def search_routes(space: Workspace) -> list[Route]:
    """None yet."""
    return []
