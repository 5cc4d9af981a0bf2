"""What the mini encoder, or a bridge, gets right, and how fast.

``python -m tests.benchmarks.bench_mini_encoder PHOTOS BANK.yaml [bridge:CLASSIFIER+SENTENCES]``:
the classifier of a bridge has ImageNet's 1,000 classes. PHOTOS is a folder with one
photo of each class of ImageNet, ``<wnid>_<name>.jpg``; BANK has the WordNet ids. Accuracy is the
mean over 200 draws of 100 classes: as it is, and with each photo's own class hidden from the
network, which is what a class it never learned looks like.
"""

import sys
import time
from pathlib import Path

import torch

from cupl.bank.class_lists import read_classes
from cupl.bank.model import PromptBank
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.image_files import find_images
from cupl.embedding.images import open_image
from cupl.embedding.normalize import unit
from cupl.encoders.conse import ConseEncoder
from cupl.encoders.loading import load_encoder


def accuracy(scores: torch.Tensor, draws: int = 200, classes: int = 100) -> float:
    """Mean accuracy over random subsets of classes; ``scores[i, i]`` is photo i's own class."""
    generator = torch.Generator().manual_seed(0)
    right = 0.0
    for _ in range(draws):
        chosen = torch.randperm(len(scores), generator=generator)[:classes]
        found = scores[chosen][:, chosen].argmax(dim=1)
        right += (found == torch.arange(len(chosen))).float().mean().item()
    return right / draws


def main() -> None:
    """Print accuracies and rates."""
    photos, bank, *named = sys.argv[1:]
    start = time.perf_counter()
    encoder = load_encoder(*(named or ["mini"]))
    assert isinstance(encoder, ConseEncoder)
    print(f"load {time.perf_counter() - start:.1f} s (the first time embeds the anchors)")
    paths = {Path(path).name.split("_")[0]: path for path in find_images([photos])}
    prompts = {entry.id: entry for entry in PromptBank.load(Path(bank))}
    every = [str(label.id) for label in read_classes("imagenet")]
    rows = [row for row, wnid in enumerate(every) if wnid in paths and wnid in prompts]
    ids = [every[row] for row in rows]
    images = [open_image(paths[wnid]) for wnid in ids]
    start = time.perf_counter()
    logits = encoder.classify(
        torch.stack(list(map(encoder.prepare, images)))
    ).clone()  # an inference tensor cannot be changed
    print(f"logit scale {encoder.logit_scale:.1f}")
    print(f"{len(images) / (time.perf_counter() - start):.0f} images/s")
    vectors = encode_bank(
        PromptBank(name="bench", classes=[prompts[wnid] for wnid in ids]), encoder
    ).matrix
    seen = unit(encoder.weigh_anchors(logits)) @ vectors.T
    logits[torch.arange(len(rows)), torch.tensor(rows)] = -torch.inf
    hidden = unit(encoder.weigh_anchors(logits)) @ vectors.T
    shares = f"{accuracy(seen):.1%}, own class hidden {accuracy(hidden):.1%}"
    print(f"{len(rows)} photos, right of 100 classes: {shares}")


if __name__ == "__main__":
    main()
