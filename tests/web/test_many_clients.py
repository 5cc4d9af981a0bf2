"""A hundred photos from ten clients at once: each is judged right, and memory stays as it is."""

import sys
from pathlib import Path

import pytest

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.bank_encoding import encode_bank
from cupl.encoders.protocol import Encoder
from tests.web.clients import at_once, resident
from tests.web.conftest import Serve
from tests.web.photos import BANK

MOST_GROWTH = 100 << 20
"""Bytes: of clients and server in this process; 100 photos as pixels would be far more."""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_none_is_lost_and_memory_does_not_grow(serve: Serve, mini: Encoder, photos: Path) -> None:
    files = [str(path) for path in sorted(photos.rglob("*.jpg"))]
    classifier = ZeroShotClassifier(encode_bank(BANK, mini), mini)
    expected = [one.top[0].label for one in classifier.predict(files)]
    contents = [Path(file).read_bytes() for file in files]
    with serve() as app:
        at_once(app.port, contents, 60)  # what is loaded but once
        before = resident()
        found = at_once(app.port, contents)
        grown = resident() - before
    assert len(found) == 100
    assert [label for _, label, _ in found] == [expected[number] for number, _, _ in found]
    assert grown < MOST_GROWTH, f"{grown / 2**20:.0f} MB"
