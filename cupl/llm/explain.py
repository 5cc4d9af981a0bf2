"""The one sentence for an error of the SDK, and whether another try may help."""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cupl.errors import ServerError
from cupl.llm.base import RetryableError
from cupl.llm.secrets import api_key, redact

if TYPE_CHECKING:
    import openai

_FLAGS = {
    "temperature": "--temperature none",
    "top_p": "--top-p none",
    "max_tokens": "--max-tokens none",
    "max_completion_tokens": "--max-tokens none",
    "stop": "--stop none",
    "n": "--n none",
}
_NO_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_FILTERED = {"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"}


def explain(error: openai.APIError, where: str, asked: str, *secrets: str) -> ServerError:
    """Say what happened and what to do, without anything that could hold a key.

    Args:
        error: what the SDK raised.
        where: the server, without credentials.
        asked: what was asked for, such as the model.
        secrets: what must not be shown, beside the key.

    """
    import openai

    if isinstance(error, openai.APITimeoutError):
        return RetryableError(f"{where} did not answer in time", unreachable=True)
    if not isinstance(error, openai.APIStatusError):
        message = f"cannot reach {where}; is the server running and the URL right?"
        return RetryableError(message, unreachable=True)
    status, after = error.status_code, retry_after(error.response.headers)
    said = redact(_message(error.body) or error.message, *secrets)
    if status == 402 or _kinds(error) & _NO_QUOTA:
        return ServerError(f"the account at {where} has no quota left ({said})")
    if status == 429:
        message = f"{where} still limits the rate; try a lower --concurrency ({said})"
        return RetryableError(message, after=after, limited=True, answered=True)
    if status in (408, 409, 425) or status >= 500:
        return RetryableError(f"{where} answered {status}: {said}", after=after, answered=True)
    return ServerError(_refusal(error, status, where, asked, said))


def _refusal(error: openai.APIStatusError, status: int, where: str, asked: str, said: str) -> str:
    """What stays as it is however often one asks."""
    if status == 401 and not api_key():
        return f"{where} wants a key; set OPENAI_API_KEY"
    sentences = {
        401: f"{where} rejected the key in OPENAI_API_KEY",
        403: f"{where} does not let this key use {asked} ({said})",
        404: f"{where} has no {asked}, or the URL is not whole (does it end in /v1?)",
    }
    flag = _FLAGS.get(_parameter(error) or "")
    way_out = f"; omit it with {flag}" if flag else ""
    return sentences.get(status) or f"{where} answered {status}: {said}{way_out}"


def is_filtered(error: openai.APIError) -> bool:
    """Whether a content filter turned the question down: an answer of no use, not a fault."""
    return bool(_kinds(error) & _FILTERED)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that a server asks to wait, from its ``Retry-After`` (RFC 9110, 10.2.3).

    Args:
        headers: of its response.
        now: seconds since 1970, for a server that gives a date and does not say what time it has.

    Returns:
        The seconds, or None where it does not ask, or for what is no time.

    """
    text = headers.get("retry-after-ms") or headers.get("retry-after") or ""
    try:
        seconds = float(text) / (1000 if headers.get("retry-after-ms") else 1)
    except ValueError:
        try:
            until = email.utils.parsedate_to_datetime(text).timestamp()
        except ValueError:
            return None
        date = headers.get("date")
        try:  # by the server's own clock, which need not be ours
            today = email.utils.parsedate_to_datetime(date or "").timestamp()
        except ValueError:
            today = time.time() if now is None else now
        seconds = max(0.0, until - today)
    return seconds if 0 <= seconds < math.inf else None


def _kinds(error: openai.APIError) -> set[str]:
    """What kind of error the server says it is, in any of the usual places."""
    inner = error.body.get("error", error.body) if isinstance(error.body, dict) else {}
    named = [inner.get("code"), inner.get("type")] if isinstance(inner, dict) else []
    return {name for name in (error.code, *named) if isinstance(name, str)}


def _parameter(error: openai.APIStatusError) -> str | None:
    """The request's parameter that the server turned down, if it says which."""
    if isinstance(error.param, str) and error.param in _FLAGS:
        return error.param
    said = _message(error.body) or ""
    # "n" is a parameter in quotes only.
    words = [*re.findall(r"['\"`](\w+)['\"`]", said), *re.findall(r"\w{2,}", said)]
    return next((word for word in words if word in _FLAGS), None)


def _message(body: object) -> str | None:
    """What the server says in the body of an error, in any of the usual places."""
    if isinstance(body, dict) and isinstance(body.get("error"), dict | str):
        body = body["error"]
    said = body.get("message", body.get("detail")) if isinstance(body, dict) else body
    if isinstance(said, list) and said and isinstance(said[0], dict):  # pydantic's errors
        place = said[0].get("loc")
        name = place[-1] if isinstance(place, list) and place else "the request"
        said = f"'{name}': {said[0].get('msg')}"
    return said if isinstance(said, str) else None
