"""The retry rule: what is tried again, how long to wait before it, and when to give up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from tenacity import RetryCallState
from tenacity.wait import wait_exponential_jitter

from cupl.errors import InputError
from cupl.llm.protocol import AdaptedError, RetryableError


@dataclass
class RequestTries:
    """The tries of one request so far; all of them failed."""

    started: float
    """When the first was made, in seconds of the run's clock."""
    limited: int = 0
    """Turned down by the server because of the rate."""
    faults: int = 0
    """Failed in any other way."""
    adapted: int = 0
    """Turned down in a form that the server does not take, which is not a fault."""

    @property
    def number(self) -> int:
        """Tries of every kind together."""
        return self.limited + self.faults + self.adapted


@dataclass(frozen=True)
class RetryPolicy:
    """When requests, answers and a whole run are given up, and how long to wait between tries.

    A request is tried again after a fault that may heal (a lost connection, an error of the
    server, an answer that is none), and after a pause for all requests where the server limits
    their rate. An answer that is of no use (empty, cut off, filtered) is asked for again.

    Args:
        fault_tries: most tries of one request that meets faults.
        first_tries: the same as long as the server never said anything: its address may be wrong.
        limited_tries: most times that one request is turned down because of the rate.
        patience: seconds without any answer, or that the server asks to wait, after which the run
            gives up.
        longest_wait: seconds of the longest wait that the server did not ask for; before, waits
            double from one try to the next.
        answer_tries: how often an answer is asked for while what comes is of no use.
        useless_answers: a run stops at so many answers of which none is of any use,
        useless_questions: if they are answers to at least so many questions.
        grace: seconds that requests under way may take to finish when a run has to stop: they are
            paid for.

    Raises:
        InputError: a number below 1, or seconds below 0.

    """

    fault_tries: int = 10
    first_tries: int = 3
    limited_tries: int = 50
    patience: float = 600.0
    longest_wait: float = 60.0
    answer_tries: int = 3
    useless_answers: int = 20
    useless_questions: int = 5
    grace: float = 2.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 0 if name in ("patience", "longest_wait", "grace") else 1
            if not value >= least:  # NaN is not either
                raise InputError(f"{name} of a retry policy must be at least {least}, not {value}")

    def gives_up(
        self, error: RetryableError, tries: RequestTries, *, waited: float, reached: bool
    ) -> bool:
        """Whether a request that failed just now is not tried again.

        Args:
            error: how it failed.
            tries: its tries, this one among them.
            waited: seconds since the first of them, or since the last answer to any other request.
            reached: the server has answered before in this run.

        """
        if max(waited, error.after or 0.0) > self.patience:
            return True
        if isinstance(error, AdaptedError):
            return tries.adapted >= self.fault_tries
        if error.limited:
            return tries.limited >= self.limited_tries
        heard = reached or error.answered
        return tries.faults >= (self.fault_tries if heard else self.first_tries)

    def wait(self, error: RetryableError, state: RetryCallState) -> float:
        """Seconds until a request that failed is tried again.

        None where only its form was wrong, and where the rate is limited:
        :class:`cupl.generation.rate_limit.RateLimiter` has all requests wait then.
        """
        if error.limited or isinstance(error, AdaptedError):
            return 0.0
        if error.after is not None:
            return error.after
        return float(wait_exponential_jitter(max=self.longest_wait)(state))

    def last_words(self, error: RetryableError, tries: RequestTries) -> str:
        """What to say of a request that is given up."""
        after = error.after or 0.0
        if after > self.patience:
            return f"{error}; it asks to wait {timedelta(seconds=round(after))} (h:mm:ss)"
        return f"{error} ({tries.number} tries)" if tries.number > 1 else str(error)

    def missing_below(self, *, retry_failed: bool = False, offline: bool = False) -> float:
        """Answers of no use count as missing until they were asked for so often.

        Args:
            retry_failed: also those that were given up: whatever came so far.
            offline: none, since nobody can be asked.

        """
        return 0 if offline else math.inf if retry_failed else self.answer_tries


def failure_of(state: RetryCallState) -> RetryableError:
    """How the last try failed."""
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, RetryableError)  # noqa: S101 (nothing else is tried again)
    return error
