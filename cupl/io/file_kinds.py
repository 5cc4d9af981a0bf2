"""What a file is that is not what was hoped for, told by its beginning."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cupl.errors import InputError

POINTER_START = b"version https://git-lfs.github.com/spec/"
START_BYTES = 4096
"""How much of a file's beginning is looked at."""

BANK = "a prompt bank"
QUESTION_SET = "a set of questions"
TEMPLATE_SET = "a set of templates"
PREDICTIONS = "a file of predictions that cupl classify wrote"
JUDGED = "the predictions.csv that cupl evaluate wrote"
EVALUATION = "the evaluation.json that cupl evaluate wrote"
FIGURE_TABLE = "a table of figures that cupl evaluate wrote"
REPORT_PAGE = "the report.html that cupl evaluate wrote"
PREDICTION_TABLE = "a table that cupl classify wrote to be read"
PREDICTIONS_PAGE = "the page of predictions that cupl classify wrote"
FOUND = "a list of photos that cupl search, similar or duplicates wrote"
FOUND_PAGE = "a page of photos that cupl search, similar or duplicates wrote"
DECISIONS = "a file of decisions that cupl filter wrote"
DECISION_TABLE = "a table that cupl filter wrote to be read"
DECISIONS_PAGE = "the page of decisions that cupl filter wrote"
REQUESTS = "a batch file of requests"
RESULTS = "a batch file of answers"
PARQUET = "a Parquet file"
GZIP = "a gzip file: unpack it"
ANSWERS = "a copy of a cache, as cupl cache export writes"
UNFINISHED = "the unfinished output of cupl classify"
CLASS_VECTORS = "a file of class vectors"
IMAGE_VECTORS = "a shard of image vectors, from a folder that cupl embed wrote"
SAFETENSORS = "a safetensors file, as the weights of a model"
EMBEDDINGS = "a folder of image vectors that cupl embed wrote"
INDEX = "an index of photos, as cupl index add makes"
REPORT = "a folder with a report of cupl evaluate"
FOLDER = "a folder"
TABLE_FOLDER = "photos.lance"
"""In the folder of an index."""
ARRAYS = {
    "npy": "an array of numpy (.npy)",
    "zip": "a zip archive, as Excel's workbooks, .npz files and files of torch.save are",
    "pickle": "a pickle, which could run code and is not read",
    "hdf5": "an HDF5 file, as TensorFlow writes",
}
"""Kinds in which other programs keep vectors."""

BY_ENDING = {".csv": "a table (CSV)", ".tsv": "a table (TSV)", ".json": "JSON", ".jsonl": "JSON"}
"""What a text is by its ending, where its content is not what was wanted."""

