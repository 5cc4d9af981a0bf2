"""Small files that say much: every reader refuses them in a small multiple of their size."""

import json
import os
import resource
import struct
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from cupl.bank.class_lists import read_classes
from cupl.bank.importing import import_json
from cupl.bank.model import PromptBank
from cupl.embedding.class_vectors import ClassVectors
from cupl.encoders.loading import load_encoder
from cupl.errors import CuplError
from cupl.evaluation.label_files import read_label_file

PROCESSES = get_context("fork")
SIZE = 4_000_000
"""Bytes of a bomb, about."""
MOST = 64 * SIZE


def filled(begin: bytes, part: bytes, end: bytes = b"") -> bytes:
    return begin + part * (SIZE // len(part)) + end


def safetensors(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + b"\0" * 4


def vectors(cupl: str) -> bytes:
    tensor = {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}
    return safetensors(json.dumps({"__metadata__": {"cupl": cupl}, "vectors": tensor}).encode())


BANKS = {
    "lists": filled(b"name: x\nclasses: [", b"[],", b"]"),
    "texts": filled(b"name: x\nclasses: [", b"a,", b"]"),
    "prompts": filled(b"name: x\nclasses: [{name: a, prompts: [", b"'',", b"]}]"),
    "items": filled(b"name: x\nclasses:\n", b"- \n"),
    "deep": filled(b"", b"["),
    "deeper": filled(b"", b"- "),
    "tags": filled(b"", b"!!x "),
    "anchors": filled(b"", b"&x "),
    "questions": filled(b"", b"? "),
    "escapes": filled(b'"', b"\\x41", b'"'),
    "comments": filled(b"a: b", b" #"),
    "spaces": filled(b"a: b", b" \t"),
}
JSON = {
    "lists": filled(b"[", b"[],", b"[]]"),
    "objects": filled(b"{", b'"a":{},', b'"b":1}'),
    "deep": filled(b"", b"["),
    "numbers": filled(b"[", b"1,", b"1]"),
    "texts": filled(b"[", b'"",', b'""]'),
    "long": filled(b'["', b"\\u0041", b'"]'),
}
TABLES = {
    "rows": filled(b"path,label\n", b",\n"),
    "quote": filled(b"path,label\n", b'"'),
    "cells": filled(b"path,label\n", b","),
    "lines": filled(b"", b"\n"),
    "line": filled(b"", b"x"),
}
VECTORS = {
    "lists": vectors("[" + "[]," * (SIZE // 3) + "[]]"),
    "labels": vectors(json.dumps({"labels": [{"name": ""}] * (SIZE // 12)})),
    "tensors": safetensors(filled(b"{", b'"a":[],', b'"b":1}')),
    "deep": safetensors(filled(b"", b"[")),
}


def load_model(file: Path) -> None:
    file.rename(file.with_name("config.json"))
    for name in ("model.safetensors", "tokenizer.json", "preprocessor_config.json"):
        (file.parent / name).write_bytes(b"{}")
    load_encoder(file.parent)


READERS: dict[str, tuple[str, Callable[[Path], object], dict[str, bytes]]] = {
    "bank": (".yaml", PromptBank.load, BANKS),
    "published bank": (".json", import_json, JSON),
    "class list in JSON": (".json", read_classes, JSON),
    "class list in YAML": (".yaml", read_classes, BANKS),
    "class list in CSV": (".csv", read_classes, TABLES),
    "class list": (".txt", read_classes, TABLES),
    "labels": (".csv", read_label_file, TABLES),
    "class vectors": (".safetensors", ClassVectors.load, VECTORS),
    "model": (".json", load_model, JSON),
}


def attacked(read: Callable[[Path], object], file: Path, answer: object) -> None:
    """In a process of its own: what it took beyond what the process had at first."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read(file)
        said = None
    except CuplError as error:
        said = str(error)
    took = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    answer.send((said, took * 1024))  # type: ignore[attr-defined]


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="ru_maxrss counts kilobytes there")
@pytest.mark.parametrize("reader", READERS)
def test_a_bomb_is_refused_in_little_memory(reader: str, tmp_path: Path) -> None:
    ending, read, bombs = READERS[reader]
    for name, data in bombs.items():
        folder = tmp_path / name
        folder.mkdir()
        file = folder / f"bomb{ending}"
        file.write_bytes(data)
        mine, theirs = PROCESSES.Pipe()
        process = PROCESSES.Process(target=attacked, args=(read, file, theirs))
        process.start()
        said, took = mine.recv()
        process.join()
        assert said is not None, name
        assert "\n" not in said
        assert took < MOST, (name, took // SIZE)
