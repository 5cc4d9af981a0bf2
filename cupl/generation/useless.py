"""Answers of no use: counting them, and stopping a run that brings nothing else."""

from __future__ import annotations

from collections import Counter

from cupl.errors import ServerError
from cupl.generation.filters import FAILED, FILTERED, REFUSED, THINKING, TOOL, UNSEEN
from cupl.generation.retry import RetryPolicy


class UselessAnswers:
    """The answers of no use in a run.

    A model that thinks before it answers, or a server that is set up wrongly, may never give
    anything else, and every answer costs money.

    Args:
        policy: how many are too many.
        proven: the model is known to give answers of use, so that no number is.

    """

    def __init__(self, policy: RetryPolicy, *, proven: bool = False) -> None:
        self.proven = proven
        self._policy = policy
        self._reasons: Counter[str] = Counter()
        self._questions: set[str] = set()
        self._limited = False

    def add(self, reason: str, digest: str, *, limited: bool) -> None:
        """Count one, with the digest of the request it came to, and whether that had a limit."""
        self._reasons[reason] += 1
        self._limited |= limited
        if not self.proven:
            self._questions.add(digest)

    def check(self) -> None:
        """Find out whether the run may go on.

        Raises:
            ServerError: there are too many, and nothing else came.

        """
        number, policy = self._reasons.total(), self._policy
        few = number < policy.useless_answers or len(self._questions) < policy.useless_questions
        if self.proven or few:
            return
        reasons = ", ".join(f"{count} {reason}" for reason, count in self._reasons.most_common())
        way_out, arguments = way_out_of(self._reasons.most_common(1)[0][0], limited=self._limited)
        raise ServerError(
            f"the first {number} answers are of no use ({reasons}), so the run stopped: {way_out}",
            arguments=arguments,
        )


MAX_PROMPT = 2000
"""Characters of a prompt: six times what CLIP reads, and what a model tells that comes to no end
is no description."""
NO_PROMPT = "too long for a prompt"
_NO_THINKING = "switch its thinking off, where the server lets extra do so"
_WAYS_OUT: dict[str, tuple[str, dict[str, object]]] = {
    UNSEEN: (
        "the server takes the model's text for its reasoning; switch its reasoning parser off, "
        "or the model's thinking",
        {},
    ),
    FILTERED: ("the server's content filter turns the questions down; ask another model", {}),
    REFUSED: ("the model refuses the questions; ask another, or ask otherwise", {}),
    TOOL: ("the model calls tools in place of answering; ask another model", {}),
    FAILED: ("the server breaks off what it answers; see its log", {}),
    "empty": ("the model says nothing; is it one for this API, and its chat template right?", {}),
    NO_PROMPT: ("a limit such as max_tokens=200 helps, or the filter first-sentence",
                {"max_tokens": 200}),
    "too long": ("the model comes to no end; a limit such as max_tokens=200 helps",
                 {"max_tokens": 200}),
    THINKING: (f"the model thinks and gives no answer; {_NO_THINKING}", {"extra": ...}),
}  # fmt: skip


def way_out_of(reason: str, *, limited: bool) -> tuple[str, dict[str, object]]:
    """What helps where most answers are of no use for this reason, and the arguments it names.

    Nothing where a filter's reason says it all.

    Args:
        reason: of :func:`cupl.generation.filters.why_unusable`.
        limited: ``max_tokens`` was sent.

    """
    if limited and reason in ("cut off", "empty", THINKING):
        return (
            "a model that thinks before it answers needs max_tokens=None, or some thousands",
            {"max_tokens": None},
        )
    if reason == "cut off":
        return (
            "the server cuts answers off by a limit of its own, which a model that thinks reaches "
            f"first: raise it there or with max_tokens, or {_NO_THINKING}",
            {"max_tokens": ..., "extra": ...},
        )
    return _WAYS_OUT.get(reason, ("", {}))
