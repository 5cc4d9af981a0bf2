"""What a person in a notebook sees of cupl."""

import inspect
import pydoc
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import cupl

PACKAGE = Path(cupl.__file__).parent


def test_completion_shows_the_surface_and_nothing_else() -> None:
    assert dir(cupl) == sorted([*cupl.__all__, "__version__"])
    assert list(cupl._HOME) == sorted(cupl.__all__)


@pytest.mark.parametrize("name", cupl.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(cupl, name)
    assert value.__name__ == name
    assert inspect.getdoc(value)


def test_help_shows_all_of_it() -> None:
    shown = pydoc.plain(pydoc.render_doc(cupl))
    for name in cupl.__all__:
        assert name in shown


def test_the_version_is_that_of_the_package() -> None:
    assert cupl.__version__ == version("cupl")


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'cupl' has no attribute 'embed'"):
        cupl.embed  # noqa: B018


@pytest.mark.parametrize("name", cupl.__all__)
def test_a_name_stays_what_it_is_whatever_is_imported_before(name: str) -> None:
    """A module of the same name would take its place."""
    assert not (PACKAGE / name).exists()
    assert not (PACKAGE / f"{name}.py").exists()


def test_a_name_costs_only_what_it_needs() -> None:
    script = "import cupl, sys; cupl.PromptBank, cupl.generate; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
