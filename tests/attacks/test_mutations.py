"""Mutated files of every kind: read right or refused in one sentence, soon and in little memory.

The suite reads a few of each; ``pytest tests/attacks/test_mutations.py --attacks 250`` reads 10,000
and says what became of them. What it names is read again by ``python -m tests.attacks.reading``.
"""

import sys
from pathlib import Path

import pytest

from tests.attacks.kinds import KINDS
from tests.attacks.reading import Count, attack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
FILES = 40


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files(
    kind: str, times: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count = Count(kind)
    for read in attack(kind, range(FILES * times), tmp_path / "w"):
        count.add(read)
        assert not read.fault, f"python -m tests.attacks.reading '{kind}' {read.number}"
    if times > 1:
        with capsys.disabled():
            print(count)
