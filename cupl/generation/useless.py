"""Answers of no use: counting them, and stopping a run that brings nothing else."""

from __future__ import annotations

from collections import Counter

from cupl.errors import ServerError
from cupl.generation.filters import FILTERED, UNSEEN
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

    def add(self, reason: str, digest: str) -> None:
        """Count one, with the digest of the request it came to."""
        self._reasons[reason] += 1
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
        way_out, arguments = _way_out(self._reasons.most_common(1)[0][0])
        raise ServerError(
            f"the first {number} answers are of no use ({reasons}), so the run stopped: {way_out}",
            arguments=arguments,
        )


def _way_out(reason: str) -> tuple[str, dict[str, object]]:
    """What helps where most answers are of no use for this reason."""
    if reason == UNSEEN:
        return (
            "the server takes the model's text for its reasoning; switch its reasoning parser off, "
            "or the model's thinking",
            {},
        )
    if reason == FILTERED:
        return "the server's content filter turns the questions down; ask another model", {}
    return (
        "a model that thinks before it answers needs max_tokens=None, or some thousands",
        {"max_tokens": None},
    )
