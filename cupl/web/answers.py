"""From requests to the workspace and back: JSON in, JSON out, every error one sentence."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cupl.errors import CuplError, MissingFileError
from cupl.web.jobs import JobBusyError

MOST_JSON = 4 << 20
"""Bytes of what a page sends beside photos."""
PATIENCE = 20.0
"""Seconds that a client may send nothing in the midst of a request."""

LEAST_RATE = 32 << 10
"""Bytes a second, on average, that a longer request has to come at: others wait for their turn."""


class Body(BaseModel):
    """What a page sends; nothing else may stand in it."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ConflictError(CuplError, RuntimeError):
    """Somebody else has changed meanwhile what is to be changed."""


class RefusedError(CuplError, ValueError):
    """A request that cannot be answered.

    Args:
        status: of HTTP.
        message: one sentence.

    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class JsonAnswer(JSONResponse):
    """JSON in ASCII: a file's name may hold bytes that are no text, which UTF-8 cannot say."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


_Body = TypeVar("_Body", bound=Body)
Reply = dict[str, Any] | list[Any] | Response


def command(path: str, model: type[_Body], act: Callable[[_Body], Reply]) -> Route:
    """A route that changes or computes something: POST, with a body of JSON."""

    async def endpoint(request: Request) -> Response:
        async def answer() -> Response:
            body = await read_model(request, model)
            return _response(await run_in_threadpool(act, body))

        return await answered(answer)

    return Route(path, endpoint, methods=["POST"])


def query(path: str, ask: Callable[[Mapping[str, str]], Reply]) -> Route:
    """A route that only looks: GET; it is given what stands in the path and behind the ``?``."""

    async def endpoint(request: Request) -> Response:
        async def answer() -> Response:
            asked = {**request.query_params, **request.path_params}
            return _response(await run_in_threadpool(ask, asked))

        return await answered(answer)

    return Route(path, endpoint, methods=["GET"])


async def answered(answer: Callable[[], Any]) -> Response:
    """What is answered, whatever goes wrong."""
    try:
        response: Response = await answer()
    except CuplError as error:
        return JsonAnswer({"error": str(error)}, _status(error))
    except ClientDisconnect:
        return Response(status_code=400)
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return JsonAnswer({"error": f"a fault in cupl ({type(error).__name__})"}, 500)
    return response


async def read_model(request: Request, model: type[_Body]) -> _Body:
    """The JSON of a request, looked at.

    Raises:
        RefusedError: it is too long, comes too slowly, or is not what the route takes.

    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RefusedError(415, "a request of this kind is JSON: Content-Type: application/json")
    data = b"".join([part async for part in body_parts(request, MOST_JSON)])
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the body"
        raise RefusedError(422, f"{place[:100]}: {first['msg'][:200]}") from None


async def body_parts(request: Request, most: int) -> AsyncIterator[bytes]:
    """What a request sends, as it comes.

    Raises:
        RefusedError: it is longer than ``most`` bytes, or stops in the midst.

    """
    too_long = RefusedError(413, f"too large: at most {most / (1 << 20):,.0f} MB are taken")
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdecimal() and int(length[:20]) > most:
        raise too_long
    taken, parts, begun = 0, request.stream().__aiter__(), time.monotonic()
    while True:
        try:
            part = await asyncio.wait_for(anext(parts), PATIENCE)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise RefusedError(408, "the request stopped in the midst") from None
        taken += len(part)
        if taken > most:
            raise too_long
        passed = time.monotonic() - begun
        if passed > PATIENCE and taken < passed * LEAST_RATE:
            raise RefusedError(408, "the request comes too slowly")
        yield part


def _response(reply: Reply) -> Response:
    return reply if isinstance(reply, Response) else JsonAnswer(reply)


def _status(error: CuplError) -> int:
    if isinstance(error, RefusedError):
        return error.status
    if isinstance(error, ConflictError | JobBusyError):
        return 409
    return 404 if isinstance(error, MissingFileError) else 400
