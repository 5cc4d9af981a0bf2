import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cupl.bank.model import PromptBank
from tests.batch_server import FakeBatches, describe, openai_line, serve_batches, vllm_line
from tests.cli.conftest import Cupl
from tests.fakes import Reply, chat_reply

KEY = "sk-verysecret123"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeBatches]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    with serve_batches() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        yield running


def export(cupl: Cupl, *more: object, names: tuple[str, ...] = ("cat", "tree frog")) -> Any:
    classes = [part for name in names for part in ("-c", name)]
    return cupl("batch", "export", *classes, "--model", "m", "-o", "requests.jsonl", *more)


def test_a_dry_run_writes_nothing(cupl: Cupl, fake: FakeBatches, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    outcome = export(cupl, "--dry-run")
    assert outcome.code == 0
    assert "0 of 60 answers cached, 60 to come in 6 requests to m" in outcome.err
    assert "\n  about cat, tree frog\n  asks: Describe what a cat looks like:\n" in outcome.err
    assert sorted(tmp_path.iterdir()) == before


def test_from_classes_to_nothing_missing(cupl: Cupl, fake: FakeBatches, tmp_path: Path) -> None:
    outcome = export(cupl, "--per-file", 4)
    assert outcome.code == 0
    assert "wrote requests.jsonl: 4 requests for 40 answers, 0.0 MB" in outcome.err
    assert "next: cupl batch submit requests.jsonl requests-2.jsonl" in outcome.err

    outcome = cupl("batch", "submit", "requests.jsonl", "requests-2.jsonl")
    assert (outcome.code, outcome.out) == (0, "batch_1\nbatch_2\n")
    assert "submitted requests-2.jsonl: 2 requests to m" in outcome.err
    assert KEY not in str(fake.batches) + outcome.err

    outcome = cupl("batch", "fetch", "batch_1")
    assert outcome.code == 1
    assert "batch_1 has no results yet: batch_1 is validating, 0 of 0 requests" in outcome.err

    fake.run()
    outcome = cupl("batch", "status")
    assert outcome.out == (
        "batch_2  completed  2 done  0 failed  2 requests  2023-11-14 22:13 UTC  requests-2.jsonl\n"
        "batch_1  completed  4 done  0 failed  4 requests  2023-11-14 22:13 UTC  requests.jsonl\n"
    )
    assert "next: cupl batch fetch batch_2 batch_1" in outcome.err

    outcome = cupl("batch", "fetch", "batch_1", "batch_2")
    assert outcome.code == 0
    assert "wrote batch_1.jsonl: answers, " in outcome.err
    assert "next: cupl batch import batch_1.jsonl batch_2.jsonl" in outcome.err

    outcome = cupl("batch", "import", "batch_1.jsonl", "batch_2.jsonl")
    assert outcome.code == 0
    assert "6 lines: 60 answers kept, 0 were there" in outcome.err
    assert "cupl generate --offline makes the bank" in outcome.err

    outcome = cupl(
        "generate", "-c", "cat", "-c", "tree frog", "--model", "m", "-o", "bank.yaml", "--offline"
    )
    assert outcome.code == 0
    assert "60 of 60 answers cached, 0 to come" in outcome.err
    Path("bank.yaml").unlink()

    before = sorted(tmp_path.iterdir())
    outcome = export(cupl)
    assert outcome.code == 0
    assert "nothing is missing, so nothing was written; requests.jsonl is from an" in outcome.err
    assert sorted(tmp_path.iterdir()) == before


def test_classes_that_kept_too_few_prompts(cupl: Cupl, fake: FakeBatches) -> None:
    """As a run does, once every answer is there; then the run finds nothing more to ask."""
    more = ["--samples", "2", "--min-prompts", "4", "--no-filter", "not-non-answer"]
    frogs = 0

    def answer(body: dict[str, Any]) -> Reply:
        nonlocal frogs
        frog = "frog" in body["messages"][-1]["content"]
        frogs += frog
        return describe(body) if not frog or frogs > 3 else (200, chat_reply("Sorry.", "Sorry."))

    assert "wrote requests.jsonl: 6 requests for 12 answers" in export(cupl, *more).err
    again = export(cupl, *more).err
    assert "wrote requests.jsonl: 6 requests for 12 answers" in again
    assert "too few" not in again
    for number, wrote in enumerate(["3 requests for 6 answers", None], 1):
        cupl("batch", "submit", "requests.jsonl")
        fake.run(answer)
        assert cupl("batch", "fetch", f"batch_{number}").code == 0
        assert "cupl batch export" in cupl("batch", "import", f"batch_{number}.jsonl").err
        outcome = export(cupl, *more)
        said = "too few prompts in 1 of 2 classes, so these get more requests"
        assert (said in outcome.err) == bool(wrote)
        assert (wrote or "nothing is missing") in outcome.err
    outcome = cupl(
        "generate", "-c", "cat", "-c", "tree frog", "--model", "m", "-o", "bank.yaml", *more
    )
    assert outcome.code == 0
    assert "0 to come" in outcome.err
    assert "asked:" not in outcome.err
    assert [len(entry.texts) for entry in PromptBank.load("bank.yaml")] == [6, 6]


def test_a_seed_is_exported(cupl: Cupl, fake: FakeBatches) -> None:
    export(cupl, "--seed", "5", "--n", "4", names=("cat",))
    bodies = [json.loads(line)["body"] for line in Path("requests.jsonl").read_text().splitlines()]
    assert [body["seed"] for body in bodies] == [5, 9, 13] * 3
    assert cupl("batch", "submit", "requests.jsonl").code == 0
    export(cupl, "--seed", "none", names=("cat",))
    assert '"seed"' not in Path("requests.jsonl").read_text()
    assert "seed must be a whole number" in export(cupl, "--seed", "-5").err


def test_a_file_is_paid_for_once(cupl: Cupl, fake: FakeBatches) -> None:
    export(cupl)
    assert cupl("batch", "submit", "requests.jsonl", "requests.jsonl").out == "batch_1\nbatch_1\n"
    outcome = cupl("batch", "submit", "requests.jsonl")
    assert (outcome.code, outcome.out) == (0, "batch_1\n")
    assert "was submitted before (batch_1 is validating, 0 of 0 requests done)" in outcome.err
    assert len(fake.files) == len(fake.batches) == 1
    fake.run()
    assert cupl("batch", "submit", "requests.jsonl").out == "batch_1\n"
    assert cupl("batch", "submit", "requests.jsonl", "--again").out == "batch_2\n"
    assert len(fake.batches) == 2


def test_what_ended_without_answers_is_submitted_again(cupl: Cupl, fake: FakeBatches) -> None:
    export(cupl)
    cupl("batch", "submit", "requests.jsonl")
    fake.batches[0]["status"] = "failed"
    assert cupl("batch", "submit", "requests.jsonl").out == "batch_2\n"
    fake.run(only=1)
    outcome = cupl("batch", "submit", "requests.jsonl")
    assert outcome.out == "batch_2\n"
    assert "batch_2 is expired, 1 of 6 requests done); --again pays again" in outcome.err


def test_what_expired_is_exported_again(cupl: Cupl, fake: FakeBatches, tmp_path: Path) -> None:
    export(cupl)
    cupl("batch", "submit", "requests.jsonl")
    fake.run(only=4)
    outcome = cupl("batch", "fetch", "batch_1", "-o", "r.jsonl")
    assert outcome.code == 0
    assert "wrote r.errors.jsonl: requests that failed" in outcome.err
    outcome = cupl("batch", "import", "r.jsonl", "r.errors.jsonl")
    assert outcome.code == 3
    assert "6 lines: 40 answers kept, 0 were there" in outcome.err
    assert "r.errors.jsonl, line 1: failed (batch_expired): This request could" in outcome.err
    assert "no answers in 2 lines:\n  2: failed (batch_expired)\n" in outcome.err
    outcome = export(cupl)
    assert "requests.jsonl held something else: kept as requests.jsonl.old" in outcome.err
    assert "wrote requests.jsonl: 2 requests for 20 answers" in outcome.err
    assert cupl("batch", "submit", "requests.jsonl").out == "batch_2\n"


def test_vllm_run_batch(cupl: Cupl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    url = ["--base-url", "http://localhost:8000/v1"]
    outcome = export(cupl, *url)
    assert "  or: vllm run-batch -i requests.jsonl -o results.jsonl --model m" in outcome.err
    requests = [json.loads(line) for line in Path("requests.jsonl").read_text().splitlines()]

    def sometimes(body: dict[str, Any]) -> Reply:
        if "frog" in body["messages"][-1]["content"]:
            return 404, {"object": "error", "message": "no model", "type": "NotFoundError"}
        return 200, chat_reply(*(f"Side {n} is furry." for n in range(body["n"] - 1)), " ")

    lines = [json.dumps(vllm_line(request, sometimes)) for request in requests]
    Path("results.jsonl").write_text("\n".join(lines))
    outcome = cupl("batch", "import", "results.jsonl")
    assert outcome.code == 3
    assert "6 lines: 27 answers kept, 0 were there\n  of no use 3: empty\n" in outcome.err
    assert "no answers in 3 lines:\n  3: status 404 (NotFoundError)" in outcome.err
    assert "export writes what is still missing" in outcome.err
    outcome = export(cupl, *url)
    assert "wrote requests.jsonl: 6 requests for 33 answers" in outcome.err
    assert "run-batch" not in export(cupl, *url, "--api", "completions").err


def test_another_endpoint_is_another_answer(cupl: Cupl, fake: FakeBatches) -> None:
    export(cupl, "--base-url", "http://localhost:8000/v1")
    outcome = cupl("batch", "submit", "requests.jsonl")
    assert outcome.code == 1
    assert f"line 1: not exported for the server {fake.url}, or changed since" in outcome.err
    assert not fake.files


def test_a_wrong_file_is_found_before_any_upload(cupl: Cupl, fake: FakeBatches) -> None:
    export(cupl)
    Path("other.jsonl").write_text('{"custom_id": "request-1"}\n')
    outcome = cupl("batch", "submit", "requests.jsonl", "other.jsonl")
    assert outcome.code == 1
    assert "other.jsonl, line 1: a custom_id that is not cupl's" in outcome.err
    assert not fake.keys


def test_the_embedded_model(cupl: Cupl, tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    outcome = cupl("batch", "export", "-c", "cat", "--model", "mini", "-o", output)
    assert outcome.code == 1
    assert "the mini model runs inside cupl" in outcome.err
    assert not output.exists()


def test_fetching_again_keeps_what_was_there(cupl: Cupl, fake: FakeBatches) -> None:
    export(cupl)
    cupl("batch", "submit", "requests.jsonl")
    fake.run()
    Path("batch_1.jsonl").write_text("notes")
    outcome = cupl("batch", "fetch", "batch_1")
    assert "batch_1.jsonl held something else: kept as batch_1.jsonl.old" in outcome.err
    assert Path("batch_1.jsonl.old").read_text() == "notes"
    assert "kept as" not in cupl("batch", "fetch", "batch_1").err
    assert len(Path("batch_1.jsonl").read_text().splitlines()) == 6


def test_fetch_of_several(cupl: Cupl, fake: FakeBatches, tmp_path: Path) -> None:
    assert cupl("batch", "fetch", "a", "b", "-o", "r.jsonl").code == 2
    outcome = cupl("batch", "fetch", "../a")
    assert outcome.code == 2
    assert "name the results with -o" in outcome.err
    good = fake.add_batch("completed", output_file_id=fake.add_file(b"{}\n"))["id"]
    bad = fake.add_batch("failed", errors={"data": [{"message": "no such \x1b[31mmodel"}]})["id"]
    outcome = cupl("batch", "fetch", bad, good)
    assert outcome.code == 1
    assert "has no results: batch_2 is failed, 0 of 0 requests done; no such" in outcome.err
    assert "\x1b" not in outcome.err + cupl("batch", "status", bad).out
    assert Path("batch_1.jsonl").read_text() == "{}\n"


def test_no_batches(cupl: Cupl, fake: FakeBatches) -> None:
    outcome = cupl("batch", "status")
    assert (outcome.code, outcome.out) == (0, "")
    assert "no batches that cupl submitted" in outcome.err


def test_times_that_are_none(cupl: Cupl, fake: FakeBatches) -> None:
    fake.add_batch(created_at=2**52, metadata={"cupl_sha256": "0"})
    assert "requests  -  -" in cupl("batch", "status").out


def test_the_same_results_twice(cupl: Cupl, fake: FakeBatches) -> None:
    export(cupl, names=("cat",))
    requests = [json.loads(line) for line in Path("requests.jsonl").read_text().splitlines()]
    text = "".join(json.dumps(openai_line(request)) + "\n" for request in requests)
    Path("r.jsonl").write_text(text)
    assert "30 answers kept, 0 were there" in cupl("batch", "import", "r.jsonl").err
    assert "0 answers kept, 30 were there" in cupl("batch", "import", "r.jsonl").err


def test_an_upload_that_is_refused(cupl: Cupl, fake: FakeBatches) -> None:
    export(cupl)
    fake.refusal = (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
    with_key = ("--api-key-env", "OPENAI_API_KEY")
    outcome = cupl("batch", "submit", "requests.jsonl", "--again", *with_key)
    assert outcome.code == 1
    assert "rejected the key in OPENAI_API_KEY" in outcome.err
    assert KEY not in outcome.err


COMMANDS: list[tuple[str, ...]] = [
    ("submit", "requests.jsonl"),
    ("status",),
    ("fetch", "batch_1"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_another_server_gets_the_key_that_is_named(
    cupl: Cupl, fake: FakeBatches, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_KEY", "gw-0123456789abcdef")
    export(cupl)
    fake.add_batch()
    cupl("batch", *command)
    cupl("batch", *command, "--base-url", fake.url)
    assert fake.keys == {"Bearer none"}, "the key is for OpenAI"
    fake.keys.clear()
    cupl("batch", *command, "--api-key-env", "GATEWAY_KEY")
    assert fake.keys == {"Bearer gw-0123456789abcdef"}
    fake.keys.clear()
    outcome = cupl("batch", *command, "--api-key-env", "NOWHERE")
    assert outcome.code == 1
    assert "error: the environment variable NOWHERE that api_key_env names" in outcome.err
    assert "(--api-key-env)" in outcome.err
    assert not fake.keys
    fake.refusal = (401, {})
    outcome = cupl("batch", *command)
    assert "wants a key: name the environment variable that holds it" in outcome.err
    assert "(--api-key-env)" in outcome.err


def test_an_answer_that_says_its_question_again(cupl: Cupl, fake: FakeBatches) -> None:
    said = set()

    def answer(body: dict[str, Any]) -> Reply:
        question = body["messages"][-1]["content"]
        status, reply = describe(body)
        if question not in said:
            reply["choices"][0]["message"]["content"] = f"**{question}**"
        said.add(question)
        return status, reply

    export(cupl, names=("cat",))
    requests = [json.loads(line) for line in Path("requests.jsonl").read_text().splitlines()]
    lines = [json.dumps(openai_line(request, answer)) for request in requests]
    Path("r.jsonl").write_text("\n".join(lines))
    cupl("batch", "import", "r.jsonl")
    offline = cupl("generate", "-c", "cat", "--model", "m", "-o", "b.yaml", "--offline")
    assert "27 prompts kept of 30 answers\n  dropped 3: empty" in offline.err
    assert "3 answers of a batch said the question again; the same command without" in offline.err
    assert "wrote requests.jsonl: 3 requests for 3 answers" in export(cupl, names=("cat",)).err
    lines = Path("requests.jsonl").read_text().splitlines()
    names = [json.loads(line)["custom_id"] for line in lines]
    assert all(name.startswith("cupl2-") and name.endswith("-0") for name in names)
