"""Milvus Lite's real gRPC server, in a process of its own on loopback."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_READY = "port "


@contextmanager
def milvus_server(folder: Path) -> Iterator[str]:
    """Its address, while it runs; it ends with the block, or with this process."""
    command = [sys.executable, __file__, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(_READY):
                break
        else:
            raise RuntimeError("Milvus Lite has not started")
        try:
            yield f"http://127.0.0.1:{int(line.removeprefix(_READY))}"
        finally:
            process.kill()


def _serve(folder: str) -> None:
    from milvus_lite.adapter.grpc.server import start_server_in_thread

    # Kept: the server ends when nothing refers to it.
    server, database, port = start_server_in_thread(folder, max_workers=4)
    print(f"{_READY}{port}", flush=True)
    sys.stdin.read()  # until the one who started it ends
    server.stop(grace=0)
    database.close()


if __name__ == "__main__":
    _serve(sys.argv[1])
