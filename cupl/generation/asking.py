"""What the steps of a run share: the cache, who answers, the limits; and one step of asking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from cupl.errors import InputError
from cupl.generation.budget import UsageMeter
from cupl.generation.cache.store import ResponseCache
from cupl.generation.plan import Plan, PlanSurvey, has_answers, missing_answers, survey
from cupl.generation.requester import RequestOptions, run_requests
from cupl.io.words import number_of
from cupl.llm.protocol import LLM

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Asking:
    """How the steps of a run ask.

    Args:
        cache: what is there.
        connection: gives who answers, and closes what it opened; entered once in each step that
            has something to ask.
        options: how to ask.
        meter: counts over all steps, and keeps the limits.
        offline: ask nothing.

    """

    cache: ResponseCache
    connection: AbstractAsyncContextManager[LLM]
    options: RequestOptions
    meter: UsageMeter
    offline: bool = False

    def survey(self, plan: Plan) -> PlanSurvey:
        """What of a plan is missing."""
        tries = self.options.missing_below(self.offline)
        return survey(plan, self.cache, n=self.options.n, tries=tries)

    async def ask(self, plan: Plan) -> None:
        """Ask for what a plan lacks, so that the cache holds an answer or failure for all of it.

        Raises:
            InputError: answers are missing offline, or there is no such key.
            ServerError: the model cannot be asked.
            BudgetError: a limit would have been passed.

        """
        found = await aside(self.cache, partial(self.survey, plan))
        check_offline(found, self.offline)
        if not found.answers:
            return
        tries = self.options.missing_below()
        units = missing_answers(plan, self.cache, n=self.options.n, tries=tries)
        proven = found.cached > 0 and has_answers(plan, self.cache)
        async with self.connection as llm:
            await run_requests(
                units, self.cache, llm,
                total=found.answers, proven=proven, meter=self.meter, options=self.options,
            )  # fmt: skip


async def aside(cache: ResponseCache, read: Callable[[], _Result]) -> _Result:
    """Read much of a cache in a thread, so that the event loop goes on."""

    def read_and_release() -> _Result:
        try:
            return read()
        finally:
            cache.release()

    return await asyncio.to_thread(read_and_release)


def check_offline(found: PlanSurvey, offline: bool) -> None:
    """Refuse to go on offline while answers are missing.

    Raises:
        InputError: names how many answers are missing and to which questions.

    """
    if offline and found.answers:
        shown = "; ".join(found.examples[:3]) + ("; ..." if len(found.examples) > 3 else "")
        raise InputError(
            f"missing from the cache: {number_of(found.answers, 'answer')}, to questions such as "
            f"{shown}; to have them asked, do not run offline",
            arguments={"offline": False},
        )
