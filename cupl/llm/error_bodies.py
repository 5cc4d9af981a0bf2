"""What the body of an error says, in whatever shape servers and gateways put it."""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openai

_LONGEST = 10_000
"""Characters of a body that are looked at; hostile ones may have millions."""
_TAG = re.compile(r"[\ufeff\s]{0,1000}<[!?a-z]", re.IGNORECASE)
"""How a page begins; Alibaba's messages begin with ``<400>``."""
_TITLE = re.compile(r"<title[^<>]*>([^<]{1,300})", re.IGNORECASE)
_DELAY = re.compile(
    r"(?:try again|retry|wait)[^.\d]{0,30}(?=[0-9])"
    r"(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m(?!s))?(?:([0-9]{1,6}(?:\.[0-9]{0,12})?) ?(ms|s\b|sec))?",
    re.IGNORECASE,
)
_SECONDS = re.compile(r"([0-9]{1,6}(?:\.[0-9]{0,12})?)s")

_NO_QUOTA = re.compile(
    r"insufficient.{0,3}(quota|balance|credit|fund)|exceeded your current quota|"
    r"credit balance is too low|out of credits|more credits|good standing|arrearage",
    re.IGNORECASE,
)
_BY_WORDS = (
    (429, r"rate.?limit|too many requests"),
    (500, r"overloaded|temporar|try again|timed? ?out|unavailable|loading|busy|upstream|capacity"),
    (401, r"api.?key|unauthori[sz]ed|not authenticated|authentication|(invalid|missing) token"),
    (403, r"forbidden|permission|not allowed to|access denied"),
    (404, r"unexpected endpoint|method not allowed|not found|no (such )?route|cannot post|"
          r"(unknown|invalid|unsupported) (path|url|endpoint|route)|does not exist|not exist"),
    (400, r"unsupported|not support|invalid|must be|is required|unknown|unrecogni[sz]ed|too long|"
          r"no models? (is )?loaded|context (length|size|window)"),
)  # fmt: skip
"""The status that an error would have, for servers that send it with the status of a success."""

