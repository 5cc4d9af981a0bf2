"""Routes of the page label."""

from __future__ import annotations

from starlette.routing import Route

from cupl.web.workspace import Workspace


def label_routes(space: Workspace) -> list[Route]:
    """None yet."""
    return []
