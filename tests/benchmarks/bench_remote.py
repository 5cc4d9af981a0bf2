"""The vectors of photos in a folder, an object store and tars: equal, and how long each takes.

Run ``python -m tests.benchmarks.bench_remote PHOTOS`` with a folder of JPEG files, of which the
first 1,000 are taken. The store is moto's S3 server on this machine, so what is measured is the
work of reading and no network; the encoder is a tiny CLIP with random weights.
"""

import argparse
import os
import tarfile
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from fsspec import filesystem

from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_vectors import load_embeddings
from cupl.encoders.loading import load_encoder
from tests.models import save_clip
from tests.s3_server import s3_environment, s3_server

BUCKET, MOST = "photos", 1000


def put(photos: list[Path], tar: Path, address: str) -> None:
    """Write the photos into the store, one by one and as a tar."""
    store = filesystem("s3", endpoint_url=address)
    with tarfile.open(tar, "w") as file:
        for photo in photos:
            file.add(photo, photo.name)
            store.pipe(f"{BUCKET}/all/{photo.name}", photo.read_bytes())
    store.pipe(f"{BUCKET}/{tar.name}", tar.read_bytes())


def main(source: Path) -> None:
    """Print a row a place."""
    photos = sorted(source.glob("*.jpg"))[:MOST]
    with TemporaryDirectory() as home, s3_server(BUCKET) as address:
        os.environ.update(s3_environment(address))
        folder, tar = Path(home) / "all", Path(home) / "photos.tar"
        folder.mkdir()
        for photo in photos:
            (folder / photo.name).write_bytes(photo.read_bytes())
        put(photos, tar, address)
        encoder = load_encoder(save_clip(Path(home) / "clip"), "cpu", "float32")
        embed_images(folder, encoder, Path(home) / "warm-up", image_cache=False)
        first = None
        for number, place in enumerate(
            [str(folder), f"s3://{BUCKET}/all/", str(tar), f"s3://{BUCKET}/{tar.name}"]
        ):
            out, began = Path(home) / f"out{number}", time.perf_counter()
            tally = embed_images(place, encoder, out, image_cache=False)
            took = time.perf_counter() - began
            vectors = torch.cat([shard.vectors for shard in load_embeddings(out)])
            first = vectors if first is None else first
            print(
                f"{place.replace(home, '')}: {tally.images} photos, {tally.failed} failed, "
                f"{took:.1f} s, equal {torch.equal(vectors, first)}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    main(parser.parse_args().photos)