_OUR_FAULT = {"invalid_request_error", "BadRequestError", "INVALID_ARGUMENT"}
_NOT_LOADED = re.compile(
    r"model[^.]{0,120}? (is not loaded|not loaded|unloaded|has not been loaded)|"
    r"no models? (is |are )?(currently )?loaded",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model[^.]{0,120}? (not found|not exist|does(n't| not) exist|not available)|"
    r"(no such|unknown|invalid|unable to access) model\b(?! (type|output|response))|"
    r"not a valid model|deployment[^.]{0,80} does not exist|models/\S{1,100} is not found",
    re.IGNORECASE,
)
_NO_MODEL_KINDS = {"model_not_found", "deploymentnotfound", "model_not_exist", "invalid_model"}
_TOO_LONG = re.compile(
    r"context[ _-]?(length|size|window)|maximum context|exceed[^.]{0,40}context|"
    r"(prompt|input) (is|are) too long|tokens to keep from the initial prompt",
    re.IGNORECASE,
)
_FILTER_KIND = re.compile(
    r"content_?(?:filter|policy|risk|moderation|security)|responsible_?ai|moderation|guardrail"
    r"|data_?inspection|safety|sensitive|prohibited_?content|flagged",
    re.IGNORECASE,
)
_FILTER_WORDS = re.compile(
    r"content (?:exists risk|management policy|polic(?:y|ies)\b|filter(?:ing)?\b)"
    r"|(?:was|were|been|is|are) flagged\b|safety (?:system|filter|check|guard)"
    r"|inappropriate content|敏感内容"
    r"|(?:contain|include|detect)[^.]{0,40}(?:sensitive|unsafe|prohibited|harmful)",
    re.IGNORECASE,
)
_NO_KEY = re.compile(
    r"api.?key[^.]{0,20} (not valid|invalid|incorrect|missing|required)|"
    r"(invalid|incorrect|wrong|missing|no)[^.]{0,20} (api.?key|authorization|credentials)",
    re.IGNORECASE,
)
_TOO_BIG = re.compile(
    r"requires more system memory|(failed|unable) to load (the )?model", re.IGNORECASE
)
_NO_IMAGES = re.compile(
    r"(?:image|vision|multi-?modal)[^.]{0,60}(?:\bnot\b|n't|unsupported|only supported by)"
    r"|(?:\bnot?\b|n't|unsupported|unknown)[^.]{0,60}(?:image|vision|multi-?modal)"
    r"|at most 0 image|\bcontent\b[^.]{0,60}\b(?:must be|should be|expected) (?:a )?(?:valid )?str"
    r"|missing data required for image|expected:? (?:a )?string",
    re.IGNORECASE,
)
_FEW_IMAGES = re.compile(
    r"(?:at most|up to|max(?:imum)?(?: of)?|more than|only) (\d{1,4}) image", re.IGNORECASE
)


def message_of(body: object, depth: int = 5) -> str | None:
    """What the server says, in any of the usual places; None for a page or nothing.

    Args:
        body: of an error, as JSON or text.
        depth: how far it is looked into.

    """
    match body:
        case str() if not is_page(body):
            return body.strip()[:_LONGEST] or None
        case {"loc": list(place), "msg": str(said)}:  # pydantic's errors
            names = [name for name in place if isinstance(name, str)]
            return f"'{names[-1] if names else 'the request'}': {said}"
        case list() if depth:
            places: Iterable[object] = body[:1]
        case dict() if depth:
            places = (body.get(name) for name in ("message", "error", "detail"))
        case _:
            return None
    outer = next(filter(None, (message_of(place, depth - 1) for place in places)), None)
    inner = _behind(body)
    if outer and inner and inner not in outer:
        return f"{outer} ({inner})"
    return outer or inner


def _behind(body: object) -> str | None:
    """What the server behind a gateway said: OpenRouter's ``metadata.raw``."""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    if not isinstance(metadata, dict):
        return None
    raw, name = metadata.get("raw"), metadata.get("provider_name")
    if isinstance(raw, str):
        with contextlib.suppress(ValueError, RecursionError):  # a text as it is
            raw = json.loads(raw[:_LONGEST])
    said = message_of(raw, 4)
    if not said:
        return None
    return f"{name[:100]}: {said}" if isinstance(name, str) and name else said


def is_page(body: object) -> bool:
    """HTML or XML, which no API sends."""
    return isinstance(body, str) and bool(_TAG.match(body))


def title_of(page: object) -> str:
    """The title of a web page, or ""."""
    found = _TITLE.search(page[:_LONGEST]) if isinstance(page, str) else None
    return html.unescape(found[1]).strip() if found else ""


def is_error(body: object) -> bool:
    """JSON that came as a success and is that of an error, or of something else altogether."""
    if isinstance(body, list):  # Gemini's way
        return bool(body) and isinstance(body[0], dict) and bool(body[0].get("error"))
    if not isinstance(body, dict) or body.get("choices"):
        return False
    return "choices" not in body or bool(body.get("error")) or message_of(body) is not None


def _inner(body: object) -> dict[str, Any]:
    """The object that has the error's code, type and details."""
    if isinstance(body, list):
        body = body[0] if body else None
    if isinstance(body, dict):
        inner = body.get("error", body)
        return inner if isinstance(inner, dict) else body
    return {}


def kinds_of(error: openai.APIError) -> set[str]:
    """What kind of error the server says it is, in any of the usual places."""
    inner = _inner(error.body)
    named = (error.code, inner.get("code"), inner.get("type"), inner.get("status"))
    return {name for name in named if isinstance(name, str)}


def status_of(error: openai.APIStatusError) -> int:
    """The status, also of an error that comes as a success with the status in its body.

    Where that has none it is told by the words: what will be the same at the next request must
    not be tried again.
    """
    if error.status_code >= 300:
        return error.status_code
    code = _inner(error.body).get("code")
    if isinstance(code, str) and re.fullmatch("[45][0-9][0-9]", code):
        code = int(code)
    if type(code) is int and 400 <= code < 600:
        return code
    said = message_of(error.body) or ""
    told = next((s for s, words in _BY_WORDS if re.search(words, said, re.IGNORECASE)), None)
    return told or (400 if kinds_of(error) & _OUR_FAULT else 500)


def is_about_content(body: object, *, by_words: bool = True) -> bool:
    """Whether it says that a content filter held something back: nothing broke, and no key lacks.

    Args:
        body: of an error.
        by_words: read its message too, not only what kind it says it is.

    """
    inner = _inner(body)
    behind = inner.get("innererror")
    places = [inner, *([behind] if isinstance(behind, dict) else [])]
    kinds = [place.get(name) for place in places for name in ("code", "type", "status", "reason")]
    named = any(isinstance(kind, str) and _FILTER_KIND.search(kind[:200]) for kind in kinds)
    return named or (by_words and bool(_FILTER_WORDS.search(message_of(body) or "")))


def lacks_model(error: openai.APIStatusError, said: str) -> bool:
    """It is the model that is not there, or not loaded."""
    kinds = {kind.lower() for kind in kinds_of(error)}
    if kinds & _NO_MODEL_KINDS or _NOT_LOADED.search(said):
        return True
    # One that is "not available" at an error of the server is so for a while.
    return status_of(error) < 500 and bool(_NO_MODEL.search(said))


def lacks_key(said: str) -> bool:
    """It is the key that is wrong; Google says so with the status of any bad request."""
    return bool(_NO_KEY.search(said))


def lacks_room(said: str) -> bool:
    """The question and the answer that is asked for do not fit into the model's context."""
    return bool(_TOO_LONG.search(said))


def lacks_sight(said: str) -> bool:
    """It is the images of a request that the model, or the server, cannot take at all."""
    return images_allowed(said) is None and bool(_NO_IMAGES.search(said))


def images_allowed(said: str) -> int | None:
    """The most images that a request may have, where a refusal names it; None where it does not."""
    found = _FEW_IMAGES.search(said)
    return int(found[1]) or None if found else None


def lacks_memory(said: str) -> bool:
    """The machine cannot load the model."""
    return bool(_TOO_BIG.search(said))


def lacks_quota(error: openai.APIError, said: str, after: float | None) -> bool:
    """What was paid for is used up, or what may be asked in a day.

    Google says for how long a quota holds in its id. In words it is a quota only where the server
    does not ask to wait: they are the same for one that is full again in a second.
    """
    for detail in _details(error.body):
        violations = detail.get("violations")
        for one in violations[:20] if isinstance(violations, list) else []:
            if isinstance(one, dict) and "PerDay" in str(one.get("quotaId"))[:200]:
                return True
    return after is None and bool(_NO_QUOTA.search(said))


def delay_of(body: object) -> float | None:
    """Seconds that the body of an error asks to wait: Google's ``retryDelay``, or words."""
    for detail in _details(body):
        found = _SECONDS.fullmatch(str(detail.get("retryDelay"))[:30])
        if found and float(found[1]) > 0:
            return float(found[1])
    for found in _DELAY.finditer((message_of(body) or "")[:1000]):
        hours, minutes, seconds, unit = found.groups()
        if hours or minutes or seconds:
            last = float(seconds or 0) / (1000 if unit == "ms" else 1)
            total = 3600 * int(hours or 0) + 60 * int(minutes or 0) + last
            if total > 0:
                return total
    return None


def _details(body: object) -> Iterator[dict[str, Any]]:
    details = _inner(body).get("details")
    for detail in details[:20] if isinstance(details, list) else []:
        if isinstance(detail, dict):
            yield detail
