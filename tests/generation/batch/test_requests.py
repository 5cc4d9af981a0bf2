import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.errors import InputError, MissingFileError
from cupl.generation.batch import requests
from cupl.generation.batch.requests import MAX_ID, CustomId, check_requests, write_requests
from cupl.generation.cache.store import ResponseCache
from cupl.generation.plan import Plan, make_plan, missing_answers
from cupl.generation.retry import RetryPolicy
from cupl.llm.protocol import Failure, Response, Sampling, cache_key

URL = "http://localhost:8000/v1"


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    with ResponseCache(tmp_path / "cache") as opened:
        yield opened


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "requests.jsonl"


def plan_for(*names: str, **settings: Any) -> Plan:
    return make_plan(names, **{"model": "m", "base_url": URL} | settings)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
sample_sets = st.sets(st.integers(0, 99_999), min_size=1, max_size=40).map(sorted).map(tuple)


@given(digests, sample_sets | st.integers(0, 9000).map(lambda n: tuple(range(n, n + 30))))
def test_a_name_says_what_it_names(digest: str, samples: tuple[int, ...]) -> None:
    name = CustomId(digest, samples, attempt=1 + samples[0] % 9999)
    if len(str(name)) <= MAX_ID:
        assert CustomId.parse(str(name)) == name
    else:
        with pytest.raises(ValueError, match="not cupl's"):
            CustomId.parse(str(name))


def test_how_names_look() -> None:
    packed = "q" * 42 + "o"
    digest = "aa" * 32
    assert str(CustomId(digest, (0, 1, 2, 5, 7, 8, 9))) == f"cupl-{packed}-0-2_5_7-9"
    assert str(CustomId(digest, (3,), attempt=2)) == f"cupl2-{packed}-3"


@pytest.mark.parametrize(
    "text",
    [
        None, 7, "", "request-1", "cupl-{}-", "cupl-{}-1-0", "cupl-{}-0-1-2", "cupl-{}-0_0",
        "cupl-{}-2_1", "cupl-{}-0_1", "cupl-{}-00", "cupl-{}-0-0", "cupl-{}--1", "cupl-{}-0 ",
        "cupl-{}-0\n", "cupl1-{}-0", "cupl0-{}-0", "cupl-{}-٣", "cupl-{}-0-99999", "Cupl-{}-0",
        "cupl-{}q-0", "cupl-" + "q" * 43 + "-0", "cupl-{}-" + "1" * 16,
    ],
)  # fmt: skip
def test_other_names(text: Any) -> None:
    if isinstance(text, str):
        text = text.replace("{}", "q" * 42 + "o")
    with pytest.raises(ValueError, match="custom_id"):
        CustomId.parse(text)


@given(st.text() | st.from_regex(r"cupl[0-9]?-[a-zA-Z_-]{43}-[0-9_-]{1,12}", fullmatch=True))
def test_what_is_read_as_a_name_is_written_so(text: str) -> None:
    try:
        name = CustomId.parse(text)
    except ValueError:
        return
    assert str(name) == text
    assert list(name.samples) == sorted(set(name.samples))


def test_a_line_is_the_request(cache: ResponseCache, output: Path) -> None:
    plan = plan_for("tree frog", samples=12, questions="base")
    export = write_requests(plan, cache, output, n=5)
    assert [file.path for file in export.files] == [output]
    assert (export.files[0].requests, export.files[0].answers) == (9, 36)
    assert export.files[0].size == output.stat().st_size
    lines = lines_of(output)
    request = next(plan.requests(plan.labels[0]))
    assert lines[2] == {
        "custom_id": str(CustomId(request.digest, (10, 11))),
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": request.body(2),
    }
    assert len({line["custom_id"] for line in lines}) == 9


def test_what_else_a_server_wants_is_in_the_file(cache: ResponseCache, output: Path) -> None:
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 20.0}
    plan = plan_for("cat", sampling=Sampling(extra=extra, seed=7))
    write_requests(plan, cache, output, n=3)
    assert all(line["body"].items() >= extra.items() for line in lines_of(output))
    assert check_requests(output, URL).answers == 30
    names = {line["custom_id"] for line in lines_of(output)}
    write_requests(plan_for("cat", sampling=Sampling(seed=7)), cache, output, n=3)
    assert not names & {line["custom_id"] for line in lines_of(output)}


@pytest.mark.parametrize("url", [URL, "https://api.openai.com/v1"])
def test_the_name_of_the_limit_can_be_chosen(cache: ResponseCache, output: Path, url: str) -> None:
    usual = plan_for("cat", base_url=url, sampling=Sampling(max_tokens=60))
    extra = {"max_completion_tokens": 60}
    by_hand = plan_for("cat", base_url=url, sampling=Sampling(max_tokens=None, extra=extra))
    write_requests(usual, cache, output)
    names = [line["custom_id"] for line in lines_of(output)]
    write_requests(by_hand, cache, output)
    assert [line["custom_id"] for line in lines_of(output)] == names
    assert {line["body"]["max_completion_tokens"] for line in lines_of(output)} == {60}
    assert check_requests(output, url).answers == 30


