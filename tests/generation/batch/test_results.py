import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.errors import InputError, MissingFileError
from cupl.generation.batch import results
from cupl.generation.batch.requests import CustomId, write_requests
from cupl.generation.batch.results import ImportReport, LineError, import_results, read_result
from cupl.generation.cache.store import ResponseCache
from cupl.generation.plan import Plan, make_plan, missing_answers
from cupl.llm.protocol import Failure, Response, cache_key
from tests.batch_server import describe, expired_line, openai_line, vllm_line
from tests.fakes import chat_reply
from tests.faults import sentences

URL = "http://localhost:8000/v1"
DIGEST = "ab" * 32


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    with ResponseCache(tmp_path / "cache") as opened:
        yield opened


def plan_for(*names: str, **more: Any) -> Plan:
    return make_plan(names, model="m", base_url=URL, **more)


def exported(plan: Plan, cache: ResponseCache, folder: Path, n: int = 10) -> list[dict[str, Any]]:
    path = folder / "requests.jsonl"
    write_requests(plan, cache, path, n=n)
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(path: Path, *lines: object) -> Path:
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


def request(samples: tuple[int, ...] = (0,), attempt: int = 1) -> dict[str, Any]:
    return {
        "custom_id": str(CustomId(DIGEST, samples, attempt)),
        "body": {"messages": [{"content": "What is a cat?"}], "n": len(samples)},
    }


@pytest.mark.parametrize("shape", [openai_line, vllm_line])
def test_answers_go_where_a_run_looks(shape: Any, cache: ResponseCache, tmp_path: Path) -> None:
    plan = plan_for("cat", "tree frog", samples=7)
    lines = [shape(line) for line in exported(plan, cache, tmp_path, n=3)]
    report = import_results([written(tmp_path / "r.jsonl", *reversed(lines))], cache)
    assert (report.lines, report.kept, report.known, report.absent) == (18, 42, 0, 0)
    assert not report.bad
    assert not list(missing_answers(plan, cache))
    first = next(plan.requests(plan.labels[0]))
    assert cache.get(cache_key(first.digest, 4)) == Response(
        sentences(first.question, 2)[1], "stop", "served-model", 7, 9, 1
    )


def test_completions_and_the_older_shape_of_vllm(cache: ResponseCache, tmp_path: Path) -> None:
    body = {"choices": [{"text": "A cat is furry.", "finish_reason": "stop", "index": 0}]}
    older = {"id": "vllm-1", "custom_id": request()["custom_id"], "response": body, "error": None}
    assert import_results([written(tmp_path / "r.jsonl", older)], cache).kept == 1
    assert cache.get(cache_key(DIGEST, 0)) == Response("A cat is furry.")


def test_answers_follow_their_index(cache: ResponseCache, tmp_path: Path) -> None:
    body = chat_reply("A is one.", "B is two.", "C is three.")
    body["choices"].reverse()
    line = openai_line(request((0, 4, 5)), lambda _: (200, body))
    import_results([written(tmp_path / "r.jsonl", line)], cache)
    texts = [cache.get(cache_key(DIGEST, sample)) for sample in (0, 4, 5)]
    assert [text.text for text in texts if isinstance(text, Response)] == [
        "A is one.",
        "B is two.",
        "C is three.",
    ]


def test_more_and_fewer_answers_than_asked_for(cache: ResponseCache, tmp_path: Path) -> None:
    two = chat_reply("A is one.", "B is two.")
    few = openai_line(request((0, 1, 2)), lambda _: (200, two))
    many = openai_line(request((9,)), lambda _: (200, two))
    report = import_results([written(tmp_path / "r.jsonl", few, many)], cache)
    assert (report.kept, report.absent) == (3, 1)
    assert cache.get(cache_key(DIGEST, 2)) is None
    assert len(cache) == 3


def test_what_is_there_stays(cache: ResponseCache, tmp_path: Path) -> None:
    cache.put({cache_key(DIGEST, 0): Response("First.")})
    path = written(tmp_path / "r.jsonl", openai_line(request((0, 1))))
    report = import_results([path, path], cache)
    assert (report.kept, report.known) == (1, 3)
    assert cache.get(cache_key(DIGEST, 0)) == Response("First.")


def of_no_use(body: dict[str, Any]) -> Any:
    reply = chat_reply("", "The cat is", "A cat is furry.", "a" * 200_000, "Cut.")
    for filtering, reason in zip(
        reply["choices"], ["stop", "length", "stop", "stop", "content_filter"], strict=True
    ):
        filtering["finish_reason"] = reason
    return 200, reply


