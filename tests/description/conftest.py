from collections.abc import Iterator

import pytest

from tests.description.seeing_server import SeeingModel, serve_seeing


@pytest.fixture
def model() -> SeeingModel:
    return SeeingModel()


@pytest.fixture
def url(model: SeeingModel) -> Iterator[str]:
    with serve_seeing(model) as server:
        yield server.url
