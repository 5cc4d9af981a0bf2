"""Generating a prompt bank: plan the requests, ask what is missing, filter, collect."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cupl.bank import ClassPrompts, PromptBank, Source
from cupl.cache import ResponseCache
from cupl.classes import ClassLabel, check_labels, labels_from_names
from cupl.errors import CuplError, InputError
from cupl.filters import DEFAULT, Answer, Dropped, Filter, apply, same_text
from cupl.llm.base import LLM, Api, Request, Sampling
from cupl.llm.mini import ENDPOINT as MINI_ENDPOINT
from cupl.llm.mini import NAME as MINI
from cupl.llm.mini import PREAMBLE, SAMPLING, WEIGHTS, MiniServer
from cupl.llm.openai import OpenAIServer, endpoint_of
from cupl.questions import QuestionSet, fill

DEFAULT_MODEL = "gpt-4.1-mini"
CHAT_PREAMBLE = (
    "Answer in one plain sentence about what can be seen, naming the thing. No lists, no markup."
)

Result = TypeVar("Result")
Progress = Callable[[int, int], None]
"""Called with the answers that have arrived and those that were missing at the start."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides which requests a run consists of."""

    labels: Sequence[ClassLabel]
    questions: QuestionSet
    model: str
    endpoint: str
    api: Api
    preamble: str | None
    sampling: Sampling
    samples: int

    def requests(self, label: ClassLabel) -> Iterator[Request]:
        """The requests about one class, a question each."""
        for template in self.questions.questions:
            question = fill(template, label.name)
            yield Request(
                self.endpoint, self.model, self.api, question, self.preamble, self.sampling
            )

    def source(self, filters: Iterable[str]) -> Source:
        """What the bank says of where it came from."""
        return Source(
            model=self.model,
            weights=WEIGHTS if self.model == MINI else None,
            api=self.api,
            questions=self.questions.name,
            samples=self.samples,
            temperature=self.sampling.temperature,
            top_p=self.sampling.top_p,
            max_tokens=self.sampling.max_tokens,
            stop=list(self.sampling.stop) if self.sampling.stop else None,
            preamble=self.preamble,
            filters=list(filters),
        )


@dataclass(frozen=True)
class Missing:
    """What a plan still needs: requests with the numbers of their missing samples."""

    work: list[tuple[Request, list[int]]]
    cached: int

    @property
    def answers(self) -> int:
        """How many answers are missing."""
        return sum(len(samples) for _, samples in self.work)


@dataclass
class Report:
    """What became of the answers of a run."""

    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def usual_sampling(model: str) -> Sampling:
    """How answers are drawn where nothing else is said."""
    return SAMPLING if model == MINI else Sampling()


def make_plan(
    classes: Iterable[str | ClassLabel],
    questions: QuestionSet | str | Path = "base",
    *,
    model: str = DEFAULT_MODEL,
    base_url: str | None = None,
    api: Api | None = None,
    samples: int = 10,
    sampling: Sampling | None = None,
    preamble: str | None = "",
) -> Plan:
    """Settle what a run asks.

    Args:
        classes: names or labels.
        questions: a set, or the name or path of one.
        model: as the server knows it; ``mini`` is the embedded one.
        base_url: the server; None for ``$OPENAI_BASE_URL`` or else OpenAI itself.
        api: None for chat, or completions for ``mini``.
        samples: answers to each question.
        sampling: None for the model's usual settings.
        preamble: system message, or for completions the text around the question (``{}``);
            None for none, "" for the usual one.

    Raises:
        InputError: labels that cannot be told apart, or a value out of range.

    """
    if isinstance(classes, str):
        raise InputError(f"classes is a list of names, such as [{classes!r}]")
    if api not in (None, "chat", "completions"):
        raise InputError(f"api is chat or completions, not {api!r}")
    mini = model == MINI
    labels = [c if isinstance(c, ClassLabel) else labels_from_names([c])[0] for c in classes]
    check_labels(labels)
    if not 1 <= samples <= 10_000:
        raise InputError(f"samples must be between 1 and 10000, not {samples}")
    if mini and (base_url or api == "chat"):
        raise InputError("the mini model has no base URL and answers completions only")
    api = api or ("completions" if mini else "chat")
    if preamble == "":
        preamble = PREAMBLE if mini else CHAT_PREAMBLE if api == "chat" else None
    return Plan(
        labels=labels,
        questions=questions if isinstance(questions, QuestionSet) else QuestionSet.load(questions),
        model=model,
        endpoint=MINI_ENDPOINT if mini else endpoint_of(base_url),
        api=api,
        preamble=preamble,
        sampling=sampling or usual_sampling(model),
        samples=samples,
    )