_POINTER = "a git-lfs pointer, not the file itself: run 'git lfs pull' where it was cloned"
_PAGE = "a web page, not the file that was to be downloaded"
_BINARY = {
    # Before all others: the length that it begins with may look like anything.
    rb".{6}\0\0\{.*cupl-embeddings": IMAGE_VECTORS,
    rb'.{6}\0\0\{.*\\?"cupl-vectors/': CLASS_VECTORS,
    rb".{6}\0\0\s*\{": SAFETENSORS,
    rb"version https://git-lfs\.github\.com/spec/": _POINTER,
    rb"\x93NUMPY": ARRAYS["npy"],
    rb"PK\x03\x04": ARRAYS["zip"],
    rb"\x80[\x02-\x05]": ARRAYS["pickle"],
    rb"GGUF": "a GGUF file, a language model of llama.cpp",
    rb"\x89HDF\r\n": ARRAYS["hdf5"],
    rb"PAR1": PARQUET,
    rb"\x1f\x8b": GZIP,
    rb"<!doctype html>.{0,1500}<title>Evaluation of ": REPORT_PAGE,
    rb"<!doctype html>.{0,1500}<title>Predictions</title>": PREDICTIONS_PAGE,
    rb"<!doctype html>.{0,1500}<title>(Photos found|Duplicates)</title>": FOUND_PAGE,
    rb"<!doctype html>.{0,1500}<title>Decisions</title>": DECISIONS_PAGE,
    rb"\s*<(?i:!doctype|html)(?!\s+svg)": _PAGE,
    rb"\xff\xd8\xff": "a photo (JPEG)",
    rb"\x89PNG\r\n\x1a\n": "an image (PNG)",
    rb"GIF8[79]a": "an image (GIF)",
    rb"RIFF....WEBP": "an image (WebP)",
    rb"BM....\0{4}": "an image (BMP)",
    rb"II\*\0|MM\0\*": "an image (TIFF)",
    rb"....ftyp(avi|hei|hev|mif)": "an image (AVIF or HEIC)",
    rb"%PDF-": "a PDF document",
    rb"SQLite format 3\0": "a database (SQLite), as caches are",
}
_YAML = rb"(([ \t]*(#[^\n]*)?|---|name:[^\n]*)\r?\n)*format: [\"']?"
_OWN = {
    _YAML + rb"cupl-bank/": BANK,
    _YAML + rb"cupl-questions/": QUESTION_SET,
    _YAML + rb"cupl-templates/": TEMPLATE_SET,
    rb"path,label,id,score,probability,error\b": PREDICTIONS,
    rb'\{"path": .*"score": .*"probability": ': PREDICTIONS,
    rb" *image +(labels +(best|first) score|label +probability)\b": PREDICTION_TABLE,
    rb"path,decision,margin\b": DECISIONS,
    rb'\{"path": .*"decision": ".*"margin": ': DECISIONS,
    rb" *image +decision\b": DECISION_TABLE,
    rb"path,label,contender,draw,predicted\b": JUDGED,
    rb'\{\s*"format": "cupl-evaluation/': EVALUATION,
    rb"name,kind,seeds,prompts,top1\b": FIGURE_TABLE,
    rb"contender,kind,class,id,images,accuracy\b": FIGURE_TABLE,
    rb"bank,control,difference,difference_low\b": FIGURE_TABLE,
    rb"true class,": FIGURE_TABLE,
    rb"encoder,data,name,kind\b": FIGURE_TABLE,
    rb"encoder,name,kind,data_sets\b": FIGURE_TABLE,
    rb"(class,id,|group,keep,exact,)?score,path,date,label,probability\b": FOUND,
    rb'\{("(class|group)": .*)?"score": .*"path": .*"date": ': FOUND,
    rb'\{"custom_id": ?"[^"]*", ?"method"': REQUESTS,
    rb'\{"key": ?"[0-9a-f]{64}", ?"answer"': ANSWERS,
    rb'\{"format": "cupl-part/': UNFINISHED,
}
_KINDS = [(re.compile(start, re.DOTALL), kind) for start, kind in _BINARY.items()]
_OWN_KINDS = [(re.compile(rb"(\xef\xbb\xbf)?" + start), kind) for start, kind in _OWN.items()]


def kind_of_file(path: str | os.PathLike[str]) -> str | None:
    """What a file is, in words that lead on where there is a way; None where nothing is known.

    Also what cupl itself writes, and folders of it.
    """
    if os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises for over-long names)
        return kind_of_folder(path)
    try:
        if not os.path.isfile(path):  # noqa: PTH113
            return None
        with open(path, "rb") as file:  # noqa: PTH123
            start = file.read(START_BYTES)
    except (OSError, ValueError):
        return None
    return kind_of_start(start) or own_kind(start)


def kind_of_start(start: bytes) -> str | None:
    """The same of its first bytes, :data:`START_BYTES` of them, of what is no text for a reader."""
    return next((kind for pattern, kind in _KINDS if pattern.match(start)), None)


def own_kind(start: bytes) -> str | None:
    """Which of the texts that cupl writes a file is, by its first bytes; None of any other."""
    return next((kind for pattern, kind in _OWN_KINDS if pattern.match(start)), None)


def kind_of_folder(path: str | os.PathLike[str]) -> str:
    """What a folder is that stands where a file belongs."""
    folder = Path(path)
    if (folder / "images-00000.parquet").exists():
        return EMBEDDINGS
    if is_index(folder):
        return INDEX
    if (folder / "evaluation.json").exists():
        return REPORT
    return FOLDER


def is_index(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is an index of photos, which is left out where photos are looked for."""
    versions = os.path.join(folder, TABLE_FOLDER, "_versions")  # noqa: PTH118
    try:
        with os.scandir(versions) as entries:
            return next(entries, None) is not None
    except (OSError, ValueError):
        return False


def wrong_kind(path: str | os.PathLike[str], kind: str, wanted: str | None) -> InputError:
    """The error of a file of one kind where another is wanted."""
    told = wanted is None or " not " in kind  # what it is not is said, and the way out
    return InputError(f"{path} is {kind}" + ("" if told else f", not {wanted}"))


def check_own_kind(path: str | os.PathLike[str], wanted: str, *also: str) -> None:
    """Refuse a file or folder that is known to be something else, before it is opened.

    Args:
        path: what is known to be nothing, or is not there, passes.
        wanted: what it is to be, also in words.
        also: what else may pass.

    Raises:
        InputError: it is of another kind.

    """
    kind = kind_of_file(path)
    if kind is not None and kind not in (wanted, *also):
        raise wrong_kind(path, kind, wanted)


def is_pointer(path: str | os.PathLike[str]) -> bool:
    """Whether a file only says what git-lfs would put in its place."""
    return kind_of_file(path) == _POINTER
