"""What is asked of a cluster, and what is said where it cannot be had."""

import socket
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from cupl.embedding.image_shards import ImageProvenance
from cupl.embedding.ray_cluster import WorkerShare, ray_cluster, ray_in_words, worker_share
from cupl.embedding.ray_engine import RayEngine
from cupl.embedding.ray_tasks import (
    LoadedEncoder,
    WorkerSettings,
    describe_encoder,
    encode_table,
    table_of,
)
from cupl.encoders.loading import load_encoder
from cupl.errors import InputError, MissingPackageError, ServerError
from tests.models import save_clip
from tests.two_models import save_sentences

LOADED = LoadedEncoder("clip", None, "f" * 64, "float32", 16, 16, "1")


def cluster_of(*nodes: tuple[float, float]) -> Any:
    """A cluster by the cores and GPUs of its nodes, and one that is gone."""
    resources = [{"CPU": cpus, "GPU": gpus} for cpus, gpus in nodes]
    found = [{"Alive": True, "Resources": one} for one in resources]
    return SimpleNamespace(nodes=lambda: [*found, {"Alive": False, "Resources": {"CPU": 99.0}}])


@pytest.mark.parametrize(
    ("nodes", "device", "workers", "share"),
    [
        ([(2, 0)], "auto", None, (2, 1, 0)),
        ([(2, 0)], "auto", 1, (1, 2, 0)),
        ([(2, 0)], "cpu", 9, (2, 1, 0)),
        ([(8, 0), (4, 0)], "auto", 3, (3, 4, 0)),
        ([(8, 0), (8, 0)], "auto", 1, (1, 8, 0)),  # no worker is larger than a node
        ([(0, 0), (16, 2), (32, 8)], "auto", None, (10, 4, 1)),
        ([(16, 2)], "cuda", 1, (1, 8, 1)),
        ([(16, 2)], "cpu", None, (16, 1, 0)),
    ],
)
def test_cores_and_gpus_are_dealt_out(
    nodes: list[tuple[float, float]], device: str, workers: int | None, share: tuple[int, int, int]
) -> None:
    assert worker_share(cluster_of(*nodes), device, workers) == WorkerShare(*share)


@pytest.mark.parametrize(
    ("nodes", "device", "said"),
    [
        ([(2, 0)], "cuda", "has no GPU: use the device auto or cpu"),
        ([(0, 0)], "auto", "has no cores for work"),
        ([(2, 1)], "cuda:0", "Ray chooses among the GPUs"),
    ],
)
def test_what_a_cluster_does_not_have(
    nodes: list[tuple[float, float]], device: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        worker_share(cluster_of(*nodes), device, None)


@pytest.mark.parametrize(
    "address", ["", "there", "http://there:1", "ray://there", "a b:1", "x@y:1"]
)
def test_no_address(address: str) -> None:
    with pytest.raises(InputError, match="no address of a Ray cluster"), ray_cluster(address):
        pass


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_nobody_answers(scheme: str) -> None:
    with socket.socket() as closed:  # bound, and never listened to
        closed.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(ServerError, match=f"no Ray cluster answers at {address}"):
            ray_cluster(address).__enter__()


@pytest.mark.parametrize("scheme", ["", "ray://"])
@pytest.mark.parametrize("automatic", [False, True])
def test_something_else_listens(
    scheme: str, automatic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cupl.embedding.ray_cluster._PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"{scheme}127.0.0.1:{other.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(ServerError, match=f"what listens at {address} is no Ray cluster"):
            ray_cluster("auto" if automatic else address).__enter__()


def test_the_address_of_the_environment_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ServerError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        ray_cluster("auto").__enter__()


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'cupl\[ray\]'"):
        RayEngine("mini").__enter__()


def test_no_workers() -> None:
    with pytest.raises(InputError, match="the number of workers is 0"):
        RayEngine("mini", workers=0)


def test_no_int8() -> None:
    with pytest.raises(InputError, match="another precision"):
        RayEngine("mini", precision="int8")


def test_what_ray_raises_is_one_sentence() -> None:
    mismatch = RuntimeError(
        "Version mismatch: The cluster was started with:\n    Ray: 2.50.0\n    Python: 3.10.4\n"
        "This process on node was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
    )
    with (
        pytest.raises(ServerError, match=r"than this machine \(2.50.0, 3.10.4, 2.60.0, 3.11"),
        ray_in_words("cannot connect"),
    ):
        raise mismatch
    with pytest.raises(ServerError, match="no package 'cupl': install"), ray_in_words("failed"):
        raise ModuleNotFoundError(name="cupl")
    with pytest.raises(ServerError, match="^failed: ValueError: second$"), ray_in_words("failed"):
        raise ValueError("first\nsecond\n")


def test_another_encoder_on_a_machine_is_refused(tmp_path: Any) -> None:
    settings = WorkerSettings(
        str(save_clip(tmp_path / "clip")), "cpu", "float32", "auto", None, False, threads=1
    )
    [row] = encode_table(table_of(3, ["a.png"]), settings, LOADED).to_pylist()
    assert (row["part"], row["errors"], row["vectors"]) == (3, [], b"")
    assert f"on {socket.gethostname()}: the encoder" in row["problem"]
    assert "in place of" in row["problem"]


def test_what_differs_is_named() -> None:
    assert LOADED.difference(replace(LOADED, id="elsewhere")) is None
    other = replace(LOADED, precision="bfloat16", fingerprint="e" * 64)
    assert LOADED.difference(other) == "fingerprint 'eeeeeeeeeeee' in place of 'ffffffffffff'"
    assert LOADED.difference(replace(LOADED, image_batch=4)) == "batch size '4' in place of '16'"


def test_names_that_are_no_text_travel() -> None:
    assert table_of(0, ["/x\udcff.png"])["paths"].to_pylist() == [[b"/x\xff.png"]]
    assert table_of(0, []).schema.field("paths").type == pa.list_(pa.binary())


@pytest.mark.filterwarnings("ignore:nothing shows")
def test_images_of_a_pair_are_those_of_its_image_encoder(tmp_path: Path) -> None:
    clip, text = save_clip(tmp_path / "clip"), save_sentences(tmp_path / "text", out=16)
    loaded = describe_encoder(
        WorkerSettings(f"pair:{clip}+{text}", "cpu", "float32", "auto", None, False, 1)
    )
    assert isinstance(loaded, LoadedEncoder)
    assert ImageProvenance.of(loaded).fingerprint == load_encoder(clip, "cpu").fingerprint
