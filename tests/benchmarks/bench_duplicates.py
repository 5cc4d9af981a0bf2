"""How well copies of photos are found, over both limits, and how long a large index takes.

``python -m tests.benchmarks.bench_duplicates PHOTOS [SPEED]``: plants changed copies of 300 photos,
and prints which share of each kind is found; then times SPEED random vectors.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from cupl.embedding.image_files import find_images
from cupl.index.near_pairs import near_pairs
from cupl.index.photo_hashes import PhotoHashes
from cupl.index.photo_index import PhotoIndex
from cupl.index.rows import VECTOR, paths_of, vector_matrix

PHOTOS = 300
COSINES = (0.8, 0.85, 0.9, 0.92, 0.95, 0.97)
BITS = (4, 6, 8, 10, 12, 16, 64)


def _cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 40, height // 40, width - width // 40, height - height // 40))


def _marked(image: Image.Image) -> Image.Image:
    copy = image.copy()
    draw = ImageDraw.Draw(copy)
    width, height = image.size
    draw.rectangle((width // 2, height * 9 // 10, width, height), fill=(255, 255, 255))
    draw.text((width // 2 + 4, height * 9 // 10 + 2), "PHOTO BY SOMEONE", fill=(0, 0, 0))
    return copy


def _smaller(image: Image.Image) -> Image.Image:
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)))


def _same(image: Image.Image) -> Image.Image:
    return image


def _grey(image: Image.Image) -> Image.Image:
    return ImageOps.grayscale(image).convert("RGB")


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half as large": _smaller, "compressed": _same, "5 % cropped": _cropped,
    "turned by EXIF": _same, "grey": _grey, "watermark": _marked,
}  # fmt: skip


def plant(photos: list[str], folder: Path) -> dict[str, tuple[str, str]]:
    """Write copies; returns what each is of, and which change, by its path."""
    planted = {}
    for number, path in enumerate(photos):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        for change, made in CHANGES.items():
            copy, exif = made(image), Image.Exif()
            if change == "turned by EXIF":  # the pixels lie on their side, EXIF turns them back
                copy = copy.transpose(Image.Transpose.ROTATE_90)
                exif[0x0112] = 6
            target = folder / f"{number}-{change.split()[0]}.jpg"
            copy.save(target, quality=40 if change == "compressed" else 85, exif=exif)
            planted[str(target)] = (path, change)
    return planted


def quality(source: str) -> None:
    """Print recall of each change, and precision, over both limits."""
    photos = find_images([source])[:PHOTOS]
    with tempfile.TemporaryDirectory() as place:
        copies = Path(place, "copies")
        copies.mkdir()
        planted = plant(photos, copies)
        index = PhotoIndex.open(Path(place, "photos.lance"), "mini").add([*photos, str(copies)])
        paths, parts = list[str](), []
        for table in index.store.scan(["path", "raw_path", VECTOR]):
            paths += paths_of(table)
            parts.append(vector_matrix(table))
        matrix = np.concatenate(parts)
        origin = [planted.get(path, (path, ""))[0] for path in paths]
        change = [planted.get(path, (path, ""))[1] for path in paths]
        pairs = list(near_pairs(matrix, min(COSINES)))
        first, second = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
        cosines = np.einsum("ij,ij->i", matrix[first], matrix[second])
        distances = PhotoHashes(paths).distances(first, second)
    right = np.array([origin[i] == origin[j] for i, j in zip(first, second, strict=True)])
    to_original = [change[j] or change[i] if not (change[i] and change[j]) else "" for i, j in
                   zip(first, second, strict=True)]  # fmt: skip
    kinds = np.array(to_original)
    print(f"{'cosine':>6} {'bits':>4} {'precision':>9}  recall of pairs with the original")
    for low in COSINES:
        for most in BITS:
            found = (cosines >= low) & (distances <= most)
            recall = ", ".join(
                f"{kind} {(found & right & (kinds == kind)).sum() / len(photos):.3f}"
                for kind in CHANGES
            )
            print(f"{low:6.2f} {most:4} {right[found].mean():9.4f}  {recall}")


def speed(number: int, dim: int = 512) -> None:
    """Print how long all pairs of random vectors take."""
    random = np.random.default_rng(0).standard_normal((number, dim), dtype=np.float32)
    matrix = (random / np.linalg.norm(random, axis=1, keepdims=True)).astype(np.float16)
    begun = time.perf_counter()
    found = sum(len(first) for first, _ in near_pairs(matrix, 0.9))
    print(f"{number:,} vectors of {dim}: {time.perf_counter() - begun:.1f} s, {found} pairs")


if __name__ == "__main__":
    quality(sys.argv[1])
    if len(sys.argv) > 2:
        speed(int(sys.argv[2]))
