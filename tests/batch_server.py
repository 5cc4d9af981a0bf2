"""The endpoints ``files`` and ``batches`` on loopback, over real HTTP."""

import email.parser
import email.policy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes import Reply, chat_reply, question_in
from tests.faults import sentences

Answer = Callable[[dict[str, Any]], Reply]
"""Status and body for the body of a request."""


def describe(body: dict[str, Any]) -> Reply:
    """As many sentences as are asked for, all different."""
    question = question_in(body)
    return 200, chat_reply(*sentences(question, body.get("n", 1)))


def openai_line(request: dict[str, Any], answer: Answer = describe) -> dict[str, Any]:
    """The result of a request line, as OpenAI writes it."""
    status, body = answer(request["body"])
    return {
        "id": "batch_req_1",
        "custom_id": request["custom_id"],
        "response": {"status_code": status, "request_id": "req_1", "body": body},
        "error": None,
    }


def expired_line(request: dict[str, Any]) -> dict[str, Any]:
    """What OpenAI writes for a request that it did not come to."""
    return {
        "id": "batch_req_2",
        "custom_id": request["custom_id"],
        "response": None,
        "error": {"code": "batch_expired", "message": "This request could not be executed."},
    }


def vllm_line(request: dict[str, Any], answer: Answer = describe) -> dict[str, Any]:
    """The result of a request line, as ``vllm run-batch`` writes it."""
    status, body = answer(request["body"])
    response = {"status_code": status, "request_id": "vllm-batch-1"}
    ok = status == 200
    return {
        "id": "vllm-1",
        "custom_id": request["custom_id"],
        "response": response | {"body": body if ok else None},
        "error": None if ok else body,
    }


@dataclass
class FakeBatches:
    """What was uploaded and submitted; ``run`` has it answered."""

    url: str = ""
    page: int = 100
    """Batches in a page of the list, if the client does not want fewer."""
    files: dict[str, bytes] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    batches: list[dict[str, Any]] = field(default_factory=list)
    """The newest first."""
    keys: set[str] = field(default_factory=set)
    """What was sent as ``Authorization``."""
    answer: Answer = describe
    """What answers a request that is sent by itself."""
    refusal: Reply | None = None
    """The answer to everything, if set."""
    elsewhere: Reply = (404, {"error": {"message": "no such path"}})
    """The answer to what is asked at another path than /v1."""
    cut: int = 0
    """Bytes that are announced and never sent."""

    def add_file(self, data: bytes, name: str = "result.jsonl") -> str:
        id = f"file-{len(self.files) + 1}"
        self.files[id], self.names[id] = data, name
        return id

    def add_batch(self, status: str = "validating", **fields: Any) -> dict[str, Any]:
        batch = {
            "id": f"batch_{len(self.batches) + 1}",
            "object": "batch",
            "status": status,
            "created_at": 1_700_000_000,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        } | fields
        self.batches.insert(0, batch)
        return batch

    def run(self, answer: Answer = describe, *, only: int | None = None) -> None:
        """Answer every batch that waits; all lines, or only the first few before they expire."""
        for batch in self.batches:
            if batch["status"] != "validating":
                continue
            lines = self.files[batch["input_file_id"]].splitlines()
            requests = [json.loads(line) for line in lines]
            done = [openai_line(request, answer) for request in requests[:only]]
            late = [expired_line(request) for request in requests[len(done) :]]
            good = [line for line in done if line["response"]["status_code"] == 200]
            bad = [line for line in done if line["response"]["status_code"] != 200] + late
            batch["status"] = "expired" if late else "completed"
            for name, results in (("output_file_id", good), ("error_file_id", bad)):
                text = "".join(json.dumps(line) + "\n" for line in reversed(results))
                batch[name] = self.add_file(text.encode()) if results else None
            batch["request_counts"] = {
                "total": len(requests),
                "completed": len(good),
                "failed": len(bad),
            }

    def get(self, target: str) -> Reply | bytes:
        parts = urlsplit(target)
        match parts.path.removeprefix("/v1/").split("/"):
            case ["batches"]:
                return 200, self._page({k: v[0] for k, v in parse_qs(parts.query).items()})
            case ["batches", id]:
                found = [batch for batch in self.batches if batch["id"] == id]
                return (200, found[0]) if found else (404, {"error": {"message": "no batch"}})
            case ["models"]:
                return 200, {"object": "list", "data": []}
            case ["files", id, "content"] if id in self.files:
                return self.files[id]
        return self.elsewhere

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        ids = [batch["id"] for batch in self.batches]
        start = ids.index(query["after"]) + 1 if "after" in query else 0
        stop = start + min(self.page, int(query.get("limit", 20)))
        return {
            "object": "list",
            "data": self.batches[start:stop],
            "has_more": stop < len(ids),
        }

    def post(self, target: str, kind: str, data: bytes) -> Reply:
        if target == "/v1/files":
            fields = _multipart(kind, data)
            name, content = fields["file"]
            if fields["purpose"][1] != b"batch" or not (name or "").endswith(".jsonl"):
                return 400, {"error": {"message": "not a file for a batch"}}
            id = self.add_file(content, name or "")
            return 200, {"id": id, "object": "file", "bytes": len(content), "filename": name}
        body = json.loads(data)
        if target == "/v1/chat/completions":
            return self.answer(body)
        urls = {json.loads(line)["url"] for line in self.files[body["input_file_id"]].splitlines()}
        if target != "/v1/batches" or urls != {body["endpoint"]}:
            return 400, {"error": {"message": "the URLs of the file are others"}}
        return 200, self.add_batch(**body)


def _multipart(kind: str, data: bytes) -> dict[str, tuple[str | None, bytes]]:
    """Name to file name and content."""
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + data)
    return {
        str(part.get_param("name", header="content-disposition")): (
            part.get_filename(),
            bytes(part.get_payload(decode=True)),
        )
        for part in message.iter_parts()
    }


@contextmanager
def serve_batches() -> Iterator[FakeBatches]:
    """The endpoints, until the test ends."""
    state = FakeBatches()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(lambda: state.get(self.path))

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"] or 0))
            kind = self.headers["Content-Type"]
            self._answer(lambda: state.post(self.path, kind, data))

        def _answer(self, reply: Callable[[], Reply | bytes]) -> None:
            state.keys.add(self.headers["Authorization"])
            content = state.refusal or reply()
            status, body = content if isinstance(content, tuple) else (200, content)
            text = isinstance(body, str | bytes)
            if not isinstance(body, bytes):
                body = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if text else "application/json")
            self.send_header("Content-Length", str(len(body) + state.cut))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