def find_missing(plan: Plan, cache: ResponseCache) -> Missing:
    """Compare a plan with the cache. Classes that ask the same question share its answers."""
    work: list[tuple[Request, list[int]]] = []
    cached = 0
    requests = dict.fromkeys(r for label in plan.labels for r in plan.requests(label))
    for request in requests:
        samples = [i for i in range(plan.samples) if cache.get(request, i) is None]
        cached += plan.samples - len(samples)
        if samples:
            work.append((request, samples))
    return Missing(work, cached)


async def ask(
    missing: Missing,
    cache: ResponseCache,
    llm: LLM,
    *,
    concurrency: int = 8,
    n: int | None = 10,
    progress: Progress = lambda done, total: None,
) -> None:
    """Ask for what is missing; each answer is in the cache the moment it arrives.

    Args:
        missing: from :func:`find_missing`.
        cache: where answers go.
        llm: who answers.
        concurrency: requests under way at once.
        n: most answers to ask for in one request; None for one, without saying so.
        progress: told after every request.

    Raises:
        InputError: ``concurrency`` or ``n`` is below 1.
        ServerError: the model cannot be asked; every answer so far is in the cache.

    """
    if concurrency < 1 or (n is not None and n < 1):
        raise InputError(f"concurrency ({concurrency}) and n ({n}) must be at least 1")
    queue = iter(missing.work)
    done, total = 0, missing.answers

    async def work() -> None:
        nonlocal done
        for request, samples in queue:
            # Another run on this cache may have asked in the meantime.
            wanted = [sample for sample in samples if cache.get(request, sample) is None]
            done += len(samples) - len(wanted)
            while wanted:
                # A server may return fewer answers than asked for: ask again for the rest.
                responses = await llm.complete(request, min(len(wanted), n or 1))
                for response, sample in zip(responses, wanted[:], strict=False):
                    cache.put(request, sample, response)
                    wanted.remove(sample)
                    done += 1
                progress(done, total)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(missing.work))):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        first = errors.exceptions[0]
        if isinstance(first, CuplError) and done:
            safe = f"{done:,} new answers are in the cache; the same command continues"
            raise type(first)(f"{first} ({safe})") from first
        raise first from None
    finally:
        await llm.close()


def collect(
    plan: Plan, cache: ResponseCache, name: str, filters: dict[str, Filter] = DEFAULT
) -> tuple[PromptBank, Report]:
    """Make the bank from the cache alone.

    Raises:
        InputError: a class keeps no prompt; the message names it.

    """
    report = Report()
    entries: list[tuple[ClassLabel, dict[str, list[str]]]] = []
    for label in plan.labels:
        prompts: dict[str, list[str]] = {}
        seen: set[str] = set()
        for request in plan.requests(label):
            texts = list(_kept(plan, cache, request, list(filters.values()), seen, report))
            if texts:
                prompts[request.question] = texts
        entries.append((label, prompts))
    if bare := [str(label) for label, prompts in entries if not prompts]:
        raise InputError(_explain_bare(bare, plan, report))
    classes = [
        ClassPrompts(name=label.name, id=label.id, aliases=list(label.aliases), prompts=prompts)
        for label, prompts in entries
    ]
    return PromptBank(name=name, source=plan.source(filters), classes=classes), report


def _explain_bare(bare: list[str], plan: Plan, report: Report) -> str:
    shown = ", ".join(bare[:5]) + (f" and {len(bare) - 5:,} more" if len(bare) > 5 else "")
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in report.dropped.most_common(3))
    return (
        f"no usable answer for {shown} (dropped in all: {reasons}); a model that thinks before it "
        f"answers needs --max-tokens none, another may need --samples {plan.samples * 2}, of which "
        "only the new ones are asked, or another name for the class"
    )


