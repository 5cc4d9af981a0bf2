"""Generating a prompt bank: plan the requests, ask what is missing, filter, collect."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.bank.templates import QuestionSet
from cupl.errors import InputError
from cupl.generation.budget import UsageMeter
from cupl.generation.cache.store import ResponseCache
from cupl.generation.collect import CollectedPrompts, FilterOptions, collect
from cupl.generation.filters import Filter, choose_filters
from cupl.generation.plan import (
    DEFAULT_MODEL,
    MAX_TRIES,
    NEVER,
    Plan,
    PlanSurvey,
    has_answers,
    make_plan,
    missing_answers,
    survey,
)
from cupl.generation.requester import RequestOptions, run_requests
from cupl.llm.mini import NAME as MINI
from cupl.llm.mini import MiniServer
from cupl.llm.openai import TIMEOUT, OpenAIServer
from cupl.llm.protocol import LLM, Api, Sampling
from cupl.progress import Progress, ignore

_Result = TypeVar("_Result")


def generate(
    classes: Iterable[str | ClassLabel],
    questions: QuestionSet | str | Path = "base",
    *,
    name: str = "bank",
    model: str = DEFAULT_MODEL,
    base_url: str | None = None,
    api: Api | None = None,
    samples: int = 10,
    sampling: Sampling | None = None,
    preamble: str | None = "",
    filters: Mapping[str, Filter] | Iterable[str | Filter] | None = None,
    min_prompts: int = 1,
    similarity: float | None = 95,
    drop_shared: bool = False,
    concurrency: int = 8,
    n: int | None = 10,
    timeout: float = TIMEOUT,
    max_requests: int | None = None,
    max_tokens_total: int | None = None,
    retry_failed: bool = False,
    cache: str | os.PathLike[str] | None = None,
    offline: bool = False,
    llm: LLM | None = None,
    progress: Progress = ignore,
) -> PromptBank:
    """Ask a language model to describe classes, and make a prompt bank of its answers.

    :func:`cupl.generation.plan.make_plan` says what is asked.

    Args:
        classes: names or labels.
        questions: a set, or the name or path of one.
        name: the bank's name.
        model: see :func:`cupl.generation.plan.make_plan`, as for the next five.
        base_url: the server.
        api: chat or completions.
        samples: answers to each question.
        sampling: how they are drawn.
        preamble: what goes before a question.
        filters: what is kept of an answer: names, functions or both, in the order in which they
            run, or a mapping of names to functions; None for the default ones. See
            :func:`cupl.generation.filters.choose_filters`.
        min_prompts: see :class:`cupl.generation.collect.FilterOptions`, as for the next two.
        similarity: from where on two prompts of a class are near-duplicates.
        drop_shared: whether a sentence under several classes is dropped.
        concurrency: requests under way at once.
        n: most answers to ask for in one request; None for servers that reject ``n``.
        timeout: seconds that one request may take.
        max_requests: most requests to send, tries that fail included.
        max_tokens_total: most tokens to be charged, of questions and answers.
        retry_failed: ask again also for what was given up in an earlier run.
        cache: folder of answers; None for the usual one.
        offline: ask nothing, use what is cached.
        llm: who answers, where it is not the server that ``model`` and ``base_url`` name.
        progress: told how many of the missing answers have arrived.

    Returns:
        The bank. The same call again finds every answer in the cache and returns an equal one.

    Raises:
        InputError: bad settings, a class without a usable answer, or missing answers offline.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed; what arrived is in the cache.

    """
    plan = make_plan(
        classes, questions, model=model, base_url=base_url, api=api, samples=samples,
        sampling=sampling, preamble=preamble,
    )  # fmt: skip
    filtering = FilterOptions(
        filters=choose_filters(filters), min_prompts=min_prompts, similarity=similarity,
        drop_shared=drop_shared,
    )  # fmt: skip
    options = RequestOptions(
        concurrency=concurrency, n=n, retry_failed=retry_failed, progress=progress
    )
    meter = UsageMeter(max_requests, max_tokens_total)
    with ResponseCache(cache) as responses:
        found = survey(plan, responses, n=n, tries=NEVER if offline else options.tries)
        collected = generate_answers(
            plan, found, responses, llm or connect(plan, base_url, timeout),
            filtering=filtering, options=options, meter=meter, offline=offline,
        )  # fmt: skip
    return collected.bank(name)


def generate_answers(
    plan: Plan,
    found: PlanSurvey,
    cache: ResponseCache,
    llm: LLM,
    *,
    filtering: FilterOptions,
    options: RequestOptions,
    meter: UsageMeter,
    offline: bool,
) -> CollectedPrompts:
    """Ask for what is missing, unless ``offline``, and go on for classes that kept too few.

    Args:
        plan: what is wanted.
        found: what of it is missing.
        cache: what is there.
        llm: who answers.
        filtering: what is kept.
        options: how to ask.
        meter: counts, and keeps the limits.
        offline: ask nothing.

    Raises:
        InputError: answers are missing offline, or ``filtering`` does not fit the plan.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed.

    """
    filtering.check(plan)
    check_offline(found, offline)
    asked, tries = None, options.tries
    while True:
        if found.answers:
            units = missing_answers(plan, cache, n=options.n, tries=tries, beyond=asked)
            proven = found.cached > 0 and has_answers(plan, cache)
            run(
                run_requests(
                    units, cache, llm,
                    total=found.answers, proven=proven, meter=meter, options=options,
                )
            )  # fmt: skip
        collected = collect(plan, cache, filtering)
        if collected.report.withdrawn and not offline:
            tries = MAX_TRIES  # the other failures were asked for
            found = survey(plan, cache, n=options.n, tries=tries, beyond=asked)
            continue
        more = collected.wanted()
        if more == plan.more:
            return collected
        asked, plan = plan, replace(plan, more=more)
        tries = NEVER if offline else options.tries
        found = survey(plan, cache, n=options.n, tries=tries, beyond=asked)
        if offline and found.answers:  # nobody asked for more, so the class stays short
            return collected
        if found.answers:
            short = collected.report.shortage(len(plan.labels))
            options.notice(f"{short}: asking for {found.answers:,} more answers")


def connect(plan: Plan, base_url: str | None, timeout: float = TIMEOUT) -> LLM:
    """The server a plan is for; nothing is sent or started yet."""
    return MiniServer() if plan.model == MINI else OpenAIServer(base_url, timeout)


def check_offline(found: PlanSurvey, offline: bool) -> None:
    """Refuse to go on offline while answers are missing.

    Raises:
        InputError: names how many answers are missing and to which questions.

    """
    if offline and found.answers:
        shown = "; ".join(found.examples[:3]) + ("; ..." if len(found.examples) > 3 else "")
        raise InputError(
            f"missing from the cache: {found.answers:,} answers, to questions such as {shown} "
            "(to ask for them, do not run offline)",
            arguments={"offline": False},
        )


def run(coroutine: Coroutine[None, None, _Result]) -> _Result:
    """Run a coroutine to its end, also where a loop is running already (a notebook).

    An interrupt cancels it in both cases.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[_Result] | None]] = Future()

    async def cancellable() -> _Result:
        started.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await coroutine

    with ThreadPoolExecutor(1) as pool:
        try:
            return pool.submit(asyncio.run, cancellable()).result()
        except KeyboardInterrupt:
            loop, task = started.result()
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)
            raise
