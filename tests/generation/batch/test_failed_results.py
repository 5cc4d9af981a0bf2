import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cupl.generation.batch.results import import_results
from cupl.generation.cache.store import ResponseCache
from tests.batch_server import vllm_line
from tests.fakes import chat_reply
from tests.generation.batch.test_results import exported, plan_for, written


def test_what_failed_on_the_server_is_reported_and_not_kept(
    cache: ResponseCache, tmp_path: Path
) -> None:
    line = exported(plan_for("cat", samples=2), cache, tmp_path)[0]
    good, failed = chat_reply("A cat is soft.", "A cat is a sm"), chat_reply("A cat", "A c")
    good["choices"][1] |= {"finish_reason": "error", "error": {"code": 502}}
    for choice in failed["choices"]:
        choice["finish_reason"] = "insufficient_system_resource"
    paths = [
        written(tmp_path / f"{number}.jsonl", vllm_line(line) | {"response": {
            "status_code": 200, "body": body}})
        for number, body in enumerate((failed, good))
    ]  # fmt: skip
    report = import_results(paths, cache)
    assert report.bad == {"failed on the server": 1}
    assert "insufficient_system_resource" in report.shown[0]
    assert (report.kept, report.failed, report.absent, report.unusable.total()) == (1, 1, 0, 0)
    assert report.shown[1].endswith("line 1: 1 of 2 answers failed on the server: status 502")


HELD_BACK = {"error": {"code": "content_filter", "message": "no"}}


@pytest.mark.parametrize(
    "line",
    [
        {"response": {"status_code": 400, "body": HELD_BACK}, "error": None},
        {"response": None, "error": {"code": "content_filter", "message": "no"}},
        {"response": {"status_code": 400, "body": {"error": {"message": "Content Exists Risk"}}}},
        {"response": {"status_code": 200, "body": {"choices": [{"text": "A", **HELD_BACK}] * 2}}},
    ],
)
def test_what_a_content_filter_turned_down_is_an_answer_of_no_use(
    line: dict[str, object], cache: ResponseCache, tmp_path: Path
) -> None:
    name = exported(plan_for("cat", samples=2), cache, tmp_path)[0]["custom_id"]
    report = import_results([written(tmp_path / "r.jsonl", {"custom_id": name} | line)], cache)
    assert (report.unusable, report.bad) == ({"content filter": 2}, {})


@pytest.mark.parametrize(
    "spelled",
    [
        lambda body: {"response": {"status_code": "200", "body": body}},
        lambda body: {"response": {"status_code": 200, "body": json.dumps(body)}},
        lambda body: {"response": {"body": body}, "error": {"code": None, "message": None}},
        lambda body: {"response": {"status_code": 200, "body": body}, "error": ""},
        lambda body: {"result": body},
    ],
)
def test_answers_are_kept_however_a_server_spells_its_lines(
    spelled: Callable[[object], dict[str, object]], cache: ResponseCache, tmp_path: Path
) -> None:
    line = exported(plan_for("cat", samples=2), cache, tmp_path)[0]
    body = chat_reply("A cat is soft.", "A cat is small.")
    path = written(tmp_path / "r.jsonl", {"custom_id": line["custom_id"]} | spelled(body))
    report = import_results([path], cache)
    assert (report.kept, report.bad) == (2, {})
