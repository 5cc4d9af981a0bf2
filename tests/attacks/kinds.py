"""Every kind of file that cupl reads: good ones, and how a command reads them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from cupl.bank.class_lists import read_classes
from cupl.bank.importing import import_json
from cupl.bank.labels import ClassLabel
from cupl.bank.lint import check_bank
from cupl.bank.model import PromptBank
from cupl.bank.templates import QuestionSet, TemplateSet
from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.decision import read_class_thresholds
from cupl.classification.resumable import classify_to_file
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_shards import (
    ImageProvenance,
    Shard,
    ShardMetadata,
    images_file,
    vectors_file,
    write_shard,
)
from cupl.embedding.image_vectors import load_embeddings
from cupl.embedding.images import open_image
from cupl.encoders.loading import load_encoder
from cupl.evaluation.dataset import read_labelled
from cupl.generation.batch.requests import check_requests
from cupl.generation.batch.results import import_results
from cupl.generation.cache.transfer import import_entries
from cupl.io.paths import prompts_dir
from tests.attacks.kept_answers import (
    URL,
    cache,
    embedded,
    exports,
    into_cache,
    read_cache,
    read_embedded,
    requests,
    results,
)
from tests.attacks.pictures import PICTURES
from tests.attacks.sample import Kind, Sample, changed, given, put, reading
from tests.attacks.servers import CHAT, LISTS, REPLIES, ask, list_batches
from tests.evaluation.pictures import encoder
from tests.models import bank_of, draw, save_clip
from tests.writing_commands import OLD, PROMPTS


def banks(folder: Path) -> list[Sample]:
    whole = {
        label: [*texts, "Ein »Frosch« 🐸: 'grün', #1", "multi\nline"]
        for label, texts in PROMPTS.items()
    }
    small = (
        b"name: x\nclasses:\n- {name: cat, prompts: [A cat.]}\n- name: dog\n  aliases: [hound]\n"
    )
    return [
        Sample("bank.yaml", bank_of(whole).to_bytes()),
        Sample("bank.yaml", (OLD / "generated.yaml").read_bytes()),
        Sample("bank.yaml", small + b"  prompts: {What?: [A dog., 'Dogs bark.']}\n"),
    ]


def read_bank(path: Path) -> None:
    check_bank(PromptBank.load(path)).sort(key=str)


def vectors_of(folder: Path) -> list[Sample]:
    matrix = torch.nn.functional.normalize(torch.randn(5, 16, generator=torch.manual_seed(0)))
    names = [ClassLabel("cat"), *map(ClassLabel, "abcd")]
    made = ClassVectors.from_arrays(names, matrix, fingerprint="f", encoder="e")
    made.save(folder / "v.safetensors")
    made.with_temperature(2.5).save(folder / "t.safetensors")
    fitted = ZeroShotClassifier(made)
    rows = torch.randn(30, 16, generator=torch.manual_seed(1))
    fitted.fit_threshold(rows, keep=0.8)
    fitted.fit_coverage(rows, [0, 1, 2] * 10, coverage=0.8)
    fitted.save(folder / "f.safetensors")
    files = [folder / f"{name}.safetensors" for name in "vtf"]
    files += [OLD / "mean.safetensors", OLD / "similarity.safetensors"]
    return [Sample("vectors.safetensors", file.read_bytes()) for file in files]


def read_vectors(path: Path) -> None:
    vectors = ClassVectors.load(path)
    assert bool((vectors.matrix.norm(dim=1) < 1.001).all())
    rows = torch.rand(2, vectors.matrix.shape[1], generator=torch.manual_seed(0))
    assert len(ZeroShotClassifier(vectors).predict_vectors(rows)) == 2


def shards(folder: Path) -> list[Sample]:
    """An embed directory, of which one file at a time is changed."""
    directory = folder / "shards"
    directory.mkdir()
    made = ImageProvenance.of(encoder())
    for number in range(2):
        errors = [None, "there is no such file", None]
        paths = [f"photos/{number}{letter}.png" for letter in "abc"]
        shard = Shard(paths, errors, torch.rand(2, 2, generator=torch.manual_seed(number)))
        write_shard(directory, ShardMetadata(shard=number, shard_size=3, provenance=made), shard)
    files = [images_file(directory, 0), images_file(directory, 1), vectors_file(directory, 0)]
    shutil.copytree(directory, folder / "good")
    return [Sample(file.name, file.read_bytes()) for file in files]


def read_shards(folder: Path, name: str, data: bytes) -> None:
    good = list(load_embeddings(folder / "good"))
    with changed(folder / "shards" / name, data):
        found = load_embeddings(folder / "shards")
        for one, other in zip(found, good, strict=True):
            assert torch.equal(one.vectors, other.vectors)
            assert (one.paths, one.errors) == (other.paths, other.errors)
        assert len(found) == 6


def partial(folder: Path) -> list[Sample]:
    """What a stopped ``classify`` leaves."""
    from PIL import Image

    for number in range(6):
        Image.new("RGB", (4, 4), ((255, 0, 0), (0, 0, 255))[number % 2]).save(f"{number}.png")
    kept: list[bytes] = []
    for top_k in (1, 2):
        classify("csv", top_k, lambda *done: kept.append(_content(Path("out.csv.part"))))
        Path("out.csv").rename(f"good{top_k}.csv")
    return [Sample(f"{2 - (i < 7)}", kept[i]) for i in (3, 6, 9, 13)]


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def classify(format: str, top_k: int, progress: Callable[[int, int], None]) -> None:
    maker = encoder()
    maker.image_batch = 2
    matrix = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    vectors = ClassVectors.from_arrays(["cat", "dog", "frog"], matrix, fingerprint="hand-made")
    images = [f"{number}.png" for number in range(6)]
    classify_to_file(
        ZeroShotClassifier(vectors, maker), images, Path(f"out.{format}"), format, top_k,
        resume=True, progress=progress,
    )  # fmt: skip


def read_partial(folder: Path, name: str, data: bytes) -> None:
    format = ("csv", "jsonl", "parquet")[len(data) % 3]
    put(folder, f"out.{format}.part", data)
    classify(format, int(name), lambda *done: None)
    written = Path(f"out.{format}").read_bytes()
    if format == "csv":
        header = Path(f"good{name}.csv").read_bytes().splitlines()[0]
        assert written.splitlines()[0] == header
    if format != "parquet":
        assert len(written.splitlines()) == 6 + (format == "csv")
    assert not Path(f"out.{format}.part").exists()


def shipped(name: str) -> list[tuple[str, bytes | str]]:
    files = sorted((prompts_dir() / name).glob("*.yaml"), key=lambda file: file.stat().st_size)
    return [("set.yaml", file.read_bytes()) for file in files[:3]]


def models(folder: Path) -> list[Sample]:
    save_clip(folder / "model")
    names = ["config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json",
             "model.safetensors"]  # fmt: skip
    return [Sample(n, (folder / "model" / n).read_bytes()) for n in names
            if (folder / "model" / n).exists()]  # fmt: skip


def read_model(folder: Path, name: str, data: bytes) -> None:
    with changed(folder / "model" / name, data):
        loaded = load_encoder(folder / "model")
        vectors = loaded.encode_text(["a photo of a cat."])
        assert vectors.shape == (1, loaded.dim)
        assert loaded.encode_images([draw(40, 30)]).shape == (1, loaded.dim)


def labelled(folder: Path) -> list[Sample]:
    for name in ("a.png", "b.png"):
        draw(4, 4).save(folder / name)
    rows = "path,label\na.png,cat\nb.png,dog\n"
    quoted = 'filename,class,split\n"a.png","cat",train\nb,"tree frog",test\n'
    return [Sample("labels.csv", rows.encode()), Sample("labels.csv", quoted.encode())]


def read_labels(path: Path) -> None:
    found = read_labelled(path, [ClassLabel("cat"), ClassLabel("dog"), ClassLabel("tree frog")])
    assert len(found.paths) == len(found.targets)


LISTS_OF_CLASSES = given(
    ("classes.txt", "cat\ndog, hound\n# no class\ntree frog\nn0123 newt\n"),
    ("classes.csv", 'id,name,aliases\n1,cat,\n2,"dog","hound|""whelp"""\n'),
    ("classes.json", '{"0": ["n01", "cat"], "1": ["n02", "dog"]}'),
    ("classes.json", '[{"id": 1, "name": "cat", "kind": "animal"}, {"id": 2, "name": "dog"}]'),
    ("classes.yaml", "names:\n  0: cat\n  1: dog\nnc: 2\n"),
    ("classes.jsonl", '{"name": "cat"}\n{"name": "dog"}\n'),
)  # fmt: skip
PUBLISHED = given(
    ("prompts.json", json.dumps({**PROMPTS, "Frosch": ["Ein grüner Frosch.", "a\tb"]})),
    ("prompts.json", json.dumps({"cat": ["whiskers", "four legs"], "dog": ["a tail"]}, indent=2)),
)
KINDS: dict[str, Kind] = {
    **{
        f"image {name}": Kind(
            given(*((f"image.{i}", data) for i, data in enumerate(files))),
            reading(lambda path: open_image(path, side=224)),
            text=name in {"ppm"},
        )
        for name, files in PICTURES.items()
    },
    "bank": Kind(banks, reading(read_bank), text=True),
    "published bank": Kind(PUBLISHED, reading(import_json), text=True),
    "class list": Kind(LISTS_OF_CLASSES, reading(read_classes), text=True),
    "templates": Kind(given(*shipped("templates")), reading(TemplateSet.load), text=True),
    "questions": Kind(given(*shipped("questions")), reading(QuestionSet.load), text=True),
    "class thresholds": Kind(
        given(("t.csv", "class,cosine\ncat,0.25\ndog,0.3\n")), reading(read_class_thresholds), True
    ),
    "class vectors": Kind(vectors_of, reading(read_vectors)),
    "embed folder": Kind(shards, read_shards),
    "classify part": Kind(partial, read_partial, text=True),
    "answer cache": Kind(cache, read_cache),
    "embedding cache": Kind(embedded, read_embedded, may_warn=lambda t: "text embeddings" in t),
    "cache export": Kind(exports, into_cache(import_entries), text=True),
    "batch results": Kind(
        results, into_cache(lambda path, into: import_results([path], into)), text=True
    ),
    "batch requests": Kind(requests, reading(lambda path: check_requests(path, URL)), text=True),
    "labels": Kind(labelled, reading(read_labels), text=True),
    "model folder": Kind(models, read_model, text=True, may_print=b"Ignored unknown kwarg option"),
    "chat reply": Kind(given(*REPLIES), lambda folder, name, data: CHAT.meet(data, ask), text=True),
    "batch list": Kind(
        given(*LISTS), lambda folder, name, data: CHAT.meet(data, list_batches), text=True
    ),
}
