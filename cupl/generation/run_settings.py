"""The arguments that all functions which ask have in common, made into a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypedDict, Unpack

from pydantic import ValidationError

from cupl.bank.labels import ClassLabel
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.templates import Questions
from cupl.errors import InputError
from cupl.generation.asking import Asking
from cupl.generation.budget import UsageMeter
from cupl.generation.cache.store import ResponseCache
from cupl.generation.collect import FilterOptions
from cupl.generation.filters import Filter, choose_filters
from cupl.generation.plan import DEFAULT_MODEL, Plan, make_plan
from cupl.generation.requester import RequestOptions
from cupl.io.arguments import check_whole
from cupl.io.complaints import own_words
from cupl.llm.access import warn
from cupl.llm.mini import NAME as MINI
from cupl.llm.mini import MiniServer
from cupl.llm.openai import TIMEOUT, OpenAIServer, check_timeout
from cupl.llm.protocol import LLM, Api, Sampling
from cupl.progress import Progress, ignore


class RunSettings(TypedDict, total=False):
    """What is asked, of whom, and what is kept: see :func:`cupl.generation.pipeline.agenerate`."""

    model: str
    base_url: str | None
    api_key_env: str | None
    api: Api | None
    samples: int
    sampling: Sampling | None
    preamble: str | None
    filters: Mapping[str, Filter] | Iterable[str | Filter] | None
    min_prompts: int
    similarity: float | None
    drop_shared: bool
    concurrency: int
    n: int | None
    timeout: float
    max_requests: int | None
    max_tokens_total: int | None
    retry_failed: bool
    cache: str | os.PathLike[str] | None
    offline: bool
    llm: LLM | None
    progress: Progress


@dataclass(frozen=True)
class Run:
    """What is wanted, what is kept of the answers, and how to ask."""

    plan: Plan
    filtering: FilterOptions
    asking: Asking


@contextmanager
def open_run(
    classes: Iterable[str | ClassLabel],
    questions: Questions,
    name: str,
    **settings: Unpack[RunSettings],
) -> Iterator[Run]:
    """A run by the arguments that a caller gave, with its cache open.

    Raises:
        InputError: bad settings.

    """
    base_url, llm = settings.get("base_url"), settings.get("llm")
    plan = make_plan(
        classes,
        questions,
        model=settings.get("model", DEFAULT_MODEL),
        base_url=base_url,
        api=settings.get("api"),
        samples=settings.get("samples", 10),
        sampling=settings.get("sampling"),
        preamble=settings.get("preamble", ""),
    )
    filtering = FilterOptions(
        filters=choose_filters(settings.get("filters")),
        min_prompts=settings.get("min_prompts", 1),
        similarity=settings.get("similarity", 95),
        drop_shared=settings.get("drop_shared", False),
    )
    check_whole(concurrency=settings.get("concurrency"), n=settings.get("n"))
    options = RequestOptions(
        concurrency=settings.get("concurrency", 8),
        n=settings.get("n", 10),
        retry_failed=settings.get("retry_failed", False),
        progress=settings.get("progress", ignore),
        notice=warn,
    )
    meter = UsageMeter(settings.get("max_requests"), settings.get("max_tokens_total"))
    check_bank_settings(name, plan, filtering)
    with ResponseCache(settings.get("cache")) as cache:
        connection = (
            connect(plan, base_url, settings.get("timeout", TIMEOUT), settings.get("api_key_env"))
            if llm is None
            else nullcontext(llm)
        )
        yield Run(
            plan,
            filtering,
            Asking(cache, connection, options, meter, settings.get("offline", False)),
        )


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
    check_timeout(timeout)
    if plan.model != MINI:
        return OpenAIServer(base_url, timeout, api_key_env=api_key_env, notice=notice)
    if api_key_env is not None:
        raise InputError(
            "the mini model runs inside cupl and wants no key; leave api_key_env out",
            arguments={"api_key_env": False},
        )
    return MiniServer()
