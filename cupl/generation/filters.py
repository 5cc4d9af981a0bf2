"""What is kept of an answer.

A filter takes an :class:`Answer` and returns it, changed or not, or says with :class:`Dropped` why
nothing of it is kept. The caller chooses which filters run and in what order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from cupl.bank.wording import (
    first_sentence,
    has_markup,
    is_non_answer,
    is_refusal,
    lack_of_words,
    sentences_of,
)
from cupl.errors import InputError
from cupl.generation.cleaning import unwrapped
from cupl.generation.thinking import without_thinking
from cupl.llm.finish_reasons import FinishKind, finish_kind
from cupl.llm.protocol import MAX_ANSWER, Response


@dataclass(frozen=True, slots=True)
class Answer:
    """The text of a response on its way through the filters, and what they need to judge it."""

    text: str
    question: str = ""
    finish_reason: str = "stop"
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """Nothing is kept, for this reason."""

    reason: str


FILTERED = "content filter"
"""Why an answer that a server held back is none."""
REFUSED = "refused by the model"
"""Why an answer in whose place a refusal stands is none."""
THINKING = "thinking alone"
"""Why an answer that is one block of thought is none."""
UNSEEN = "in reasoning_content alone"
"""Why an answer that the server put there is none."""
TOOL = "call of a tool"
"""Why an answer that only wants something done is none."""
FAILED = "failed on the server"
"""Why an answer that a fault broke off is none."""
Filter = Callable[[Answer], Answer | Dropped]

_WORD = re.compile(r"\w")
_USELESS: dict[FinishKind, str] = {
    "content_filter": FILTERED,
    "refusal": REFUSED,
    "fault": FAILED,
    "no content": UNSEEN,
}
"""Why an answer that ended so is none, whatever its text."""


def clean(answer: Answer) -> Answer:
    """Take off what wraps a description: thinking, the question said again, markup, quotes."""
    return replace(answer, text=unwrapped(answer.text, answer.question))


def not_empty(answer: Answer) -> Answer | Dropped:
    """Drop an answer that says nothing: no word, or a snippet such as "a." or "The U."."""
    reason = lack_of_words(answer.text)
    return Dropped(reason) if reason else answer


def not_refusal(answer: Answer) -> Answer | Dropped:
    """Drop what a server's content filter cut, and talk of what the model will not or cannot do."""
    held_back = finish_kind(answer.finish_reason) in ("content_filter", "refusal")
    return Dropped("refusal") if held_back or is_refusal(answer.text) else answer


def not_non_answer(answer: Answer) -> Answer | Dropped:
    """Drop "There is no definitive answer" and its kin, and questions asked back."""
    return Dropped("non-answer") if is_non_answer(answer.text) else answer


def plain_text(answer: Answer) -> Answer | Dropped:
    """Drop an answer with an address, HTML, Markdown or JSON in it."""
    return Dropped("URL or markup") if has_markup(answer.text) else answer


def whole_sentences(answer: Answer) -> Answer | Dropped:
    """Cut an answer after its last whole sentence; drop it where there is none.

    A model that stopped by itself, or at a stop text, may leave the last full stop out: it is put
    back. An answer that ended for a reason nobody knows may be cut off, and gets none. What
    ``stop="."`` cut inside "weighs about 5.3" or "a St. Bernard" is no sentence.
    """
    finished = finish_kind(answer.finish_reason) == "stop"
    text = sentences_of(answer.text, finished=finished, stop=answer.stop)
    return Dropped("cut off") if text is None else replace(answer, text=text)


def only_first_sentence(answer: Answer) -> Answer:
    """Keep the first sentence of several; CLIP reads some 55 words."""
    return replace(answer, text=first_sentence(answer.text))


