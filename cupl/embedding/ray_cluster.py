"""A Ray cluster for as long as it is used: one that runs, or one on this machine."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from cupl.embedding.ray_tasks import SEVERAL_GPUS
from cupl.errors import CuplError, InputError, MissingPackageError, ServerError

_PATIENCE = 10.0
"""Seconds for a port to answer."""
_PLACE = re.compile(r"(?:ray://)?(?P<host>[^\s/@?#]+|\[[0-9a-fA-F:.]+\]):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True)
class WorkerShare:
    """What each worker takes of the cluster.

    Attributes:
        workers: tasks at a time.
        cpus: cores of each.
        gpus: 1 or 0.

    """

    workers: int
    cpus: int
    gpus: int

    @property
    def resources(self) -> dict[str, float]:
        """As Ray takes them."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus}


@contextmanager
def ray_cluster(address: str) -> Iterator[Any]:
    """The ``ray`` module, connected. A connection that the program has is used, and left.

    Args:
        address: ``local`` starts Ray on this machine, for this run alone; ``auto`` is what runs on
            it already; ``HOST:PORT`` is a cluster that this machine is part of, and
            ``ray://HOST:PORT`` one that it is not.

    Raises:
        MissingPackageError: Ray is not installed.
        InputError: it is no address.
        ServerError: nothing answers there, or another version of Ray or Python.

    """
    ray = _imported()
    if ray.is_initialized():
        yield ray
        return
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address  # as Ray does
    _check_answers(address)
    scratch = tempfile.mkdtemp(prefix="ray-") if address == "local" else None
    try:
        with ray_in_words(f"cannot connect to Ray at {address}"):
            _connect(ray, address, scratch)
        yield ray
    finally:
        with _unhurried():
            ray.shutdown()
            if scratch is not None:
                shutil.rmtree(scratch, ignore_errors=True)


def worker_share(ray: Any, device: str, workers: int | None) -> WorkerShare:
    """How the cores and GPUs of a cluster are dealt out.

    A worker is a GPU where the device is one, else a core; where fewer workers are asked for, each
    has as many more cores.

    Raises:
        InputError: the device cannot be used, or there are no nodes with what is needed.

    """
    if device.startswith("cuda:"):
        raise InputError("Ray chooses among the GPUs of a machine: the device is cuda, auto or cpu")
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    if device == "cuda" or (device == "auto" and gpus):
        if not gpus:
            raise InputError("the Ray cluster has no GPU: use the device auto or cpu")
        shares = [node.get("CPU", 0) // node["GPU"] for node in nodes if node.get("GPU", 0) >= 1]
        return WorkerShare(min(workers or gpus, gpus), int(min(shares, default=0)), 1)
    cpus = [int(node.get("CPU", 0)) for node in nodes]
    if not sum(cpus):
        raise InputError("the Ray cluster has no cores for work: start a node with num_cpus")
    number = min(workers or sum(cpus), sum(cpus))
    return WorkerShare(number, min(sum(cpus) // number, max(cpus)), 0)


@contextmanager
def ray_in_words(what: str) -> Iterator[None]:
    """Raise a :class:`ServerError` for whatever Ray raises in the block.

    Args:
        what: went wrong, for the beginning of the sentence.

    """
    try:
        yield
    except (CuplError, MemoryError):
        raise
    except Exception as error:
        raise ServerError(f"{what}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    cause: BaseException = getattr(error, "cause", None) or error
    if isinstance(cause, ModuleNotFoundError):
        return (
            f"its machines have no package {cause.name!r:.60}: install there the same cupl as here"
        )
    text = str(cause).strip()
    if "ersion mismatch" in text:
        found = re.findall(r"(?:Ray|Python|ray|python)\w*:? v?([0-9][\w.]*)", text)
        return (
            "it has another version of Ray or Python than this machine "
            f"({', '.join(dict.fromkeys(found))}): both must be the same"
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    return f"{type(cause).__name__}: {lines[-1]:.300}"


def _imported() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of GPUs
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingPackageError("Ray is not installed: pip install 'cupl[ray]'") from error
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return ray


def _connect(ray: Any, address: str, scratch: str | None) -> None:
    how: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    how["runtime_env"] = {"env_vars": SEVERAL_GPUS}
    if scratch is not None:
        how |= {"include_dashboard": False, "_temp_dir": scratch}
    with _standard_error_shut():  # it tells that it was told to tell nothing
        ray.init(address, **how)
    with suppress(AttributeError):  # its remarks on nodes that go, with the ends of their logs
        ray._private.worker.print_to_stdstream = _tell_nobody
    for number in (signal.SIGINT, signal.SIGTERM):  # Ray has put its own in their place
        with suppress(ValueError):  # in another thread than the first
            signal.signal(number, signal.getsignal(number))


def _tell_nobody(*_: object, **__: object) -> None:
    """In place of what prints."""


@contextmanager
def _standard_error_shut() -> Iterator[None]:
    """Keep what libraries write beside Python off the terminal, for a moment."""
    try:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # closed by whoever started us
        yield
        return
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _unhurried() -> Iterator[None]:
    """Put off Ctrl-C: what is stopped halfway leaves processes behind."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # in another thread than the first
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _check_answers(address: str) -> None:
    if address in ("local", "auto"):
        return
    place = _PLACE.fullmatch(address)
    if place is None:
        raise InputError(
            f"{address!r:.100} is no address of a Ray cluster: local, auto, HOST:PORT or "
            "ray://HOST:PORT"
        )
    try:
        socket.create_connection((place["host"].strip("[]"), int(place["port"])), _PATIENCE).close()
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ServerError(f"no Ray cluster answers at {address}: {why}") from error
    if os.environ.get("RAY_USE_TLS", "0") == "0":
        _check_speaks(address, f"{place['host']}:{place['port']}")


def _check_speaks(address: str, place: str) -> None:
    """Ask for no more than a connection: Ray waits minutes for whatever else listens there."""
    import grpc

    channel = grpc.insecure_channel(place, options=[("grpc.enable_http_proxy", 0)])
    try:
        grpc.channel_ready_future(channel).result(timeout=_PATIENCE)
    except grpc.FutureTimeoutError as error:
        raise ServerError(
            f"what listens at {address} is no Ray cluster, or does not answer in "
            f"{_PATIENCE:.0f} seconds"
        ) from error
    finally:
        channel.close()
