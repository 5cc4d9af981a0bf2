"""Attacks run for moments in the suite, and as long as ``--attacks N`` says."""

import pytest


@pytest.fixture
def times(request: pytest.FixtureRequest) -> int:
    """How many times as long as in the suite."""
    return int(request.config.getoption("--attacks"))


@pytest.fixture(autouse=True)
def _one_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports name the date; what two runs write is compared."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
