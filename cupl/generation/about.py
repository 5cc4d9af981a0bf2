"""Questions about one's own data: the language model writes them for a description (MPVR).

Source: "Meta-Prompting for Automating Zero-shot Visual Recognition with LLMs" (ECCV 2024): what the
data are, and an example, in; questions with a place for the class, out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Unpack

from cupl.bank.labels import MAX_NAME, ClassLabel
from cupl.bank.model import PromptBank
from cupl.bank.source import AboutFacts
from cupl.bank.templates import QuestionSet
from cupl.bank.wording import has_markup, is_refusal, same_text
from cupl.errors import InputError
from cupl.generation.asking import Asking, aside
from cupl.generation.cache.store import ResponseCache
from cupl.generation.cleaning import without_odd_characters
from cupl.generation.event_loop import blocking
from cupl.generation.list_items import items_of
from cupl.generation.pipeline import generate_answers
from cupl.generation.plan import Plan
from cupl.generation.run_settings import RunSettings, open_run
from cupl.llm.protocol import Failure, cache_key

QUESTIONS = 10
"""That a model is asked to write."""
CHAT_FOR_QUESTIONS = (
    "Answer with questions alone, each on a line of its own and with [NAME] exactly once, where "
    "the name of a class belongs. No numbers, no explanations."
)
_CHAT_ASK = (
    "The data are {}. Write NUMBER different questions whose answers describe what things of one "
    'class look like in them. An example: "What does a [NAME] look like?"'
)
COMPLETIONS_FOR_QUESTIONS = """\
A question on a [NAME] for photos of birds in gardens:
Which colours and markings does a [NAME] show on a branch in a garden?

A question on a [NAME] for pictures of land from above:
How can you recognise a [NAME] from the air?

A question on a [NAME] for scans of handwriting:
What shape do the strokes of a [NAME] have on paper?

