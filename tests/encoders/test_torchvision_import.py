"""A torchvision that does not fit its PyTorch, in processes of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

from cupl.encoders.torchvision_import import mend_torchvision

OPERATORS = """
import torch
torch.library.register_fake("torchvision::first")(lambda x: x)
torch.library.register_fake("torchvision::second")(lambda x: x)
transforms = "usable"
"""
TRY = """
from cupl.encoders.torchvision_import import mend_torchvision
mend_torchvision()
mend_torchvision()
try:
    import torchvision
    print(torchvision.transforms)
except Exception as error:
    print(repr(error))
"""


def outcome(folder: Path, source: str | None) -> str:
    """What a program sees of it."""
    if source is not None:
        (folder / "torchvision").mkdir()
        (folder / "torchvision" / "__init__.py").write_text(source)
    path = f"import sys; sys.path.insert(0, {str(folder)!r})"
    run = subprocess.run(
        [sys.executable, "-c", f"{path}\n{TRY}"], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (OPERATORS, "usable"),
        ("transforms = 'fits'", "fits"),
        ("raise RuntimeError('something else')", "RuntimeError('something else')"),
        ("raise OSError('no library')", "OSError('no library')"),
    ],
)
def test_what_is_seen(tmp_path: Path, source: str, said: str) -> None:
    assert outcome(tmp_path, source) == said


def test_the_installed_one_is_usable() -> None:
    mend_torchvision()
    transforms = pytest.importorskip("torchvision.transforms")
    assert transforms.Resize(224).size == 224
