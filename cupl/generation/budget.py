"""What a run costs: an estimate before it, a count while it goes on, and limits that it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cupl.errors import BudgetError, InputError
from cupl.io.arguments import check_whole
from cupl.io.words import number_of
from cupl.llm.protocol import Request, Response

_OVERHEAD = 8
"""Tokens that a chat format adds to a request, about."""
_MOST_OVERHEAD = 256
"""Tokens that it adds at most: some models put a system message of their own before ours."""


def estimate_prompt_tokens(request: Request) -> int:
    """About how many tokens the server will count for the question: a token is about 4 bytes.

    What its images count as depends on the model: see
    :attr:`~cupl.llm.request_image.RequestImage.tokens`.
    """
    shown = sum(image.tokens for image in request.images)
    return _OVERHEAD + -(-_bytes(request) // 4) + shown


def most_tokens(request: Request, n: int) -> int:
    """More tokens than this no answer to the request can cost, with ``n`` answers of full length.

    A token of any of today's vocabularies stands for at least a byte of text. Of an image it is the
    most that a model is known to count.

    Raises:
        InputError: nothing limits the length of an answer.

    """
    length = request.sampling.max_tokens
    if length is None:
        raise InputError(
            "a limit on all tokens needs one on each answer: set max_tokens, for a model that "
            "thinks before it answers to some thousands",
            arguments={"max_tokens": ...},
        )
    shown = sum(image.most_tokens for image in request.images)
    return _bytes(request) + shown + _MOST_OVERHEAD + n * length


def _bytes(request: Request) -> int:
    return len((request.question + (request.preamble or "")).encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Prices:
    """Money for a million tokens, of the prompt and of the answers.

    Raises:
        InputError: a price below 0.

    """

    prompt: float
    completion: float

    def __post_init__(self) -> None:
        if not (0 <= self.prompt < float("inf") and 0 <= self.completion < float("inf")):
            raise InputError("a price is a number of at least 0, for a million tokens")

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Money for so many tokens."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class UsageMeter:
    """Counts what a run asks and what that costs, and refuses what would pass a limit.

    Args:
        max_requests: most requests to send, tries that fail included.
        max_tokens: most tokens to be charged, of prompts and answers together.

    Raises:
        InputError: a limit below 1.

    """

    def __init__(self, max_requests: int | None = None, max_tokens: int | None = None) -> None:
        check_whole(max_requests=max_requests, max_tokens_total=max_tokens)
        if min(max_requests or 1, max_tokens or 1) < 1 or 0 in (max_requests, max_tokens):
            raise InputError("max_requests and max_tokens_total must be at least 1")
        self.max_requests = max_requests
        self.max_tokens = max_tokens
        self.requests = 0
        self.answers = 0
        """What the requests brought, of use or not."""
        self.retried = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.uncounted = 0
        """Requests whose tokens the server did not count."""
        self._reserved = 0

    def start(self, request: Request, n: int) -> int:
        """Note that a request goes out.

        Returns:
            The tokens that are set aside for it, for :meth:`finish`.

        Raises:
            BudgetError: with it a limit could be passed.
            InputError: there is a limit on all tokens and none on each answer.

        """
        if self.max_requests is not None and self.requests >= self.max_requests:
            raise BudgetError(
                f"stopped at {number_of(self.max_requests, 'request')}",
                arguments={"max_requests": ...},
            )
        most = 0
        if self.max_tokens is not None:
            most = most_tokens(request, n)
            spent = self.prompt_tokens + self.completion_tokens + self._reserved
            if spent + most > self.max_tokens:
                raise BudgetError(
                    f"stopped before {self.max_tokens:,} tokens could be passed",
                    arguments={"max_tokens_total": ...},
                )
        self._reserved += most
        self.requests += 1
        return most

    def finish(self, reserved: int, responses: Sequence[Response]) -> None:
        """Note what a request brought."""
        self.answers += len(responses)
        first = responses[0]
        if first.prompt_tokens is None or first.completion_tokens is None:
            self.uncounted += 1  # what was set aside counts in its place
            return
        self._reserved -= reserved
        self.prompt_tokens += first.prompt_tokens
        self.completion_tokens += first.completion_tokens

    def fail(self, reserved: int, *, charged: bool) -> None:
        """Note that a request brought nothing; ``charged`` where it may still be paid for."""
        if charged:
            self.uncounted += 1
        else:
            self._reserved -= reserved

    def withdraw(self, reserved: int) -> None:
        """Note that a request did not go out after all."""
        self._reserved -= reserved
        self.requests -= 1
