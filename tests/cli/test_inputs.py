"""No result takes the place of a file that is read, under whatever name; it is said before work."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cupl.report.old_reports import REPORT_FILES
from tests.cli.conftest import Cupl
from tests.models import bank_of, draw, save_clip

TEMPLATES = "format: cupl-templates/1\nname: mine\ntemplates:\n- a sketch of a {}.\n"
QUESTIONS = "format: cupl-questions/1\nname: mine\nquestions:\n- What is {a}?\n"
ENCODE = ("encode", "bank.yaml", "--encoder", "model", "--templates", "t.yaml")
CLASSIFY = ("classify", "photos", "--bank", "bank.yaml", "--encoder", "model", "--templates",
            "t.yaml", "--reject", "none.yaml", "--multi-label", "--class-thresholds", "c.csv",
            "--format", "csv")  # fmt: skip
EVALUATE = ("evaluate", "data.csv", "--bank", "bank.yaml", "--encoder", "model", "--templates",
            "t.yaml", "--controls", "names,k.yaml")  # fmt: skip
GENERATE = ("list.txt", "--questions", "q.yaml", "--preamble", "p.txt", "--model", "m")
PRUNE = ("bank", "prune", "bank.yaml", "--by", "outliers", "--encoder", "model")
READ: list[tuple[tuple[str, ...], str]] = [
    *(((*ENCODE, "-o"), name) for name in ("bank.yaml", "t.yaml", "model/model.safetensors",
                                           "model/config.json")),
    *(((*CLASSIFY, option), name)
      for option in ("-o", "--report")
      for name in ("bank.yaml", "t.yaml", "none.yaml", "c.csv", "photos/cat/1.png",
                   "model/tokenizer.json")),
    *(((*EVALUATE, "--calibrated"), name) for name in ("data.csv", "bank.yaml", "t.yaml", "k.yaml",
                                                       "model/model.safetensors")),
    *((("generate", *GENERATE, "-o"), name) for name in ("list.txt", "q.yaml", "p.txt")),
    *((("batch", "export", *GENERATE, "-o"), name) for name in ("list.txt", "q.yaml", "p.txt")),
    *(((*PRUNE, "-o"), name) for name in ("bank.yaml", "model/model.safetensors")),
    *(((*PRUNE, "-o", "o.yaml", "--list"), name) for name in ("bank.yaml", "model/config.json")),
    (("bank", "import", "j.json", "-o"), "j.json"),
]  # fmt: skip


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of each kind that is read; the model need not be one, as no work is begun."""
    monkeypatch.chdir(tmp_path)
    bank_of({"cat": ["A cat."], "dog": ["A dog."]}).save("bank.yaml")
    bank_of({"tree": ["A tree."]}).save("none.yaml")
    texts = {"t.yaml": TEMPLATES, "k.yaml": TEMPLATES, "q.yaml": QUESTIONS, "p.txt": "Be short.",
             "list.txt": "cat\ndog\n", "c.csv": "class,cosine\ncat,0.1\ndog,0.1\n",
             "j.json": '{"cat": ["A cat."]}', "data.csv": "path,label\nphotos/cat/1.png,cat\n",
             "model/config.json": "{}", "model/tokenizer.json": "{}",
             "model/model.safetensors": ""}  # fmt: skip
    for name, text in texts.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    Path("photos/cat").mkdir(parents=True)
    draw(40, 30).save("photos/cat/1.png")
    return tmp_path


