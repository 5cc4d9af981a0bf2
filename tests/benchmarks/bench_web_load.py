"""`cupl serve` under load: 100 dropped photos and their labels from 10 clients, again and again.

Run ``python -m tests.benchmarks.bench_web_load [ROUNDS]`` in the root of a checkout. The server is
a process of its own with the encoder mini, so its memory is that of the server alone.
"""

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

from tests.web.clients import at_once, resident
from tests.web.photos import BANK, make_photos

REQUESTS, CLIENTS = 100, 10


def measure(rounds: int) -> None:
    """Print a line a round."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        photos = make_photos(root / "photos")
        BANK.save(root / "bank.yaml")
        began = time.perf_counter()
        server = subprocess.Popen(
            [sys.executable, "-m", "cupl", "serve", "--bank", root / "bank.yaml", "--photos",
             photos, "--encoder", "mini", "--port", "0", "-o", root / "out"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert server.stderr is not None
            first = server.stderr.readline()
            print(f"answers after {time.perf_counter() - began:.1f} s")
            port = urlsplit(first.split()[-1]).port
            assert port is not None, first
            _wait(port)
            print(f"photos read; memory {resident(server.pid) / 2**20:.0f} MB")
            contents = [path.read_bytes() for path in sorted(photos.rglob("*.jpg"))]
            print(f"round 0 (what is loaded once): {_round(port, server.pid, contents)}")
            for number in range(1, rounds + 1):
                print(f"round {number}: {_round(port, server.pid, contents)}")
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)


def _wait(port: int) -> None:
    """Until the photos of the folder are read."""
    while True:
        with urlopen(f"http://127.0.0.1:{port}/api/state") as answer:
            photos = json.load(answer)["photos"]
        if photos["encoded"] == photos["total"]:
            return
        time.sleep(0.1)


def _round(port: int, process: int, contents: list[bytes]) -> str:
    began = time.perf_counter()
    found = at_once(port, contents, REQUESTS, CLIENTS)
    took = time.perf_counter() - began
    seconds = sorted(one for _, _, one in found)
    return (
        f"{len(found)} answered in {took:.2f} s; a photo {1000 * statistics.median(seconds):.0f} "
        f"ms in the middle, {1000 * seconds[-1]:.0f} at most; "
        f"memory {resident(process) / 2**20:.0f} MB"
    )


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
