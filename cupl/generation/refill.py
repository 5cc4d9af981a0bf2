"""What is asked next, for those who ask elsewhere and later: one round of a run at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from cupl.generation.cache.store import ResponseCache
from cupl.generation.collect import FilterOptions, collect
from cupl.generation.plan import MissingAnswers, Plan, missing_answers
from cupl.generation.retry import RetryPolicy
from cupl.progress import ignore


def next_answers(
    plan: Plan,
    cache: ResponseCache,
    filtering: FilterOptions,
    *,
    n: int | None = None,
    tries: float = RetryPolicy.answer_tries,
    notice: Callable[[str], None] = ignore,
) -> Iterator[MissingAnswers]:
    """What a run would ask next: what the plan lacks, then more for classes that kept too few.

    How many more there have to be is known once every answer of the round before is there, so a
    round ends with what is missing of it; when that was answered, this is called again.

    Args:
        plan: what is wanted.
        cache: what is there.
        filtering: what is kept of the answers.
        n: most answers in one request; None for one.
        tries: answers of no use are missing until they were asked for so often. Those that were
            given up in earlier rounds come together, and before anything new.
        notice: told in a sentence which classes need more.

    Raises:
        InputError: ``filtering`` does not fit the plan.

    """
    filtering.check(plan)
    beyond, again, why = None, False, ""
    while True:
        answered = next(missing_answers(plan, cache, beyond=beyond), None) is None
        collected = collect(plan, cache, filtering) if answered else None
        if collected and collected.report.withdrawn:
            continue
        if answered or not again:
            for unit in missing_answers(plan, cache, n=n, tries=tries, beyond=beyond):
                if why:
                    notice(f"{why}, so these get more requests")
                again, why = True, ""
                yield unit
        if collected is None or (more := collected.wanted()) == plan.more:
            return
        beyond, plan = plan, replace(plan, more=more)
        why = collected.report.shortage(len(plan.labels))
