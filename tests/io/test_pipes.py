"""Readers of lines and of texts read a pipe as they read a file."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cupl.bank.class_lists import read_classes
from cupl.bank.importing import import_json
from cupl.bank.model import PromptBank
from cupl.errors import InputError
from cupl.generation.batch.requests import check_requests
from cupl.generation.batch.results import import_results
from cupl.generation.cache.store import ResponseCache
from cupl.generation.cache.transfer import import_entries
from cupl.io.csv import read_rows
from cupl.io.jsonl import numbered_lines
from tests.batch_server import openai_line
from tests.generation.batch.test_results import request
from tests.pipes import pipe

OLD = Path(__file__).parents[1] / "compatibility" / "v0.1"

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")


def in_bytes(data: bytes) -> list[bytes]:
    """Byte for byte, so that a reader that takes what is there takes one."""
    return [data[i : i + 1] for i in range(len(data))]


def test_lines(tmp_path: Path) -> None:
    with pipe(tmp_path / "p", b"a\nb", b"c\n", b"", b"d") as path:
        assert list(numbered_lines(path)) == [(1, b"a\n"), (2, b"bc\n"), (3, b"d")]


def test_results_of_a_batch(tmp_path: Path) -> None:
    lines = [json.dumps(openai_line(request((n,)))).encode() + b"\n" for n in range(2001)]
    more = tmp_path / "more.jsonl"
    more.write_bytes(json.dumps(openai_line(request((5000,)))).encode())
    seen: list[tuple[int, int]] = []
    with ResponseCache(tmp_path / "c") as cache, pipe(tmp_path / "p", *lines) as path:
        report = import_results([path, more], cache, progress=lambda *told: seen.append(told))
    assert (report.lines, report.kept) == (2002, 2002)
    assert len(seen) == 2
    assert {total for _, total in seen} == {0}  # nobody knows how much there is to come


def test_an_empty_pipe(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "c") as cache, pipe(tmp_path / "p") as path:
        assert import_results([path], cache).lines == 0


def test_a_bank(tmp_path: Path) -> None:
    with pipe(tmp_path / "p", *in_bytes((OLD / "bank.yaml").read_bytes())) as path:
        assert PromptBank.load(path) == PromptBank.load(OLD / "bank.yaml")


def test_prompts_in_json(tmp_path: Path) -> None:
    with pipe(tmp_path / "p.json", b'{"cat": ["A cat is', b' soft."]}') as path:
        bank, _ = import_json(path)
    assert bank.classes[0].texts == ["A cat is soft."]


def test_names_of_classes(tmp_path: Path) -> None:
    with pipe(tmp_path / "p", b"cat\nd", b"og\n") as path:
        assert [label.name for label in read_classes(path)] == ["cat", "dog"]


def test_rows_of_csv(tmp_path: Path) -> None:
    with pipe(tmp_path / "p", b"name,id\ncat,", b"n1\n") as path:
        rows = list(read_rows(path, lambda columns: "name" in columns, "needs a name"))
    assert rows == [(f"{path}: line 2", {"name": "cat", "id": "n1"})]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("piecewise", [False, True])
def test_an_export_of_a_cache(tmp_path: Path, packed: bool, piecewise: bool) -> None:
    data = (OLD / "answers.jsonl").read_bytes()
    with ResponseCache(tmp_path / "file") as cache:
        expected = import_entries(OLD / "answers.jsonl", cache)
    sent = gzip.compress(data) if packed else data
    chunks = in_bytes(sent) if piecewise else [sent]
    with ResponseCache(tmp_path / "c") as cache, pipe(tmp_path / "p", *chunks) as path:
        assert import_entries(path, cache) == expected


def test_a_short_export_of_a_cache(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "c") as cache:
        for number, sent in enumerate((b"", b"\n")):
            with pipe(tmp_path / f"p{number}", sent) as path:
                if sent:
                    with pytest.raises(InputError, match="no export of a response cache"):
                        import_entries(path, cache)
                else:
                    assert not import_entries(path, cache).entries


def test_requests_are_not_submitted_from_a_pipe(tmp_path: Path) -> None:
    """They are read to be checked and again to be sent."""
    data = (OLD / "requests.jsonl").read_bytes()
    with (
        pipe(tmp_path / "p", data) as path,
        pytest.raises(InputError, match="p is read twice, to check it and to send it: write it"),
    ):
        check_requests(path, "http://localhost:8000/v1")


SHELL = "{cupl} batch import <(cat {0}) --cache {1}"


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="no shell that has <( )")
def test_the_command_with_the_output_of_another(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    lines = [json.dumps(openai_line(request((n,)))) + "\n" for n in range(1500)]
    path.write_text("".join(lines))
    command = SHELL.format(path, tmp_path / "cache", cupl=f"{sys.executable} -m cupl")
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1,500 lines: 1,500 answers kept, 0 were there" in done.stderr
