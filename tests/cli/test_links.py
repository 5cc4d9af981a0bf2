"""Links that lead nowhere or back to themselves, in every place that takes a path."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import Cupl

ENCODER = ("--encoder", "model", "--embedding-cache", "none")
CLASSIFY = ("classify", "photos", "--vectors", "v.safetensors", *ENCODER)
PLACES: dict[str, Sequence[str]] = {
    "images": ("embed", "@", "-o", "out", "--encoder", "model"),
    "images of classify": ("classify", "@", "--vectors", "v.safetensors", *ENCODER),
    "bank": ("encode", "@", "-o", "out.safetensors", *ENCODER),
    "bank of classify": ("classify", "photos", "--bank", "@", *ENCODER),
    "vectors": ("classify", "photos", "--vectors", "@", *ENCODER),
    "class thresholds": (*CLASSIFY, "--multi-label", "--class-thresholds", "@"),
    "reject": (*CLASSIFY, "--reject", "@"),
    "encoder": ("encode", "bank.yaml", "-o", "out.safetensors", "--encoder", "@"),
    "templates": ("encode", "bank.yaml", "-o", "out.safetensors", "--templates", "@", *ENCODER),
    "data": ("evaluate", "@", "--bank", "bank.yaml", *ENCODER),
    "controls": ("evaluate", "photos", "--bank", "bank.yaml", "--controls", "@", *ENCODER),
    "class list": ("generate", "@", "--dry-run", "-o", "out.yaml", "--model", "m"),
    "questions": ("generate", "-c", "cat", "--questions", "@", "--dry-run", "-o", "out.yaml",
                  "--model", "m"),
    "cache": ("cache", "info", "--cache", "@"),
    "cache to write": ("cache", "import", "answers.jsonl", "--cache", "@"),
    "answers": ("cache", "import", "@", "--cache", "new"),
    "results": ("batch", "import", "@", "--cache", "new"),
    "prompts": ("bank", "import", "@", "-o", "out.yaml"),
    "checked": ("bank", "check", "@"),
    "pruned": ("bank", "prune", "@", "-o", "out.yaml", "--by", "outliers", *ENCODER),
    "output folder": ("embed", "photos", "-o", "@", "--encoder", "model"),
    "report": ("evaluate", "photos", "--bank", "bank.yaml", "-o", "@", *ENCODER),
    "output in it": ("encode", "bank.yaml", "-o", "@/x.safetensors", *ENCODER),
    "rows in it": (*CLASSIFY, "-o", "@/x.csv"),
    "folder in it": ("embed", "photos", "-o", "@/x", "--encoder", "model"),
    "page in it": (*CLASSIFY, "--report", "@/x.html"),
    "export in it": ("cache", "export", "@/x.jsonl", "--cache", "cache"),
    "requests in it": ("batch", "export", "-c", "cat", "--model", "m", "-o", "@/x.jsonl"),
}  # fmt: skip
OUTPUTS: dict[str, Sequence[str]] = {
    "vectors": ("encode", "bank.yaml", "-o", "@", *ENCODER),
    "rows": (*CLASSIFY, "--format", "csv", "-o", "@"),
    "page": (*CLASSIFY, "--report", "@"),
    "bank": ("bank", "import", "prompts.json", "-o", "@"),
    "pruned": ("bank", "prune", "bank.yaml", "-o", "@", "--by", "outliers", *ENCODER),
    "asked": (
        "generate",
        "-c",
        "cat",
        "--model",
        "m",
        "-o",
        "@",
        "--base-url",
        "http://localhost:1",
    ),
}
LOOP, NOWHERE = "a link that leads back to itself", "a link to gone/x, which does not exist"


def at(words: Sequence[str], name: str) -> list[str]:
    return [word.replace("@", name) for word in words]


def check(cupl: Cupl, words: list[str], said: str) -> None:
    before = sorted(Path().rglob("*"))
    outcome = cupl(*words)
    assert outcome.code in (1, 3), outcome.err
    assert f"is {said}" in outcome.err + outcome.out.replace("\n", "")
    assert "Traceback" not in outcome.err
    assert outcome.err.count("error: ") <= 1
    made = set(Path().rglob("*")) - set(before)
    assert all(outcome.code == 3 or path.parts[0] == "new" for path in made)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("target", "said"), [("gone/x", NOWHERE), ("link.yaml", LOOP)])
def test_what_is_read_or_written_into(
    cupl: Cupl, work: Path, place: str, target: str, said: str
) -> None:
    Path("link.yaml").symlink_to(target)
    check(cupl, at(PLACES[place], "link.yaml"), said)


@pytest.mark.parametrize("place", OUTPUTS)
@pytest.mark.parametrize(("target", "said"), [("gone/x", NOWHERE), ("link.yaml", LOOP)])
def test_what_is_written(cupl: Cupl, work: Path, place: str, target: str, said: str) -> None:
    Path("link.yaml").symlink_to(target)
    check(cupl, at(OUTPUTS[place], "link.yaml"), said)
    assert Path("link.yaml").is_symlink()
