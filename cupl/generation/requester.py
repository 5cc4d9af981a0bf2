"""Asking for what is missing: at once, at the server's pace, again where that may help."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from cupl.errors import BudgetError, CuplError, InputError, ServerError
from cupl.generation.budget import UsageMeter
from cupl.generation.cache.entries import CacheEntry, check_entry
from cupl.generation.cache.store import ResponseCache
from cupl.generation.filters import why_unusable
from cupl.generation.plan import MissingAnswers, is_missing
from cupl.generation.rate_limit import RateLimiter
from cupl.generation.retry import RequestTries, RetryPolicy, failure_of
from cupl.generation.useless import UselessAnswers
from cupl.io.words import number_of
from cupl.llm.first_alone import UnaskedError
from cupl.llm.protocol import LLM, AdaptedError, Failure, Request, Response, RetryableError
from cupl.progress import Progress, ignore

_QUIET = 10.0
"""Seconds in which the same is not told twice."""


@dataclass(frozen=True)
class RequestOptions:
    """How a run asks; nothing of it changes the answers.

    Args:
        concurrency: requests under way at once.
        n: most answers in one request; None for one, without saying so.
        retry_failed: ask also for what was given up in an earlier run.
        retry: what is tried again, and when to give up.
        progress: told of the answers that have arrived, and of those missing at the start.
        notice: told in a sentence when the run has to wait.
        clock: seconds; only their differences count.
        sleep: waits so many seconds.

    Raises:
        InputError: ``concurrency`` or ``n`` is below 1.

    """

    concurrency: int = 8
    n: int | None = 10
    retry_failed: bool = False
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    progress: Progress = ignore
    notice: Callable[[str], None] = ignore
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        if self.concurrency < 1 or (self.n is not None and self.n < 1):
            raise InputError(
                f"concurrency ({self.concurrency}) and n ({self.n}) must be at least 1"
            )

    def missing_below(self, offline: bool = False) -> float:
        """See :meth:`cupl.generation.retry.RetryPolicy.missing_below`."""
        return self.retry.missing_below(retry_failed=self.retry_failed, offline=offline)


async def run_requests(
    units: Iterable[MissingAnswers],
    cache: ResponseCache,
    llm: LLM,
    *,
    total: int = 0,
    proven: bool = False,
    meter: UsageMeter | None = None,
    options: RequestOptions | None = None,
) -> None:
    """Ask for what is missing; each answer is in the cache the moment it arrives.

    Args:
        units: from :func:`cupl.generation.plan.missing_answers`, taken one by one.
        cache: where answers go.
        llm: who answers; it stays open.
        total: how many answers are missing, for the progress.
        proven: the model is known to answer, so that however many answers of no use do not stop
            the run.
        meter: counts, and keeps the limits.
        options: how to ask.

    Raises:
        ServerError: the model cannot be asked; every answer so far is in the cache.
        BudgetError: a limit would have been passed; likewise.

    """
    asker = _Asker(cache, llm, total, proven, meter or UsageMeter(), options or RequestOptions())
    try:
        await asker.run(iter(units))
    except CuplError as error:
        if not asker.kept or cache.gone:
            raise
        safe = number_of(asker.kept, "new answer is", "new answers are")
        error.args = (f"{error}; {safe} in the cache, and the same command continues",)
        raise


class _Asker:
    """The state that the requests of one run share."""

    def __init__(
        self,
        cache: ResponseCache,
        llm: LLM,
        total: int,
        proven: bool,
        meter: UsageMeter,
        options: RequestOptions,
    ) -> None:
        self.cache = cache
        self.llm = llm
        self.meter = meter
        self.options = options
        self.policy = options.retry
        self.limiter = RateLimiter(
            options.concurrency, options.clock, options.sleep, self.policy.longest_wait
        )
        self.kept = 0
        self._total = total
        self._done = 0
        self._useless = UselessAnswers(self.policy, proven=proven)
        self._last_good = options.clock()
        self._reached = False
        self._stopping = False
        self._under_way: set[asyncio.Task[Any] | None] = set()
        """The workers that wait for a server."""
        self._claimed: deque[MissingAnswers] = deque()
        """What another run on this cache asks for at the moment."""
        self._told: dict[str, float] = {}

    async def run(self, units: Iterator[MissingAnswers]) -> None:
        """Work until everything is there, or something cannot go on."""
        workers = [asyncio.create_task(self._work(units)) for _ in range(self.options.concurrency)]
        try:
            ended, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            self._stopping = True
            for worker in set(workers) - self._under_way:
                worker.cancel()
            # What is under way is paid for; a limit that was kept leaves it all the time it needs.
            kept_limit = any(isinstance(worker.exception(), BudgetError) for worker in ended)
            await asyncio.wait(workers, timeout=None if kept_limit else self.policy.grace)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        for worker in (*ended, *workers):  # what ended the run comes first
            if not worker.cancelled() and (error := worker.exception()):
                raise error

    async def _work(self, units: Iterator[MissingAnswers]) -> None:
        for unit in units:
            if not await self._fulfil(unit):
                self._claimed.append(unit)
            if self._stopping:
                return
        while self._claimed and not self._stopping:
            unit = self._claimed.popleft()
            if not await self._fulfil(unit):
                self._claimed.append(unit)
                self._notice("waiting for answers that another run on this cache asks for")
                await self.options.sleep(0.2)

    async def _fulfil(self, unit: MissingAnswers) -> bool:
        """Get the answers of a unit; False where another run is about to."""
        options, size = self.options, self.options.n or 1
        most = options.missing_below()
        with ExitStack() as claims:
            # Each sample by itself: the other run may ask for more or fewer at once.
            keys = map(unit.key, unit.samples)
            if not all(claims.enter_context(self.cache.claim(key)) for key in keys):
                return False
            # The other run may have been faster.
            before = {sample: self.cache.get(unit.key(sample)) for sample in unit.samples}
            wanted = [s for s in unit.samples if is_missing(before[s], most)]
            tries = {
                sample: 0 if options.retry_failed or not isinstance(entry, Failure) else entry.tries
                for sample, entry in before.items()
            }
            self._progress(len(unit.samples) - len(wanted))
            while wanted and not self._stopping:
                # A server may return fewer answers than asked for: ask again for the rest.
                entry, asked = before[wanted[0]], tries[wanted[0]]
                if options.retry_failed and isinstance(entry, Failure):
                    asked += entry.tries
                request = unit.ask(wanted, asked)
                responses = await self._request(request, min(len(wanted), size))
                left = self._keep(unit, wanted, tries, responses)
                self._progress(len(wanted) - len(left))
                wanted = left
        return True

    def _keep(
        self,
        unit: MissingAnswers,
        wanted: list[int],
        tries: dict[int, int],
        responses: list[Response],
    ) -> list[int]:
        """Put what came into the cache; returns the samples still to be asked for."""
        entries: dict[str, CacheEntry] = {}
        left = wanted[len(responses) :]
        for sample, response in zip(wanted, responses, strict=False):
            reason = why_unusable(response, unit.request.question)
            entries[unit.key(sample)] = (
                response if reason is None else Failure(reason, tries[sample] + 1)
            )
            if reason is None:
                self._useless.proven = True
                continue
            limited = unit.request.sampling.max_tokens is not None
            self._useless.add(reason, unit.digest, limited=limited)
            tries[sample] += 1
            if tries[sample] < self.policy.answer_tries:
                left.append(sample)
        self.cache.put(entries)
        self.cache.note(unit.digest, unit.request)
        self.kept += sum(isinstance(entry, Response) for entry in entries.values())
        self._useless.check()
        return sorted(left)

    def _progress(self, number: int) -> None:
        self._done += number
        self.options.progress(self._done, self._total)

    async def _request(self, request: Request, n: int) -> list[Response]:
        tries = RequestTries(self.options.clock())
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(RetryableError),
            stop=lambda state: self._gives_up(failure_of(state), tries),
            wait=self._wait,
            sleep=self.options.sleep,
            reraise=True,
        )
        try:
            return await retrying(self._try, request, n, tries)
        except RetryableError as error:
            said = self.policy.last_words(error, tries)
            raise ServerError(said, arguments=error.arguments) from None

    async def _try(self, request: Request, n: int, tries: RequestTries) -> list[Response]:
        async with self.limiter.turn() as started:
            n = min(n, getattr(self.llm, "at_once", None) or n)
            reserved = self.meter.start(request, n)
            self.meter.retried += tries.number > 0
            try:
                with self._on_its_way():
                    responses = await _completed(self.llm, request, n)
            except UnaskedError:
                self.meter.withdraw(reserved)
                raise
            except RetryableError as error:
                self.meter.fail(reserved, charged=not (error.answered or error.unreachable))
                if isinstance(error, AdaptedError):
                    tries.adapted += 1
                    if error.new:
                        self.options.notice(str(error))
                elif error.limited:
                    tries.limited += 1
                    self._slow_down(started, error.after)
                else:
                    tries.faults += 1
                raise
            self.meter.finish(reserved, responses)
            self.limiter.went_well()
        self._reached = True
        self._last_good = self.options.clock()
        return responses

    @contextmanager
    def _on_its_way(self) -> Iterator[None]:
        worker = asyncio.current_task()
        self._under_way.add(worker)
        try:
            yield
        finally:
            self._under_way.discard(worker)

    def _gives_up(self, error: RetryableError, tries: RequestTries) -> bool:
        # One that had to wait for its turn is not to blame while others are answered.
        waited = self.options.clock() - max(tries.started, self._last_good)
        return self._stopping or self.policy.gives_up(
            error, tries, waited=waited, reached=self._reached
        )

    def _wait(self, state: RetryCallState) -> float:
        error = failure_of(state)
        if not error.limited and not isinstance(error, AdaptedError):
            self._notice(f"trying again: {error}", "trying again")
        return self.policy.wait(error, state)

    def _slow_down(self, started: float, after: float | None) -> None:
        if after is not None and after > self.policy.patience:
            return  # the run ends
        seconds = self.limiter.pause(started, after)
        if seconds is not None and seconds >= 1:
            self._notice(f"the server limits the rate: waiting {seconds:.0f} s")

    def _notice(self, sentence: str, kind: str | None = None) -> None:
        """Tell it, but not for each of many requests at once; of a kind, only the first."""
        now, kind = self.options.clock(), kind or sentence
        if now - self._told.get(kind, -math.inf) >= _QUIET:
            self._told[kind] = now
            self.options.notice(sentence)


async def _completed(llm: LLM, request: Request, n: int) -> list[Response]:
    """What a model of the caller's own says, if it keeps to what an :class:`LLM` is.

    Raises:
        RetryableError: it gave no answer.
        InputError: it gave something else than answers.

    """
    answer: Any = llm.complete(request, n)
    if not inspect.isawaitable(answer):
        raise InputError("the complete method of llm must be asynchronous: async def complete(...)")
    try:
        responses: Any = await answer
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise  # the run is cancelled, not a call inside the model
        raise RetryableError("the model's own call was cancelled") from None
    if not isinstance(responses, list | tuple) or not all(
        isinstance(one, Response) for one in responses
    ):
        raise InputError(
            "the complete method of llm must return a list of cupl.Response, not "
            f"{type(responses).__name__}"
            + (f" of {type(responses[0]).__name__}" if isinstance(responses, list) else "")
        )
    if not responses:
        raise RetryableError("the model gave no answer", answered=True)
    for response in responses:
        check_entry(response)
    return list(responses)
