"""A server that speaks S3 (moto), in a process of its own on loopback."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

_READY = "port "


@contextmanager
def s3_server(bucket: str) -> Iterator[str]:
    """Its address, while it runs; it has one bucket and ends with the block, or this process."""
    command = [sys.executable, __file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(_READY):
                break
        else:
            raise RuntimeError("moto has not started")
        try:
            address = f"http://127.0.0.1:{int(line.removeprefix(_READY))}"
            urlopen(Request(f"{address}/{bucket}", method="PUT")).close()  # noqa: S310
            yield address
        finally:
            process.kill()


def _serve() -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    print(f"{_READY}{server.get_host_and_port()[1]}", flush=True)
    sys.stdin.read()  # until the one who started it ends
    server.stop()


if __name__ == "__main__":
    _serve()


def s3_environment(address: str) -> dict[str, str]:
    """What leads the readers of object stores to a server."""
    return {
        "AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "not-to-be-shown",
    }  # fmt: skip
