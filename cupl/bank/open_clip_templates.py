"""The templates for ImageNet that CLIP was published with, from the package open_clip."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from cupl.errors import InputError, MissingPackageError

OPEN_CLIP_SETS = {
    "openai": "OPENAI_IMAGENET_TEMPLATES",
    "imagenet-simple": "SIMPLE_IMAGENET_TEMPLATES",
}
"""Names of sets and what they are called there: the 80 of the paper, and seven that do as well."""


def open_clip_templates(name: str) -> tuple[str, ...]:
    """The templates of a set, with ``{}`` for the class name.

    Raises:
        MissingPackageError: open_clip is not installed.
        InputError: its version has no such templates.

    """
    spec = importlib.util.find_spec("open_clip")
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackageError(
            f"the templates {name!r} come with open_clip, which is not installed: pip install "
            "open_clip_torch"
        )
    # The file alone: with the package come all its models, and torchvision.
    file = Path(next(iter(spec.submodule_search_locations))) / "zero_shot_metadata.py"
    try:
        functions: Any = getattr(_module_of(file), OPEN_CLIP_SETS[name])
        # Functions of the name; a name that is a placeholder makes a template.
        return tuple(str(function("{}")) for function in functions)
    except (OSError, AttributeError, TypeError, SyntaxError, ImportError) as error:
        raise InputError(
            f"this version of open_clip has no templates {name!r} that are read here: write them "
            "into a file, a template a line"
        ) from error


def _module_of(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location("open_clip_zero_shot_metadata", file)
    if spec is None or spec.loader is None:
        raise ImportError(str(file))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
