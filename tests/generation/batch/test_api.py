import asyncio
import base64
import io
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from cupl.errors import InputError, ServerError
from cupl.generation.batch import api
from cupl.generation.batch.api import BatchServer
from tests.batch_server import FakeBatches, serve_batches
from tests.fakes import Reply

LINE = b'{"custom_id": "cupl-x", "url": "/v1/chat/completions", "body": {}}\n'
KEY = "sk-verysecret123"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBatches]:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    with serve_batches() as running:
        yield running


@pytest.fixture
def server(fake: FakeBatches) -> BatchServer:
    return BatchServer(fake.url, api_key_env="OPENAI_API_KEY")


def requests_file(tmp_path: Path) -> Path:
    path = tmp_path / "frogs.jsonl"
    path.write_bytes(LINE * 3)
    return path


def test_submit(server: BatchServer, fake: FakeBatches, tmp_path: Path) -> None:
    batch = server.submit(requests_file(tmp_path), "ab" * 32, "/v1/chat/completions")
    assert (batch.id, batch.status, batch.file) == ("batch_1", "validating", "frogs.jsonl")
    assert (batch.over, batch.repeatable) == (False, False)
    assert fake.files == {"file-1": LINE * 3}
    assert fake.names == {"file-1": "frogs.jsonl"}
    assert fake.batches[0]["completion_window"] == "24h"
    assert fake.batches[0]["endpoint"] == "/v1/chat/completions"
    assert KEY not in str(fake.batches)
    assert fake.keys == {f"Bearer {KEY}"}
    assert server.batch("batch_1") == batch
    assert server.batches() == [batch]


def test_a_name_that_openai_takes(server: BatchServer, fake: FakeBatches, tmp_path: Path) -> None:
    path = tmp_path / "frogs.txt"
    path.write_bytes(LINE)
    assert server.submit(path, "ab" * 32, "/v1/chat/completions").file == "frogs.txt"
    assert fake.names == {"file-1": "frogs.jsonl"}


def test_all_pages_and_only_ours(server: BatchServer, fake: FakeBatches) -> None:
    fake.page = 3
    for number in range(11):
        mine = {"cupl_sha256": f"{number:064}", "cupl_file": "x.jsonl"}
        fake.add_batch(metadata=mine if number % 2 else {"other": "tool"} if number % 3 else None)
    assert [batch.id for batch in server.batches()] == [
        f"batch_{number + 1}" for number in (9, 7, 5, 3, 1)
    ]


