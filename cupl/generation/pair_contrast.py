"""A second question about classes that are easily confused: what tells them apart (FuDD).

Source: "Follow-Up Differential Descriptions: Language Models Resolve Ambiguities for Image
Classification" (ICLR 2024). Each pair is one question, so that both answers are about the same
attributes; a class gets the sentences of all its pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Unpack

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.bank.source import PairFacts, Source
from cupl.bank.templates import QuestionSet, with_article
from cupl.bank.wording import same_text
from cupl.errors import InputError
from cupl.generation.asking import Asking, aside
from cupl.generation.cache.store import ResponseCache
from cupl.generation.collect import FilterOptions
from cupl.generation.event_loop import blocking
from cupl.generation.filters import Answer, Dropped, Filter, apply_filters
from cupl.generation.pair_answers import ToldApart, told_apart
from cupl.generation.plan import Plan
from cupl.generation.run_settings import RunSettings, open_run
from cupl.llm.address import DEFAULT_URL
from cupl.llm.mini import ENDPOINT as MINI_ENDPOINT
from cupl.llm.protocol import Failure, Request, cache_key

ATTRIBUTES = 4
"""That are asked for about a pair."""
CHAT_FOR_PAIRS = (
    "Answer with a line for each attribute: the attribute | a sentence on the first that names it "
    "| a sentence on the second that names it. No numbers, no other words."
)
_CHAT_ASK = "Which NUMBER attributes that can be seen in a photo tell {} apart?"
COMPLETIONS_FOR_PAIRS = """\
What tells a horse and a donkey apart?
ears | A horse has short pointed ears. | A donkey has very long ears.

What tells a violin and a cello apart?
size | A violin is held under the chin. | A cello is as tall as a seated player.

What tells a lake and a river apart?
outline | A lake is a wide round area of water. | A river is a long winding band of water.

