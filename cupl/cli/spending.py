"""What commands that ask a language model say of requests, tokens and money."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from cupl.cli.output import count, say

_SHOWN = 3
_LONGEST = 200

if TYPE_CHECKING:
    from cupl.generation.budget import Prices, UsageMeter
    from cupl.generation.plan import Plan, PlanSurvey


def prices_of(price_in: float | None, price_out: float | None) -> "Prices | None":
    """What tokens cost, where a person says so."""
    from cupl.generation.budget import Prices

    if (price_in is None) != (price_out is None):
        raise typer.BadParameter("--price-in and --price-out go together")
    return None if price_in is None or price_out is None else Prices(price_in, price_out)


@contextmanager
def accounted(meter: "UsageMeter", prices: "Prices | None", began: float) -> Iterator[None]:
    """Say at the end, however it comes, what was asked and what that cost."""
    try:
        yield
    except KeyboardInterrupt:
        if meter.answers:
            say("every answer so far is in the cache; the same command continues")
        else:
            say("no new answer had come; the same command asks again")
        raise
    finally:
        if meter.requests:
            _say_spent(meter, prices, time.monotonic() - began)


def say_plan(
    plan: "Plan",
    found: "PlanSurvey",
    prices: "Prices | None",
    step: str = "",
    noun: str = "class",
) -> None:
    """What a step asks and about what that costs.

    Args:
        plan: of the step.
        found: what of it is missing.
        prices: of tokens.
        step: names the step, where there are several.
        noun: what it asks about.

    """
    plural = "classes" if noun == "class" else f"{noun}s"
    shown = sum(len(images) for some in plan.pictures.values() for images in some)
    photos = f"{count(shown, 'photo')}, " if shown and noun != "photo" else ""
    say(
        f"{step}{count(len(plan.labels), noun, plural)}, {photos}"
        f"{count(len(plan.questions.questions), 'question')}, "
        f"{count(plan.samples, 'sample')} each: {found.cached:,} of "
        f"{count(found.cached + found.answers, 'answer')} cached, {found.answers:,} to come in "
        f"{count(found.requests, 'request')} to {plan.model}"
    )
    if not found.requests:
        return
    most = found.completion_tokens
    bound = "no limit on those out (--max-tokens none)" if most is None else f"at most {most:,} out"
    money = ""
    if prices is not None:
        spent = prices.of(found.prompt_tokens, most or 0)
        money = f": {'at least' if most is None else 'at most about'} {_money(spent)}"
    seen = ""
    if found.images:
        seen = f" ({found.image_tokens:,} of them for {count(found.images, 'image')})"
    say(f"estimate: about {found.prompt_tokens:,} tokens in{seen}, {bound}{money}")


def say_first(plan: "Plan") -> None:
    """What a plan asks about, and the first of its questions: a few lines of bounded length."""
    names = [label.name for label in plan.labels[:_SHOWN]]
    more = f", and {len(plan.labels) - _SHOWN:,} more" if len(plan.labels) > _SHOWN else ""
    say(f"  about {', '.join(f'{name:.60}' for name in names)}{more}")
    questions = list(dict.fromkeys(one.question for one in plan.requests(plan.labels[0])))
    for question in questions[:_SHOWN]:
        say(f"  asks: {question[:_LONGEST]}{'...' * (len(question) > _LONGEST)}")
    if (left := len(questions) - _SHOWN) > 0:
        say(f"  and {count(left, 'more question')} of each")


def say_dropped(dropped: "Counter[str]") -> None:
    """How many answers, or parts of them, were not kept, by reason."""
    for reason, number in dropped.most_common():
        say(f"  dropped {number:,}: {reason}")


def _say_spent(meter: "UsageMeter", prices: "Prices | None", seconds: float) -> None:
    tokens = f"{meter.prompt_tokens:,} tokens in, {meter.completion_tokens:,} out"
    if meter.uncounted:
        tokens += f" (not counted by the server: {count(meter.uncounted, 'request')})"
    money = ""
    if prices is not None:
        money = f", {_money(prices.of(meter.prompt_tokens, meter.completion_tokens))}"
    say(
        f"asked: {count(meter.answers, 'answer')} in {count(meter.requests, 'request')}, "
        f"{meter.retried:,} of them again; {tokens}"
        f"{money}; {timedelta(seconds=round(seconds))}"
    )


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.4f}"