{}
"""
_COMPLETIONS_ASK = "A question on a [NAME] for {}:"
_LONGEST, _SHORTEST_WORDS, _TOKENS = 300, 3, 60
"""Characters and words of a question, and tokens that one takes in an answer."""

_PLACE = re.compile(
    r"\{[^{}]{0,40}\}|\[[^\[\]]{0,40}\]|<[^<>]{0,40}>|_{3,}|\b(?:NAME|CLASS|CLASS_?NAME)\b"
)
_WITH_ARTICLE = re.compile(r"\b[Aa]n? \{\}")
_ASKS = re.compile(
    r".*[?？:：]$|(?:please )?(?:describe|explain|identify|tell|imagine|write|give|detail|list"
    r"|summari[sz]e|characteri[sz]e|depict|picture|outline|provide|compare|mention|caption"
    r"|illustrate|visuali[sz]e|what|which|how)\b",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class WrittenQuestions:
    """The questions that a model wrote for a description, and what became of the others."""

    about: str
    questions: tuple[str, ...] = ()
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def set(self) -> QuestionSet:
        """As a question set, which is named by what it is about."""
        return QuestionSet(name=f"about {self.about}", questions=self.questions)


def about_plan(plan: Plan, about: str, number: int = QUESTIONS) -> Plan:
    """What asks the model of a plan to write questions for data of this description.

    A chat model writes them all in one answer, a base model one in each.

    Raises:
        InputError: the description is none, or ``number`` is out of range.

    """
    if not isinstance(about, str) or not about.strip() or len(about) > MAX_NAME:
        raise InputError(f"about describes the data in 1 to {MAX_NAME} characters")
    if not about.isprintable():
        raise InputError(f"about is one line of text, not {about!r:.100}")
    if not 1 <= number <= 100:
        raise InputError(f"a model is asked for 1 to 100 questions, not {number}")
    chat, length = plan.api == "chat", plan.sampling.max_tokens
    ask = _CHAT_ASK.replace("NUMBER", str(number)) if chat else _COMPLETIONS_ASK
    return replace(
        plan,
        labels=[ClassLabel(about.strip().rstrip("."))],
        questions=QuestionSet(name="about", questions=(ask,)),
        preamble=CHAT_FOR_QUESTIONS if chat else COMPLETIONS_FOR_QUESTIONS,
        sampling=replace(
            plan.sampling,
            max_tokens=length and max(length, _TOKENS * (number if chat else 1)),
            stop=None if chat else ("\n",),
        ),
        samples=1 if chat else number,
        more={},
    )


def questions_in(texts: Iterable[str], about: str, most: int = QUESTIONS) -> WrittenQuestions:
    """The questions in answers, each once, with one place for the class.

    ``[NAME]``, ``{class}``, ``<object>`` or ``NAME`` become ``{}``, with an article before it
    ``{a}``.
    """
    dropped: Counter[str] = Counter()
    kept: dict[str, str] = {}
    for item in (item for text in texts for item in items_of(text) or [""]):
        question = _question_in(item)
        reason = _why_no_question(question)
        filled = _WITH_ARTICLE.sub("{a}", _PLACE.sub(_placeholder, question))
        key = same_text(filled)
        if reason is None and key in kept:
            reason = "written twice"
        if reason is None and len(kept) >= most:
            reason = "more than asked for"
        if reason is None:
            kept[key] = filled
        else:
            dropped[reason] += 1
    return WrittenQuestions(about, tuple(kept.values()), dropped)


def _question_in(item: str) -> str:
    text = " ".join(without_odd_characters(item[: 4 * _LONGEST]).split())
    return text.strip("*`\"“”«»' ")


def _placeholder(place: re.Match[str]) -> str:
    return "{a}" if place[0] == "{a}" else "{}"


def _why_no_question(text: str) -> str | None:
    """Why it is none; None where it can be asked."""
    places = len(_PLACE.findall(text))
    reasons = {
        "no question": not _ASKS.match(text)
        # Not every script puts spaces between its words.
        or (text.isascii() and len(text.split()) < _SHORTEST_WORDS),
        "refusal": is_refusal(text),
        "no place for the class": not places,
        "several places for a class": places > 1,
        "too long for a question": len(text) > _LONGEST,
        "URL or markup": has_markup(_PLACE.sub("name", text)),
    }
    return next((reason for reason, found in reasons.items() if found), None)


def read_questions(plan: Plan, about: str, cache: ResponseCache, most: int) -> WrittenQuestions:
    """The questions in the answers that a cache holds of an :func:`about_plan`."""
    texts, failed = [], Counter[str]()
    for label in plan.labels:
        for request in plan.requests(label):
            keys = [cache_key(request.digest, sample) for sample in range(plan.samples)]
            for entry in map(cache.get, keys):
                if isinstance(entry, Failure):
                    failed[entry.reason] += 1
                elif entry is not None:
                    texts.append(entry.text)
    found = questions_in(texts, about, most)
    return replace(found, dropped=found.dropped + failed)


async def write_questions(
    plan: Plan, about: str, asking: Asking, number: int = QUESTIONS
) -> WrittenQuestions:
    """Ask the model of a plan for questions about data of this description.

    Raises:
        InputError: no question is left, answers are missing offline, or there is no such key.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed.

    """
    asked = about_plan(plan, about, number)
    await asking.ask(asked)
    found = await aside(asking.cache, lambda: read_questions(asked, about, asking.cache, number))
    if not found.questions:
        reasons = ", ".join(f"{count:,} {why}" for why, count in found.dropped.most_common(3))
        raise InputError(
            f"the model {plan.model} wrote no question that can be asked (dropped: {reasons}); ask "
            "another model, or give questions of your own",
            arguments={"model": ..., "questions": ...},
        )
    return found


def example_questions(number: int = QUESTIONS) -> QuestionSet:
    """As many questions as may be written, as long as most are: for an estimate before they are."""
    example = "Which colours, shapes and parts does {a} show in pictures of this kind"
    return QuestionSet(name="about", questions=tuple(f"{example}, {i}?" for i in range(number)))


def with_questions(bank: PromptBank, found: WrittenQuestions) -> PromptBank:
    """A bank that says for which data its questions were written, and which they are."""
    facts = AboutFacts(
        data=found.about, questions=list(found.questions), dropped=found.dropped.total()
    )
    source = bank.source and bank.source.model_copy(update={"about": facts})
    return PromptBank(name=bank.name, source=source, classes=bank.classes)


async def agenerate_about(
    classes: Iterable[str | ClassLabel],
    about: str,
    *,
    name: str = "bank",
    number: int = QUESTIONS,
    **settings: Unpack[RunSettings],
) -> PromptBank:
    """Have a language model write questions for one's data, and describe classes by them.

    The questions are in ``bank.source.about``; ``QuestionSet(name=..., questions=...)`` of them,
    changed or not, goes into :func:`cupl.generation.pipeline.agenerate`. ``generate_about`` waits
    for the bank.

    Args:
        classes: names or labels.
        about: what the data are, such as "photos of pets taken at home".
        name: the bank's name.
        number: questions to ask for.
        settings: as those of :func:`cupl.generation.pipeline.agenerate`; the limits are for all
            requests together.

    Raises:
        InputError: bad settings, no question that can be asked, or missing answers offline.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed; what arrived is in the cache.

    """
    with open_run(classes, "base", name, **settings) as run:
        found = await write_questions(run.plan, about, run.asking, number)
        described = replace(run, plan=replace(run.plan, questions=found.set))
        collected = await generate_answers(described)
    return with_questions(collected.bank(name), found)


generate_about = blocking(agenerate_about, "generate_about")
