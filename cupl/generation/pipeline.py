"""Generating a prompt bank: plan the requests, ask what is missing, filter, collect."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from cupl.bank.labels import ClassLabel
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.templates import QuestionSet
from cupl.errors import InputError
from cupl.generation.budget import UsageMeter
from cupl.generation.cache.store import ResponseCache
from cupl.generation.collect import CollectedPrompts, FilterOptions, collect
from cupl.generation.event_loop import blocking
from cupl.generation.filters import Filter, choose_filters
from cupl.generation.plan import (
    DEFAULT_MODEL,
    Plan,
    PlanSurvey,
    has_answers,
    make_plan,
    missing_answers,
    survey,
)
from cupl.generation.requester import RequestOptions, run_requests
from cupl.io.complaints import own_words
from cupl.llm.access import warn
from cupl.llm.mini import NAME as MINI
from cupl.llm.mini import MiniServer
from cupl.llm.openai import TIMEOUT, OpenAIServer
from cupl.llm.protocol import LLM, Api, Sampling
from cupl.progress import Progress, ignore

_Result = TypeVar("_Result")


async def agenerate(
    classes: Iterable[str | ClassLabel],
    questions: QuestionSet | str | Path = "base",
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
        questions: a set, or the name or path of one.
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
    plan = make_plan(
        classes, questions, model=model, base_url=base_url, api=api, samples=samples,
        sampling=sampling, preamble=preamble,
    )  # fmt: skip
    filtering = FilterOptions(
        filters=choose_filters(filters), min_prompts=min_prompts, similarity=similarity,
        drop_shared=drop_shared,
    )  # fmt: skip
    options = RequestOptions(
        concurrency=concurrency, n=n, retry_failed=retry_failed, progress=progress, notice=warn
    )
    meter = UsageMeter(max_requests, max_tokens_total)
    check_bank_settings(name, plan, filtering)
    with ResponseCache(cache) as responses:
        tries = options.missing_below(offline)
        found = await _aside(responses, partial(survey, plan, responses, n=n, tries=tries))
        theirs = None if llm is None else nullcontext(llm)
        collected = await generate_answers(
            plan, found, responses, theirs or connect(plan, base_url, timeout, api_key_env),
            filtering=filtering, options=options, meter=meter, offline=offline,
        )  # fmt: skip
    return collected.bank(name)


generate = blocking(agenerate, "generate")


async def generate_answers(
    plan: Plan,
    found: PlanSurvey,
    cache: ResponseCache,
    connection: AbstractAsyncContextManager[LLM],
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
        connection: gives who answers, and closes what it opened; entered once, and only where
            something is to be asked.
        filtering: what is kept.
        options: how to ask.
        meter: counts, and keeps the limits.
        offline: ask nothing.

    Raises:
        InputError: answers are missing offline, ``filtering`` does not fit the plan, or there is
            no such key.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed.

    """
    filtering.check(plan)
    check_offline(found, offline)
    n, tries = options.n, options.missing_below(offline)
    asked: Plan | None = None
    llm: LLM | None = None
    async with AsyncExitStack() as connected:
        while True:
            if found.answers:
                if llm is None:
                    llm = await connected.enter_async_context(connection)
                units = missing_answers(plan, cache, n=n, tries=tries, beyond=asked)
                proven = found.cached > 0 and has_answers(plan, cache)
                await run_requests(
                    units, cache, llm,
                    total=found.answers, proven=proven, meter=meter, options=options,
                )  # fmt: skip
            collected = await _aside(cache, partial(collect, plan, cache, filtering))
            if collected.report.withdrawn and not offline:
                tries = options.retry.answer_tries  # what was given up before was asked for
                again = partial(survey, plan, cache, n=n, tries=tries, beyond=asked)
                found = await _aside(cache, again)
                continue
            more = collected.wanted()
            if more == plan.more:
                return collected
            asked, plan = plan, replace(plan, more=more)
            tries = options.missing_below(offline)
            again = partial(survey, plan, cache, n=n, tries=tries, beyond=asked)
            found = await _aside(cache, again)
            if offline and found.answers:  # nobody asked for more, so the class stays short
                return collected
            if found.answers:
                short = collected.report.shortage(len(plan.labels))
                options.notice(f"{short}: asking for {found.answers:,} more answers")


async def _aside(cache: ResponseCache, read: Callable[[], _Result]) -> _Result:
    """Read much of a cache in a thread, so that the event loop goes on."""

    def read_and_release() -> _Result:
        try:
            return read()
        finally:
            cache.release()

    return await asyncio.to_thread(read_and_release)


def check_bank_settings(name: str, plan: Plan, filtering: FilterOptions) -> None:
    """Find out before anything is asked, and paid for, that the bank could not say it.

    Raises:
        InputError: a setting has another type than it is declared with.

    """
    try:
        source = plan.source(filtering.names(), filtering.min_prompts)
        PromptBank(name=name, source=source, classes=[ClassPrompts(name="-", prompts={"-": ["-"]})])
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(map(str, first["loc"]))
        raise InputError(f"{setting} {own_words(first)}, not {first['input']!r:.100}") from error


def connect(
    plan: Plan,
    base_url: str | None,
    timeout: float = TIMEOUT,
    api_key_env: str | None = None,
    notice: Callable[[str], None] = warn,
) -> OpenAIServer:
    """The server a plan is for; nothing is sent or started before it is entered.

    Args:
        plan: names the model.
        base_url: see :meth:`cupl.llm.address.ServerAddress.parse`.
        timeout: seconds that one request may take.
        api_key_env: see :func:`cupl.llm.access.access_to`.
        notice: told where a key could be read on its way.

    Raises:
        InputError: the address is none, or the model is the embedded one and has no key.

    """
    if plan.model != MINI:
        return OpenAIServer(base_url, timeout, api_key_env=api_key_env, notice=notice)
    if api_key_env is not None:
        raise InputError(
            "the mini model runs inside cupl and wants no key; leave api_key_env out",
            arguments={"api_key_env": False},
        )
    return MiniServer()


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
