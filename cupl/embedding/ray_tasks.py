"""What runs on the machines of a Ray cluster: one model a process, one list of images a task.

Tasks and not actors: what a lost machine had in hand then goes to whichever is free, where an actor
would wait for a machine of its own. Ray keeps the processes between tasks, and they the model.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cupl.embedding.image_retries import any_can_be_opened
from cupl.embedding.image_stream import encode_sources
from cupl.encoders.fingerprint import image_fingerprint
from cupl.encoders.loading import load_encoder
from cupl.errors import CuplError
from cupl.io.version import cupl_version

if TYPE_CHECKING:
    from cupl.encoders.protocol import Encoder

_READERS = 2
"""Threads that read images for a model on one core: one more, as some wait for a disk."""
SEVERAL_GPUS = {"RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1"}
"""Environment in which a process that stays is given another GPU with another task."""


@dataclass(frozen=True)
class WorkerSettings:
    """Which encoder a process loads, and how: see :func:`~cupl.encoders.loading.load_encoder`."""

    name: str
    device: str
    precision: str
    batch_size: int | str
    revision: str | None
    download: bool
    threads: int
    """Of torch's; as many as the task has cores."""


@dataclass(frozen=True)
class LoadedEncoder:
    """What a process has loaded; an :class:`~cupl.encoders.protocol.EncoderIdentity`."""

    id: str
    revision: str | None
    fingerprint: str
    precision: str
    dim: int
    image_batch: int
    cupl: str

    def difference(self, other: LoadedEncoder) -> str | None:
        """What another process has otherwise, in words."""
        mine, theirs = asdict(self), asdict(other)
        names = {"image_batch": "batch size", "dim": "width", "cupl": "version of cupl"}
        for name in ("cupl", "fingerprint", "precision", "dim", "image_batch"):
            if mine[name] != theirs[name]:
                what = names.get(name, name)
                return f"{what} {str(theirs[name])[:12]!r} in place of {str(mine[name])[:12]!r}"
        return None


def describe_encoder(settings: WorkerSettings) -> LoadedEncoder | str:
    """Load the encoder; what it is, or why it cannot be loaded."""
    try:
        return _described(_encoder(settings, _own_device(settings.device)))
    except CuplError as error:
        return _on_this_machine(error)


def try_files(paths: Sequence[str | None]) -> bool:
    """Whether any of some files can be read from on this machine."""
    return any_can_be_opened(paths)


def encode_table(table: Any, settings: WorkerSettings, expected: LoadedEncoder) -> Any:
    """Encode the images of a row of ``part`` and ``paths``.

    Returns:
        A row: ``part``; ``errors``, one an image; ``vectors``, float32 of those without one; and
        ``problem``, which is why there is nothing else.

    """
    [part], [paths] = table["part"].to_pylist(), table["paths"].to_pylist()
    errors, vectors, problem = list[str | None](), b"", None
    try:
        encoder = _encoder(settings, _own_device(settings.device))
        if difference := expected.difference(_described(encoder)):
            raise CuplError(f"the encoder {settings.name} has the {difference}")
        errors, vectors = _encoded(list(map(os.fsdecode, paths)), encoder, settings.threads)
    except CuplError as error:
        problem = _on_this_machine(error)
    return pa.table(
        {
            "part": pa.array([part], pa.int64()),
            "errors": pa.array([[_text(one) for one in errors]], pa.list_(pa.string())),
            "vectors": pa.array([vectors], pa.large_binary()),
            "problem": pa.array([_text(problem)], pa.string()),
        }
    )


def table_of(part: int, paths: Sequence[str]) -> Any:
    """The row that :func:`encode_table` takes; names need not be text."""
    names = pa.array([[os.fsencode(path) for path in paths]], pa.list_(pa.binary()))
    return pa.table({"part": pa.array([part], pa.int64()), "paths": names})


def _encoded(paths: list[str], encoder: Encoder, threads: int) -> tuple[list[str | None], bytes]:
    # Without a cache: what a process that died had kept would change the batches of the next.
    with closing(encode_sources(paths, encoder, threads + _READERS - 1, False)) as images:
        found = list(images)
    vectors = (one.vector.numpy() for one in found if one.vector is not None)
    data = b"".join(vector.astype("<f4").tobytes() for vector in vectors)
    return [one.error for one in found], data


@lru_cache(maxsize=1)
def _encoder(settings: WorkerSettings, device: str) -> Encoder:
    """The model of this process."""
    import torch

    torch.set_num_threads(settings.threads)
    return load_encoder(
        settings.name,
        device,
        settings.precision,
        settings.batch_size,
        revision=settings.revision,
        download=settings.download,
    )


def _described(encoder: Encoder) -> LoadedEncoder:
    """By what it says of images, as only these are encoded here."""
    return LoadedEncoder(
        encoder.id, encoder.revision, image_fingerprint(encoder), encoder.precision,
        encoder.dim, encoder.image_batch, cupl_version(),
    )  # fmt: skip


def _own_device(device: str) -> str:
    """The GPU that Ray has given to this task, by the number that torch knows it by."""
    if device != "cuda":
        return device
    import ray

    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    own = [str(number) for number in ray.get_gpu_ids()][:1]
    return f"cuda:{visible.index(own[0]) if own[0] in visible else own[0]}" if own else device


def _on_this_machine(error: CuplError) -> str:
    return f"on {socket.gethostname()}: {error}"


def _text(error: str | None) -> str | None:
    """What Arrow takes for text; an error may name a file whose name is none."""
    return error and error.encode(errors="backslashreplace").decode()