def test_answers_of_no_use_are_failures(cache: ResponseCache, tmp_path: Path) -> None:
    line = openai_line(request((0, 1, 2, 3, 4)), of_no_use)
    report = import_results([written(tmp_path / "r.jsonl", line)], cache)
    assert report.kept == 1
    assert report.unusable == {"empty": 1, "cut off": 1, "too long": 1, "content filter": 1}
    entries = [cache.get(cache_key(DIGEST, sample)) for sample in range(5)]
    assert [entry.tries if isinstance(entry, Failure) else 0 for entry in entries] == [
        1, 1, 0, 1, 1,
    ]  # fmt: skip


def test_to_import_again_is_not_another_try(cache: ResponseCache, tmp_path: Path) -> None:
    key = cache_key(DIGEST, 0)
    first = written(tmp_path / "1.jsonl", openai_line(request(), of_no_use))
    second = written(tmp_path / "2.jsonl", openai_line(request(attempt=2), of_no_use))
    for path, tries in ((first, 1), (first, 1), (second, 2), (second, 2), (first, 2)):
        import_results([path], cache)
        assert cache.get(key) == Failure("empty", tries)
    import_results([written(tmp_path / "3.jsonl", openai_line(request(attempt=3)))], cache)
    assert isinstance(cache.get(key), Response)


def test_export_and_import_until_given_up(cache: ResponseCache, tmp_path: Path) -> None:
    plan = plan_for("cat", samples=2)
    for _ in range(3):
        lines = [
            openai_line(line, lambda _: (200, chat_reply("", "")))
            for line in exported(plan, cache, tmp_path)
        ]
        assert len(lines) == 3
        import_results([written(tmp_path / "r.jsonl", *lines)], cache)
    assert not list(missing_answers(plan, cache))


def test_an_error_file_is_counted_by_reason(cache: ResponseCache, tmp_path: Path) -> None:
    def refused(_: Any) -> Any:
        error = {"message": "'temperature' is not supported", "code": "unsupported_value"}
        return 400, {"error": error}

    lines = [openai_line(request((n,)), refused) for n in range(12)]
    lines += [expired_line(request((n,))) for n in range(12, 15)]
    report = import_results([written(tmp_path / "e.jsonl", *lines)], cache)
    assert report.bad == {
        "status 400 (unsupported_value)": 12,
        "failed (batch_expired)": 3,
    }
    assert len(report.shown) == 10
    assert report.shown[1] == (
        f"{tmp_path / 'e.jsonl'}, line 2: status 400 (unsupported_value): 'temperature' is not "
        "supported"
    )
    assert len(cache) == 0


