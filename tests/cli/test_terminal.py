"""What commands print where a terminal has 60, 80 or 120 columns, and where there is none."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cupl.adaptation.names import JudgedName
from cupl.cli import app
from cupl.cli.bank_names import _table
from cupl.cli.help import with_whole_help
from cupl.io.terminal import cell_length
from tests.batch_server import FakeBatches, serve_batches
from tests.caches import fill
from tests.cli.conftest import Cupl, Outcome
from tests.models import bank_of, draw, save_clip

CLASSES = ["great white shark", "猫の手も借りたい", "كلب", "Trockenblumen-Gesteck", "a" * 40, "cup"]
WIDTHS = [60, 80, 120]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Labelled photos with long names, and a bank of odd class names."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(CLASSES):
        for photo in range(2):
            path = Path("photos", name, f"IMG_20260101_{photo}_{'long' * 8}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            draw(40, 30, seed=10 * number + photo).save(path)
    bank_of({name: [f"A {name}.", f"The {name} here."] for name in CLASSES}).save("bank.yaml")
    return tmp_path


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest, cupl: Cupl, monkeypatch: pytest.MonkeyPatch) -> int:
    """Standard output and error are a terminal of so many columns."""
    # Of the class, because pytest opens others for the test itself.
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("TERM", "xterm")
    return int(request.param)


def test_usage_errors_are_folded(cupl: Cupl, width: int) -> None:
    for words in (
        ["sort", "photos", "--vectors", "v.safetensors", "-o", "s", "--link", "--move", "--undo"],
        ["classify", "photos", "--bank", "b.yaml", "-o", "predictions without a known ending.txt"],
        ["classify", "photos", "--no-such-option-at-all-that-anybody-would-have-ever-written"],
        ["generate", "-c", "a", "-o", "x.yaml", "--about", "photos", "--questions", "imagenet"],
        ["no-such-command-at-all", "photos"],
        ["generate", "-c", "a", "-o", "x.yaml", "--samples", "many"],
    ):
        outcome = cupl(*words)
        assert outcome.code == 2
        lines = outcome.err.splitlines()
        assert max(map(cell_length, lines)) <= max(width, 72), outcome.err
        assert sum(line.startswith("Error: ") for line in lines) == 1


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBatches]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    with serve_batches() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        yield running


def lines_of(outcome: Outcome) -> list[str]:
    """What stands on the terminal, but commands that are to be copied."""
    text = ESCAPES.sub("", outcome.out + outcome.err).replace("\r", "\n")
    return [line for line in text.split("\n") if not line.startswith(("next: ", "  or: "))]


def check_fits(outcome: Outcome, width: int) -> str:
    lines = lines_of(outcome)
    for line in lines:
        alone = len(line.split()) == 1  # a word that is longer than the line is not broken
        assert cell_length(line) <= width or alone, line
    return "\n".join(lines)


def test_classify(cupl: Cupl, clip: Path, work: Path, width: int) -> None:
    command = ["classify", "photos", "--bank", "bank.yaml", "--encoder", clip]
    text = check_fits(cupl(*command), width)
    assert len(re.findall(r"\d\d\.\d%", text)) >= 12
    assert "probability" in text
    text = check_fits(cupl(*command, "--threshold", 0.99, "--explain"), width)
    assert "below the" in text
    several = cupl(*command, "--coverage", 0.9, "--examples", "photos")
    assert "labels" in check_fits(several, width)


def test_a_table_in_a_file_is_whole_and_has_no_colours(
    cupl: Cupl, clip: Path, work: Path, width: int
) -> None:
    Path("photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    command = ["classify", "photos", "--bank", "bank.yaml", "--encoder", clip]
    cupl(*command, "--format", "table", "-o", "t.txt", "--top-k", 6)
    text = Path("t.txt").read_text()
    assert "\x1b" not in text
    assert len([line for line in text.splitlines() if "photos/" in line]) == 13
    for name in CLASSES:
        assert len(re.findall(rf"{re.escape(name)} +\d|{re.escape(name)} \d", text)) >= 12


def test_evaluate(cupl: Cupl, clip: Path, work: Path, width: int) -> None:
    outcome = cupl("evaluate", "photos", "--bank", "bank.yaml", "--encoder", clip, "--adapt")
    text = check_fits(outcome, width)
    assert "random-words" in text
    assert re.search(r"\[[+−]?\d+\.\d, [+−]?\d+\.\d\]", text)
    assert ("too narrow for: " in text) == (width == 60)


def test_reports_of_embed_and_adapt(cupl: Cupl, clip: Path, work: Path, width: int) -> None:
    check_fits(cupl("embed", "photos", "-o", "v", "--encoder", clip), width)
    check_fits(cupl("encode", "bank.yaml", "-o", "c.safetensors", "--encoder", clip), width)
    check_fits(cupl("adapt", "c.safetensors", "--photos", "v", "-o", "a.safetensors"), width)
    taught = cupl("adapt", "c.safetensors", "--examples", "photos", "-o", "t.safetensors")
    check_fits(taught, width)


def test_bank_check_and_prune(cupl: Cupl, clip: Path, work: Path, width: int) -> None:
    bank_of({"cat": ["It."], "a dog": ["a " * 100], "cup": ["A cup."] * 2}).save("odd.yaml")
    check_fits(cupl("bank", "check", "odd.yaml"), width)
    pruned = cupl("bank", "prune", "bank.yaml", "--by", "outliers", "-o", "p.yaml",
                  "--encoder", clip, "--threshold", 1)  # fmt: skip
    check_fits(pruned, width)


def test_bank_names(width: int) -> None:
    bank = bank_of({name: [f"A {name}."] for name in CLASSES})
    judged = [JudgedName(n, "another name of it", 1_000, 0.9, 0.5, 0.8, 0.4, 0.1, True)
              for n in range(len(CLASSES))]  # fmt: skip
    text = ESCAPES.sub("", _table(bank, judged))
    assert max(map(cell_length, text.splitlines())) <= width
    assert text.count("→ 90%") == len(CLASSES)


def test_batch_status(cupl: Cupl, fake: FakeBatches, work: Path, width: int) -> None:
    fake.add_batch(metadata={"cupl_sha256": "0", "cupl_file": "requests" * 9 + ".jsonl"})
    text = check_fits(cupl("batch", "status"), width)
    assert " done" in text


def test_cache_info(cupl: Cupl, tmp_path: Path, width: int) -> None:
    fill(tmp_path / "c", 3)
    assert "3 answers" in check_fits(cupl("cache", "info", "--cache", tmp_path / "c"), width)
    check_fits(cupl("generate", "--list-filters"), width)


def commands(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, *path, name)


ALL = dict(commands(with_whole_help(typer.main.get_command(app))))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_is_whole(cupl: Cupl, path: tuple[str, ...], width: int) -> None:
    text = check_fits(cupl(*path, "--help"), width)
    assert not re.search(r"\.\.\.$", text.partition("Options:")[2], re.MULTILINE)
    assert not re.search(r"-$", text, re.MULTILINE)
    words = " ".join(text.split())
    for parameter in ALL[path].params:
        assert parameter.name == "help" or not (parameter.help or "[").startswith("["), parameter
        if parameter.help:
            assert re.sub(r"[\s\[]+", "", parameter.help) in re.sub(r"[\s\[]+", "", text)
    for one in getattr(ALL[path], "commands", {}).values():
        assert one.short_help in words
