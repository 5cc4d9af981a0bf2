"""Where images are encoded: the options of the commands that go through very many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cupl.cli.output import count, say

if TYPE_CHECKING:
    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.embedding.ray_engine import RayEngine
    from cupl.encoders.protocol import Encoder

EngineOption = Annotated[
    Literal["local", "ray"],
    typer.Option(help="Encode in this process, or on the machines of a Ray cluster."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="local|auto|HOST:PORT|ray://HOST:PORT",
        help="The Ray cluster: started here, running here, one that this machine is part of, one "
        "elsewhere. [default: local]",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, help="Models in the cluster. [default: one a GPU, or one a core]"),
]


def check_engine(engine: str, address: str | None, workers: int | None) -> None:
    """Accept options of a cluster where there is one."""
    if address is not None and not address.strip():
        raise typer.BadParameter("--address is empty: name a cluster, auto, or leave it out")
    if engine == "local" and (address is not None or workers is not None):
        raise typer.BadParameter("--address and --workers go with --engine ray")


@contextmanager
def opened_encoder(
    engine: str,
    address: str | None,
    workers: int | None,
    encoder: str,
    device: str,
    precision: str,
    batch_size: int | str,
    *,
    revision: str | None = None,
) -> Iterator[Encoder | RayEngine]:
    """The encoder: loaded here, or on the machines of a cluster, of which it is said how many."""
    if engine == "local":
        from cupl.encoders.loading import load_encoder

        yield load_encoder(encoder, device, precision, batch_size, revision=revision)
        return
    where = (address, workers)
    with _cluster(*where, encoder, device, precision, batch_size, revision) as cluster:
        yield cluster


@contextmanager
def opened_beside(
    engine: str,
    address: str | None,
    workers: int | None,
    classifier: ZeroShotClassifier,
    name: str | None,
    how: tuple[str, str, int | str],
    *,
    download: bool,
) -> Iterator[RayEngine | None]:
    """A cluster with the encoder of a classifier; None where no cluster is meant.

    Args:
        engine: ``local`` or ``ray``.
        address: of the cluster.
        workers: models in it.
        classifier: its encoder encodes texts here.
        name: of its encoder, as it was given.
        how: device, precision and batch size there.
        download: whether its machines may fetch the encoder, which a file alone does not decide.

    Raises:
        InputError: the cluster has another encoder than the class vectors.

    """
    if engine == "local":
        yield None
        return
    encoder = classifier.encoder
    with _cluster(
        address, workers, name or encoder.id, *how, encoder.revision, download
    ) as cluster:
        classifier.vectors.check_encoder(cluster.made_by)
        yield cluster


@contextmanager
def _cluster(
    address: str | None,
    workers: int | None,
    encoder: str,
    device: str,
    precision: str,
    batch_size: int | str,
    revision: str | None,
    download: bool = True,
) -> Iterator[RayEngine]:
    from cupl.embedding.ray_engine import RayEngine

    place = address or "local"
    how = (encoder, device, precision, batch_size)
    with RayEngine(
        *how, revision=revision, download=download, address=place, workers=workers
    ) as cluster:
        say(f"{count(cluster.workers, 'worker')} in the Ray cluster at {place}")
        yield cluster
