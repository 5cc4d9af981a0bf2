"""Routes of the page evaluate."""

from __future__ import annotations

from starlette.routing import Route

from cupl.web.workspace import Workspace


def evaluate_routes(space: Workspace) -> list[Route]:
    """None yet."""
    return []
