"""Image towers in each precision, alone and from files, against open_clip's own way."""

import os
import statistics
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from torch.nn.functional import cosine_similarity

from cupl.bank.model import PromptBank
from cupl.embedding.image_stream import encode_sources
from cupl.embedding.images import open_image
from cupl.encoders.loading import load_encoder
from tests.benchmarks.bench_bank import best_of
from tests.benchmarks.reporting import consume, cpu_time, photos, report

CPU_PRECISIONS = ("float32", "bfloat16", "int8")


@torch.inference_mode()
def tower(model: Path, bank: PromptBank) -> None:
    """Prepared images to vectors, in each precision, and what preparing them takes."""
    encoders: dict[str, Any] = {
        name: load_encoder(model, "cpu", name) for name in (*CPU_PRECISIONS, "auto")
    }
    with TemporaryDirectory() as folder:
        images = [open_image(path, side=224) for path in photos(Path(folder), (500, 375), 32)]
        paths = sorted(Path(folder).glob("*.jpg"))
        exact = encoders["float32"]
        decoding = cpu_time(lambda: [open_image(path, side=224) for path in paths]) / 32
        preparing = cpu_time(lambda: [exact.prepare(image) for image in images]) / 32
    pixels = torch.stack([exact.prepare(image) for image in images])
    vectors = {name: encoder.encode_prepared(pixels) for name, encoder in encoders.items()}
    times: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(5):
        for name, encoder in encoders.items():
            times[name].append(cpu_time(partial(encoder.encode_prepared, pixels)) / 32)
    for name, encoder in encoders.items():
        gains = [one / other for one, other in zip(times["float32"], times[name], strict=True)]
        report(
            f"image tower in {name}", used=encoder.precision, cpu_ms=min(times[name]) * 1000,
            ratio=statistics.median(gains), decoding_ms=decoding * 1000,
            preparing_ms=preparing * 1000,
            least_cosine=cosine_similarity(vectors[name], vectors["float32"]).min().item(),
        )  # fmt: skip


def open_clip(model: Path, bank: PromptBank) -> None:
    """Files to image vectors, against open_clip's preprocessing in a DataLoader."""
    import open_clip as library  # type: ignore[import-not-found,unused-ignore]
    from torch.utils.data import DataLoader, Dataset

    theirs, _, preprocess = library.create_model_and_transforms("ViT-B-32-quickgelu")
    theirs.eval()
    encoders = {name: load_encoder(model, "cpu", name) for name in CPU_PRECISIONS}

    class Files(Dataset[Any]):
        def __init__(self, paths: list[Path]) -> None:
            self.paths = paths

        def __len__(self) -> int:
            return len(self.paths)

        def __getitem__(self, index: int) -> Any:
            return preprocess(Image.open(self.paths[index]))

    @torch.inference_mode()
    def loop(paths: list[Path]) -> None:
        workers = os.cpu_count() or 1
        for batch in DataLoader(Files(paths), batch_size=32, num_workers=workers):
            theirs.encode_image(batch)

    with TemporaryDirectory() as folder:
        for size, number in (((500, 375), 256), ((4000, 3000), 64)):
            paths = photos(Path(folder), size, 16) * (number // 16)
            for encoder in encoders.values():
                consume(encode_sources, paths[:16], encoder, None, False)
            ratios: dict[str, list[float]] = {name: [] for name in encoders}
            times: dict[str, list[float]] = {name: [] for name in encoders}
            for _ in range(3):
                slow = best_of(1, partial(loop, paths)) / number
                for name, encoder in encoders.items():
                    run = partial(consume, encode_sources, paths, encoder, None, False)
                    times[name].append(best_of(1, run) / number)
                    ratios[name].append(slow / times[name][-1])
            for name, encoder in encoders.items():
                report(
                    f"images {size[0]} x {size[1]} in {name}, open_clip", used=encoder.precision,
                    ours_per_s=1 / min(times[name]), ratio=statistics.median(ratios[name]),
                )  # fmt: skip
