"""Every kind of file that cupl reads: good ones, and how a command reads them."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from cupl.embedding.text_cache import embed_texts
from cupl.encoders.loading import load_encoder
from cupl.evaluation.dataset import read_labelled
from cupl.generation.batch.requests import check_requests, write_requests
from cupl.generation.batch.results import import_results
from cupl.generation.cache.entries import Stored
from cupl.generation.cache.reader import CacheReader
from cupl.generation.cache.store import ResponseCache
from cupl.generation.cache.transfer import export_entries, import_entries
from cupl.generation.plan import make_plan
from cupl.io.paths import prompts_dir
from cupl.llm.protocol import Response
from tests.attacks.pictures import PICTURES
from tests.attacks.servers import CHAT, LISTS, REPLIES, ask, list_batches
from tests.batch_server import expired_line, openai_line, vllm_line
from tests.caches import fill, key
from tests.evaluation.pictures import encoder
from tests.generation.batch.test_results import request
from tests.models import HandMadeEncoder, bank_of, draw, save_clip
from tests.writing_commands import OLD, PROMPTS

URL = "http://localhost:8000/v1"
TEXTS = [f"text {number}" for number in range(100)]


@dataclass(frozen=True)
class Sample:
    """A good file."""

    name: str
    data: bytes


def never(text: str) -> bool:
    """No warning is right."""
    return False


@dataclass(frozen=True)
class Kind:
    """Files of one kind.

    Attributes:
        samples: makes good ones, in a folder that is its own.
        read: given the folder, and name and content of a changed one. Raises a ``CuplError`` for
            what it refuses; an ``AssertionError`` for what it reads wrong.
        text: whether people write it.
        may_warn: whether a warning with this text is right.

    """

    samples: Callable[[Path], Sequence[Sample]]
    read: Callable[[Path, str, bytes], object]
    text: bool = False
    may_warn: Callable[[str], bool] = never


def put(folder: Path, name: str, data: bytes) -> Path:
    """The file, which takes no space on a disk when it is overwritten."""
    path = folder / name
    path.write_bytes(data)
    return path


def reading(read: Callable[[Path], object]) -> Callable[[Path, str, bytes], object]:
    """For kinds that are one file."""
    return lambda folder, name, data: read(put(folder, name, data))


def given(*files: tuple[str, bytes | str]) -> Callable[[Path], Sequence[Sample]]:
    """Samples that are written here."""
    samples = [Sample(name, d if isinstance(d, bytes) else d.encode()) for name, d in files]
    return lambda folder: samples


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
    files = [folder / "v.safetensors", folder / "t.safetensors", OLD / "mean.safetensors",
             OLD / "similarity.safetensors"]  # fmt: skip
    return [Sample("vectors.safetensors", file.read_bytes()) for file in files]


def read_vectors(path: Path) -> None:
    lengths = ClassVectors.load(path).matrix.norm(dim=1)
    assert bool((lengths < 1.001).all())


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
        assert len(found) == 6
        for one, other in zip(found, good, strict=True):
            assert torch.equal(one.vectors, other.vectors)
            assert len(one.paths) == len(one.errors) == 3


class changed:
    """A file has another content for a while."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path, self._data = path, data

    def __enter__(self) -> None:
        self._good = self._path.read_bytes()
        self._path.write_bytes(self._data)

    def __exit__(self, *error: object) -> None:
        self._path.write_bytes(self._good)


def partial(folder: Path) -> list[Sample]:
    """What a stopped ``classify`` leaves."""
    from PIL import Image

    for number in range(6):
        Image.new("RGB", (4, 4), ((255, 0, 0), (0, 0, 255))[number % 2]).save(f"{number}.png")
    kept: list[bytes] = []
    for top_k in (1, 2):
        classify(Path("out.csv"), top_k, lambda *done: kept.append(_content(Path("out.csv.part"))))
        Path("out.csv").rename(f"good{top_k}.csv")
    return [Sample(f"{2 - (i < 7)}", kept[i]) for i in (3, 6, 9, 13)]


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def classify(output: Path, top_k: int, progress: Callable[[int, int], None]) -> None:
    maker = encoder()
    maker.image_batch = 2
    matrix = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    vectors = ClassVectors.from_arrays(["cat", "dog", "frog"], matrix, fingerprint="hand-made")
    images = [f"{number}.png" for number in range(6)]
    classify_to_file(
        ZeroShotClassifier(vectors, maker), images, output, "csv", top_k, resume=True,
        progress=progress,
    )  # fmt: skip


