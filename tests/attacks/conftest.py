"""Attacks run for moments in the suite, and as long as ``--attacks N`` says."""

import pytest


@pytest.fixture
def times(request: pytest.FixtureRequest) -> int:
    """How many times as long as in the suite."""
    return int(request.config.getoption("--attacks"))
