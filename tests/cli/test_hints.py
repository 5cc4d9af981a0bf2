"""Every command that is printed to be copied works when it is copied."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cupl.cli.output import carried
from cupl.io.command import running
from tests.batch_server import FakeBatches, serve_batches
from tests.cli.conftest import Cupl
from tests.cli.test_bank_contrast import answer
from tests.fakes import FakeServer, serve
from tests.faults import fault_server
from tests.models import draw, save_clip

PLACES = {
    "IMAGE...": "photos", "LABELLED": "photos", "BANK.yaml": "bank.yaml",
    "VECTORS.safetensors": "v.safetensors", "LABELS.csv": "labels.csv",
}  # fmt: skip
"""What only the person knows."""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    save_clip(Path("model"))
    for number, name in enumerate(["tree_frog", "small-dog"] * 2):
        Path("photos", name).mkdir(parents=True, exist_ok=True)
        draw(40, 30, seed=number).save(Path("photos", name, f"{number}.png"))
    return folder


@pytest.fixture
def server(work: Path) -> Iterator[FakeServer]:
    with serve(answer) as running_server:
        yield running_server


def hints(text: str) -> list[str]:
    lines = [line.removeprefix("next: ").removeprefix("  or: ") for line in text.split("\n")]
    return [line for line in lines if line.startswith("cupl ")]


def play(cupl: Cupl, *command: object) -> list[str]:
    """Run a command, then each that it prints, then what these print; returns all of the latter."""
    pending, done = [shlex.join(["cupl", *map(str, command)])], list[str]()
    while pending:
        line = pending.pop(0)
        words = [PLACES.get(word, word) for word in shlex.split(line)][1:]
        encodes = words[0] == "encode" or (words[0] == "classify" and "--bank" in words)
        if encodes and not {"--encoder", "emb"} & {*words}:
            words += ["--encoder", "model"]  # the usual one is not on every machine
        outcome = cupl(*words)
        assert outcome.code == 0, (line, outcome.err)
        done.append(line)
        pending += [one for one in hints(outcome.err) if one not in (*done, *pending)]
    return done[1:]


def test_from_a_folder_to_a_report(cupl: Cupl, work: Path) -> None:
    with fault_server() as llm:
        asked = ("--model", "m", "--base-url", llm.url, "--samples", 2)
        followed = play(cupl, "generate", "photos", "-o", "bank.yaml", *asked)
    assert followed == [
        "cupl bank check bank.yaml",
        "cupl classify photos --bank bank.yaml",
    ]
    made = play(cupl, "encode", "bank.yaml", "-o", "v.safetensors", "--encoder", "model",
                "--precision", "float32")  # fmt: skip
    assert made == ["cupl classify IMAGE... --vectors v.safetensors --precision float32"]
    embedded = play(cupl, "embed", "photos", "-o", "emb", "--encoder", "model", "--device=cpu")
    assert embedded == [
        "cupl classify emb --bank BANK.yaml --device cpu",
        "cupl adapt VECTORS.safetensors --photos emb -o adapted.safetensors",
        "cupl evaluate emb --bank BANK.yaml --device cpu",
        "cupl classify IMAGE... --vectors adapted.safetensors",
    ]
    pruned = play(cupl, "bank", "prune", "bank.yaml", "--by", "outliers", "-o", "my pruned.yaml",
                  "--encoder", "model", "--embedding-cache", "none")  # fmt: skip
    assert pruned == [
        "cupl evaluate LABELLED --bank bank.yaml --bank 'my pruned.yaml' --encoder model "
        "--embedding-cache none"
    ]
    assert play(cupl, "bank", "select", "bank.yaml", "--classes", "tree_frog", "-o", "some.yaml",
                )[0].startswith("cupl encode some.yaml -o some.safetensors")  # fmt: skip


def test_what_tells_classes_apart(cupl: Cupl, work: Path, server: FakeServer) -> None:
    Path("bank.yaml").write_text(
        "name: b\nclasses:\n- {name: tree frog, prompts: [A frog.]}\n"
        "- {name: small dog, prompts: [A dog.]}\n"
    )
    followed = play(cupl, "bank", "contrast", "bank.yaml", "-o", "new.yaml", "--encoder", "model",
                    "--base-url", server.url, "--model", "m")  # fmt: skip
    assert followed == ["cupl evaluate LABELLED --bank bank.yaml --bank new.yaml --encoder model"]


def test_batch_files(cupl: Cupl, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", "sk-verysecret123")
    with serve_batches() as fake:
        _play_batches(cupl, fake)


def _play_batches(cupl: Cupl, fake: FakeBatches) -> None:
    url = ("--base-url", fake.url)
    export = ("batch", "export", "photos", "-o", "r.jsonl", "--model", "m", *url, "--samples", "2",
              "--cache", "my cache")  # fmt: skip
    first = hints(cupl(*export).err)
    assert first == [f"cupl batch submit r.jsonl --base-url {fake.url}"]
    submitted = cupl("batch", "submit", "r.jsonl", *url, "--api-key-env", "OTHER_KEY")
    fake.run()
    (status,) = hints(submitted.err)
    assert status == f"cupl batch status --base-url {fake.url} --api-key-env OTHER_KEY"
    fetch, imported = play(cupl, *shlex.split(status)[1:])
    assert fetch.startswith(f"cupl batch fetch batch_1 --base-url {fake.url} --api-key-env")
    assert imported == "cupl batch import batch_1.jsonl"
    assert cupl("batch", "import", "batch_1.jsonl", "--cache", "my cache").code == 0
    made = play(cupl, *export)
    assert made[0] == (
        f"cupl generate photos --model m --base-url {fake.url} --samples 2 --cache 'my cache' "
        "--offline -o r.yaml"
    )
    assert "cupl bank check r.yaml" in made


def test_a_stopped_run_is_gone_on_with_by_the_command_that_is_printed(
    cupl: Cupl, work: Path
) -> None:
    embed = ("embed", "photos", "-o", "emb", "--encoder", "model")
    assert cupl(*embed).code == 0
    again = cupl(*embed)
    assert again.code == 1
    (hint,) = hints(again.err)
    assert hint == "cupl embed photos -o emb --encoder model --resume"
    assert cupl(*shlex.split(hint)[1:]).code == 0


def test_options_are_carried_as_they_were_given() -> None:
    assert carried("--device") == ""
    with running("", ["--device=cpu", "--revision", "a b", "--revision", "c", "--resume"]):
        assert carried("--revision", "--device") == " --device cpu --revision 'a b' --revision c"
        assert carried("--precision") == ""


def test_keywords_are_taken_away_by_the_command_that_is_printed(cupl: Cupl, work: Path) -> None:
    before = {path: path.read_bytes() for path in Path("photos").rglob("*.png")}
    tagged = play(cupl, "tag", "photos", "-c", "frog", "--encoder", "model", "--top", 1,
                  "--write", "exif")  # fmt: skip
    assert tagged == ["cupl tag photos --untag"]
    assert {path: path.read_bytes() for path in Path("photos").rglob("*.png*")} == before
