"""Routes of the page bank."""

from __future__ import annotations

from starlette.routing import Route

from cupl.web.workspace import Workspace


def bank_routes(space: Workspace) -> list[Route]:
    """None yet."""
    return []
