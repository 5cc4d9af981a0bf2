"""The pages' commands and Python run, from the top of each page to its end, as a reader would."""

import colorsys
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from unittest import SkipTest

import pytest
from PIL import Image
from sybil.document import Document
from sybil.example import Example
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from cupl import PromptBank, QuestionSet, TemplateSet, ZeroShotClassifier
from tests.answering import answer_anything
from tests.batch_server import FakeBatches, serve_batches
from tests.cli.conftest import Cupl, Outcome
from tests.docs.pages import PAGES, ROOT, Line, lines_of
from tests.models import bank_of, draw, save_clip

OTHER_NETWORKS = re.compile(r"http://localhost:\d+/v1")
"""Servers of the reader's own."""
SLOW = ("mini", "demo")
"""What is tried elsewhere: the mini models take a minute."""
PHOTOS = 48


@dataclass
class Shell:
    """Runs the lines of a block that begin with ``cupl``, in this process."""

    cupl: Cupl
    server: FakeBatches
    monkeypatch: pytest.MonkeyPatch

    def run(self, line: Line) -> Outcome:
        """A command line with patterns and ``$(cat FILE)`` filled in."""
        words = [filled for word in line.words for filled in self._fill(word)]
        outcome = self.cupl(*words[1:])
        if target := re.search(r" > (\S+)", line.text):
            Path(target[1]).write_text(outcome.out)
        self.server.run()  # batches are answered between two commands
        return outcome

    def _fill(self, word: str) -> list[str]:
        if found := re.fullmatch(r"\$\(cat (\S+)\)", word):
            return Path(found[1]).read_text().split()
        if "*" in word:
            return sorted(map(str, Path().glob(word)))
        return [OTHER_NETWORKS.sub(self.server.url, word)]

    def commands(self, code: str) -> Iterator[Line]:
        # What the shell fills in is one word to us.
        code = re.sub(r"(\$\(cat \S+\))", r"'\1'", code)
        for line in lines_of(code):
            if line.words and not set(line.words) & set(SLOW):
                yield line

    def sh(self, example: Example) -> None:
        for line in self.commands(example.parsed):
            outcome = self.run(line)
            assert outcome.code == 0, f"{line.text}\n{outcome.out}{outcome.err}"

    def console(self, example: Example) -> None:
        """Lines after ``$``, each followed by what it prints to one who begins with it."""
        self.monkeypatch.setenv("CUPL_CACHE", "new-cache")
        for block in example.parsed.split("$ ")[1:]:
            command, _, printed = block.partition("\n")
            (line,) = lines_of(command)
            outcome = self.run(line)
            assert outcome.err + outcome.out == printed, command


PROMPTS = {
    "tree frog": ["a small tree frog.", "a tree frog with large toes.", "a frog."],
    "newt": ["a newt has a tail.", "the small newt.", "a newt with a large tail."],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has: photos, labels, files of prompts, and a model on disk."""
    folder = tmp_path_factory.mktemp("world")
    for name in ("bank", "old", "new"):
        bank_of(PROMPTS, name).save(folder / f"{name}.yaml")
    bank_of({"wall": ["a wall.", "a photo of a wall."]}, "walls").save(folder / "walls.yaml")
    bank_of({"knife": ["a knife."], "blood": ["red blood."]}, "unsafe").save(folder / "unsafe.yaml")
    bank_of({"pond": ["a calm pond."]}, "safe").save(folder / "safe.yaml")
    (folder / "classes.txt").write_text("tree frog\nnewt\n")
    (folder / "thousands.txt").write_text("red panda\nmoor frog\nheron\n")
    (folder / "prompts.json").write_text('{"newt": ["A newt has a tail."], "frog": ["A frog."]}')
    draw(90, 60).save(folder / "pond.jpg")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    (folder / "photos").mkdir()
    for number in range(PHOTOS):
        colour = colorsys.hsv_to_rgb(number / PHOTOS, 1, 1 - number % 5 / 8)
        image = Image.new("RGB", (64, 48), tuple(round(255 * part) for part in colour))
        image.save(folder / "photos" / f"{number:02}.jpg")
    for name, part in (("liked", slice(3)), ("disliked", slice(-3, None))):
        (folder / name).mkdir()
        for path in sorted((folder / "photos").iterdir())[part]:
            shutil.copy(path, folder / name)
    for number in range(40):
        kind = folder / "examples" / ("block" if number % 2 else "allow")
        kind.mkdir(parents=True, exist_ok=True)
        draw(20, 20, seed=number).save(kind / f"{number}.png")
    model = save_clip(folder / "openai" / "clip-vit-base-patch32", seed=4)
    label_photos(folder, ZeroShotClassifier.from_bank(bank_of(PROMPTS), model))
    return folder


def label_photos(folder: Path, classifier: ZeroShotClassifier) -> None:
    """Let the model be right in six of seven photos, so that there is a temperature to be found."""
    rows = ["path,label"]
    paths = sorted((folder / "photos").iterdir())
    for number, prediction in enumerate(classifier.predict(paths)):
        best, other = prediction.top
        label = other.label if number % 7 == 3 else best.label
        rows.append(f"photos/{paths[number].name},{label}")
        (folder / "labelled" / label).mkdir(parents=True, exist_ok=True)
        if number < 8:
            shutil.copy(paths[number], folder / "labelled" / label)
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


def load_yaml(example: Example) -> None:
    """A file of the format that a block names loads."""
    loaders: dict[str, Callable[[str], object]] = {
        "bank": PromptBank.load,
        "questions": QuestionSet.load,
        "templates": TemplateSet.load,
    }
    kind = re.search(r"^format: cupl-(\w+)/", example.parsed, re.MULTILINE)
    assert kind, "a block of YAML is a whole file"
    Path("shown.yaml").write_text(example.parsed)
    loaders[kind[1]]("shown.yaml")


@pytest.fixture
def shell(cupl: Cupl, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    with serve_batches() as server:
        server.answer = answer_anything
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "a-key")
        yield Shell(cupl, server, monkeypatch)


@pytest.mark.parametrize("page", PAGES)
def test_a_page(
    page: str, shell: Shell, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    parsers = (
        PythonCodeBlockParser(),
        CodeBlockParser("sh", shell.sh),
        CodeBlockParser("console", shell.console),
        CodeBlockParser("yaml", load_yaml),
        SkipParser(),
    )
    for example in Document.parse(str(ROOT / page), *parsers).examples():
        with suppress(SkipTest):
            example.evaluate()
