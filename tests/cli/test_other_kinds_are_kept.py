"""What lies at -o and is of another kind than what a command writes is set aside, never lost."""

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Cupl
from tests.models import draw
from tests.writing_commands import COMMANDS, words_of

REPLACING = ("encode", "adapt", "classify csv", "classify jsonl", "classify parquet",
             "classify report", "prune list", "search", "search jsonl", "search parquet",
             "search sheet", "duplicates")  # fmt: skip
MODEL = ("--encoder", "model", "--embedding-cache", "none")
LABELS = b"path,label\nphotos/cat/0.png,cat\n"


def another(kind: str, path: Path) -> bytes:
    """A file of another kind than any of these commands writes."""
    if kind == "bank":
        shutil.copy("bank.yaml", path)
    elif kind == "photo":
        draw(40, 30, seed=3).save(path, "PNG")
    elif kind == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table({"path": ["1.png"], "label": ["cat"]}), path)
    else:
        path.write_bytes(LABELS)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["bank", "photo", "labels", "parquet"])
@pytest.mark.parametrize("name", REPLACING)
def test_another_kind_is_set_aside(cupl: Cupl, work: Path, name: str, kind: str) -> None:
    command = COMMANDS[name]
    target = Path(command.output)
    held = another(kind, target)
    outcome = cupl(*words_of(command, command.output))
    assert outcome.code == 0, outcome.err
    assert f"{target} held something else: kept as {target}.old\n" in outcome.err
    assert Path(f"{target}.old").read_bytes() == held
    assert target.read_bytes() != held


@pytest.mark.parametrize("name", REPLACING)
def test_an_older_result_is_replaced(cupl: Cupl, work: Path, name: str) -> None:
    command = COMMANDS[name]
    for _ in range(2):
        outcome = cupl(*words_of(command, command.output))
        assert outcome.code == 0, outcome.err
    assert "kept as" not in outcome.err.replace("pruned.yaml", "")
    assert not Path(f"{command.output}.old").exists()


@pytest.mark.parametrize("more", [[], ["--top-k", "3"], ["--explain"]])
@pytest.mark.parametrize("format", ["csv", "jsonl", "table"])
def test_older_predictions_are_replaced(
    cupl: Cupl, work: Path, format: str, more: list[str]
) -> None:
    if format == "csv" and more == ["--explain"]:
        more = ["--threshold", "0.99"]
    words = ["classify", "photos", "--bank", "bank.yaml", *MODEL, "-o", "out.txt"]
    words += ["--format", format]
    for extra in (more, [*more, "--batch-size", "3"]):
        outcome = cupl(*words, *extra)
        assert outcome.code == 0, outcome.err
    assert "kept as" not in outcome.err
    assert not Path("out.txt.old").exists()
