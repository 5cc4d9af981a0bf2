"""From the answers in the cache to a bank: what is kept, and what became of the rest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from cupl.bank.labels import ClassLabel
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.wording import same_text
from cupl.errors import InputError
from cupl.generation.cache.store import ResponseCache
from cupl.generation.filters import (
    DEFAULT_FILTERS,
    FAILED,
    Answer,
    Dropped,
    Filter,
    apply_filters,
    why_unusable,
)
from cupl.generation.plan import Plan
from cupl.generation.useless import MAX_PROMPT, NO_PROMPT, way_out_of
from cupl.io.arguments import check_numbers, check_whole
from cupl.io.words import number_of
from cupl.llm.finish_reasons import finish_kind
from cupl.llm.protocol import Failure, Request, Response, cache_key

MOST_MORE = 2
"""A class that keeps too few prompts is asked for at most so many times its samples once more."""


@dataclass(frozen=True)
class FilterOptions:
    """What is kept of the answers.

    Args:
        filters: by name, in their order; see :func:`cupl.generation.filters.choose_filters`.
        similarity: two prompts of a class that are alike to so many percent are near-duplicates,
            and the first stays (rapidfuzz's ratio: 2M/T of matching characters); None for none.
        drop_shared: drop a sentence that stands under several class names.
        min_prompts: a class that keeps fewer is asked for more samples, up to a bound.

    Raises:
        InputError: a value out of range.

    """

    filters: Mapping[str, Filter] = field(default_factory=lambda: DEFAULT_FILTERS)
    similarity: float | None = 95
    drop_shared: bool = False
    min_prompts: int = 1

    def __post_init__(self) -> None:
        check_numbers(similarity=self.similarity)
        check_whole(min_prompts=self.min_prompts)
        if self.similarity is not None and not 50 <= self.similarity <= 100:
            raise InputError(f"similarity is a percentage from 50 to 100, not {self.similarity}")
        if self.min_prompts < 1:
            raise InputError(f"min_prompts must be at least 1, not {self.min_prompts}")

    def check(self, plan: Plan) -> None:
        """Find out whether a plan can bring so many prompts.

        Raises:
            InputError: it cannot.

        """
        asked = plan.samples * min(map(plan.asked_about, plan.labels))
        if self.min_prompts > asked:
            raise InputError(
                f"min_prompts is {self.min_prompts}, and {asked} answers are asked for about a "
                "class: ask for more samples",
                arguments={"samples": ...},
            )

    def names(self) -> list[str]:
        """The steps by name, as the bank lists them."""
        near = [] if self.similarity is None else [f"similarity-{self.similarity:g}"]
        return [*self.filters, *near, *(["not-shared"] if self.drop_shared else [])]


@dataclass
class CollectionReport:
    """What became of the answers of a run."""

    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    """Answers of no use at every try; they are among the dropped."""
    withdrawn: int = 0
    """Of these, what lay in the cache as an answer until now, and can be asked for again."""
    shared: list[str] = field(default_factory=list)
    """Sentences that stand under several class names."""
    short: dict[str, int] = field(default_factory=dict)
    """Classes that kept too few prompts, and how many they kept."""

    def shortage(self, classes: int) -> str:
        """In how many of all classes there are too few prompts, as the beginning of a sentence."""
        return f"too few prompts in {len(self.short):,} of {number_of(classes, 'class', 'classes')}"


@dataclass(frozen=True)
class CollectedPrompts:
    """The prompts of every class."""

    plan: Plan
    filtering: FilterOptions
    prompts: list[tuple[ClassLabel, dict[str, list[str]]]]
    report: CollectionReport

    @property
    def answers(self) -> int:
        """How many there were, of use or not."""
        return self.plan.answers

    def wanted(self) -> dict[str, int]:
        """How many samples more than planned each class should have, by its name.

        It depends on nothing but what was gathered, and grows until the class has enough or the
        bound is reached.
        """
        more = dict(self.plan.more)
        requests = {label.name: self.plan.asked_about(label) for label in self.plan.labels}
        for name, kept in self.report.short.items():
            asked = more.get(name, 0)
            lacking = self.filtering.min_prompts - kept
            grown = asked + max(asked, -(-lacking // requests[name]))
            more[name] = min(grown, MOST_MORE * self.plan.samples)
        return more

    def bank(self, name: str) -> PromptBank:
        """The bank.

        Raises:
            InputError: a class keeps no prompt; the message names it.

        """
        if bare := [str(label) for label, prompts in self.prompts if not prompts]:
            raise _without_prompts(bare, self)
        classes = [
            ClassPrompts(name=label.name, id=label.id, aliases=list(label.aliases), prompts=prompts)
            for label, prompts in self.prompts
        ]
        source = self.plan.source(self.filtering.names(), self.filtering.min_prompts)
        return PromptBank(name=name, source=source, classes=classes)


def collect(plan: Plan, cache: ResponseCache, filtering: FilterOptions) -> CollectedPrompts:
    """Take from the cache what is kept of the answers.

    What an import of batch results took for an answer, and is none, becomes a failure in the cache.

    Raises:
        InputError: an answer is not there.

    """
    report = CollectionReport()
    prompts = []
    bearers: dict[str, set[str]] = defaultdict(set)
    for label in plan.labels:
        kept, said = _prompts_of(label, plan, cache, filtering, report)
        prompts.append((label, kept))
        for words in said:
            bearers[words].add(label.name)
    shared = {said for said, names in bearers.items() if len(names) > 1}
    prompts = _settle_shared(prompts, shared, filtering, report)
    for label, kept in prompts:
        number = sum(map(len, kept.values()))
        report.kept += number
        if number < filtering.min_prompts:
            report.short[label.name] = number
    return CollectedPrompts(plan, filtering, prompts, report)


def _settle_shared(
    prompts: list[tuple[ClassLabel, dict[str, list[str]]]],
    shared: set[str],
    filtering: FilterOptions,
    report: CollectionReport,
) -> list[tuple[ClassLabel, dict[str, list[str]]]]:
    """Report the sentences under several classes; without them, if they are to be dropped."""
    if not shared:
        return prompts
    settled = []
    for label, kept in prompts:
        entry: dict[str, list[str]] = {}
        for question, texts in kept.items():
            common = [text for text in texts if same_text(text) in shared]
            report.shared += common
            rest = (
                [text for text in texts if text not in common] if filtering.drop_shared else texts
            )
            if filtering.drop_shared and common:
                report.dropped["under several classes"] += len(common)
            if rest:
                entry[question] = rest
        settled.append((label, entry))
    report.shared = list({same_text(text): text for text in report.shared}.values())
    return settled


def _prompts_of(
    label: ClassLabel,
    plan: Plan,
    cache: ResponseCache,
    filtering: FilterOptions,
    report: CollectionReport,
) -> tuple[dict[str, list[str]], list[str]]:
    """The prompts of a class by question, and what identifies each of them."""
    prompts: dict[str, list[str]] = {}
    said: list[str] = []
    for request in plan.requests(label):
        digest = request.digest
        cache.note(digest, request)
        for key in (cache_key(digest, sample) for sample in range(plan.samples_of(label))):
            entry = _judge(key, request, cache, filtering, report)
            if isinstance(entry, Failure):
                report.dropped[entry.reason] += 1
                report.failed += 1
                continue
            words = same_text(entry.text) if isinstance(entry, Answer) else ""
            if words and (reason := _repeats(words, said, filtering.similarity)):
                entry = Dropped(reason)
            if isinstance(entry, Dropped):
                report.dropped[entry.reason] += 1
                continue
            said.append(words)
            prompts.setdefault(request.question, []).append(entry.text)
    return prompts, said


def _judge(
    key: str,
    request: Request,
    cache: ResponseCache,
    filtering: FilterOptions,
    report: CollectionReport,
) -> Answer | Dropped | Failure:
    """What becomes of what the cache holds of an answer."""
    response = cache.get(key)
    if response is None:
        raise InputError("an answer vanished from the cache during the run; run it again")
    if isinstance(response, Failure):
        return response
    if finish_kind(response.finish_reason) == "fault":  # kept by a version that did not know better
        report.withdrawn += 1
        return _withdraw(key, response, FAILED, cache)
    stop = request.sampling.stop or ()
    answer = Answer(response.text, request.question, response.finish_reason, stop)
    result = apply_filters(answer, filtering.filters.values())
    if isinstance(result, Answer) and not result.text.strip():
        result = Dropped("empty")
    if isinstance(result, Answer) and len(result.text) > MAX_PROMPT:
        result = Dropped(NO_PROMPT)
    # What the default filters keep is none, and most are kept.
    if isinstance(result, Dropped) or list(filtering.filters) != list(DEFAULT_FILTERS):
        reason = why_unusable(response, request.question)
        if reason and not why_unusable(response):
            report.withdrawn += 1
            return _withdraw(key, response, reason, cache)
    return result


def _withdraw(key: str, echo: Response, reason: str, cache: ResponseCache) -> Failure:
    """Put a failure in the place of an answer that says its question again.

    A run knows the question when the answer comes, and takes that for none. Results of a batch
    come without their questions, so that theirs are found here, where both are at hand; also those
    that were imported long ago. How often that happened lies beside the answer, which the
    next import takes the place of.
    """
    count = cache_key(key, 0)
    before = cache.get(count)
    failure = Failure(reason, 1 + (before.tries if isinstance(before, Failure) else 0))
    cache.put({key: failure, count: failure}, instead_of={key: echo})
    return failure


def _repeats(words: str, said: list[str], similarity: float | None) -> str | None:
    """Whether the class has this prompt, or nearly, already."""
    from rapidfuzz import fuzz, process

    if words in said:
        return "duplicate"
    if similarity is None:
        return None
    near = process.extractOne(words, said, scorer=fuzz.ratio, score_cutoff=similarity)
    return "near-duplicate" if near else None


def _without_prompts(bare: list[str], collected: CollectedPrompts) -> InputError:
    shown = ", ".join(bare[:5]) + (f" and {len(bare) - 5:,} more" if len(bare) > 5 else "")
    dropped = collected.report.dropped.most_common(3)
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in dropped)
    limited = collected.plan.sampling.max_tokens is not None
    first = dropped[0][0] if dropped else ""
    way_out, arguments = way_out_of(first, limited=limited)
    if collected.plan.pictures and first == "refusal":
        way_out = "is it a model that can see, and does its server pass images on?"
        arguments = {"model": ...}
    samples = collected.plan.samples * 2
    return InputError(
        f"no usable answer for {shown} (dropped in all: {reasons}); {way_out}{'; ' * bool(way_out)}"
        f"samples={samples} asks for as many again, or give the class another name",
        arguments=arguments | {"samples": samples},
    )
