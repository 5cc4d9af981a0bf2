"""How long answers of 100,000 characters take, of the shapes that take longest.

Run ``python -m tests.benchmarks.bench_filters`` in the root of a checkout. Each figure is the best
of three, in time of the processor; the bound is 50 ms for each line.
"""

import time
from collections.abc import Callable

from cupl.bank.importing import describe
from cupl.bank.lint import check_bank
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.wording import same_text, sentences_of
from cupl.generation.filters import DEFAULT_FILTERS, FILTERS, Answer, apply_filters, why_unusable
from cupl.llm.protocol import MAX_ANSWER, Response
from tests.hostile import UNITS, filled, pairs

QUESTION = "Describe a cat:"
PROSE = "A tree frog is a small frog with large toe pads, and red eyes (like lamps). "
_each = [filter for name, filter in FILTERS.items() if name != "clean"]


def _each_filter(text: str) -> None:
    for step in _each:
        step(Answer(text, QUESTION, "length"))


def _check(text: str) -> None:
    entry = ClassPrompts(name="frog of the north", prompts={"": [f"{text} z"]})
    check_bank(PromptBank(name="x", classes=[entry]))


WORKS: dict[str, Callable[[str], object]] = {
    "the default filters, one after another": lambda text: apply_filters(
        Answer(text, QUESTION), DEFAULT_FILTERS.values()
    ),
    "all filters but clean, each with the whole text": _each_filter,
    "why_unusable": lambda text: why_unusable(Response(text, "length"), QUESTION),
    "same_text": same_text,
    "sentences_of": lambda text: sentences_of(text, finished=False),
    "check_bank": _check,
    "describe": lambda text: describe("cat", " ".join(text.split())),
}


def milliseconds(work: Callable[[str], object], text: str, best_of: int) -> float:
    """Shortest of a number of runs."""
    times = []
    for _ in range(best_of):
        start = time.process_time()
        work(text)
        times.append(time.process_time() - start)
    return min(times) * 1000


def main() -> None:
    """Print the figures."""
    units = [*UNITS, *pairs()]
    print(f"{MAX_ANSWER:,} characters, {len(units):,} shapes")
    for name, work in WORKS.items():
        prose = milliseconds(work, filled(PROSE, MAX_ANSWER), 3)
        once = sorted((milliseconds(work, filled(u, MAX_ANSWER), 1), u) for u in units)[-10:]
        slow, unit = max((milliseconds(work, filled(u, MAX_ANSWER), 3), u) for _, u in once)
        print(f"{name}: prose {prose:.1f} ms, at most {slow:.1f} ms ({unit!r} repeated)")


if __name__ == "__main__":
    main()