{}
"""
_COMPLETIONS_ASK = "What tells {} apart?"
_TOKENS = 100
"""That a row takes in an answer, at most."""

ClassPair = tuple[ClassLabel, ClassLabel]


@dataclass
class PairPrompts:
    """What was said of the classes of each pair, and what became of the rest."""

    prompts: dict[tuple[str, str], dict[str, list[str]]] = field(default_factory=dict)
    """By the key of a class, question and sentences."""
    pairs: list[ClassPair] = field(default_factory=list)
    """Those of which something was kept."""
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def pair_plan(plan: Plan, pairs: Iterable[ClassPair], attributes: int = ATTRIBUTES) -> Plan:
    """What asks the model of a plan about pairs of classes, a question each.

    A chat model names all attributes in one answer, a base model one in each.

    Raises:
        InputError: ``attributes`` is out of range.

    """
    if not 1 <= attributes <= 20:
        raise InputError(f"a model is asked for 1 to 20 attributes of a pair, not {attributes}")
    chat, length = plan.api == "chat", plan.sampling.max_tokens
    ask = _CHAT_ASK.replace("NUMBER", str(attributes)) if chat else _COMPLETIONS_ASK
    return replace(
        plan,
        labels=[_label_of(pair) for pair in pairs],
        questions=QuestionSet(name="pairs", questions=(ask,)),
        preamble=CHAT_FOR_PAIRS if chat else COMPLETIONS_FOR_PAIRS,
        sampling=replace(
            plan.sampling,
            max_tokens=length and max(length, _TOKENS * (attributes if chat else 1)),
            stop=None if chat else ("\n",),
        ),
        samples=1 if chat else attributes,
        more={},
    )


def _label_of(pair: ClassPair) -> ClassLabel:
    """Both classes as one thing to ask about."""
    return ClassLabel(" and ".join(with_article(label.name) for label in pair))


def read_pairs(
    plan: Plan,
    pairs: Sequence[ClassPair],
    filters: Mapping[str, Filter],
    cache: ResponseCache,
    attributes: int = ATTRIBUTES,
) -> PairPrompts:
    """What the cache holds of a :func:`pair_plan`, as prompts of each class.

    A row of which a filter drops one side is dropped whole: both sides have the same attribute.
    """
    found = PairPrompts()
    for pair, label in zip(pairs, plan.labels, strict=True):
        before = found.kept
        [request] = plan.requests(label)
        for sample in range(plan.samples):
            said = _said(request, sample, pair, cache, attributes)
            found.dropped += said.dropped
            for row in said.rows:
                _keep(row[1:], pair, request.question, filters, found)
        if found.kept > before:
            found.pairs.append(pair)
    return found


def _said(
    request: Request, sample: int, pair: ClassPair, cache: ResponseCache, attributes: int
) -> ToldApart:
    entry = cache.get(cache_key(request.digest, sample))
    if entry is None:
        raise InputError("an answer vanished from the cache during the run; run it again")
    if isinstance(entry, Failure):
        return ToldApart(dropped=Counter({entry.reason: 1}))
    return told_apart(entry.text, pair[0].name, pair[1].name, most=attributes)


def _keep(
    sides: tuple[str, ...],
    pair: ClassPair,
    question: str,
    filters: Mapping[str, Filter],
    found: PairPrompts,
) -> None:
    """Take both sentences of a row, or neither; what a class has already stands once."""
    results = [apply_filters(Answer(text, question), filters.values()) for text in sides]
    new: list[tuple[ClassLabel, str]] = []
    for label, result in zip(pair, results, strict=True):
        if isinstance(result, Dropped):
            found.dropped[result.reason] += 1
            return
        known = found.prompts.get(label.key, {}).values()
        if same_text(result.text) not in {same_text(text) for said in known for text in said}:
            new.append((label, result.text))
    if not new:
        found.dropped["duplicate"] += 1
    for label, text in new:
        found.prompts.setdefault(label.key, {}).setdefault(question, []).append(text)
        found.kept += 1


async def ask_pairs(
    plan: Plan,
    pairs: Sequence[ClassPair],
    filtering: FilterOptions,
    asking: Asking,
    attributes: int = ATTRIBUTES,
) -> PairPrompts:
    """Ask what tells the classes of each pair apart.

    Raises:
        InputError: nothing of use was said, answers are missing offline, or there is no such key.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed.

    """
    asked = pair_plan(plan, pairs, attributes)
    await asking.ask(asked)

    def read() -> PairPrompts:
        return read_pairs(asked, pairs, filtering.filters, asking.cache, attributes)

    found = await aside(asking.cache, read)
    if not found.kept:
        reasons = ", ".join(f"{count:,} {why}" for why, count in found.dropped.most_common(3))
        raise InputError(
            f"the model {plan.model} said nothing that tells two classes apart (dropped: "
            f"{reasons}); ask another model",
            arguments={"model": ...},
        )
    return found


def with_pairs(bank: PromptBank, plan: Plan, found: PairPrompts, by: str) -> PromptBank:
    """A bank with what tells its classes apart, and the facts of how that came to be.

    Args:
        bank: what there was; it stays as it is.
        plan: names the model that was asked.
        found: what it said.
        by: how the pairs were chosen.

    """
    classes = []
    for entry in bank.classes:
        prompts = {question: list(texts) for question, texts in entry.by_question().items()}
        for question, texts in found.prompts.get(entry.label.key, {}).items():
            have = prompts.setdefault(question, [])
            have += [text for text in texts if text not in have]
        classes.append(entry.model_copy(update={"prompts": prompts}))
    facts = PairFacts(
        model=plan.model,
        server=None if plan.endpoint in (DEFAULT_URL, MINI_ENDPOINT) else plan.endpoint,
        by=by,
        pairs=[[str(label) for label in pair] for pair in found.pairs],
        dropped=found.dropped.total(),
    )
    source = bank.current_source or Source()
    source = source.model_copy(update={"pairs": [*(source.pairs or ()), facts]})
    return PromptBank(name=bank.name, source=source, classes=classes)


async def acontrast_pairs(
    bank: PromptBank,
    pairs: Iterable[tuple[str | ClassLabel, str | ClassLabel]],
    *,
    attributes: int = ATTRIBUTES,
    by: str = "hand",
    **settings: Unpack[RunSettings],
) -> PromptBank:
    """Ask a language model what tells classes apart, and add that to a bank.

    :func:`cupl.embedding.close_pairs.close_pairs` finds pairs by class vectors,
    :func:`cupl.classification.confused_pairs.confused_pairs` by images. ``contrast_pairs`` waits
    for the bank.

    Args:
        bank: the prompts of each class.
        pairs: of its classes, by label, or by name where that is one class's alone.
        attributes: how many to ask for about a pair.
        by: how the pairs were chosen, for the bank to say.
        settings: as those of :func:`cupl.generation.pipeline.agenerate`.

    Raises:
        InputError: bad settings, a pair that is none, nothing of use was said, or missing answers
            offline.
        ServerError: the model cannot be asked.
        BudgetError: a limit would have been passed; what arrived is in the cache.

    """
    wanted = _pairs_of(bank, pairs)
    with open_run([entry.label for entry in bank], "base", bank.name, **settings) as run:
        found = await ask_pairs(run.plan, wanted, run.filtering, run.asking, attributes)
    return with_pairs(bank, run.plan, found, by)


contrast_pairs = blocking(acontrast_pairs, "contrast_pairs")


def _pairs_of(
    bank: PromptBank, pairs: Iterable[tuple[str | ClassLabel, str | ClassLabel]]
) -> list[ClassPair]:
    """The pairs as labels, in the order of the bank, each once."""
    places = {entry.label.key: place for place, entry in enumerate(bank)}
    names = Counter(entry.name for entry in bank)
    named = {entry.name: place for place, entry in enumerate(bank) if names[entry.name] == 1}
    found: dict[tuple[int, int], None] = {}
    if isinstance(pairs, tuple) and all(isinstance(one, str | ClassLabel) for one in pairs):
        pairs = [pairs]  # a single one
    for pair in pairs:
        both = [named.get(c) if isinstance(c, str) else places.get(c.key) for c in pair]
        if len(both) != 2 or None in both or both[0] == both[1]:
            raise InputError(
                f"a pair is two classes of the bank {bank.name!r:.80}, not {pair!r:.150}"
            )
        first, second = sorted(place for place in both if place is not None)
        found[first, second] = None
    if not found:
        raise InputError("no pair of classes to ask about")
    return [(bank.classes[first].label, bank.classes[second].label) for first, second in found]
