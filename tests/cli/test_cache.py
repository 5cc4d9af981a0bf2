import json
import re
import time
from pathlib import Path

import pytest

from cupl.generation.cache.store import ResponseCache
from cupl.llm.protocol import Failure, Request, Response, cache_key
from tests.caches import ANSWER, FAILURE, fill, key
from tests.cli.conftest import Cupl

DAY = 86_400


def cut_page(folder: Path) -> None:
    """Damage the last page of the database."""
    data = (folder / "cache.db").read_bytes()
    (folder / "cache.db").write_bytes(data[:-4096] + bytes(4096))


def test_info(cupl: Cupl, tmp_path: Path) -> None:
    fill(tmp_path, 1200)
    with ResponseCache(tmp_path, clock=lambda: 1_750_000_000 + 3 * DAY) as cache:
        cache.put({key(-1): Response("a"), key(-2): Response("a", model="\x1b[31m")})
        cache.put({key(-3): Failure("refusal", 1), key(-4): Failure("refusal", 2)})
        cache.put({key(-5): Failure("empty", 1)})
    outcome = cupl("cache", "info", "--cache", tmp_path)
    assert outcome.code == 0
    size, *lines, stored = outcome.out.splitlines()
    assert re.fullmatch(re.escape(str(tmp_path)) + r": \d{3} kB", size)
    assert lines == [
        "1,202 answers",
        "  1,200 m-1",
        "  1 by a model that was not named",
        r"  1 \x1b[31m",
        "3 failures",
        "  2 refusal",
        "  1 empty",
    ]
    assert re.fullmatch(r"stored from 2025-06-1\d \d\d:\d\d to 2025-06-1\d \d\d:\d\d", stored)


