"""How quickly an index is added to and searched, how large it is, and how much it finds.

``python -m tests.benchmarks.bench_index 100000 --stores lance milvus``: synthetic vectors of 512 in
clusters, with a spectrum that falls as that of real embeddings does.
The machine is told by what NumPy takes for a product of such matrices.
"""

import argparse
import os
import platform
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cupl.embedding.image_shards import ImageProvenance
from cupl.index.metadata import IndexMetadata
from cupl.index.opening import open_store
from cupl.index.recall import index_recall
from cupl.index.rows import PhotoRow, rows_table
from cupl.index.store import PhotoStore
from cupl.index.where import parse_where
from tests.milvus_server import milvus_server

Matrix = npt.NDArray[np.float32]
_DIM = 512
_AT_ONCE = 16_384


def clustered(number: int, seed: int, dim: int = _DIM, clusters: int = 1000) -> Matrix:
    """Vectors of a mixture of Gaussians, not normalised: ``[number, dim]``."""
    random = np.random.default_rng(seed)
    spectrum = (np.arange(1, dim + 1) ** -0.5).astype(np.float32)
    centres = np.random.default_rng(7).standard_normal((clusters, dim), dtype=np.float32)
    noise = random.standard_normal((number, dim), dtype=np.float32)
    vectors = (centres[random.integers(clusters, size=number)] + 0.6 * noise) * spectrum
    vectors[:, 0] += 1  # embeddings lie in a cone
    return vectors


def _row(number: int) -> PhotoRow:
    return PhotoRow(
        f"/photos/{number % 1000:03}/{number}.jpg", f"{number:064x}", 100_000 + number, number,
        4000, 3000, date=f"20{number % 25:02}-06-01 12:00:00", label=f"class {number % 100}",
        probability=number % 1000 / 1000,
    )  # fmt: skip


def _say(what: str, value: str) -> None:
    print(f"{what:<44}{value}", flush=True)


def _timed(what: str, work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    _say(what, f"{seconds:.1f} s")
    return seconds


def _latency(what: str, search: Callable[[Matrix], object], queries: Matrix) -> None:
    for query in queries[:3]:
        search(query[None])
    seconds = []
    for query in queries:
        start = time.perf_counter()
        search(query[None])
        seconds.append(time.perf_counter() - start)
    p50, p95 = np.quantile(seconds, [0.5, 0.95]) * 1000
    _say(what, f"p50 {p50:.1f} ms, p95 {p95:.1f} ms")


@contextmanager
def _peak(what: str) -> Iterator[None]:
    """The most memory that this process has while the block runs."""
    page, most, done = os.sysconf("SC_PAGE_SIZE"), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], int(Path("/proc/self/statm").read_text().split()[1]) * page)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        _say(what, f"{most[0] / 1e9:.2f} GB")


def _fill(store: PhotoStore, number: int) -> None:
    made = written = 0.0
    for start in range(0, number, _AT_ONCE):
        size = min(_AT_ONCE, number - start)
        vectors = clustered(size, start + 1)
        rows = [_row(start + i) for i in range(size)]
        first = time.perf_counter()
        table = rows_table(rows, vectors, store.metadata.numbers)
        second = time.perf_counter()
        store.add(table)
        written += time.perf_counter() - second
        made += second - first
    _say("add, rows and vectors to a table", f"{number / made:,.0f}/s")
    _say("add, the table to the store", f"{number / written:,.0f}/s")
    _say("add, both", f"{number / (made + written):,.0f}/s")


def _queries(store: PhotoStore, when: str, queries: Matrix) -> None:
    where = parse_where("label = 'class 7' and date > '2010'")
    _latency(f"query{when}", lambda q: store.search(q, 20), queries)
    _latency(f"query{when}, where (0.6 % of the photos)", lambda q: store.search(q, 20, where),
             queries)  # fmt: skip
    _timed(f"100 classes at once{when}", lambda: store.search(clustered(100, 5), 10))


def _measure(place: str, number: int, folder: Path | None, recall_of: int) -> None:
    made_by = ImageProvenance(encoder="synthetic", fingerprint="0" * 16, precision="float32",
                              dim=_DIM)  # fmt: skip
    store = open_store(place, IndexMetadata(provenance=made_by))
    queries = clustered(50, 3)
    with _peak("memory, most while adding"):
        _fill(store, number)
    if folder:
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        _say("on disk", f"{size / 1e6:,.0f} MB ({size / number:,.0f} bytes a photo)")
    with _peak("memory, most while searching exactly"):
        _queries(store, ", exact", queries)
    with _peak("memory, most while compacting"):
        _timed("compact", store.compact)
    info = store.info()
    _say("approximate index", f"{info.ann}, {info.unindexed:,} rows not in it")
    if folder:
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        _say("on disk, compacted", f"{size / 1e6:,.0f} MB ({size / number:,.0f} bytes a photo)")
    if info.ann:
        with _peak("memory, most while searching"):
            _queries(store, ", approximate", queries)
        found = index_recall(store, recall_of)
        _say("recall@10", f"{found.recall:.4f} of {found.queries} queries")
    again = clustered(1024, 11)
    rows = [_row(number + i) for i in range(1024)]
    _timed("add 1,024 more", lambda: store.add(rows_table(rows, again, "float16")))


def _machine(number: int) -> None:
    _say("machine", f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    _say("load before", " ".join(f"{one:.1f}" for one in os.getloadavg()))
    vectors, queries = clustered(min(number, 100_000), 1), clustered(100, 2)
    _timed(f"NumPy: 100 queries x {len(vectors):,} vectors", lambda: queries @ vectors.T)


def main() -> None:
    """Measure, and print each figure as it is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=int, nargs="*", default=[100_000])
    parser.add_argument("--stores", nargs="+", default=["lance"], choices=["lance", "milvus"])
    parser.add_argument("--recall", type=int, default=100, help="queries that recall is a mean of")
    parser.add_argument("--folder", type=Path, default=None, help="where indexes are made")
    asked = parser.parse_args()
    for number in asked.photos:
        _machine(number)
        for kind in asked.stores:
            folder = Path(tempfile.mkdtemp(dir=asked.folder))
            print(f"\n{kind}, {number:,} photos", flush=True)
            try:
                running = milvus_server(folder) if kind == "milvus" else nullcontext(None)
                with running as address:
                    place = address or str(folder / "photos.lance")
                    _measure(place, number, folder, asked.recall)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"\nmost memory of this process: {most / 1e6:.2f} GB", file=sys.stderr)


if __name__ == "__main__":
    main()