def content(folder: Path) -> dict[Path, bytes]:
    """Every file."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def itself(name: str) -> str:
    return name


def soft(name: str) -> str:
    Path("link.yaml").symlink_to(name)
    return "link.yaml"


def hard(name: str) -> str:
    os.link(name, "link.yaml")
    return "link.yaml"


@pytest.mark.parametrize("named", [itself, soft, hard])
@pytest.mark.parametrize(("command", "name"), READ)
def test_what_is_read_is_not_written(
    cupl: Cupl, work: Path, command: tuple[str, ...], name: str, named: Callable[[str], str]
) -> None:
    target = named(name)
    before = content(work)
    outcome = cupl(*command, target)
    assert outcome.code == 1, outcome.err
    message = outcome.err.splitlines()[-1]
    which = "" if target == name else f" ({name})"
    expected = f"cannot write {target}: it is also what is read{which}; name another file"
    assert message == f"error: {expected}"
    assert content(work) == before


@pytest.mark.parametrize("named", [itself, soft])
@pytest.mark.parametrize("command", [
    ("embed", "photos", "--encoder", "model", "-o", "photos"),
    ("embed", "photos", "--encoder", "model", "-o", "photos/cat"),
    ("embed", "photos/cat/1.png", "--encoder", "model", "-o", "photos/cat"),
    ("evaluate", "photos", "--bank", "bank.yaml", "--encoder", "model", "-o", "photos"),
])  # fmt: skip
def test_a_folder_that_is_read_is_not_written_into(
    cupl: Cupl, work: Path, command: tuple[str, ...], named: Callable[[str], str]
) -> None:
    target = named(command[-1])
    before = content(work)
    outcome = cupl(*command[:-1], target)
    assert outcome.code == 1
    last = outcome.err.splitlines()[-1]
    assert last == f"error: cannot write into {target}: it is also what is read; name another"
    assert content(work) == before


@pytest.mark.parametrize("option", ["data", "--bank", "--templates", "--controls", "--labels"])
@pytest.mark.parametrize("name", REPORT_FILES)
def test_a_report_does_not_replace_what_it_is_made_of(
    cupl: Cupl, work: Path, option: str, name: str
) -> None:
    Path("report").mkdir()
    Path("data.csv").rename(f"report/{name}")
    command: list[str | Path] = ["evaluate", "--encoder", "model", "-o", "report"]
    command += [f"report/{name}" if option == "data" else "photos"]
    if option != "--bank":
        command += ["--bank", "bank.yaml"]
    if option != "data":
        command += [option, f"report/{name}"]
    before = content(work)
    outcome = cupl(*command)
    assert outcome.code == 1
    last = outcome.err.splitlines()[-1]
    assert last.startswith(f"error: cannot write report/{name}: it is also what is read")
    assert content(work) == before


def test_the_files_of_a_report_are_those_that_are_written(
    cupl: Cupl, work: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = save_clip(tmp_path_factory.mktemp("clip"))
    draw(40, 30, seed=1).save("photos/cat/2.png")
    command = ("evaluate", "photos", "--bank", "bank.yaml", "--encoder", model, "-o", "report")
    assert cupl(*command).code == 0
    assert {
        path.name for path in Path("report").iterdir() if not path.match("confusion-*.csv")
    } == {*REPORT_FILES, "figures"}


def test_a_set_that_comes_with_cupl_is_no_file_here(cupl: Cupl, work: Path) -> None:
    outcome = cupl("encode", "bank.yaml", "--templates", "photo", "-o", "photo", "--encoder", "no")
    assert "also what is read" not in outcome.err


@pytest.mark.parametrize("name", ["cache.db", "cache.db-wal"])
@pytest.mark.parametrize("command", ["generate", "batch export", "encode", "bank prune"])
def test_a_cache_is_not_written_over(command: str, name: str, cupl: Cupl, work: Path) -> None:
    words = {
        "generate": ["generate", "-c", "cat", "--model", "m", "--cache", "cache"],
        "batch export": ["batch", "export", "-c", "cat", "--model", "m", "--cache", "cache"],
        "encode": ["encode", "bank.yaml", "--encoder", "model", "--embedding-cache", "cache"],
        "bank prune": ["bank", "prune", "bank.yaml", "--by", "redundancy", "--threshold", "0.5",
                       "--encoder", "model", "--embedding-cache", "cache"],
    }[command]  # fmt: skip
    Path("cache").mkdir()
    Path("cache/cache.db").write_bytes(b"answers")
    outcome = cupl(*words, "-o", f"cache/{name}")
    assert outcome.code == 1
    assert "it is also what is read" in outcome.err
    assert [path.name for path in Path("cache").iterdir()] == ["cache.db"]
    assert Path("cache/cache.db").read_bytes() == b"answers"
