"""How long a cluster may take, and what its faults mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from pymilvus import MilvusException

from cupl.errors import CuplError, MissingFileError, ServerError
from cupl.index.cluster import TOKEN_VARIABLE, ClusterAddress
from cupl.llm.redaction import redact

_ANSWER_SECONDS, _BUILD_SECONDS = 60, 3600
_LONG = ("CreateIndex", "Flush", "LoadCollection", "ManualCompaction")
"""Calls that build what is large before they answer."""


def deadlines() -> str:
    """How long each call may take, as gRPC reads it; pymilvus would wait for ever."""
    service = "milvus.proto.milvus.MilvusService"
    long = [{"service": service, "method": method} for method in _LONG]
    return json.dumps({"methodConfig": [
        {"name": [{}], "timeout": f"{_ANSWER_SECONDS:.6f}s"},
        {"name": long, "timeout": f"{_BUILD_SECONDS}s"},
    ]})  # fmt: skip


@contextmanager
def cluster_errors(address: ClusterAddress) -> Iterator[None]:
    """What pymilvus raises, in a sentence without the token."""
    try:
        yield
    except CuplError:
        raise
    except (MilvusException, grpc.RpcError) as error:
        raise _told(address, error) from error


def _told(address: ClusterAddress, error: BaseException) -> CuplError:
    place, code, said = address.place, getattr(error, "code", None), str(error)
    if isinstance(error, MilvusException):
        said = str(error.message)
    cause: BaseException | None = error
    seen: set[BaseException] = set()  # pymilvus raises errors from themselves
    while cause is not None and cause not in seen:
        seen.add(cause)
        if isinstance(cause, grpc.RpcError) and callable(getattr(cause, "code", None)):
            code, said = cause.code(), str(cause.details())
            break
        cause = cause.__cause__ if cause.__cause__ not in seen else cause.__context__
    status = grpc.StatusCode
    if code in (status.UNAUTHENTICATED, status.PERMISSION_DENIED):
        what = "refuses the token" if address.token else "asks for a token"
        return ServerError(f"{place} {what}: put the right one into ${TOKEN_VARIABLE}")
    if code == status.DEADLINE_EXCEEDED:
        return ServerError(f"{place} did not answer in time: try again when it is less busy")
    if code == status.UNAVAILABLE:
        return ServerError(f"{place} cannot be reached: check the address, and that it is running")
    if code in (4, 100):  # Milvus' own codes for a collection that is not there
        return MissingFileError(f"{place}: there is no index of photos any more")
    return ServerError(f"{place} failed: {redact(said, *address.secrets)}")
