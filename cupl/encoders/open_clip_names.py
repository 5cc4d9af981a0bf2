"""Names of models of open_clip: an architecture, and published weights or a file of one's own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from cupl.encoders.names import OPEN_CLIP_PREFIX as PREFIX
from cupl.encoders.torchvision_import import mend_torchvision
from cupl.errors import InputError, MissingFileError, MissingPackageError

WEIGHT_ENDINGS = (".safetensors", ".bin", ".pt", ".pth")
_SHOWN = 3


class OpenClipName(NamedTuple):
    """What a name stands for."""

    architecture: str
    weights: str | Path
    """The tag of published ones, or a file."""


def import_open_clip() -> Any:
    """The package, beside a torchvision of any build.

    Raises:
        MissingPackageError: it is not installed.

    """
    mend_torchvision()
    try:
        import open_clip
    except ImportError as error:
        raise MissingPackageError(
            "models of open_clip need a package that is not installed: pip install "
            "'cupl[open-clip]'"
        ) from error
    return open_clip


def parse_open_clip_name(name: str) -> OpenClipName:
    """Architecture and weights of a name as ``ViT-B-32/laion2b_s34b_b79k``.

    A slash within the name of an architecture, as OpenAI wrote it (``ViT-B/32``), is a dash.

    Args:
        name: what follows ``open_clip:``; in place of the tag a path to a file may stand.

    Raises:
        InputError: open_clip knows no such architecture, or no such weights of it.
        MissingFileError: a file is named and is not there.
        MissingPackageError: open_clip is not installed.

    """
    open_clip = import_open_clip()
    known = set(open_clip.list_models())
    cuts = [match.start() for match in re.finditer("/", name)] + [len(name)]
    found = [
        (architecture, name[cut + 1 :])
        for cut in cuts
        if (architecture := name[:cut].replace("/", "-")) in known
    ]
    for architecture, rest in found:
        if open_clip.is_pretrained_cfg(architecture, rest):
            return OpenClipName(architecture, rest.lower().replace("-", "_"))
        # os.path, because Path.is_file raises for names that cannot be looked up.
        if os.path.isfile(rest):  # noqa: PTH113
            return OpenClipName(architecture, Path(rest))
    if not found:
        raise _unknown_architecture(name, open_clip)
    raise _unknown_weights(*found[-1], open_clip)


def _unknown_architecture(name: str, open_clip: Any) -> InputError:
    names = [f"{architecture}/{tag}" for architecture, tag in open_clip.list_pretrained()]
    close = _closest(name, names)
    return InputError(
        f"open_clip knows no architecture that {name!r:.100} begins with; the closest are "
        f"{', '.join(PREFIX + one for one in close)}",
        arguments={"encoder": PREFIX + close[0]},
    )


def _unknown_weights(architecture: str, rest: str, open_clip: Any) -> InputError | MissingFileError:
    if rest.endswith(WEIGHT_ENDINGS) or "/" in rest:
        return MissingFileError(
            f"{PREFIX}{architecture}/{rest}: there is no file {rest!r:.100} of weights"
        )
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if not tags:
        return InputError(
            f"no weights of {architecture} are published with open_clip: name a file of your own, "
            f"{PREFIX}{architecture}/FILE.safetensors",
            arguments={"encoder": ...},
        )
    close = _closest(rest, tags)
    names = ", ".join(f"{PREFIX}{architecture}/{tag}" for tag in close)
    said = f"has no weights called {rest!r:.100}" if rest else "is to be named with its weights"
    return InputError(
        f"{architecture} {said}; open_clip knows {len(tags)} for it, such as {names}",
        arguments={"encoder": f"{PREFIX}{architecture}/{close[0]}"},
    )


def _closest(name: str, names: list[str]) -> list[str]:
    from rapidfuzz import fuzz, process

    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]+", " ", text.lower())

    found = process.extract(name, names, scorer=fuzz.ratio, processor=plain, limit=_SHOWN)
    return [one for one, *_ in found]