BAD: list[tuple[Any, str]] = [
    ("{", "not JSON"),
    ("[]", "not a JSON object"),
    ("[" * 100_000, "not JSON"),
    ("1" * 10_000, "not JSON"),
    ({"custom_id": "request-1", "response": {"status_code": 200, "body": chat_reply("A.")}},
     "not cupl's"),
    ({}, "not cupl's"),
    (request() | {"method": "POST"}, "a request, not a result"),
    (request() | {"response": None}, "no response"),
    (request() | {"response": "x", "error": None}, "no response"),
    (request() | {"response": {"status_code": 200}}, "not a completion"),
    (request() | {"response": {"status_code": 200, "body": {"choices": []}}}, "without an answer"),
    (request() | {"response": {"status_code": 200, "body": {"choices": 1}}}, "not a completion"),
    (request() | {"response": {"status_code": "OK", "body": chat_reply("A.")}}, "no response"),
    (request() | {"response": {"status_code": 10**9, "body": None}}, "no response"),
    (request() | {"response": {"status_code": 500, "body": "<html>"}}, "status 500: <html>"),
    (request() | {"response": {"status_code": 400, "body": None}, "error": "too long"},
     "status 400: too long"),
    (request() | {"response": {"status_code": 400, "body": None},
                  "error": {"object": "error", "message": "no model", "type": "NotFoundError",
                            "code": 404}}, "status 400 (NotFoundError): no model"),
    (request() | {"response": {"status_code": 404, "body": None},
                  "error": {"error": {"message": "gone", "type": "x y", "code": 404}}},
     "status 404: gone"),
    (request() | {"response": {"choices": [{"text": "A cat."}]}, "error": "late"}, "failed: late"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_bad_lines_do_not_stop_the_good(
    line: Any, reason: str, cache: ResponseCache, tmp_path: Path
) -> None:
    good = openai_line(request())
    report = import_results([written(tmp_path / "r.jsonl", "", line, good)], cache)
    assert (report.lines, report.kept, report.bad.total()) == (2, 1, 1)
    assert f"{tmp_path / 'r.jsonl'}, line 2: " in report.shown[0]
    assert reason in report.shown[0]
    assert len(report.shown[0]) < 500 + len(str(tmp_path))


def test_a_line_without_end(cache: ResponseCache, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    good = json.dumps(openai_line(request())).encode()
    path.write_bytes(b"x" * 20_000_000 + b"\n" + good + b"\n" + b"\xff" * 9_000_000)
    report = import_results([path], cache)
    assert (report.kept, report.bad) == (1, {"longer than 8 MB": 2})
    assert [line.split(": ")[0].rsplit(" ", 1)[1] for line in report.shown] == ["1", "3"]


def test_a_key_in_a_result_is_neither_shown_nor_kept(
    cache: ResponseCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret123")
    refused = openai_line(
        request(), lambda _: (401, {"error": {"message": "wrong key sk-verysecret123"}})
    )
    echoed = openai_line(
        request((1,)), lambda _: (200, chat_reply("A cat says sk-verysecret123 to all."))
    )
    report = import_results([written(tmp_path / "r.jsonl", refused, echoed)], cache)
    assert "verysecret" not in str(report)
    assert cache.get(cache_key(DIGEST, 1)) == Response(
        "A cat says *** to all.", "stop", "served-model", 7, 9, 1
    )


def test_a_key_is_not_kept_as_the_name_of_a_model_either(
    cache: ResponseCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret123")
    body = chat_reply("A cat.") | {"model": "for sk-verysecret123"}
    import_results(
        [written(tmp_path / "r.jsonl", openai_line(request(), lambda _: (200, body)))], cache
    )
    entry = cache.get(cache_key(DIGEST, 0))
    assert isinstance(entry, Response)
    assert entry.model == "for ***"


def test_a_key_that_is_none_is_not_blamed_on_the_lines(
    cache: ResponseCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very secret")
    with pytest.raises(InputError, match="OPENAI_API_KEY holds a character"):
        import_results([written(tmp_path / "r.jsonl", openai_line(request()))], cache)


def test_endless_kinds_of_reasons(cache: ResponseCache, tmp_path: Path) -> None:
    lines = [
        request() | {"response": None, "error": {"code": f"code_{n}", "message": "x"}}
        for n in range(300)
    ]
    report = import_results([written(tmp_path / "r.jsonl", *lines)], cache)
    assert len(report.bad) == 101
    assert report.bad["other reasons"] == 200


def test_files_that_are_not_there(cache: ResponseCache, tmp_path: Path) -> None:
    good = written(tmp_path / "r.jsonl", openai_line(request()))
    with pytest.raises(MissingFileError, match="gone.jsonl does not exist"):
        import_results([good, tmp_path / "gone.jsonl"], cache)
    assert len(cache) == 0
    with pytest.raises(InputError, match="is a folder, not a batch file of answers"):
        import_results([tmp_path], cache)


def test_progress(cache: ResponseCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_AT_ONCE", 2)
    path = written(tmp_path / "r.jsonl", *(openai_line(request((n,))) for n in range(5)))
    seen: list[tuple[int, int]] = []
    import_results([path], cache, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) == 2
    assert seen[0][0] < seen[1][0] < seen[0][1] == path.stat().st_size


broken = st.one_of(
    st.binary(max_size=60).filter(lambda data: b"\n" not in data and data.strip()),
    st.sampled_from([line for line, _ in BAD if isinstance(line, dict)]).map(
        lambda line: json.dumps(line).encode()
    ),
    st.dictionaries(
        st.sampled_from(["custom_id", "response", "error", "method", "body"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["choices", "status_code", "body", "error", "message", "text"]),
                    inner,
                )
            ),
            max_leaves=8,
        ),
    ).map(lambda data: json.dumps(data).encode()),
)


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_comes_back_the_good_answers_are_kept(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("batch")
    good = [
        json.dumps(data.draw(st.sampled_from([openai_line, vllm_line]))(request((n,)))).encode()
        for n in range(data.draw(st.integers(0, 5)))
    ]
    bad = data.draw(st.lists(broken, max_size=5))
    bad += [line[: data.draw(st.integers(1, len(line) - 1))] for line in good]
    lines = data.draw(st.permutations(good + bad))
    path = folder / "r.jsonl"
    path.write_bytes(data.draw(st.sampled_from([b"\n", b"\r\n"])).join(lines))
    with ResponseCache(folder / "cache") as cache:
        report = import_results([path], cache)
        assert report.kept == len(good) == len(cache)
        assert report.bad.total() == len(bad)
        for sample in range(len(good)):
            entry = cache.get(cache_key(DIGEST, sample))
            assert isinstance(entry, Response)
            assert entry.text == describe(request()["body"])[1]["choices"][0]["message"]["content"]


@given(st.binary(max_size=200))
def test_a_line_is_read_or_named_bad(line: bytes) -> None:
    with pytest.raises(LineError):
        read_result(line)


def test_a_report_starts_empty() -> None:
    assert ImportReport() == ImportReport(lines=0, kept=0)
