"""What the cache of image vectors saves, and what it costs: whole commands, twice each.

    python -m tests.benchmarks.bench_image_cache PHOTOS [--encoder mini] [--only classify,embed]

PHOTOS is a folder of images. Encoders are ``mini`` and a CLIP ViT-B/32 with random weights, which
takes as long as any. Prompts are encoded before, so that the first run has only images to encode.
Times are those of whole processes, wall and CPU, start included; the CPU's hold on a busy machine.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cupl.bank.model import PromptBank
from cupl.embedding.image_cache import CachedVectors
from cupl.embedding.image_files import find_images
from cupl.embedding.images import read_image
from cupl.encoders.loading import load_encoder
from cupl.io.paths import cache_dir, prompts_dir
from tests.benchmarks.bench_encoding import save_random_model

_PREDICT = """
import cupl, sys
classifier = cupl.ZeroShotClassifier.load("v.safetensors")
print(sum(one.error is None for one in classifier.predict(sys.argv[1:])))
"""
_EXPLAIN = """
import cupl, sys
classifier = cupl.ZeroShotClassifier.load("v.safetensors", bank="bank.yaml")
print(sum(one.error is None for one in classifier.explain(sys.argv[1:])))
"""


def times_of(words: list[str], folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds of a process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 3):
        sys.exit(f"{' '.join(words[:6])}: {done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def commands(photos: list[str]) -> dict[str, list[str]]:
    """Command lines by what they are called."""
    cupl = [sys.executable, "-m", "cupl"]
    classify = [*cupl, "classify", *photos, "--vectors", "v.safetensors", "-o", "p.csv"]
    return {
        "classify": classify,
        "classify --report": [*classify, "--report", "p.html"],
        "classify --adapt": [*classify, "--adapt"],
        "embed": [*cupl, "embed", *photos, "--encoder", "ENCODER", "-o", "OUT"],
        "adapt": [*cupl, "adapt", "v.safetensors", "--photos", "photos", "-o", "a.safetensors"],
        "evaluate": [*cupl, "evaluate", "labels.csv", "--bank", "bank.yaml", "--controls", "names",
                     "--encoder", "ENCODER"],
        "Python predict": [sys.executable, "-c", _PREDICT, *photos],
        "Python explain": [sys.executable, "-c", _EXPLAIN, *photos],
    }  # fmt: skip


def prepare(folder: Path, photos: list[str], encoder: str) -> None:
    """A bank of the photos' classes, its vectors, labels, and all prompts encoded."""
    bank = PromptBank.load(prompts_dir() / "banks" / "imagenet-mini.yaml")
    bank.model_copy(update={"classes": bank.classes[:100]}).save(folder / "bank.yaml")
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        names = [entry.id for entry in bank.classes[:100]]
        rows.writerows([path, names[i % 100]] for i, path in enumerate(photos))
    (folder / "photos").mkdir()
    for path in photos:
        (folder / "photos" / Path(path).name).symlink_to(path)
    cupl = [sys.executable, "-m", "cupl"]
    words = ["encode", "bank.yaml", "-o", "v.safetensors", "--encoder", encoder]
    times_of([*cupl, *words], folder)
    few = folder / "few.csv"
    few.write_text("".join((folder / "labels.csv").read_text().splitlines(keepends=True)[:101]))
    judge = ["evaluate", "few.csv", "--bank", "bank.yaml", "--controls", "names"]
    times_of([*cupl, *judge, "--encoder", encoder], folder)


def forget_images() -> None:
    """Empty the cache."""
    for file in (cache_dir() / "embeddings" / "images").glob("cache.db*"):
        file.unlink()


def cost_of_keeping(photos: list[str], encoder: str) -> float:
    """CPU seconds of hashing, looking up in vain and writing."""
    loaded = load_encoder(encoder)
    vector = loaded.encode_text(["a photo"])[0]
    read = [read_image(path) for path in photos]
    forget_images()
    cache = CachedVectors(None, loaded)
    start = time.process_time()
    for image in read:
        key = cache.key(image, image.digest())
        assert key is not None
        assert cache.get(key) is None
        cache.keep([(key, vector)])
    cache.close()
    return time.process_time() - start


def measure(encoder: str, photos: list[str], only: str | None) -> None:
    """Print a row a command."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        prepare(folder, photos, encoder)
        first_cpu = 0.0
        for name, words in commands(photos).items():
            if only and name not in only.split(","):
                continue
            runs = []
            forget_images()
            for number in range(2):
                named = {"ENCODER": encoder, "OUT": f"out-{name.split()[0]}-{number}"}
                runs.append(times_of([named.get(word, word) for word in words], folder))
            (wall, cpu), (wall2, cpu2) = runs
            first_cpu = first_cpu or cpu
            print(
                f"{Path(encoder).name:6} {name:18} {wall:6.1f} s, then {wall2:5.1f} s: "
                f"{wall / wall2:5.1f} times as fast; CPU {cpu:6.1f} s, {cpu2:5.1f} s: "
                f"{cpu / cpu2:5.1f}",
                flush=True,
            )
        cost = cost_of_keeping(photos, encoder)
        print(
            f"{Path(encoder).name:6} hashing, keeping: {1e3 * cost / len(photos):.2f} ms a photo, "
            f"{cost / first_cpu:.1%} of the first run",
            flush=True,
        )


def main() -> None:
    """Measure both encoders, or the one that is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--encoder", choices=["mini", "clip"])
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--only", help="names of commands, separated by commas")
    chosen = parser.parse_args()
    photos = [os.path.abspath(path) for path in find_images(chosen.photos)][: chosen.limit]  # noqa: PTH100
    with tempfile.TemporaryDirectory() as made:
        if chosen.encoder != "clip":
            measure("mini", photos, chosen.only)
        if chosen.encoder != "mini":
            bank = PromptBank.load(prompts_dir() / "banks" / "imagenet-mini.yaml")
            folder = Path(made) / "clip"
            folder.mkdir()
            measure(str(save_random_model(folder, bank)), photos, chosen.only)


if __name__ == "__main__":
    main()