def why_unusable(response: Response, question: str = "") -> str | None:
    """Why a response is no answer at all, so that it has to be asked for again; None if it is one.

    What the filters drop was an answer nevertheless, as a refusal is.
    """
    kind = finish_kind(response.finish_reason)
    if kind in _USELESS:
        return _USELESS[kind]
    if len(response.text) > MAX_ANSWER:
        return "too long"
    cut = kind != "stop"  # a reason that nobody knows may be one that cuts
    answer = clean(Answer(response.text, question, response.finish_reason))
    if not _WORD.search(answer.text):
        if kind == "tool":
            return TOOL
        # Of a model whose server puts its thoughts elsewhere there is no text at all.
        if kind == "length" or (cut and response.text.strip()):
            return "cut off"
        said = _WORD.search(response.text) and not _WORD.search(without_thinking(response.text))
        return THINKING if said else "empty"
    return "cut off" if cut and isinstance(whole_sentences(answer), Dropped) else None


DEFAULT_FILTERS: dict[str, Filter] = {
    "clean": clean,
    "not-empty": not_empty,
    "not-refusal": not_refusal,
    "not-non-answer": not_non_answer,
    "plain-text": plain_text,
    "whole-sentences": whole_sentences,
}
"""The filters of a run unless the caller says otherwise, in their order."""
FILTERS: dict[str, Filter] = {**DEFAULT_FILTERS, "first-sentence": only_first_sentence}
"""All that come with cupl, by name."""


def choose_filters(
    wanted: Mapping[str, Filter] | Iterable[str | Filter] | None = None,
    *,
    without: Iterable[str] = (),
) -> dict[str, Filter]:
    """Filters by name, in the order in which they run.

    Args:
        wanted: names of :data:`FILTERS`, and functions, which are called by their own names; or
            a filter for each name; None for the default ones.
        without: names of some of them that are not to run.

    Raises:
        InputError: no filter has such a name, two have the same, or something is no filter.

    """
    if isinstance(wanted, str):
        raise InputError(f"filters is a list of names, such as [{wanted!r}]")
    if wanted is None:
        pairs = list(DEFAULT_FILTERS.items())
    elif isinstance(wanted, Mapping):
        pairs = [_named(filter, name) for name, filter in wanted.items()]
    else:
        pairs = [(one, _find(one)) if isinstance(one, str) else _named(one) for one in wanted]
    chosen = dict(pairs)
    if len(chosen) < len(pairs):
        raise InputError(f"two filters have the same name: {', '.join(name for name, _ in pairs)}")
    for name in without:
        _find(name)
        chosen.pop(name, None)
    return chosen


def _find(name: str) -> Filter:
    if name not in FILTERS:
        raise InputError(f"no filter is called {name!r}: use {', '.join(FILTERS)}")
    return FILTERS[name]


def _named(filter: Filter, name: object = None) -> tuple[str, Filter]:
    """A filter of the caller's with the name that stands for it in the bank."""
    if not callable(filter):
        raise InputError(f"a filter is a function from an answer to an answer, not {filter!r}")
    if name is None:
        ours = (known for known, own in FILTERS.items() if own is filter)
        name = next(ours, getattr(filter, "__name__", "<lambda>"))
    if not isinstance(name, str) or not name.isprintable() or name in ("", "<lambda>"):
        raise InputError(f"the filter {filter!r} needs a name: give a mapping of names to filters")
    if FILTERS.get(name, filter) is not filter:
        raise InputError(f"{name!r} is a filter of cupl's own: give yours another name")
    return name, filter


def _short(result: object) -> str:
    """What a filter returned; of an answer what it has in the place of its text."""
    return f"{result.text!r:.100} as the text" if isinstance(result, Answer) else f"{result!r:.200}"


def _called(step: Filter) -> str:
    return str(getattr(step, "__name__", step))


def apply_filters(answer: Answer, filters: Iterable[Filter]) -> Answer | Dropped:
    """Send an answer through filters until one drops it.

    Raises:
        InputError: a filter returns something else than an answer or the reason.

    """
    for step in filters:
        try:
            result = step(answer)
        except StopIteration as error:  # no future can hold one: whoever waits would wait for ever
            raise InputError(f"the filter {_called(step)} raised StopIteration") from error
        if isinstance(result, Dropped):
            return result
        if not isinstance(result, Answer) or not isinstance(result.text, str):
            raise InputError(
                f"the filter {_called(step)} returned {_short(result)}, no Answer and no Dropped"
            )
        answer = result
    return answer
