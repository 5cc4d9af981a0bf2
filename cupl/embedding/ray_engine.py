"""Images encoded on the machines of a Ray cluster, by Ray Data."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import asdict, replace
from itertools import count, islice
from types import TracebackType
from typing import Any, Self

import torch

from cupl.embedding.image_sources import url_scheme
from cupl.embedding.image_stream import Encoded
from cupl.embedding.ray_cluster import ray_cluster, ray_in_words, worker_share
from cupl.embedding.ray_tasks import (
    LoadedEncoder,
    WorkerSettings,
    describe_encoder,
    encode_table,
    table_of,
    try_files,
)
from cupl.encoders.loading import DEFAULT_ENCODER
from cupl.errors import InputError, ServerError, leading_to

_READY = 300.0
"""Seconds until a worker is free; a cluster that grows takes minutes to start a machine."""
_TRIES = 20
"""Of a part whose process or machine died; one image may be what kills it."""
_WINDOW = 1000
"""Parts that Ray is given together, or ``_EACH`` a worker: all of a list of any length would not
fit into its memory, and at each end some workers wait for the others."""
_EACH = 100


class RayEngine:
    """An encoder on each worker of a Ray cluster; used in a ``with`` block, which connects.

    :func:`~cupl.embedding.image_runs.embed_images` takes it in place of an encoder. Each part of
    the images is a task of Ray Data. What a process or a machine that died had in hand is
    given to another; the result is that of one process, to the last bit where the machines compute
    alike. Images are read on the machines of the cluster, so all must see them under their paths.
    Whoever can reach the ports of a Ray cluster can run any code on it: connect to your own.

    Args:
        encoder: name of one, as for :func:`~cupl.encoders.loading.load_encoder`; a folder must be
            on every machine.
        device: ``auto`` (a GPU a worker where the cluster has some), ``cuda`` or ``cpu``.
        precision: as for :func:`~cupl.encoders.loading.load_encoder`, but not ``int8``.
        batch_size: as for :func:`~cupl.encoders.loading.load_encoder`.
        revision: as for :func:`~cupl.encoders.loading.load_encoder`.
        download: as for :func:`~cupl.encoders.loading.load_encoder`.
        address: of the cluster; see :func:`~cupl.embedding.ray_cluster.ray_cluster`.
        workers: models in the cluster; by default one a GPU, or one a core where there is none.

    Raises:
        MissingPackageError: Ray is not installed.
        InputError: a worker cannot load the encoder, there is none for the device, or a setting
            is wrong.
        ServerError: no cluster answers, it has other versions, or no worker is free in time.

    """

    def __init__(
        self,
        encoder: str | os.PathLike[str] = DEFAULT_ENCODER,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | str = "auto",
        *,
        revision: str | None = None,
        download: bool = True,
        address: str = "local",
        workers: int | None = None,
    ) -> None:
        if workers is not None and workers < 1:
            raise InputError(f"the number of workers is {workers}; at least one is needed")
        if precision == "int8":
            raise InputError(
                "whether int8 is exact enough is tried on the first images of one process, not on "
                "a cluster: name another precision",
                arguments={"precision": "auto"},
            )
        name = os.fspath(encoder)
        name = os.path.abspath(name) if os.path.isdir(name) else name  # noqa: PTH100, PTH112
        self._settings = WorkerSettings(
            name, device, precision, batch_size, revision, download, 1
        )  # fmt: skip
        self._address, self._workers = address, workers
        self._open: ExitStack | None = None

    def __enter__(self) -> Self:
        """Connect, and have a worker load the encoder."""
        if self._open is not None:
            raise InputError("this RayEngine is connected already")
        with ExitStack() as opened:
            self._ray = ray = opened.enter_context(ray_cluster(self._address))
            self._share = worker_share(ray, self._settings.device, self._workers)
            on = "cuda" if self._share.gpus else self._settings.device.replace("auto", "cpu")
            threads = max(1, self._share.cpus)
            self._settings = replace(self._settings, device=on, threads=threads)
            self._loaded = self._load()
            self._settings = replace(  # what "auto" and "main" are must not differ between machines
                self._settings,
                precision=self._loaded.precision,
                batch_size=self._loaded.image_batch,
                revision=self._loaded.revision,
            )
            self._open = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Disconnect; a cluster that was started here ends."""
        if self._open is not None:
            self._open.close()
            self._open = None

    @property
    def made_by(self) -> LoadedEncoder:
        """The encoder, as the first worker has loaded it; all others are held to it."""
        return self._loaded

    @property
    def readers(self) -> str:
        """See :class:`~cupl.embedding.image_engines.ImageEngine`."""
        return "; every machine of the cluster has to see the images under these paths"

    @property
    def precision(self) -> str:
        """Type of number that the workers compute with."""
        return self._loaded.precision

    @property
    def workers(self) -> int:
        """Models in the cluster."""
        return self._share.workers

    def encode_parts(self, parts: Iterable[list[str]]) -> Generator[Encoded]:
        """See :class:`~cupl.embedding.image_engines.ImageEngine`.

        Raises:
            InputError: a worker cannot load the encoder, or has another.
            ServerError: the cluster is lost, or a part killed every process that had it.

        """
        remaining = iter(parts)
        while window := list(islice(remaining, max(_WINDOW, _EACH * self.workers))):
            tables = [table_of(n, list(map(_absolute, part))) for n, part in enumerate(window)]
            with leading_to(resume=True), self._in_words(), closing(self._rows(tables)) as rows:
                for number, (part, row) in enumerate(zip(window, rows, strict=True)):
                    yield from self._images(part, self._checked(row, number))

    def encode_again(self, batch: list[str]) -> Iterator[Encoded]:
        """See :class:`~cupl.embedding.image_engines.ImageEngine`."""
        table = table_of(0, list(map(_absolute, batch)))
        with self._in_words():
            task = self._task(encode_table, self._share.resources)
            done = self._ray.get(task.remote(table, self._settings, self._loaded))
            return self._images(batch, self._checked(done, 0))

    def can_open(self, paths: Sequence[str | None]) -> bool:
        """See :class:`~cupl.embedding.image_engines.ImageEngine`."""
        named = [path and _absolute(path) for path in paths]
        with self._in_words():
            return bool(self._ray.get(self._task(try_files, {"num_cpus": 0}).remote(named)))

    def _load(self) -> LoadedEncoder:
        with ray_in_words(f"the Ray cluster at {self._address} failed"):
            ready = self._task(_ready, self._share.resources).remote()
            if not self._ray.wait([ready], timeout=_READY)[0]:
                raise ServerError(
                    f"no worker with {self._share.cpus} cores and {self._share.gpus} GPUs was free "
                    f"in {_READY / 60:.0f} minutes in the Ray cluster at {self._address}"
                )
            self._ray.get(ready)
            task = self._task(describe_encoder, self._share.resources)
            found: LoadedEncoder | str = self._ray.get(task.remote(self._settings))
        if isinstance(found, str):
            raise InputError(found)
        return found

    def _rows(self, tables: list[Any]) -> Generator[Any]:
        """A row for each, in order."""
        how = (tables, self._settings, self._loaded, asdict(self._share))
        inside = not self._ray.util.client.ray.is_connected()
        return ray_data_rows(*how) if inside else self._rows_inside(how)

    def _rows_inside(self, how: tuple[Any, ...]) -> Generator[Any]:
        """The same where this process is outside of the cluster: Ray Data runs only inside."""
        reader = self._ray.remote(_Reader).options(num_cpus=0).remote(*how)
        try:
            for number in count():
                row = self._ray.get(reader.next.remote(number))
                if row is None:
                    return
                yield row
        finally:
            self._ray.kill(reader)

    def _images(self, part: list[str], row: Any) -> Iterator[Encoded]:
        vectors = torch.frombuffer(bytearray(row["vectors"]) or bytearray(4), dtype=torch.float32)
        rows = iter(vectors[: len(row["vectors"]) // 4].view(-1, self._loaded.dim))
        for path, error in zip(part, row["errors"], strict=True):
            yield Encoded(path, next(rows) if error is None else None, error)

    def _checked(self, table: Any, number: int) -> dict[str, Any]:
        [row] = table.to_pylist()
        if row["problem"] is not None:
            raise InputError(row["problem"])
        if row["part"] != number:
            raise ServerError(f"Ray gave part {row['part']} of the images in place of {number}")
        return dict(row)

    def _task(self, function: Any, resources: dict[str, float]) -> Any:
        return self._ray.remote(max_retries=_TRIES, max_calls=0, **resources)(function)

    def _in_words(self) -> AbstractContextManager[None]:
        if self._open is None:  # Ray would start a cluster by itself
            raise InputError("a RayEngine is used in a with block, which connects")
        return ray_in_words(f"the Ray cluster at {self._address} failed")


def ray_data_rows(
    tables: list[Any], settings: WorkerSettings, loaded: LoadedEncoder, share: dict[str, int]
) -> Generator[Any]:
    """Rows encoded by Ray Data, in their order.

    Args:
        tables: a row each.
        settings: of the encoder.
        loaded: what each worker must have.
        share: of the cluster, for each worker.

    """
    import ray

    work: Any = encode_table
    with warnings.catch_warnings():  # max_retries is to go in 2.64 without a successor yet
        warnings.simplefilter("ignore")
        tasks = ray.data.from_arrow(tables).map_batches(
            work,
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.TaskPoolStrategy(min(share["workers"], len(tables))),
            fn_kwargs={"settings": settings, "expected": loaded},
            num_cpus=share["cpus"],
            num_gpus=share["gpus"],
            max_retries=_TRIES,
            max_calls=0,
        )
    tasks.context.execution_options.preserve_order = True
    tasks.context.enable_progress_bars = False
    batches: Iterable[Any] = tasks.iter_batches(batch_size=None, batch_format="pyarrow")
    for batch in batches:
        for number in range(batch.num_rows):
            yield batch.slice(number, 1)


class _Reader:
    """What runs Ray Data inside of the cluster, for a process outside."""

    def __init__(self, *how: Any) -> None:
        self._rows = ray_data_rows(*how)

    def next(self, number: int) -> Any:
        """The next row; None after the last."""
        return next(self._rows, None)


def _ready() -> None:
    """Says by its end that a worker is free, and that it finds this package."""


def _absolute(path: str) -> str:
    """A worker stands in another folder."""
    # Not made simpler: what follows a link is another place, and members of tars have any name.
    return path if url_scheme(path) else os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118