def test_a_list_without_end(
    server: BatchServer, fake: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add_batch(metadata={"cupl_sha256": "0" * 64})
    page = {"object": "list", "data": fake.batches, "has_more": True}
    monkeypatch.setattr(fake, "_page", lambda query: page)
    assert len(server.batches()) == 1


@pytest.mark.parametrize(
    ("status", "completed", "over", "repeatable"),
    [
        ("validating", 0, False, False),
        ("in_progress", 0, False, False),
        ("finalizing", 9, False, False),
        ("cancelling", 0, False, False),
        ("completed", 0, True, False),
        ("failed", 0, True, True),
        ("expired", 0, True, True),
        ("expired", 3, True, False),
        ("cancelled", 0, True, True),
        ("cancelled", 1, True, False),
    ],
)
def test_what_may_be_submitted_again(
    server: BatchServer, fake: FakeBatches, status: str, completed: int, over: bool,
    repeatable: bool,
) -> None:  # fmt: skip
    counts = {"total": 9, "completed": completed, "failed": 0}
    id = fake.add_batch(status, request_counts=counts)["id"]
    batch = server.batch(id)
    assert (batch.completed, batch.total) == (completed, 9)
    assert (batch.over, batch.repeatable) == (over, repeatable)


def test_why_a_batch_failed(server: BatchServer, fake: FakeBatches) -> None:
    errors = [
        {"code": "x", "line": 3, "message": f"bad line for {KEY}"},
        {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"},
        {"line": None},
    ]
    fake.add_batch("failed", errors={"object": "list", "data": errors})
    assert server.batch("batch_1").problems == (
        "line 3: bad line for ***",
        "Enqueued token limit reached",
        "no reason given",
    )


def test_answers_that_are_half_right(server: BatchServer, fake: FakeBatches) -> None:
    fake.add_batch(
        "completed", request_counts=None, created_at="today", metadata=[1], output_file_id=7,
        errors={"data": {}},
    )  # fmt: skip
    batch = server.batch("batch_1")
    assert (batch.total, batch.created, batch.file, batch.output_file) == (0, 0, "", None)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ((200, "<html>hello</html>"), "as a Batch API does"),
        ((200, "{}"), "as a Batch API does"),
        ((200, {}), "as a Batch API does"),
        ((200, []), "as a Batch API does"),
        ((200, {"id": 3, "status": None}), "as a Batch API does"),
        ((401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}), "rejected the key"),
        ((403, {"error": {"message": f"not for {KEY}"}}), r"does not let this key use batch 'b1'"),
        ((404, {"error": {"message": "no"}}), "has no batch 'b1'"),
        ((429, {"error": {"message": "slow down"}}), "limits the rate; try again in some minutes"),
        ((500, {"error": {"message": f"oops {KEY}"}}), r"answered 500: oops \*\*\*"),
    ],
)
def test_errors_in_one_sentence_without_the_key(
    server: BatchServer, fake: FakeBatches, reply: object, message: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    fake.refusal = reply  # type: ignore[assignment]
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ServerError, match=message) as caught:
        server.batch("b1")
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown + caplog.text
    assert caught.value.__cause__ is None


def test_no_server_there(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerError, match="cannot reach http://127.0.0.1:9/v1"),
    ):
        BatchServer("http://me:hunter22@127.0.0.1:9/v1").batch("b1")


def test_user_and_password_arrive_and_are_in_no_log(
    fake: FakeBatches, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):
        caplog.set_level(logging.DEBUG, name)
    server = BatchServer(fake.url.replace("//", "//m%40e:hunter22@"))
    assert server.endpoint == fake.url
    server.submit(requests_file(tmp_path), "ab" * 32, "/v1/chat/completions")
    assert [batch.id for batch in server.batches()] == ["batch_1"]
    server.download("file-1", io.BytesIO())
    fake.refusal = (401, {"error": {"message": "not m@e:hunter22"}})
    with pytest.raises(ServerError, match="rejected the user and password in the") as caught:
        server.batch("batch_1")
    header = base64.b64encode(b"m@e:hunter22").decode()
    assert fake.keys == {f"Basic {header}"}
    assert {"openai", "httpx2", "httpcore2"} <= {
        record.name.partition(".")[0] for record in caplog.records
    }
    shown = caplog.text + "".join(traceback.format_exception(caught.value))
    for secret in ("hunter22", "m@e", "m%40e", header, KEY):
        assert secret not in shown