def test_completions_have_their_own_url(cache: ResponseCache, output: Path) -> None:
    write_requests(plan_for("cat", api="completions"), cache, output)
    assert {line["url"] for line in lines_of(output)} == {"/v1/completions"}


def test_only_what_is_missing(cache: ResponseCache, output: Path) -> None:
    plan = plan_for("cat", samples=10)
    digest = next(plan.requests(plan.labels[0])).digest
    cache.put({cache_key(digest, sample): Response("Furry.") for sample in (0, 1, 4, 9)})
    write_requests(plan, cache, output)
    first = lines_of(output)[0]
    assert CustomId.parse(first["custom_id"]).samples == (2, 3, 5, 6, 7, 8)
    assert first["body"]["n"] == 6


def test_names_stay_short_where_samples_have_gaps(cache: ResponseCache, output: Path) -> None:
    plan = plan_for("cat", samples=2000)
    digest = next(plan.requests(plan.labels[0])).digest
    cache.put({cache_key(digest, sample): Response("Furry.") for sample in range(0, 2000, 2)})
    write_requests(plan, cache, output, n=50)
    lines = lines_of(output)
    assert max(len(line["custom_id"]) for line in lines) <= MAX_ID
    names = [CustomId.parse(line["custom_id"]) for line in lines]
    assert [s for name in names if name.digest == digest for s in name.samples] == list(
        range(1, 2000, 2)
    )
    assert all(
        line["body"].get("n", 1) == len(name.samples)
        for line, name in zip(lines, names, strict=True)
    )


def test_a_further_attempt_says_so(cache: ResponseCache, output: Path) -> None:
    plan = plan_for("cat", samples=3)
    first, second, third = (request.digest for request in plan.requests(plan.labels[0]))
    for digest, tries in ((first, 3), (second, 2)):
        failed = {cache_key(digest, sample): Failure("empty", tries) for sample in range(3)}
        cache.put(failed)
    cache.put({cache_key(third, 0): Failure("empty", 1)})
    write_requests(plan, cache, output)
    names = [CustomId.parse(line["custom_id"]) for line in lines_of(output)]
    assert [(name.digest, name.attempt) for name in names] == [(second, 3), (third, 1)]
    write_requests(plan, cache, output, tries=RetryPolicy().missing_below(retry_failed=True))
    names = [CustomId.parse(line["custom_id"]) for line in lines_of(output)]
    assert [(name.digest, name.attempt) for name in names] == [(first, 4), (second, 3), (third, 1)]


def test_files_are_split_by_number(cache: ResponseCache, output: Path) -> None:
    plan = plan_for("cat", "dog", "frog")
    write_requests(plan, cache, output)
    whole = output.read_bytes()
    export = write_requests(plan, cache, output, per_file=4)
    names = ["requests.jsonl", "requests-2.jsonl", "requests-3.jsonl"]
    assert [file.path.name for file in export.files] == names
    assert [file.requests for file in export.files] == [4, 4, 1]
    assert b"".join((output.parent / name).read_bytes() for name in names) == whole


def test_files_are_split_by_size(
    cache: ResponseCache, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "MAX_BATCH_BYTES", 1000)
    export = write_requests(plan_for("cat", "dog", "frog"), cache, output)
    assert len(export.files) > 1
    assert all(file.path.stat().st_size == file.size <= 1000 for file in export.files)
    assert sum(file.requests for file in export.files) == 9


def test_nothing_missing_writes_nothing(cache: ResponseCache, output: Path) -> None:
    plan = plan_for("cat", samples=1)
    cache.put({unit.key(0): Response("Furry.") for unit in missing_answers(plan, cache)})
    assert write_requests(plan, cache, output).files == []
    assert list(output.parent.iterdir()) == []


def test_the_same_again_is_the_same_file(cache: ResponseCache, output: Path) -> None:
    plan = plan_for("cat", "dog")
    write_requests(plan, cache, output, per_file=4)
    before = {path: path.read_bytes() for path in output.parent.iterdir()}
    assert write_requests(plan, cache, output, per_file=4).kept == []
    assert {path: path.read_bytes() for path in output.parent.iterdir()} == before


def test_no_file_of_an_earlier_export_stays_among_the_new(
    cache: ResponseCache, output: Path
) -> None:
    other = output.with_name("requests-7.jsonl")
    other.write_text("not ours\n")
    write_requests(plan_for("cat", "dog", "frog"), cache, output, per_file=3)
    first = output.read_bytes()
    third = output.with_name("requests-3.jsonl").read_bytes()
    export = write_requests(plan_for("owl"), cache, output)
    assert [(old.name, new.name) for old, new in export.kept] == [
        ("requests.jsonl", "requests.jsonl.old"),
        ("requests-2.jsonl", "requests-2.jsonl.old"),
        ("requests-3.jsonl", "requests-3.jsonl.old"),
    ]
    assert sorted(path.name for path in output.parent.glob("*.jsonl")) == [
        "requests-7.jsonl",
        "requests.jsonl",
    ]
    assert export.kept[0][1].read_bytes() == first
    assert export.kept[2][1].read_bytes() == third
    write_requests(plan_for("cat"), cache, output)
    assert export.kept[0][1].read_bytes() == first


