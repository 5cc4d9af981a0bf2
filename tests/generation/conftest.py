from collections.abc import Iterator
from pathlib import Path

import pytest

from cupl.generation.cache.store import ResponseCache


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResponseCache]:
    with ResponseCache(tmp_path / "cache") as opened:
        yield opened
