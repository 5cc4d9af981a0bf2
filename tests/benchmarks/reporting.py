"""What the measurements of encoding share: a table, and photos to encode."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

rows: list[dict[str, Any]] = []


def report(what: str, **figures: float | str) -> None:
    """A row of the table."""
    rows.append({"what": what, **figures})
    shown = [f"{name} {value:,.3g}" if isinstance(value, float) else f"{name} {value}"
             for name, value in figures.items()]  # fmt: skip
    print(f"{what:40} {'; '.join(shown)}", flush=True)


def consume(function: Callable[..., Iterable[object]], *arguments: object) -> None:
    """Take all that it yields."""
    for _ in function(*arguments):
        pass


def cpu_time(work: Callable[[], object]) -> float:
    """Seconds of the processor, of all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


def photo(width: int, height: int, seed: int) -> Image.Image:
    """Shapes at every scale: noise that is enlarged, over and over."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3))
    for scale in (4, 8, 16, 32, 64, 128):
        grid = (random.random((height // scale + 2, width // scale + 2, 3)) * 255).astype(np.uint8)
        large = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        picture += np.asarray(large) * scale**0.5
    return Image.fromarray((picture / picture.max() * 255).astype(np.uint8))


def photos(folder: Path, size: tuple[int, int], number: int) -> list[Path]:
    """JPEG files."""
    paths = []
    for seed in range(number):
        paths.append(folder / f"{size[0]}-{seed}.jpg")
        photo(*size, seed).save(paths[-1], quality=90)
    return paths
