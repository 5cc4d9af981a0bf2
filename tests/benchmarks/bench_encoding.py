"""Encoding, against what people use now: ratios of one run on the same weights.

Run ``python -m tests.benchmarks.bench_encoding``, or with ``text``, ``tower``, ``images``,
``open_clip``, ``edit``, ``memory`` or ``start`` behind it; ``open_clip``, which is no dependency,
and ``memory``, which takes minutes, are left out otherwise. Rows are printed as a table and, at the
end, as JSON. The weights are random ones of ViT-B/32's sizes, or those of ``--model DIR``; prompts
come from the shipped bank, or from ``--bank FILE``.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.nn.functional import cosine_similarity
from transformers import (
    AutoTokenizer,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
)

from cupl.bank.model import PromptBank
from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.image_files import find_images
from cupl.embedding.image_stream import encode_sources
from cupl.encoders.batching import tokenize
from cupl.encoders.loading import load_encoder
from cupl.encoders.prefix_tree import plant
from cupl.io.paths import prompts_dir
from tests.benchmarks.bench_bank import best_of
from tests.benchmarks.image_towers import open_clip, tower
from tests.benchmarks.reporting import consume, photos, report, rows
from tests.models import save_clip, save_tokenizer

torch.set_num_threads(os.cpu_count() or 1)  # the models of the tests leave them one


def save_random_model(folder: Path, bank: PromptBank) -> Path:
    """ViT-B/32 with random weights, and a tokenizer that knows the words of a bank."""
    save_tokenizer(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer = tokenizer.train_new_from_iterator((text for c in bank for text in c.texts), 20_000)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    CLIPModel(CLIPConfig(text_config=ends)).save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    return folder


def matrix_rate(dtype: torch.dtype = torch.float32) -> float:
    """Operations a second in products of the shapes that a text tower multiplies."""
    left, right = torch.randn(1024, 512, dtype=dtype), torch.randn(512, 2048, dtype=dtype)
    best = best_of(10, lambda: [left @ right for _ in range(50)])
    return 2 * 1024 * 512 * 2048 * 50 / best


@torch.inference_mode()
def published_text_loop(model: Any, tokenizer: Any, bank: PromptBank) -> torch.Tensor:
    """One class at a time, every prompt padded to 77, as the published script does."""
    vectors = []
    for entry in bank:
        ids = tokenizer(entry.texts, padding="max_length", truncation=True, max_length=77,
                        return_tensors="pt")  # fmt: skip
        each = model.get_text_features(**ids).pooler_output
        each = each / each.norm(dim=-1, keepdim=True)
        mean = each.mean(dim=0)
        vectors.append(mean / mean.norm())
    return torch.stack(vectors)


def text(model: Path, bank: PromptBank) -> None:
    """Class vectors of the first 100 classes."""
    first = PromptBank(name="first", classes=bank.classes[:100])
    theirs_model = CLIPModel.from_pretrained(model)
    tokenizer = CLIPTokenizer.from_pretrained(model)
    encoders: dict[str, Any] = {
        name: load_encoder(model, "cpu", name) for name in ("float32", "bfloat16")
    }
    took, ours = {}, {}
    rate = matrix_rate()
    for name, encoder in encoders.items():
        encoder.encode_text(["warm", "up"])
        with own_cache():
            began = time.perf_counter(), time.process_time()
            ours[name] = encode_bank(first, encoder).matrix
            took[name] = time.perf_counter() - began[0], time.process_time() - began[1]
    began = time.perf_counter(), time.process_time()
    theirs = published_text_loop(theirs_model, tokenizer, first)
    slow = time.perf_counter() - began[0], time.process_time() - began[1]
    prompts = list(dict.fromkeys(text for entry in first for text in entry.texts))
    tokens = tokenize(tokenizer, prompts, 77)
    nodes = len({tuple(ids[:end]) for ids in tokens for end in range(1, len(ids) + 1)})
    sizes: Any = theirs_model.config.text_config
    square = 2 * sizes.hidden_size**2
    wide = 2 * sizes.intermediate_size / sizes.hidden_size
    # Of the last layer a token needs the keys and values, and only a text's last one the rest.
    each = ((sizes.num_hidden_layers - 1) * (4 + wide) + 2) * square
    ends = len(prompts) * (2 + wide) * square
    report(
        "text, 100 classes", prompts=float(len(prompts)), tokens=float(sum(map(len, tokens))),
        nodes=float(nodes), rows=float(sum(1 for _ in plant(tokens, 128))), gflops=rate / 1e9,
        share_of_rate_nodes=(nodes * each + ends) / took["float32"][0] / rate,
        share_of_rate_tokens=(sum(map(len, tokens)) * each + ends) / took["float32"][0] / rate,
    )  # fmt: skip
    for name, (seconds, worked) in took.items():
        report(
            f"text in {name}", ours_s=seconds, loop_s=slow[0], ratio=slow[0] / seconds,
            ratio_of_cpu=slow[1] / worked, difference=(ours[name] - theirs).abs().max().item(),
            least_cosine=cosine_similarity(ours[name], theirs).min().item(),
        )  # fmt: skip


def images(model: Path, bank: PromptBank) -> None:
    """Files to labels, against the transformers pipeline, at 100 labels."""
    from transformers import pipeline

    names = [entry.name for entry in bank.classes[:100]]
    hundred = PromptBank(name="names", classes=[
        entry.model_copy(update={"prompts": {"": [f"This is a photo of {entry.name}."]}})
        for entry in bank.classes[:100]
    ])  # fmt: skip
    theirs: Any = pipeline(
        "zero-shot-image-classification", model=CLIPModel.from_pretrained(model),
        tokenizer=CLIPTokenizer.from_pretrained(model), image_processor=CLIPImageProcessorPil(),
        device="cpu",
    )  # fmt: skip
    with TemporaryDirectory() as name, own_cache():
        classifier = ZeroShotClassifier.from_bank(hundred, load_encoder(model, "cpu"))
        for size, number, few in (((500, 375), 128, 4), ((4000, 3000), 32, 2)):
            paths = photos(Path(name), size, number)
            list(classifier.predict(paths[:8]))
            took = best_of(1, partial(consume, classifier.predict, paths)) / number
            asked = {"candidate_labels": names, "hypothesis_template": "This is a photo of {}."}

            def one_by_one(paths: list[Path] = paths[:few], asked: Any = asked) -> None:
                for path in paths:
                    theirs(str(path), **asked)

            slow = best_of(1, one_by_one) / few
            report(
                f"images {size[0]} x {size[1]}, pipeline", ours_per_s=1 / took,
                pipeline_per_s=1 / slow, ratio=slow / took,
            )  # fmt: skip


def edit(model: Path, bank: PromptBank) -> None:
    """A bank of 30,000 prompts of which one is edited, encoded again."""
    prompts = [f"{text} ({number})" for number in range(40) for entry in bank
               for text in entry.texts][:30_000]  # fmt: skip
    entry, size = bank.classes[0], 30

    def made() -> PromptBank:
        return PromptBank(name="large", classes=[
            entry.model_copy(update={"name": f"class {start}", "id": None, "aliases": [],
                                     "prompts": {"": prompts[start : start + size]}})
            for start in range(0, len(prompts), size)
        ])  # fmt: skip

    encoder: Any = load_encoder(model, "cpu")
    real = encoder.encode_text
    with own_cache():
        # The first time takes minutes and is not what is measured.
        encoder.encode_text = lambda texts: torch.randn(len(texts), encoder.dim)
        encode_bank(made(), encoder)
        encoder.encode_text = real
        prompts[12_345] += " in the snow"
        began = time.perf_counter()
        encode_bank(made(), encoder)
        took = time.perf_counter() - began
    report("one prompt of 30,000 edited", seconds=took)


def peak_memory(paths: int, folder: str, model: str) -> float:
    """MiB of a process that finds and encodes so many links to the same files."""
    import resource

    torch.set_num_threads(1)
    encoder = load_encoder(model, "cpu")
    files = sorted(Path(folder).glob("*.jpg"))
    links = Path(folder) / f"{paths} links"
    links.mkdir()
    for number in range(paths):
        (links / f"{number:06}.jpg").symlink_to(files[number % len(files)])
    found = find_images([links])
    assert sum(1 for one in encode_sources(found, encoder) if one.error is None) == paths
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(model: Path, bank: PromptBank) -> None:
    """Peak memory for many image files: a tiny model, since what counts is what piles up."""
    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as name:
        tiny = save_clip(Path(name) / "tiny")
        photos(Path(name), (500, 375), 20)
        peaks = []
        for number in (1_000, 100_000):
            with context.Pool(1, maxtasksperchild=1) as pool:
                peaks.append(pool.apply(peak_memory, (number, name, str(tiny))))
        report("peak memory, 1,000 and 100,000 files", few_mib=peaks[0], many_mib=peaks[1],
               ratio=peaks[1] / peaks[0])  # fmt: skip


def start(model: Path, bank: PromptBank) -> None:
    """Processes that do next to nothing."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for what, arguments in (("cupl --help", ["-m", "cupl", "--help"]),
                            ("import cupl", ["-c", "import cupl"]),
                            ("python alone", ["-c", "pass"])):  # fmt: skip
        command = [sys.executable, *arguments]
        run = partial(subprocess.run, command, env=environment, check=True, capture_output=True)
        took = best_of(5, run)
        report(what, seconds=took)


@contextmanager
def own_cache() -> Iterator[None]:
    """A cache of our own, empty at first."""
    before = os.environ.get("CUPL_CACHE")
    with TemporaryDirectory() as folder:
        os.environ["CUPL_CACHE"] = folder
        try:
            yield
        finally:
            os.environ.pop("CUPL_CACHE")
            if before is not None:
                os.environ["CUPL_CACHE"] = before


MEASURES = {f.__name__: f for f in (text, tower, images, open_clip, edit, memory, start)}


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("measures", nargs="*", choices=[*MEASURES, []])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--bank", type=Path, default=prompts_dir() / "banks" / "imagenet-mini.yaml")
    chosen = parser.parse_args()
    bank = PromptBank.load(chosen.bank)
    with TemporaryDirectory() as folder:
        model = chosen.model or save_random_model(Path(folder), bank)
        for name in chosen.measures or ("text", "tower", "images", "edit", "start"):
            MEASURES[name](model, bank)
    print(
        json.dumps({"threads": torch.get_num_threads(), "torch": torch.__version__, "rows": rows})
    )


if __name__ == "__main__":
    main()
