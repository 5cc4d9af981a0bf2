"""How a server wants to be asked for the same, as far as its refusals have taught."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cupl.llm.protocol import LIMIT_NAMES, Request
from cupl.llm.rejections import answers_allowed, is_unsupported, wants_stream


class Lesson(NamedTuple):
    """What is done otherwise from now on."""

    sentence: str
    new: bool
    """It was not known when the refusal came: requests that were on their way meet it as well."""


class Dialect:
    """The forms of a request that change no answer's meaning, and so no cache key.

    A server is first asked in the usual form. What it turns down is left to :meth:`learn`, and all
    later requests take the form that it wants.
    """

    def __init__(self, at_once: int | None = None) -> None:
        self.at_once = at_once
        """Most answers in one request, where a bound is known."""
        self.answered_many = False
        """Whether it has answered a request for several, so that it can."""
        self._limit_name: str | None = None
        self._refused_names: set[str] = set()
        self._stream: bool | None = False

    def body(self, request: Request, n: int) -> dict[str, Any]:
        """The JSON body that asks for ``n`` answers, or for the most that are to be had."""
        body = request.body(min(n, self.at_once or n))
        name = _limit_name(body)
        if name and self._limit_name:
            body[self._limit_name] = body.pop(name)
        # Without it some gateways stream by themselves.
        return body if self._stream is None else body | {"stream": self._stream}

    def learn(self, sent: Mapping[str, Any], said: str, param: object) -> Lesson | None:
        """Take from a refusal how to ask.

        Args:
            sent: the body that was turned down.
            said: the server's message.
            param: what it gives as the parameter, if it does.

        Returns:
            What was learnt, or None where another form would not help.

        """
        return (
            self._learn_at_once(sent, said, param)
            or self._learn_limit_name(sent, said, param)
            or self._learn_stream(sent, said, param)
        )

    def suspect(self, sent: Mapping[str, Any]) -> Lesson | None:
        """Take it that many answers were too many, after a refusal whose words say nothing known.

        Returns:
            What is tried, or None where it cannot be that.

        """
        if self.answered_many or int(sent.get("n", 1)) < 2:
            return None
        new, self.at_once = self.at_once != 1, 1
        return Lesson(
            "turned down several answers in a request, so it is asked for one at a time, in case "
            "it was that",
            new,
        )

    def _learn_at_once(self, sent: Mapping[str, Any], said: str, param: object) -> Lesson | None:
        asked = int(sent.get("n", 1))
        most = answers_allowed(said, param, asked) if asked > 1 else None
        if most is None:
            return None
        new = self.at_once is None or self.at_once >= asked
        if new:
            # What a server named as its most and turns down all the same was none.
            self.at_once = most if self.at_once is None else 1
        answers = "1 answer" if self.at_once == 1 else f"{self.at_once} answers"
        return Lesson(f"gives no more than {answers} in a request, so it is asked more often", new)

    def _learn_limit_name(self, sent: Mapping[str, Any], said: str, param: object) -> Lesson | None:
        name = _limit_name(sent)
        if name is None:
            return None
        other = next(other for other in LIMIT_NAMES if other != name)
        if not (is_unsupported(name, said, param, sent) or (other in said and name in said)):
            return None
        self._refused_names.add(name)
        if other in self._refused_names:
            return None
        new = self._limit_name != other
        self._limit_name = other
        return Lesson(f"wants {other} in place of {name}", new)

    def _learn_stream(self, sent: Mapping[str, Any], said: str, param: object) -> Lesson | None:
        if sent.get("stream") is not False:
            return None
        new = self._stream is False
        if wants_stream(said):
            self._stream = True
            return Lesson("streams its answers only", new)
        if is_unsupported("stream", said, param or _named_stream(said), sent):
            self._stream = None
            return Lesson("does not know stream", new)
        return None


def _limit_name(body: Mapping[str, Any]) -> str | None:
    return next((name for name in LIMIT_NAMES if name in body), None)


def _named_stream(said: str) -> str | None:
    return "stream" if any(f"{quote}stream{quote}" in said for quote in "'\"`") else None
