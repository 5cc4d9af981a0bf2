"""Generating a prompt bank: plan the requests, ask what is missing, filter, collect."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.bank.templates import Questions
from cupl.generation.asking import aside, check_offline
from cupl.generation.collect import CollectedPrompts, collect
from cupl.generation.event_loop import blocking
from cupl.generation.filters import Filter
from cupl.generation.plan import (
    DEFAULT_MODEL,
    Plan,
    PlanSurvey,
    has_answers,
    missing_answers,
    survey,
)
from cupl.generation.requester import run_requests
from cupl.generation.run_settings import Run, open_run
from cupl.llm.openai import TIMEOUT
from cupl.llm.protocol import LLM, Api, Sampling
from cupl.progress import Progress, ignore


async def agenerate(
    classes: Iterable[str | ClassLabel],
    questions: Questions = "base",
    *,
    name: str = "bank",
    model: str = DEFAULT_MODEL,
    base_url: str | None = None,
    api_key_env: str | None = None,
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

    ``generate`` waits for the bank, in a notebook too. ``await agenerate`` is the same for code
    that runs in an event loop: to cancel it cancels the requests under way, and every answer that
    has arrived is in the cache. :func:`cupl.generation.plan.make_plan` says what is asked.

    Args:
        classes: names or labels.
        questions: a set, the name or path of one, or a list: ``["What does {a} look like?"]``.
        name: the bank's name.
        model: as the server knows it; ``mini`` is the embedded one.
        base_url: the server; None for ``$OPENAI_BASE_URL`` or else OpenAI itself.
        api_key_env: the environment variable that holds the server's key. None for
            ``OPENAI_API_KEY`` where the server is OpenAI's, and for no key where it is another.
        api: ``chat`` or ``completions``; None for chat, or completions for ``mini``.
        samples: answers to each question, about each class.
        sampling: how they are drawn; None for the model's usual settings.
        preamble: the system message, or for completions the text around the question (``{}``);
            None for none, "" for the usual one.
        filters: what is kept of an answer: names, functions or both, in the order in which they
            run, or a mapping of names to functions; None for the default ones. See
            :func:`cupl.generation.filters.choose_filters`.
        min_prompts: a class that keeps fewer is asked for more samples, up to a bound.
        similarity: two prompts of a class that are alike to so many percent are near-duplicates,
            and the first stays; None keeps both.
        drop_shared: whether a sentence that stands under several classes is dropped.
        concurrency: requests under way at once.
        n: most answers to ask for in one request; None for servers that reject ``n``.
        timeout: seconds that one request may take.
        max_requests: most requests to send, tries that fail included.
        max_tokens_total: most tokens to be charged, of questions and answers.
        retry_failed: ask again also for what was given up in an earlier run.
        cache: folder of answers; None for the usual one.
        offline: ask nothing, use what is cached.
        llm: who answers, where it is not the server that ``model`` and ``base_url`` name; it is
            not closed.
        progress: told how many of the missing answers have arrived.

    Returns:
        The bank. The same call again finds every answer in the cache and returns an equal one.

    Warns:
        UserWarning: a run waits, tries again, or asks in another form than it was told to.

    Raises:
        InputError: bad settings, a class without a usable answer, or missing answers offline.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed; what arrived is in the cache.

    """
    with open_run(
        classes, questions, name,
        model=model, base_url=base_url, api_key_env=api_key_env, api=api, samples=samples,
        sampling=sampling, preamble=preamble, filters=filters, min_prompts=min_prompts,
        similarity=similarity, drop_shared=drop_shared, concurrency=concurrency, n=n,
        timeout=timeout, max_requests=max_requests, max_tokens_total=max_tokens_total,
        retry_failed=retry_failed, cache=cache, offline=offline, llm=llm, progress=progress,
    ) as run:  # fmt: skip
        collected = await generate_answers(run)
    return collected.bank(name)


generate = blocking(agenerate, "generate")


async def generate_answers(run: Run, missing: PlanSurvey | None = None) -> CollectedPrompts:
    """Ask for what is missing, unless offline, and go on for classes that kept too few.

    Args:
        run: what is wanted, what is kept, how to ask.
        missing: what a survey found, where there was one.

    Raises:
        InputError: answers are missing offline, the filters do not fit the plan, or there is no
            such key.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed.

    """
    plan, filtering, asking = run.plan, run.filtering, run.asking
    cache, options, offline = asking.cache, asking.options, asking.offline
    filtering.check(plan)
    n, tries = options.n, options.missing_below(offline)
    if missing is None:
        missing = await aside(cache, partial(survey, plan, cache, n=n, tries=tries))
    found = missing
    check_offline(found, offline)
    asked: Plan | None = None
    llm: LLM | None = None
    async with AsyncExitStack() as connected:
        while True:
            if found.answers:
                if llm is None:
                    llm = await connected.enter_async_context(asking.connection)
                units = missing_answers(plan, cache, n=n, tries=tries, beyond=asked)
                proven = found.cached > 0 and has_answers(plan, cache)
                await run_requests(
                    units, cache, llm,
                    total=found.answers, proven=proven, meter=asking.meter, options=options,
                )  # fmt: skip
            collected = await aside(cache, partial(collect, plan, cache, filtering))
            if collected.report.withdrawn and not offline:
                tries = options.retry.answer_tries  # what was given up before was asked for
                again = partial(survey, plan, cache, n=n, tries=tries, beyond=asked)
                found = await aside(cache, again)
                continue
            more = collected.wanted()
            if more == plan.more:
                return collected
            asked, plan = plan, replace(plan, more=more)
            tries = options.missing_below(offline)
            again = partial(survey, plan, cache, n=n, tries=tries, beyond=asked)
            found = await aside(cache, again)
            if offline and found.answers:  # nobody asked for more, so the class stays short
                return collected
            if found.answers:
                short = collected.report.shortage(len(plan.labels))
                options.notice(f"{short}: asking for {found.answers:,} more answers")