def _kept(
    plan: Plan,
    cache: ResponseCache,
    request: Request,
    filters: Sequence[Filter],
    seen: set[str],
    report: Report,
) -> Iterator[str]:
    for sample in range(plan.samples):
        response = cache.get(request, sample)
        if response is None:
            raise InputError("an answer vanished from the cache during the run; run it again")
        answer = Answer(
            response.text, request.question, response.finish_reason, plan.sampling.stop or ()
        )
        result = apply(answer, filters)
        if isinstance(result, Answer) and same_text(result.text) in seen:
            result = Dropped("duplicate")
        if isinstance(result, Dropped):
            report.dropped[result.reason] += 1
            continue
        seen.add(same_text(result.text))
        report.kept += 1
        yield result.text


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
    concurrency: int = 8,
    n: int | None = 10,
    cache: str | os.PathLike[str] | None = None,
    offline: bool = False,
    llm: LLM | None = None,
    progress: Progress = lambda done, total: None,
) -> PromptBank:
    """Ask a language model to describe classes; see :func:`make_plan` for what is asked.

    Args:
        classes: names or labels.
        questions: a set, or the name or path of one.
        name: the bank's name.
        model: see :func:`make_plan`, as for the next five.
        base_url: the server.
        api: chat or completions.
        samples: answers to each question.
        sampling: how they are drawn.
        preamble: what goes before a question.
        concurrency: requests under way at once.
        n: most answers to ask for in one request; None for servers that reject ``n``.
        cache: folder of answers; None for the usual one.
        offline: ask nothing, use what is cached.
        llm: who answers, where it is not the server that ``model`` and ``base_url`` name.
        progress: told how many of the missing answers have arrived.

    Returns:
        The bank. The same call again finds every answer in the cache and returns an equal one.

    Raises:
        InputError: bad settings, a class without a usable answer, or missing answers offline.
        ServerError: the model cannot be asked.

    """
    plan = make_plan(
        classes, questions, model=model, base_url=base_url, api=api, samples=samples,
        sampling=sampling, preamble=preamble,
    )  # fmt: skip
    with ResponseCache(cache) as responses:
        bank, _ = fulfil(
            plan, find_missing(plan, responses), responses, llm or connect(plan, base_url), name,
            concurrency=concurrency, n=n, offline=offline, progress=progress,
        )  # fmt: skip
    return bank


def fulfil(
    plan: Plan,
    missing: Missing,
    cache: ResponseCache,
    llm: LLM,
    name: str,
    *,
    concurrency: int,
    n: int | None,
    offline: bool,
    progress: Progress,
) -> tuple[PromptBank, Report]:
    """Ask for what is missing, unless ``offline``, and make the bank; see :func:`generate`."""
    check_offline(missing, offline)
    if missing.work:
        run(ask(missing, cache, llm, concurrency=concurrency, n=n, progress=progress))
    return collect(plan, cache, name)


def connect(plan: Plan, base_url: str | None) -> LLM:
    """The server a plan is for; nothing is sent or started yet."""
    return MiniServer() if plan.model == MINI else OpenAIServer(base_url)


def check_offline(missing: Missing, offline: bool) -> None:
    """Refuse to go on offline while answers are missing.

    Raises:
        InputError: names how many answers are missing and to which questions.

    """
    if offline and missing.work:
        questions = [request.question for request, _ in missing.work]
        shown = "; ".join(questions[:3]) + ("; ..." if len(questions) > 3 else "")
        raise InputError(
            f"missing from the cache: {missing.answers:,} answers to {len(questions):,} questions, "
            f"namely {shown} (run without --offline to ask for them)"
        )


def run(coroutine: Coroutine[None, None, Result]) -> Result:
    """Run a coroutine to its end, also where a loop is running already (a notebook).

    An interrupt cancels it in both cases.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Result] | None]] = Future()

    async def cancellable() -> Result:
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
