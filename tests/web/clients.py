"""Clients that ask at once: each drops photos and asks what they are."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

PATIENCE = 120.0


def send(port: int, path: str, body: bytes, kind: str) -> Any:
    """What is answered to a POST; all but 200 is an error."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("POST", path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, (answer.status, content[:300])
        return json.loads(content)


def drop_and_ask(port: int, photo: bytes) -> tuple[str, float]:
    """The label of a photo that is dropped, and the seconds of both requests."""
    began = time.perf_counter()
    key = send(port, "/api/uploads", photo, "application/octet-stream")["photo"]
    asked = json.dumps({"photos": [key]}).encode()
    [told] = send(port, "/api/classify", asked, "application/json")["predictions"]
    return told["top"][0]["label"], time.perf_counter() - began


def at_once(
    port: int, photos: Sequence[bytes], requests: int = 100, clients: int = 10
) -> list[tuple[int, str, float]]:
    """So many photos by so many clients: which one each was, its label and the seconds."""
    numbers = [number % len(photos) for number in range(requests)]
    with ThreadPoolExecutor(clients) as pool:
        found = pool.map(lambda number: drop_and_ask(port, photos[number]), numbers)
        return [(number, *one) for number, one in zip(numbers, found, strict=True)]


def resident(process: int | str = "self") -> int:
    """Bytes of memory that a process holds."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return 1024 * int(line.split()[1])
    raise ValueError("this system does not tell")