def test_info_keeps_to_the_most_frequent(cupl: Cupl, tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        cache.put({key(number): Response("a", model=f"m-{number}") for number in range(12)})
        cache._cache.set(key(20), "{}")
    outcome = cupl("cache", "info", "--cache", tmp_path)
    assert "\n  and 2 more kinds\n0 failures\n" in outcome.out
    hint = f"cupl cache verify --cache {tmp_path}"
    assert outcome.err == f"1 entry cannot be read: {hint}\n"
    assert cupl(*hint.split()[1:]).code == 1


def test_the_latest_time_is_a_date_everywhere(
    cupl: Cupl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ResponseCache(tmp_path, clock=lambda: 250_000_000_000) as cache:
        cache.put({key(0): ANSWER})
    for zone in ("UTC+12", "UTC-14"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert "to 9892-0" in cupl("cache", "info", "--cache", tmp_path).out
    monkeypatch.undo()
    time.tzset()


def test_the_usual_folder(cupl: Cupl) -> None:
    with ResponseCache() as cache:
        cache.put({key(0): ANSWER})
    outcome = cupl("cache", "info")
    assert outcome.out.startswith(f"{cache.folder}: ")


@pytest.mark.parametrize(
    "command", [["info"], ["verify"], ["prune", "--older-than", "1d"], ["export", "new.jsonl"]]
)
def test_a_mistyped_folder_is_not_made(cupl: Cupl, tmp_path: Path, command: list[str]) -> None:
    outcome = cupl("cache", *command, "--cache", tmp_path / "typo")
    assert outcome.code == 1
    assert outcome.err == (
        f"error: there is no response cache in {tmp_path / 'typo'}; name another folder (--cache)\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_verify(cupl: Cupl, tmp_path: Path) -> None:
    fill(tmp_path, 50)
    outcome = cupl("cache", "verify", "--cache", tmp_path)
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == f"{tmp_path}: 50 entries, all of them sound\n"
    with ResponseCache(tmp_path) as cache:
        for number in range(12):
            cache._cache.set(key(number), "{}")
    outcome = cupl("cache", "verify", "--cache", tmp_path)
    assert outcome.code == 1
    assert outcome.out.count(": no entry of the response cache\n") == 10
    assert outcome.out.endswith("... 2 more\n")
    assert "12 entries cannot be read and 38 can: 'cupl cache export" in outcome.err
    assert f" --cache {tmp_path}' saves those" in outcome.err


def test_what_can_be_read_of_a_damaged_cache_is_saved(cupl: Cupl, tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "saved.jsonl.gz"
    answers = fill(old, 300)
    cut_page(old)
    data = (old / "cache.db").read_bytes()
    outcome = cupl("cache", "verify", "--cache", old)
    assert outcome.code == 1
    assert outcome.out.startswith("database: ")
    assert "the database is damaged, " in outcome.err
    outcome = cupl("cache", "prune", "--older-than", "1h", "--cache", old)
    assert outcome.code == 1
    assert "is damaged, nothing is removed" in outcome.err
    outcome = cupl("cache", "export", file, "--cache", old)
    assert outcome.code == 3
    assert re.search(r"\d+ cannot be read and left out:\n  \w{64}: on a damaged page", outcome.err)
    assert cupl("cache", "import", file, "--cache", new).code == 0
    assert cupl("cache", "verify", "--cache", new).code == 0
    with ResponseCache(new) as cache:
        assert 280 < len(cache) < 300
        assert all(cache.get(name) in (None, answer) for name, answer in answers.items())
    assert (old / "cache.db").read_bytes() == data


def test_prune(cupl: Cupl, tmp_path: Path) -> None:
    now = time.time()
    for number, days in enumerate((100, 91, 89, 0)):
        with ResponseCache(tmp_path, clock=lambda: now - days * DAY) as cache:  # noqa: B023
            cache.put({key(number): ANSWER, key(-number - 1): FAILURE})
    prune = ("cache", "prune", "--cache", tmp_path, "--older-than")
    outcome = cupl(*prune, "90d", "--dry-run")
    assert outcome.code == 0
    assert outcome.err.startswith("would remove 4 entries stored before 20")
    for age, message in [
        ("90d", r"removed 4 entries stored before \S+ \S+, 4 remain; .* paid for"),
        ("12w", r"removed 2 entries stored .* 2 remain"),
        ("1h", r"removed 0 entries stored .* 2 remain"),
    ]:
        outcome = cupl(*prune, age)
        assert outcome.code == 0
        assert re.match(message, outcome.err)
    with ResponseCache(tmp_path) as cache:
        assert [cache.get(key(number)) for number in range(4)] == [None, None, None, ANSWER]


@pytest.mark.parametrize("age", ["90", "90m", "0d", "-1d", "1.5d", "d", "1d ", "100000w", "1D"])
def test_an_age_that_is_none(cupl: Cupl, tmp_path: Path, age: str) -> None:
    fill(tmp_path, 1)
    outcome = cupl("cache", "prune", f"--older-than={age}", "--cache", tmp_path)
    assert outcome.code == 2
    assert "write 12h, 90d or 8w (hours, days, weeks)" in outcome.err


def test_export_and_import(cupl: Cupl, tmp_path: Path) -> None:
    fill(tmp_path / "old", 30)
    file, again = tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"
    outcome = cupl("cache", "export", file, "--cache", tmp_path / "old")
    assert (outcome.code, outcome.err) == (0, f"wrote {file}: 30 entries\n")
    for found in ("30 new entries, 0 already there", "0 new entries, 30 already there"):
        outcome = cupl("cache", "import", file, "--cache", tmp_path / "new")
        assert outcome.code == 0
        assert outcome.err == (
            f"{tmp_path / 'new'}: {found}, 0 different from what is there and left out\n"
        )
    assert cupl("cache", "export", again, "--cache", tmp_path / "new").code == 0
    assert again.read_bytes() == file.read_bytes()
    outcome = cupl("cache", "export", again, "--cache", tmp_path / "new")
    assert outcome.code == 1
    assert outcome.err == f"error: cannot write {again}: it exists; name a new file\n"


def test_import_says_what_is_wrong_with_a_file(cupl: Cupl, tmp_path: Path) -> None:
    fill(tmp_path / "old", 300)
    file = tmp_path / "a.jsonl"
    assert cupl("cache", "export", file, "--cache", tmp_path / "old").code == 0
    text = file.read_text()
    file.write_text("\x1b[2J\n" * 12 + text[:-9])
    outcome = cupl("cache", "import", file, "--cache", tmp_path / "new")
    assert outcome.code == 3
    assert ": 299 new entries, " in outcome.err
    assert "\n12 lines left out:\n  line 1: not JSON\n  line 2: " in outcome.err
    assert "\n  and 2 more\n" in outcome.err
    assert outcome.err.endswith(
        f"{file} was not read to its end: it ends in the middle of line 312; "
        "what came before is kept\n"
    )


def test_import_of_a_missing_file_makes_no_cache(cupl: Cupl, tmp_path: Path) -> None:
    outcome = cupl("cache", "import", tmp_path / "typo", "--cache", tmp_path / "new")
    assert outcome.code == 1
    assert outcome.err == f"error: there is no file {tmp_path / 'typo'}\n"
    assert list(tmp_path.iterdir()) == []


def test_an_exported_cache_makes_the_same_bank_elsewhere(cupl: Cupl, tmp_path: Path) -> None:
    """What the real mini model said, on a machine that has only the exported answers."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    names = ["-c", "tree frog", "-c", "café", "-c", "city bus", "--model", "mini", "--samples", 4]
    made = cupl("generate", *names, "--cache", here / "cache", "-o", here / "bank.yaml")
    assert made.code == 0, made.err
    moved = tmp_path / "answers.jsonl.gz"
    assert cupl("cache", "export", moved, "--cache", here / "cache").code == 0
    assert cupl("cache", "import", moved, "--cache", there / "cache").code == 0
    again = cupl(
        "generate", *names, "--cache", there / "cache", "-o", there / "bank.yaml", "--offline"
    )
    assert "0 to come in 0 requests" in again.err
    assert (there / "bank.yaml").read_bytes() == (here / "bank.yaml").read_bytes()


def asked(folder: Path, number: int = 1) -> None:
    """Fill a cache with answers to questions about a cup, and of no use about a newt."""
    for name, said in (("cup", Response("A\ncup \x1b[31m.")), ("newt", Failure("empty", 1))):
        for i in range(number):
            request = Request("http://h/v1", "m", "chat", f"What does {name} {i} look like?")
            with ResponseCache(folder) as cache:
                cache.put({cache_key(request.digest, 0): said})
                cache.note(request.digest, request)


def test_show_names_questions_and_answers(cupl: Cupl, tmp_path: Path) -> None:
    asked(tmp_path)
    before = (tmp_path / "cache.db").read_bytes()
    outcome = cupl("cache", "show", "--cache", tmp_path)
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "What does cup 0 look like? (m)",
        r"  - A cup \x1b[31m.",
        "What does newt 0 look like? (m)",
        "  1 answer of no use",
    ]
    assert outcome.err == ""
    assert (tmp_path / "cache.db").read_bytes() == before


def test_show_goes_by_pages_and_by_class(cupl: Cupl, tmp_path: Path) -> None:
    asked(tmp_path, 5)
    page = cupl("cache", "show", "--cache", tmp_path, "--class", "CUP", "--limit", 2, "--skip", 2)
    assert [line for line in page.out.splitlines() if line[0] != " "] == [
        "What does cup 2 look like? (m)", "What does cup 3 look like? (m)",
    ]  # fmt: skip
    assert page.err == "there are more: --skip 4 shows the next\n"
    last = cupl("cache", "show", "--cache", tmp_path, "-c", "cup", "--limit", 2, "--skip", 4)
    assert last.out.startswith("What does cup 4")
    assert last.err == ""
    show = ("cache", "show", "--cache", tmp_path)
    assert cupl(*show, "-c", "cu").err == "no question names 'cu'\n"
    said = cupl(*show, "-c", "cu", "-c", "zebra", "--model", "other").err
    assert said == "no question names 'cu' or 'zebra' and was asked of 'other'\n"
    assert cupl(*show, "--skip", 999).err == "no further question\n"


def test_show_for_a_program_has_all(cupl: Cupl, tmp_path: Path) -> None:
    asked(tmp_path, 15)
    lines = cupl("cache", "show", "--cache", tmp_path, "--format", "jsonl").out.splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 30
    assert rows[0] == {
        "question": "What does cup 0 look like?", "model": "m", "endpoint": "http://h/v1",
        "answers": [{"text": "A\ncup \x1b[31m.", "finish_reason": "stop", "model": None}],
        "of_no_use": 0, "unreadable": 0,
    }  # fmt: skip


def test_show_without_a_cache(cupl: Cupl, tmp_path: Path) -> None:
    outcome = cupl("cache", "show", "--cache", tmp_path / "none")
    assert outcome.code == 1
    assert "there is no response cache" in outcome.err
    assert not (tmp_path / "none").exists()
