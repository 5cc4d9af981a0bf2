import sys
from pathlib import Path

import pytest

from cupl.bank.open_clip_templates import OPEN_CLIP_SETS
from cupl.bank.templates import TemplateSet
from cupl.errors import InputError, MissingPackageError
from cupl.evaluation.controls import control_banks
from tests.models import bank_of

SHAPE = """
OPENAI_IMAGENET_TEMPLATES = (
    lambda c: f'a bad photo of a {c}.',
    lambda c: f'a photo of many {c}.',
)
SIMPLE_IMAGENET_TEMPLATES = (
    lambda c: f'itap of a {c}.',
)
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, metadata: str | None = SHAPE) -> None:
    """A package of the shape of open_clip, which must not be imported as a whole."""
    (folder / "open_clip").mkdir(parents=True)
    (folder / "open_clip" / "__init__.py").write_text("raise ImportError('no torchvision')")
    if metadata is not None:
        (folder / "open_clip" / "zero_shot_metadata.py").write_text(metadata)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "open_clip", raising=False)


def test_the_templates_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch)
    openai = TemplateSet.load("openai")
    assert (openai.name, openai.templates) == (
        "openai", ("a bad photo of a {}.", "a photo of many {}."),
    )  # fmt: skip
    assert TemplateSet.load("imagenet-simple").templates == ("itap of a {}.",)
    (control,) = control_banks(bank_of({"cup": ["A."]}), "openai", 1)
    assert control["cup"].texts == ["a bad photo of a cup.", "a photo of many cup."]


@pytest.mark.parametrize("name", OPEN_CLIP_SETS)
def test_without_the_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=f"{name!r} .* pip install open_clip_torch"):
        TemplateSet.load(name)


@pytest.mark.parametrize(
    "metadata", [None, "", "OPENAI_IMAGENET_TEMPLATES = 3", "import nowhere", "("]
)
def test_a_version_that_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadata: str | None
) -> None:
    install(tmp_path, monkeypatch, metadata)
    with pytest.raises(InputError, match="this version of open_clip has no templates 'openai'"):
        TemplateSet.load("openai")