def test_another_server_gets_no_key(fake: FakeBatches, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.add_batch()
    server = BatchServer(fake.url)
    server.batch("batch_1")
    monkeypatch.setenv("OPENAI_BASE_URL", fake.url)
    server = BatchServer()
    server.batch("batch_1")
    assert fake.keys == {"Bearer none"}


def test_a_server_has_a_key_of_its_own(fake: FakeBatches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_KEY", "gw-0123456789abcdef")
    errors = [{"line": 1, "message": "not for gw-0123456789abcdef"}]
    fake.add_batch("failed", errors={"data": errors})
    server = BatchServer(fake.url, api_key_env="GATEWAY_KEY")
    assert server.batch("batch_1").problems == ("line 1: not for ***",)
    assert fake.keys == {"Bearer gw-0123456789abcdef"}


def test_a_variable_without_a_key(fake: FakeBatches) -> None:
    with pytest.raises(InputError, match="variable GATEWAY_KEY that api_key_env names is not set"):
        BatchServer(fake.url, api_key_env="GATEWAY_KEY")


def test_a_connection_that_cannot_be_set_up() -> None:
    with pytest.raises(InputError, match="no connection to .* can be set up"):
        BatchServer("http://\N{SNOWMAN}.net/v1").batches()


def test_the_address_is_blamed_only_where_another_is_likelier(fake: FakeBatches) -> None:
    server = BatchServer(fake.url)
    with pytest.raises(ServerError) as caught:
        server.batch("batch_9")
    assert str(caught.value) == f"{fake.url} has no batch 'batch_9' (no batch)"
    with (
        pytest.raises(ServerError, match=f"; the right base URL is {fake.url}$"),
    ):
        BatchServer(fake.url.removesuffix("/v1")).batch("batch_9")


def test_the_right_address_is_found_inside_an_event_loop(fake: FakeBatches) -> None:
    async def ask() -> None:
        server = BatchServer(fake.url.removesuffix("/v1"))
        server.batch("batch_9")

    with pytest.raises(ServerError, match=f"; the right base URL is {fake.url}$"):
        asyncio.run(ask())


@pytest.mark.parametrize("refusal", [(200, {"error": "Unexpected endpoint"}), (200, "<html>hi")])
def test_what_is_no_batch_api_has_no_other_address(fake: FakeBatches, refusal: Reply) -> None:
    fake.refusal = refusal
    server = BatchServer(fake.url)
    with pytest.raises(ServerError, match="is it the right URL"):
        server.batch("batch_1")


def test_a_server_that_has_its_api_elsewhere_answers_200(fake: FakeBatches) -> None:
    fake.elsewhere = (200, {"error": "Unexpected endpoint or method"})
    with (
        pytest.raises(ServerError, match=f"as a Batch API does; the right base URL is {fake.url}$"),
    ):
        BatchServer(fake.url.removesuffix("/v1")).batch("batch_9")


def test_a_web_page_is_no_file(fake: FakeBatches, server: BatchServer) -> None:
    to = io.BytesIO()
    with pytest.raises(ServerError, match="gives a web page as"):
        server.download(fake.add_file(b"\n<!DOCTYPE html><title>Log in</title>"), to)
    assert not to.getvalue()


def test_what_is_taken_off_the_address_is_told(fake: FakeBatches) -> None:
    told: list[str] = []
    server = BatchServer(f"{fake.url}/chat/completions", notice=told.append)
    assert server.batches() == []
    assert told == [f"the base URL is {fake.url}, without /chat/completions"]


def test_openai_wants_a_key() -> None:
    with pytest.raises(ServerError, match="OPENAI_API_KEY is not set"):
        BatchServer()


def test_an_empty_id(server: BatchServer) -> None:
    with pytest.raises(InputError, match="empty"):
        server.batch(" ")


def test_download(server: BatchServer, fake: FakeBatches, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(256)) * 1000
    id = fake.add_file(data)
    to = io.BytesIO()
    assert server.download(id, to) == len(data)
    assert to.getvalue() == data
    with pytest.raises(ServerError, match="has no file 'file-9'"):
        server.download("file-9", io.BytesIO())
    monkeypatch.setattr(api, "MAX_RESULT", 1000)
    with pytest.raises(ServerError, match="sends more than"):
        server.download(id, io.BytesIO())


def test_half_a_file_is_none(server: BatchServer, fake: FakeBatches) -> None:
    id = fake.add_file(LINE * 1000)
    fake.cut = 10
    with pytest.raises(ServerError, match="broke off; try again"):
        server.download(id, io.BytesIO())


def test_a_refused_upload_makes_no_batch(
    server: BatchServer, fake: FakeBatches, tmp_path: Path
) -> None:
    with pytest.raises(ServerError, match="URLs of the file are others"):
        server.submit(requests_file(tmp_path), "ab" * 32, "/v1/completions")
    assert fake.batches == []
