"""Which parameter of a request a server turned down, and what it takes in its place.

No two servers say it alike, so that all of this is read out of their sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_ARGUMENTS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "stop": "stop",
    "seed": "seed",
    "n": "n",
}
"""Parameters of a request, and the arguments that leave them out where they are None."""
_OTHER_NAMES = {
    "n_cmpl": "n",
    "candidatecount": "n",
    "candidate_count": "n",
    "topp": "top_p",
    "maxoutputtokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "max_new_tokens": "max_tokens",
    "stopsequences": "stop",
    "stop_sequences": "stop",
}
"""What a server calls them that another one put ours into its own protocol for."""
_WORDS = ("n", "stop", "seed")
"""Parameters in quotes, or where a sentence speaks of parameters, and words elsewhere."""
_QUOTED = re.compile(r"['\"`]([\w.]{1,40})['\"`]")
_SPOKEN_OF = re.compile(
    r"\b(?:parameters?|arguments?|fields?|property|option|values?|range of|invalid|unsupported|"
    r"supplied|provided|received|on this model)[ :=]{1,4}(n|stop|seed)\b|"
    r"\b(n|stop|seed)(?:: (?=must|should|input|value|expected|invalid|only|too|not|extra)| ?[=<>]|"
    r" (?:parameter|value|must|should|cannot|can only|may|exceeds|"
    r"is (?:not|greater|above|too|limited|unsupported))\b)",
    re.IGNORECASE,
)
_MANY_ANSWERS = re.compile(
    r"\b(?:multiple|only (?:one|a single|1)|more than (?:one|1)|number of) "
    r"(?:[a-z]{1,20} ){0,2}"
    r"(?:candidate|choice|completion|generation|sequence|slot|alternative|response(?! format))s?\b",
    re.IGNORECASE,
)
_MOST = re.compile(
    r"(?:<=|\bat most|\bup to|\bor equal to|\b(?:greater|more|larger|higher) than|\bexceed"
    r"|\bmax(?:imum)?(?: [a-z]{1,10})?(?: of| is|:)?|\bbetween 1 and|\[1,|\b1 ?(?:-|\.\.|to)"
    r"|\(inclusive\) to|=|\bbe(?: exactly)?|\bonly) {0,2}([0-9]{1,4})\b(?! ?<)( \(exclusive\))?"
    r"|(?:<|\bless than) {0,2}([0-9]{1,4})\b",
    re.IGNORECASE,
)
_UNSUPPORTED = re.compile(
    r"(?:\bnot|n't|\bnever) (?:\w+ )?(?:support|permit|allow|accept|recogni[sz]e|valid|available)|"
    r"\b(?:unsupported|unknown|unrecogni[sz]ed|unexpected|deprecated|instead|extra)\b|"
    r"\binvalid (?:parameter|argument|field|option)|\badditional propert",
    re.IGNORECASE,
)
_NUMBER = r"(-?[0-9]{1,7}(?:\.[0-9]{1,6})?)"
_ONLY = re.compile(rf"\bonly {_NUMBER} is (?:allowed|supported|accepted)", re.IGNORECASE)
_LEAST = re.compile(
    rf"(?:>=|\bat least|\bgreater than or equal to|\bminimum(?: value)?(?: of| is|:)?) ?{_NUMBER}",
    re.IGNORECASE,
)
_LARGEST = re.compile(
    rf"(?:<=|\bat most|\bless than or equal to|\bmaximum(?: value)?(?: of| is|:)?) ?{_NUMBER}",
    re.IGNORECASE,
)
_MUST_BE = re.compile(
    r"(?:\bparameter[. ])?['\"`]?\b([a-z]\w{1,40})\b['\"`]?(?::? (?:input|value))? "
    r"(?:must|should|has to|needs to) be (?:set to )?['\"`]?(true|false)\b",
    re.IGNORECASE,
)
_LACKING = re.compile(
    r"\bmissing (?:a )?(?:required )?(?:parameter|field|argument|property)[: ]{1,2}"
    r"['\"`]?([a-z]\w{1,40})",
    re.IGNORECASE,
)
_OWN = {*_ARGUMENTS, "model", "messages", "prompt", "stream"}
"""What cupl sends by itself."""


def rejected_parameter(
    said: str, param: object = None, sent: Mapping[str, object] | None = None
) -> str | None:
    """The parameter that a server turned down, by the name that OpenAI's protocol has for it.

    Args:
        said: the server's message.
        param: what it gives as the parameter, if it does.
        sent: the request's body; what is not in it cannot have been turned down. None where it
            is not known.

    """
    if isinstance(param, str) and param not in ("", "None", "null"):
        return _known(param.partition("[")[0].rpartition(".")[2])
    found = [name for name in _mentioned(said) if sent is None or name in sent]
    # Of two that exclude each other it is the one that nobody has to give.
    if "top_p" in found and re.search(r"\bboth\b|\bonly one\b", said):
        return "top_p"
    return next(iter(found), None)


def _mentioned(said: str) -> Iterator[str]:
    """The parameters in a sentence, the surest first."""
    names = [_known(name.rpartition(".")[2]) for name in _QUOTED.findall(said)]
    names += [before or after for before, after in _SPOKEN_OF.findall(said)]
    names += [name for name in map(_known, re.findall(r"\w+", said)) if name not in _WORDS]
    return (name.lower() for name in names if name.lower() in _ARGUMENTS)


def _known(name: str) -> str:
    return _OTHER_NAMES.get(name.lower(), name)


def answers_allowed(said: str, param: object, asked: int) -> int | None:
    """How many answers in one request a server gives that turned down more.

    Args:
        said: the server's message.
        param: what it gives as the parameter, if it does.
        asked: how many it was asked for.

    Returns:
        The number, 1 where it names none, or None where it speaks of something else.

    """
    named = isinstance(param, str) and rejected_parameter(said, param)
    if named not in ("n", False, None) or not (
        named == "n" or "n" in _mentioned(said) or _MANY_ANSWERS.search(said)
        or any(_known(word) == "n" for word in re.findall(r"\w{2,}", said))
    ):  # fmt: skip
        return None
    bounds = [
        int(below) - 1 if below else int(most) - bool(exclusive)
        for most, exclusive, below in _MOST.findall(said)
    ]
    return max((most for most in bounds if 1 <= most < asked), default=1)


def is_unsupported(name: str, said: str, param: object, sent: Mapping[str, object]) -> bool:
    """Whether a server does not know a parameter at all, whatever its value."""
    return rejected_parameter(said, param, sent) == name and bool(_UNSUPPORTED.search(said))


def wants_stream(said: str) -> bool:
    """Whether a server answers in pieces only."""
    named = _MUST_BE.search(said)
    if named and named[1].lower() != "stream":
        return False  # "enable_thinking must be false for non-streaming calls"
    return bool(_ONLY_STREAMS.search(said))


_ONLY_STREAMS = re.compile(
    r"\b(?:only|must|requires?|needs?|enable|set)\b[^.;]{0,60}\bstream(?:ing|ed)?\b|"
    r"\bstream(?:ing)?\b[^.;]{0,40}(?:\brequired|\bmust be (?:set to )?true|\bonly|= ?true)|"
    r"\bnon-?stream(?:ing|ed)?\b[^.;]{0,60}\b(?:not|n't|un)[ -]?(?:support|allow|available)|"
    r"\bnot support[^.;]{0,20}\bnon-?stream",
    re.IGNORECASE,
)


def advice_on(
    said: str, param: object = None, sent: Mapping[str, object] | None = None
) -> tuple[str, dict[str, object]]:
    """What to do about a parameter that was turned down.

    Args:
        said: the server's message.
        param: what it gives as the parameter, if it does.
        sent: the request's body, or None where it is not known.

    Returns:
        The end of a sentence, and the arguments that it names; "" and none where the server
        speaks of something else.

    """
    name = rejected_parameter(said, param, sent)
    argument = _ARGUMENTS.get(name or "")
    if name and argument:
        value = _value_taken(said, (sent or {}).get(name))
        if value is None:
            return f"; {argument}=None omits it", {argument: None}
        return f"; it takes {argument}={value}", {argument: value}
    return _advice_on_extra(said, name, sent or {})


def _advice_on_extra(
    said: str, name: str | None, sent: Mapping[str, object]
) -> tuple[str, dict[str, object]]:
    """The same of what cupl does not send by itself."""
    if (must := _MUST_BE.search(said)) and must[1] not in _OWN:
        setting = {must[1]: must[2].lower() == "true"}
        return f"; extra={setting} does", {"extra": setting}
    ours = {name, *_QUOTED.findall(said), *re.findall(r"\w{3,40}", said)} & sent.keys() - _OWN
    if ours:
        return f"; leave {min(ours)} out of extra", {"extra": ...}
    if (lacking := _LACKING.search(said)) and lacking[1] not in _OWN:
        return f"; extra can hold {lacking[1]}", {"extra": ...}
    return "", {}


def _value_taken(said: str, sent: object) -> int | float | None:
    """The value nearest to what was sent that the server takes, if it says so."""
    if found := _ONLY.search(said):
        return _number(found[1])
    if isinstance(sent, int | float):
        for bound, sign in ((_LEAST, 1), (_LARGEST, -1)):
            found = bound.search(said)
            if found and (_number(found[1]) - sent) * sign > 0:
                return _number(found[1])
    return None


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value