def read_partial(folder: Path, name: str, data: bytes) -> None:
    put(folder, "out.csv.part", data)
    Path("out.csv").unlink(missing_ok=True)
    classify(Path("out.csv"), int(name), lambda *done: None)
    lines = Path("out.csv").read_text().splitlines()
    assert len(lines) == 7
    assert lines[0] == Path(f"good{name}.csv").read_text().splitlines()[0]
    assert not Path("out.csv.part").exists()


def cache(folder: Path) -> list[Sample]:
    fill(folder / "whole", 200)
    return [Sample("cache.db", (folder / "whole" / "cache.db").read_bytes())]


def fresh(folder: Path, name: str, data: bytes) -> Path:
    """A folder with a changed database alone."""
    shutil.rmtree(folder / "changed", ignore_errors=True)
    (folder / "changed").mkdir()
    put(folder / "changed", name, data)
    return folder / "changed"


def read_cache(folder: Path, name: str, data: bytes) -> None:
    """Right answers or a sentence, never wrong ones; an intact one is read to its end."""
    place = fresh(folder, name, data)
    answers = {key(i): f"Answer {i}: " + "words " * 40 for i in range(200)}
    with CacheReader(place) as reader:
        for entry in reader.entries():
            if isinstance(entry, Stored):
                assert isinstance(entry.entry, Response)
                assert entry.entry.text == answers.get(entry.key)
    with ResponseCache(place) as opened:
        for known, answer in opened.get_many([*answers]).items():
            assert isinstance(answer, Response)
            assert answer.text == answers[known]
        opened.put({key(-1): Response("new")})
        assert opened.get(key(-1)) == Response("new")


class Lengths(HandMadeEncoder):
    """The vector of a text is made of its length."""

    def __init__(self) -> None:
        super().__init__(fingerprint="f")
        self.dim = 20

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.stack([torch.arange(20.0) + len(text) / 7 for text in texts])


def embedded(folder: Path) -> list[Sample]:
    embed_texts(TEXTS, Lengths(), text_cache=folder / "whole")
    return [Sample("cache.db", (folder / "whole" / "cache.db").read_bytes())]


def read_embedded(folder: Path, name: str, data: bytes) -> None:
    found = embed_texts(TEXTS, Lengths(), text_cache=fresh(folder, name, data))
    assert torch.equal(found.vectors, Lengths().encode_text(TEXTS))
    assert found.tokens == Lengths().count_tokens(TEXTS)


def exports(folder: Path) -> list[Sample]:
    fill(folder / "whole", 50)
    with CacheReader(folder / "whole") as reader:
        export_entries(reader, folder / "e.jsonl.gz")
        export_entries(reader, folder / "e.jsonl")
    files = [folder / "e.jsonl.gz", folder / "e.jsonl", OLD / "answers.jsonl"]
    return [Sample(file.name, file.read_bytes()) for file in files]


def into_cache(read: Callable[[Path, ResponseCache], object]) -> Callable[..., object]:
    """Into one that stays: to make a database takes longer than to read most files."""

    def read_into(folder: Path, name: str, data: bytes) -> None:
        with ResponseCache(folder / "into") as opened:
            read(put(folder, name, data), opened)

    return read_into


def results(folder: Path) -> list[Sample]:
    requests = [request((i, i + 1)) for i in range(0, 10, 2)]
    made = [[shape(one) for one in requests] for shape in (openai_line, vllm_line, expired_line)]
    return [
        Sample("r.jsonl", "".join(json.dumps(x) + "\n" for x in lines).encode()) for lines in made
    ]


def requests(folder: Path) -> list[Sample]:
    plan = make_plan(["cat", "tree frog"], model="m", base_url=URL, samples=4)
    with ResponseCache(folder / "none") as empty:
        write_requests(plan, empty, folder / "requests.jsonl")
    return [Sample("requests.jsonl", (folder / "requests.jsonl").read_bytes())]


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
    "model folder": Kind(models, read_model, text=True),
    "chat reply": Kind(given(*REPLIES), lambda folder, name, data: CHAT.meet(data, ask), text=True),
    "batch list": Kind(
        given(*LISTS), lambda folder, name, data: CHAT.meet(data, list_batches), text=True
    ),
}


def _quiet() -> None:
    os.environ.setdefault("TQDM_DISABLE", "1")


_quiet()
