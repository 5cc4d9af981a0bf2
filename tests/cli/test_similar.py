import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cupl, Outcome
from tests.models import draw, save_clip

INDEX = ("--index", "photos.lance")
PLAIN = ("--format", "jsonl", "--embedding-cache", "none")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cupl: Cupl) -> Path:
    monkeypatch.chdir(tmp_path)
    save_clip(tmp_path / "model")
    for folder, numbers in {"photos": range(6), "liked": (0, 1), "not": (7,)}.items():
        (tmp_path / folder).mkdir()
        for number in numbers:
            draw(24, 24, seed=number).save(tmp_path / folder / f"{number}.png")
    added = cupl("index", "add", "photos", *INDEX, "--encoder", "model",
                 "--embedding-cache", "none")  # fmt: skip
    assert added.code == 0, added.err
    return tmp_path


def found(outcome: Outcome) -> list[str]:
    assert outcome.code == 0, outcome.err
    return [Path(json.loads(line)["path"]).name for line in outcome.out.splitlines()]


def test_like_a_folder_and_unlike_another(work: Path, cupl: Cupl) -> None:
    like = found(cupl("similar", *INDEX, "--to", "liked", *PLAIN))
    assert set(like[:2]) == {"0.png", "1.png"}  # copies of them
    alone = found(cupl("similar", *INDEX, "--to", "photos/0.png", "--to", "photos/1.png", *PLAIN))
    assert alone == [name for name in like if name not in ("0.png", "1.png")]
    unlike = cupl("similar", *INDEX, "--to", "liked", "--away-from", "photos/0.png", "--away",
                  "0.9", *PLAIN)  # fmt: skip
    assert found(unlike)[0] == "1.png"
    assert "0.png" not in found(cupl("similar", *INDEX, "--to", "liked", "--away-from",
                                     "photos/0.png", *PLAIN))  # fmt: skip


def test_the_sheet_says_what_it_is_like(work: Path, cupl: Cupl) -> None:
    outcome = cupl("similar", *INDEX, "--to", "liked", "--away-from", "not", "--sheet", "p.html",
                   "-0", "--embedding-cache", "none")  # fmt: skip
    assert outcome.code == 0, outcome.err
    page = Path("p.html").read_text()
    assert "<dt>Like</dt><dd><bdi>liked" in page
    assert "<dt>Unlike</dt><dd><bdi>not" in page


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "--to"),
        (("--to", "gone.png"), 1, "no example can be read"),
        (("--to", "empty"), 1, "holds no image"),
        (("--to", "liked", "--away", "2"), 2, "--away"),
        (("--to", "photos/0.png", "--away-from", "photos/0.png", "--away", "1"), 1, "nothing"),
    ],
)
def test_what_cannot_be_is_said(
    work: Path, cupl: Cupl, words: tuple[str, ...], code: int, said: str
) -> None:
    Path("empty").mkdir()
    outcome = cupl("similar", *INDEX, *words, *PLAIN[2:])
    assert outcome.code == code
    assert said in " ".join(outcome.err.split())