def test_the_mini_model_reads_no_files(cache: ResponseCache, output: Path) -> None:
    with pytest.raises(InputError, match="mini.*name the model"):
        write_requests(make_plan(["cat"], model="mini"), cache, output)


def test_a_folder_that_is_not_there(cache: ResponseCache, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="does not exist"):
        write_requests(plan_for("cat"), cache, tmp_path / "no" / "requests.jsonl")


def test_an_endless_preamble(cache: ResponseCache, output: Path) -> None:
    with pytest.raises(InputError, match="preamble"):
        write_requests(plan_for("cat", preamble="x" * 9_000_000), cache, output)
    assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize("api", ["chat", "completions"])
@pytest.mark.parametrize("base_url", [URL, "https://api.openai.com/v1"])
def test_a_file_as_exported_is_good(
    cache: ResponseCache, output: Path, api: str, base_url: str
) -> None:
    sampling = Sampling(temperature=1, top_p=0.1, stop=("\n", "é"))
    plan = plan_for("cat", "Zoë's ‘owl’", api=api, base_url=base_url, sampling=sampling)
    write_requests(plan, cache, output)
    found = check_requests(output, base_url)
    assert (found.requests, found.answers, found.model) == (6, 60, "m")
    assert found.url == ("/v1/completions" if api == "completions" else "/v1/chat/completions")
    assert found.size == output.stat().st_size
    again = output.with_name("again.jsonl")
    again.write_bytes(output.read_bytes())
    assert check_requests(again, base_url).sha256 == found.sha256


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda line: line["body"].update(model="dearer"), "changed since"),
        (lambda line: line["body"].update(n=100), "changed since"),
        (lambda line: line["body"].pop("n"), "changed since"),
        (lambda line: line["body"].update(user="x"), "changed since"),
        (lambda line: line["body"].update(messages=[]), "changed since"),
        (lambda line: line.update(url="/chat/completions"), "changed since"),
        (lambda line: line.update(url="/v1/completions"), "changed since"),
        (lambda line: line.update(url=None), "no request"),
        (lambda line: line.update(method="GET"), "no request"),
        (lambda line: line.update(body=[]), "no request"),
        (lambda line: line.update(custom_id="request-1"), "not cupl's"),
        (lambda line: line.pop("custom_id"), "not cupl's"),
    ],
)
def test_a_changed_line_is_found(
    cache: ResponseCache, output: Path, change: Any, reason: str
) -> None:
    write_requests(plan_for("cat"), cache, output)
    lines = lines_of(output)
    change(lines[1])
    output.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=rf"requests.jsonl, line 2: .*{reason}.*export it again"):
        check_requests(output, URL)


def test_a_file_for_another_server(cache: ResponseCache, output: Path) -> None:
    write_requests(plan_for("cat"), cache, output)
    with pytest.raises(InputError, match="line 1: not exported for the server https://api.openai"):
        check_requests(output, "https://api.openai.com/v1")


def test_files_that_are_none(tmp_path: Path, cache: ResponseCache, output: Path) -> None:
    path = tmp_path / "x.jsonl"
    with pytest.raises(MissingFileError, match="does not exist"):
        check_requests(path, URL)
    with pytest.raises(InputError, match="cannot be read"):
        check_requests(tmp_path, URL)
    for content, reason in (
        (b"", "is empty"),
        (b"\n", "line 1: not JSON"),
        (b"[1]\n", "line 1: not a JSON object"),
        (b"[" * 100_000, "line 1: not JSON"),
        (b'{"custom_id": "' + b"x" * 9_000_000 + b'"}', "line 1: longer than"),
        (b"\x00\xff" * 50, "line 1: not JSON"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=reason):
            check_requests(path, URL)


def test_what_the_batch_api_would_turn_down(
    cache: ResponseCache, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_requests(plan_for("cat"), cache, output)
    once = output.read_bytes()
    output.write_bytes(once + once)
    with pytest.raises(InputError, match="line 4: its custom_id was there before"):
        check_requests(output, URL)
    other = output.with_name("other.jsonl")
    write_requests(plan_for("cat", model="m2"), cache, other)
    output.write_bytes(once + other.read_bytes())
    with pytest.raises(InputError, match="line 4: another model"):
        check_requests(output, URL)
    output.write_bytes(once)
    monkeypatch.setattr(requests, "MAX_REQUESTS", 2)
    with pytest.raises(InputError, match="more than 2 requests"):
        check_requests(output, URL)
