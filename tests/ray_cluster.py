"""A Ray cluster on loopback: real processes, nodes that can be added and killed, no trace left."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
HEALTH = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": 5,
}
"""A node that is gone is noticed in seconds; one that only waits for the processor is not."""


@contextmanager
def ray_nodes(folder: Path, client_port: int, environment: Mapping[str, str]) -> Iterator[Any]:
    """A cluster of one node with one core, one at a time on this machine.

    Args:
        folder: where its workers have their home.
        client_port: where those outside connect.
        environment: of its workers, beside the usual.

    """
    with (
        (Path(tempfile.gettempdir()) / "cupl-ray-tests.lock").open("w") as lock,
        pytest.MonkeyPatch.context() as patch,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        scratch = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # a socket's path has 107 bytes
        (Path(scratch) / "ray").mkdir()  # where Ray notes which cluster runs here
        for name, value in {
            "RAY_TMPDIR": scratch,
            "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", "HOME": str(folder),
            "CUPL_CACHE": str(folder), "PYTHONPATH": str(Path(__file__).parents[1]), **environment,
        }.items():  # fmt: skip
            patch.setenv(name, value)
        patch.delenv("RAY_ADDRESS", raising=False)
        from ray.cluster_utils import Cluster

        cluster: Any = Cluster(
            initialize_head=True,
            head_node_args={
                **NODE, "_system_config": HEALTH, "temp_dir": scratch,
                "ray_client_server_port": client_port,
            },
        )  # fmt: skip
        try:
            yield cluster
        finally:
            cluster.shutdown()
            shutil.rmtree(scratch, ignore_errors=True)


def signal_worker(node: Any, number: int) -> None:
    """Send a signal to a process of a node as soon as it encodes."""
    [raylet] = node.all_processes["raylet"]
    before = time.monotonic()
    while time.monotonic() < before + 120:
        for worker in _workers(raylet.process.pid):
            os.kill(worker, number)
            return
    raise AssertionError("no worker encodes")


def _workers(parent: int) -> Iterator[int]:
    for process in Path("/proc").iterdir():
        try:
            title = (process / "cmdline").read_bytes()
            stat = (process / "stat").read_text()
        except OSError:
            continue
        if b"encode_table" in title and int(stat.rpartition(")")[2].split()[1]) == parent:
            yield int(process.name)
