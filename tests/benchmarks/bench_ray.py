"""What a Ray cluster costs: a worker a core beside one process, and how much one driver takes.

    python -m tests.benchmarks.bench_ray PHOTOS [--shards 200]

PHOTOS is a folder of images, encoded by a CLIP ViT-B/32 with random weights. The driver is measured
with tasks that encode nothing and give as many numbers back: images a second that one cluster can
make at most, with the driver and its workers on the cores of this machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from cupl.embedding import ray_engine
from cupl.embedding.image_files import find_images
from cupl.embedding.image_runs import embed_images
from cupl.embedding.ray_engine import RayEngine
from cupl.encoders.loading import load_encoder
from tests.benchmarks.bench_encoding import save_random_model
from tests.models import bank_of

_SHARD = 1024


def nothing_encoded(table: Any, settings: Any, expected: Any) -> Any:
    """In place of ``encode_table``: as many bytes, and no work."""
    [part], [paths] = table["part"].to_pylist(), table["paths"].to_pylist()
    return pa.table(
        {
            "part": pa.array([part], pa.int64()),
            "errors": pa.array([[None] * len(paths)], pa.list_(pa.string())),
            "vectors": pa.array([bytes(4 * expected.dim * len(paths))], pa.large_binary()),
            "problem": pa.array([None], pa.string()),
        }
    )


def timed(what: str, images: int, work: Callable[[], object]) -> float:
    """Seconds of it, shown."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    work()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rate = f", {images / wall:,.1f} images/s" if images else ""
    print(f"{what:<58} {wall:7.2f} s (this process {cpu:.2f} s CPU){rate}", flush=True)
    return wall


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos")
    parser.add_argument("--shards", type=int, default=200)
    options = parser.parse_args()
    photos = find_images(os.path.abspath(options.photos))  # noqa: PTH100
    with tempfile.TemporaryDirectory() as made:
        os.chdir(made)
        save_random_model(Path("model"), bank_of({"cat": ["a photo of a cat."]}))
        encoder = load_encoder("model", "cpu", "float32")
        threads = os.cpu_count() or 1
        torch.set_num_threads(threads)  # the models of the tests have set it to one
        runs = {
            f"one process, {threads} threads": lambda name: embed_images(
                photos, encoder, name, shard_size=64, image_cache=False
            )
        }
        engine = RayEngine("model", "cpu", "float32")
        with ExitStack() as opened:
            timed("connecting to a cluster started here, a model loaded", 0,
                  lambda: opened.enter_context(engine))  # fmt: skip
            runs[f"Ray, {engine.workers} workers of a thread"] = lambda name: embed_images(
                photos, engine, name, shard_size=64
            )
            warm = photos[: 64 * engine.workers]
            timed("Ray, its first tasks (the other models loaded)", 0,
                  lambda: embed_images(warm, engine, "warm", shard_size=64))  # fmt: skip
            times: dict[str, list[float]] = {}
            for turn in range(2):
                for what, run in runs.items():
                    seconds = timed(what, len(photos), partial(run, f"{what} {turn}"))
                    times.setdefault(what, []).append(seconds)
            local, there = (min(found) for found in times.values())
            print(f"Ray is {local / there:.2f} times as fast\n")
            setattr(ray_engine, "encode_table", nothing_encoded)  # noqa: B010
            total = options.shards * _SHARD
            names = [f"/data/photos/{i // 1000:06}/{i:09}.jpg" for i in range(total)]
            parts = [names[i : i + _SHARD] for i in range(0, len(names), _SHARD)]
            timed("driver, nothing encoded, results taken", len(names),
                  lambda: sum(1 for _ in engine.encode_parts(parts)))  # fmt: skip
            timed("driver, nothing encoded, shards written", len(names),
                  lambda: embed_images(names, engine, "null"))  # fmt: skip
        size = sum(file.stat().st_size for file in Path("null").iterdir())
        print(f"{size / len(names):,.0f} bytes an image on disk, {engine.made_by.dim} wide")


if __name__ == "__main__":
    main()
