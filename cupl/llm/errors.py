"""The one sentence for an error of the SDK, and whether another try may help."""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from cupl.errors import ServerError
from cupl.llm.access import ServerAccess
from cupl.llm.protocol import RetryableError
from cupl.llm.redaction import redact
from cupl.llm.rejections import advice_on

if TYPE_CHECKING:
    import openai

_NO_QUOTA = {
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "exceeded_current_quota_error",
}
_FILTERED = {"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"}
_YEAR = 366 * 86_400.0


def to_server_error(
    error: openai.APIError,
    asked: str,
    access: ServerAccess,
    sent: Mapping[str, object] | None = None,
) -> ServerError:
    """Say what happened and what to do, without anything that could hold a key.

    Args:
        error: what the SDK raised.
        asked: what was asked for, such as the model.
        access: the server, and the credentials it was sent.
        sent: the request's body, where that is known.

    """
    import openai

    where, secrets = access.address.endpoint, access.secrets
    if not isinstance(error, openai.APIStatusError):
        return _unheard(error, where, secrets)
    status, after = _status(error), retry_after(error.response.headers)
    said = redact(
        _message(error.body) or error.response.reason_phrase or "no reason given", *secrets
    )
    if status == 402 or _kinds(error) & _NO_QUOTA:
        return ServerError(f"the account at {where} has no quota left ({said})")
    if status == 429:
        return RetryableError(
            f"{where} still limits the rate; try a lower concurrency ({said})",
            after=after, limited=True, answered=True, arguments={"concurrency": ...},
        )  # fmt: skip
    if status in (408, 409, 425) or status >= 500:
        return RetryableError(f"{where} answered {status}: {said}", after=after, answered=True)
    hint, arguments = advice_on(_message(error.body) or "", error.param, sent)
    if status in (401, 403):
        return _not_let_in(access, status, asked, said)
    why = f"answered {status}: {said.rstrip('.') + hint if hint else said}"
    if status == 404:
        why, arguments = f"has no {asked}, or the URL is not whole (does it end in /v1?)", {}
    return ServerError(f"{where} {why}", arguments=arguments)


def _not_let_in(access: ServerAccess, status: int, asked: str, said: str) -> ServerError:
    where = access.address.endpoint
    if not access.lacks_key:
        why = f"does not let this key use {asked} ({said})"
        if status == 401:
            why = f"rejected {access.credentials_name}"
        return ServerError(f"{where} {why}")
    # We sent no key, which need not be why it says no.
    wants = "wants a key:"
    if status == 403:
        wants = f"does not let us use {asked} ({said}); if it wants a key,"
    return ServerError(
        f"{where} {wants} name the environment variable that holds it with api_key_env "
        "(for instance OPENAI_API_KEY)",
        arguments={"api_key_env": ...},
    )


def _unheard(error: openai.APIError, where: str, secrets: Sequence[str]) -> ServerError:
    """No answer came; the request may have arrived nevertheless."""
    import httpx2
    import openai

    if not isinstance(error, openai.APIConnectionError):
        return RetryableError(f"{where} did not answer as OpenAI does; is it the right URL?")
    match error.__cause__:
        case httpx2.TooManyRedirects():
            return ServerError(f"{where} redirects without end; is the URL right?")
        case (
            httpx2.ConnectError()
            | httpx2.ConnectTimeout()
            | httpx2.PoolTimeout()
            | httpx2.ProxyError()
            | httpx2.UnsupportedProtocol()
        ) as cause:
            reason = redact(str(cause) or "no answer in time", *secrets)
            message = f"cannot reach {where} ({reason}); is the server running and the URL right?"
            return RetryableError(message, unreachable=True)
        case httpx2.TimeoutException():
            return RetryableError(f"{where} did not answer in time")
    return RetryableError(f"{where} closed the connection without an answer")


def _status(error: openai.APIStatusError) -> int:
    """The status, also of an error that comes as a success with the status in its body."""
    if error.status_code >= 300:
        return error.status_code
    code = error.body.get("code") if isinstance(error.body, dict) else None
    return code if type(code) is int and 400 <= code < 600 else 500


def refusal_in(error: openai.APIError) -> tuple[str, object] | None:
    """What a server says of a request that it turned down, and the parameter that it names.

    None where it is not the request's form that it minds.
    """
    import openai

    if not isinstance(error, openai.APIStatusError) or _kinds(error) & _NO_QUOTA:
        return None
    if _status(error) in (401, 402, 403, 404, 408, 425, 429, 503, 504):
        return None
    said = _message(error.body)
    return (said, error.param) if said else None


def is_filtered(error: openai.APIError) -> bool:
    """Whether a content filter turned the question down: an answer of no use, not a fault."""
    return bool(_kinds(error) & _FILTERED)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that a server asks to wait, from its ``Retry-After`` (RFC 9110, 10.2.3).

    Args:
        headers: of its response.
        now: seconds since 1970, for a server that gives a date and does not say what time it has.

    Returns:
        The seconds, a year at most, or None where it does not ask, or for what is no time to come.

    """
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        text = headers.get(name, "")
        try:
            seconds = float(text) / unit
        except ValueError:
            # By the server's own clock, which need not be ours.
            today = _seconds(headers.get("date", ""), time.time() if now is None else now)
            seconds = _seconds(text, today) - today
        if 0 < seconds < math.inf:
            return min(seconds, _YEAR)
    return None


def _seconds(date: str, otherwise: float) -> float:
    """Since 1970, of a date in a header."""
    try:
        parts = email.utils.parsedate_tz(date)
        return otherwise if parts is None else email.utils.mktime_tz(parts)
    except (ValueError, OverflowError):
        return otherwise


def _kinds(error: openai.APIError) -> set[str]:
    """What kind of error the server says it is, in any of the usual places."""
    inner = error.body.get("error", error.body) if isinstance(error.body, dict) else {}
    named = [inner.get("code"), inner.get("type")] if isinstance(inner, dict) else []
    return {name for name in (error.code, *named) if isinstance(name, str)}


def _message(body: object, depth: int = 5) -> str | None:
    """What the server says in the body of an error, in any of the usual places."""
    match body:
        case str() if not body.lstrip().startswith("<"):  # a page of HTML says nothing in a line
            return body.strip()[:10_000] or None
        case {"loc": list(place), "msg": str(said)}:  # pydantic's errors
            names = [name for name in place if isinstance(name, str)]
            return f"'{names[-1] if names else 'the request'}': {said}"
        case list() if depth:
            places: Iterable[object] = body[:1]
        case dict() if depth:
            places = (body.get(name) for name in ("message", "error", "detail"))
        case _:
            return None
    return next(filter(None, (_message(place, depth - 1) for place in places)), None)
