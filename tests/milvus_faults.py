"""Servers that speak Milvus' protocol and do not what is asked."""

import base64
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc


class RefusingMilvus(milvus_pb2_grpc.MilvusServiceServicer):  # type: ignore[misc]
    """Says no, and repeats what it was sent, as no server should."""

    def Connect(self, request: Any, context: Any) -> Any:
        sent = dict(context.invocation_metadata()).get("authorization", "")
        said = base64.b64decode(sent).decode(errors="replace")
        context.abort(grpc.StatusCode.UNAUTHENTICATED, f"auth check failure: {said} {sent}")


class FailingMilvus(milvus_pb2_grpc.MilvusServiceServicer):  # type: ignore[misc]
    """Fails with what it was sent."""

    def Connect(self, request: Any, context: Any) -> Any:
        sent = dict(context.invocation_metadata()).get("authorization", "")
        context.abort(grpc.StatusCode.INTERNAL, base64.b64decode(sent).decode() + "\n" * 3 + "x")


class SlowMilvus(milvus_pb2_grpc.MilvusServiceServicer):  # type: ignore[misc]
    """Does not answer while the test lasts, or only that it is there."""

    def __init__(self, connects: bool) -> None:
        self.over, self._connects = threading.Event(), connects

    def Connect(self, request: Any, context: Any) -> Any:
        if self._connects:
            return milvus_pb2.ConnectResponse()
        return self._wait(context)

    def DescribeCollection(self, request: Any, context: Any) -> Any:
        return self._wait(context)

    def _wait(self, context: Any) -> Any:
        self.over.wait(30)
        context.abort(grpc.StatusCode.UNAVAILABLE, "over")


@contextmanager
def served_milvus(servicer: Any) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
