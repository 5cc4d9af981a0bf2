"""Digests of weights, which are computed once a file."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cupl.io.kept import kept_text

if TYPE_CHECKING:
    from cupl.encoders.protocol import EncoderIdentity


def remembered(files: Sequence[Path], compute: Callable[[], str], settings: str = "") -> str:
    """What ``compute`` says of some files, from cupl's cache where they are as they were then.

    A file is as it was if its place, size, number and times are; its time of change cannot be set
    by a program that means to hide a change.

    Args:
        files: what the result depends on.
        compute: makes a sha256 in hex.
        settings: what else it depends on.

    """
    try:
        stats = [(str(path.resolve()), path.stat()) for path in sorted(files)]
    except OSError:
        return compute()
    seen = [[name, s.st_size, s.st_ino, s.st_mtime_ns, s.st_ctime_ns] for name, s in stats]
    name = hashlib.sha256((json.dumps(seen) + settings).encode()).hexdigest()
    return kept_text("fingerprints", name, re.compile(r"[0-9a-f]{64}"), compute)


def image_fingerprint(encoder: EncoderIdentity) -> str:
    """Hex digest of everything that decides the vector of an image.

    It is the encoder's own, but where its text tower is another model's: then it is that of the
    encoder which its image tower is of, and the image vectors of the two are the same.
    """
    found: str = getattr(encoder, "image_fingerprint", encoder.fingerprint)
    return found


def digest_of_weights(model: Any) -> str:
    """sha256 over the names, shapes and values of a model's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {list(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().view(-1).numpy())
    return digest.hexdigest()
