"""The one sentence for an error of the SDK, and whether another try may help."""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cupl.errors import ServerError
from cupl.llm.access import ServerAccess
from cupl.llm.error_bodies import (
    delay_of,
    images_allowed,
    is_about_content,
    kinds_of,
    lacks_key,
    lacks_memory,
    lacks_model,
    lacks_quota,
    lacks_room,
    lacks_sight,
    message_of,
    status_of,
    title_of,
)
from cupl.llm.protocol import RetryableError
from cupl.llm.proxies import proxy_of
from cupl.llm.redaction import redact
from cupl.llm.rejections import advice_on
from cupl.llm.request_image import images_in
from cupl.llm.unanswered import not_an_answer, unheard
from cupl.llm.wrong_address import WrongAddressError

if TYPE_CHECKING:
    import openai

_OF_THE_FORM = (400, 405, 422, 501)
_NO_QUOTA = {
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "exceeded_current_quota_error",
}
_SAYS_NOTHING = re.compile(
    r"\W*(?:(?:an? )?(?:internal|unknown|unexpected)?\W*(?:server)?\W*error(?: occurred)?"
    r"|no reason given)?\W*",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(
    r"(?:image|payload|body|request)[^.]{0,40}(?:too (?:large|big)|exceed)", re.IGNORECASE
)
_YEAR = 366 * 86_400.0


class UnknownRefusalError(ServerError):
    """A request turned down for its form, in words that are not known."""


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

    proxy = proxy_of(access.address)
    secrets = [*access.secrets, *(proxy.secrets if proxy else ())]
    if not isinstance(error, openai.APIStatusError):
        return unheard(error, access.address, proxy, secrets)
    if error.status_code < 300 and error.body is None:
        what = f"{access.address.endpoint} answered {error.status_code} without a body"
        return WrongAddressError(what, access.address, otherwise=RetryableError(what))
    said = redact(
        message_of(error.body)
        or title_of(error.body)
        or error.response.reason_phrase
        or "no reason given",
        *secrets,
    )
    if refused := _images_refused(error, asked, access.address.endpoint, said, sent):
        return refused
    misled = not_an_answer(error, asked, access.address, proxy, said, secrets)
    return misled or _refusal(error, asked, access, said, sent)


def _refusal(
    error: openai.APIStatusError,
    asked: str,
    access: ServerAccess,
    said: str,
    sent: Mapping[str, object] | None,
) -> ServerError:
    """What an API said."""
    where, status = access.address.endpoint, status_of(error)
    after = retry_after(error.response.headers) or delay_of(error.body)
    no_quota = status == 402 or kinds_of(error) & _NO_QUOTA or lacks_quota(error, said, after)
    if status == 429 and not no_quota:
        return RetryableError(
            f"{where} still limits the rate ({said}); try a lower concurrency",
            after=after, limited=True, answered=True, arguments={"concurrency": ...},
        )  # fmt: skip
    lack: tuple[str, dict[str, object]] | None = None
    if no_quota:
        lack = f"the account at {where} has no quota left ({said})", {}
    elif lacks_room(said):
        what = "the question and its answer do not fit into the model's context"
        lack = f"{what} at {where} ({said})", {"max_tokens": ..., "preamble": ...}
    elif lacks_model(error, said):
        lack = f"{where} has no {asked} ({said})", {"model": ...}
    if lack:
        return ServerError(lack[0], arguments=lack[1])
    if status in (408, 409, 425) or (status >= 500 and not lacks_memory(said)):
        many = status == 500 and (sent or {}).get("n", 1) != 1 and _SAYS_NOTHING.fullmatch(said)
        return RetryableError(
            f"{where} answered {status}: {said}"
            + ("; one that gives a single answer at a time needs n=None" if many else ""),
            after=after, answered=True, arguments={"n": None} if many else {},
        )  # fmt: skip
    if status == 400 and lacks_key(said):
        status = 401
    if status in (401, 403):
        return _not_let_in(access, status, asked, said)
    hint, arguments = advice_on(message_of(error.body) or "", error.param, sent)
    if not hint and status in _OF_THE_FORM:
        return UnknownRefusalError(f"{where} answered {status}: {said}")
    why = f"answered {status}: {said.rstrip('.') + hint if hint else said}"
    return ServerError(f"{where} {why}", arguments=arguments)


def _images_refused(
    error: openai.APIStatusError,
    asked: str,
    where: str,
    said: str,
    sent: Mapping[str, object] | None,
) -> ServerError | None:
    """What to do where it is the images of a request that are turned down."""
    number, status = images_in(sent or {}), status_of(error)
    if not number or status in (401, 402, 403, 408, 409, 425, 429) or lacks_room(said):
        return None
    most = images_allowed(said)
    if most is not None and most < number:
        why = f"takes fewer images in a request ({said}); per_class={most} sends no more"
        return ServerError(f"{where} {why}", arguments={"per_class": most})
    if status == 413 or _TOO_LARGE.search(said):
        why = f"finds the image too large ({said}); send a smaller one"
        return ServerError(f"{where} {why}", arguments={"image_side": ...})
    if lacks_sight(said):
        why = f"takes no images for {asked} ({said}); name a model that can see"
        return ServerError(f"{where} {why}", arguments={"model": ...})
    return None


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
        f"{where} {wants} name the environment variable that holds it, for instance "
        "OPENAI_API_KEY, with api_key_env",
        arguments={"api_key_env": ...},
    )


def refusal_in(error: openai.APIError) -> tuple[str, object] | None:
    """What a server says of a request that it turned down, and the parameter that it names.

    None where it is not the request's form that it minds.
    """
    import openai

    if not isinstance(error, openai.APIStatusError) or kinds_of(error) & _NO_QUOTA:
        return None
    if status_of(error) in (401, 402, 403, 404, 408, 425, 429, 503, 504):
        return None
    said = message_of(error.body)
    return (said, error.param) if said else None


def is_filtered(error: openai.APIError) -> bool:
    """Whether a content filter turned the question down: an answer of no use, not a fault."""
    import openai

    if not isinstance(error, openai.APIStatusError) or status_of(error) in (401, 402, 429):
        return False
    broken = error.status_code >= 500  # such as the filter itself
    return is_about_content(error.body, by_words=not broken)


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
