"""What a run asks: the requests of every class, and which of their answers are missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cupl.bank.labels import ClassLabel, labels_from_names
from cupl.bank.model import Source
from cupl.bank.templates import Questions, QuestionSet, fill, questions_of
from cupl.errors import InputError
from cupl.generation.budget import estimate_prompt_tokens
from cupl.generation.cache.entries import CacheEntry
from cupl.generation.cache.store import ResponseCache
from cupl.generation.retry import RetryPolicy
from cupl.io.arguments import check_whole
from cupl.llm.address import DEFAULT_URL, endpoint_of
from cupl.llm.mini import ENDPOINT as MINI_ENDPOINT
from cupl.llm.mini import NAME as MINI
from cupl.llm.mini import PREAMBLE, SAMPLING, WEIGHTS
from cupl.llm.protocol import SEED_RANGE, Api, Failure, Request, Response, Sampling, cache_key
from cupl.llm.request_image import RequestImage
from cupl.progress import Progress, ignore

DEFAULT_MODEL = "gpt-4.1-mini"
CHAT_PREAMBLE = (
    "Answer in one plain sentence about what can be seen, naming the thing. No lists, no markup."
)
_NONE_SHOWN: tuple[tuple[RequestImage, ...], ...] = ((),)


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
    more: Mapping[str, int] = field(default_factory=dict)
    """Samples beyond ``samples``, for classes (by their names) that kept too few prompts."""
    pictures: Mapping[ClassLabel, Sequence[tuple[RequestImage, ...]]] = field(default_factory=dict)
    """What is shown with the questions about a class: for each of these a request."""

    def requests(self, label: ClassLabel) -> Iterator[Request]:
        """The requests about one class: a question each, and each picture by itself."""
        for template in self.questions.questions:
            question = fill(template, label.name)
            for images in self.pictures.get(label, _NONE_SHOWN):
                yield Request(
                    self.endpoint, self.model, self.api, question, self.preamble, self.sampling,
                    images,
                )  # fmt: skip

    def asked_about(self, label: ClassLabel) -> int:
        """How many requests there are about a class, each for so many samples."""
        shown = self.pictures.get(label, _NONE_SHOWN)
        return len(self.questions.questions) * len(shown)

    def samples_of(self, label: ClassLabel) -> int:
        """How many answers to each question about a class there are to be."""
        return self.samples + self.more.get(label.name, 0)

    @property
    def asked_labels(self) -> Collection[ClassLabel]:
        """The classes, of those with one name the last: they share their answers.

        Unless the answers are about what is shown of each.
        """
        if self.pictures:
            return self.labels
        return {label.name: label for label in self.labels}.values()

    @property
    def answers(self) -> int:
        """How many there are to be in all."""
        return sum(self.samples_of(one) * self.asked_about(one) for one in self.asked_labels)

    def source(self, filters: Iterable[str], min_prompts: int) -> Source:
        """What the bank says of where it came from."""
        return Source(
            model=self.model,
            weights=WEIGHTS if self.model == MINI else None,
            server=None if self.endpoint in (DEFAULT_URL, MINI_ENDPOINT) else self.endpoint,
            api=self.api,
            questions=self.questions.name,
            samples=self.samples,
            temperature=self.sampling.temperature,
            top_p=self.sampling.top_p,
            max_tokens=self.sampling.max_tokens,
            stop=list(self.sampling.stop) if self.sampling.stop else None,
            seed=self.sampling.seed,
            extra=dict(self.sampling.extra) if self.sampling.extra else None,
            preamble=self.preamble,
            filters=list(filters),
            min_prompts=min_prompts if min_prompts > 1 else None,
        )


def usual_sampling(model: str) -> Sampling:
    """How answers are drawn where nothing else is said."""
    return SAMPLING if model == MINI else Sampling()


def make_plan(
    classes: Iterable[str | ClassLabel],
    questions: Questions = "base",
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
        questions: a set, the name or path of one, or a list of questions.
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
    labels = labels_from_names(classes)
    check_whole(samples=samples)
    if not isinstance(model, str) or not model.strip():
        raise InputError(f"model is the name of a model, not {model!r:.100}")
    if api not in (None, "chat", "completions"):
        raise InputError(f"api is chat or completions, not {api!r}")
    mini = model == MINI
    if not 1 <= samples <= 10_000:
        raise InputError(f"samples must be between 1 and 10000, not {samples}")
    if mini and (base_url or api == "chat"):
        raise InputError("the mini model has no base URL and answers completions only")
    api = api or ("completions" if mini else "chat")
    if preamble == "":
        preamble = PREAMBLE if mini else CHAT_PREAMBLE if api == "chat" else None
    return Plan(
        labels=labels,
        questions=questions_of(questions),
        model=model,
        endpoint=MINI_ENDPOINT if mini else endpoint_of(base_url),
        api=api,
        preamble=preamble,
        sampling=sampling or usual_sampling(model),
        samples=samples,
    )


@dataclass(frozen=True, slots=True)
class MissingAnswers:
    """What is asked for at once: samples of one request that are missing."""

    request: Request
    digest: str
    samples: tuple[int, ...]

    def key(self, sample: int) -> str:
        """Where the answer lies in the cache."""
        return cache_key(self.digest, sample)

    def ask(self, samples: Sequence[int], tries: int = 0) -> Request:
        """The request as it is sent for some of the samples, which were asked for so often.

        A seed is another one for each first sample and try: with one and the same, all requests
        would bring the same answers.
        """
        sampling = self.request.sampling
        if sampling.seed is None:
            return self.request
        seed = move_seed(sampling.seed, samples[0], tries)
        return replace(self.request, sampling=replace(sampling, seed=seed))


def move_seed(seed: int, sample: int, tries: int, *, back: bool = False) -> int:
    """The seed of a sample that was asked for so often before; ``back`` from that to the first."""
    distance = sample + 100_000 * tries
    return (seed - distance if back else seed + distance) % SEED_RANGE


def is_missing(entry: CacheEntry | None, tries: float) -> bool:
    """Whether to ask for an answer (again); see :func:`missing_answers`."""
    return entry is None or (isinstance(entry, Failure) and entry.tries < tries)


def missing_answers(
    plan: Plan,
    cache: ResponseCache,
    *,
    n: int | None = None,
    tries: float = RetryPolicy.answer_tries,
    beyond: Plan | None = None,
    progress: Progress = ignore,
) -> Iterator[MissingAnswers]:
    """What a plan still needs, found as it is asked for.

    Classes of one name share their answers. The samples of a unit lie in one of the stretches of
    ``n`` samples each, so that a run that was killed goes on with the very same requests.

    Args:
        plan: what is wanted.
        cache: what is there.
        n: most answers in one request; None for one.
        tries: answers of no use are missing until they were asked for so often; see
            :meth:`cupl.generation.retry.RetryPolicy.missing_below`.
        beyond: the same plan with fewer samples, which are passed over: they were asked for.
        progress: told after each class how many were looked up, and of how many.

    """
    size = n or 1
    labels = plan.asked_labels
    for done, label in enumerate(labels, 1):
        first, total = beyond.samples_of(label) if beyond else 0, plan.samples_of(label)
        for request in plan.requests(label):
            digest = request.digest
            keys = {sample: cache_key(digest, sample) for sample in range(first, total)}
            known = cache.get_many(list(keys.values()))
            for start in range(first - first % size, total, size):
                samples = tuple(
                    sample
                    for sample in range(max(start, first), min(start + size, total))
                    if is_missing(known.get(keys[sample]), tries)
                )
                if samples:
                    yield MissingAnswers(request, digest, samples)
        progress(done, len(labels))


def has_answers(plan: Plan, cache: ResponseCache) -> bool:
    """Whether the model is known to answer: some answer of the plan is there."""
    return any(
        isinstance(entry, Response)
        for label in plan.labels
        for digest in (request.digest for request in plan.requests(label))
        for entry in cache.get_many(
            [cache_key(digest, sample) for sample in range(plan.samples_of(label))]
        ).values()
    )


@dataclass
class PlanSurvey:
    """What a plan needs, in numbers."""

    answers: int = 0
    cached: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    """An estimate."""
    images: int = 0
    """How many are sent, each as often as it is."""
    image_tokens: int = 0
    """The part of the estimate that is theirs."""
    completion_tokens: int | None = 0
    """The most that the answers can have; None where nothing limits them."""
    examples: list[str] = field(default_factory=list)
    """The first few questions with missing answers."""


def survey(
    plan: Plan,
    cache: ResponseCache,
    *,
    n: int | None = None,
    tries: float = RetryPolicy.answer_tries,
    beyond: Plan | None = None,
    progress: Progress = ignore,
) -> PlanSurvey:
    """Count what :func:`missing_answers` finds."""
    found = PlanSurvey()
    length = plan.sampling.max_tokens
    for unit in missing_answers(plan, cache, n=n, tries=tries, beyond=beyond, progress=progress):
        found.requests += 1
        found.answers += len(unit.samples)
        found.prompt_tokens += estimate_prompt_tokens(unit.request)
        found.images += len(unit.request.images)
        found.image_tokens += sum(image.tokens for image in unit.request.images)
        if len(found.examples) < 4 and unit.request.question not in found.examples:
            found.examples.append(unit.request.question)
    found.cached = plan.answers - found.answers
    found.completion_tokens = None if length is None else found.answers * length
    return found
