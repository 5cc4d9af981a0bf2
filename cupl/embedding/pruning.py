"""Dropping prompts that look useless from their embeddings alone, without labels or images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch.nn.functional import normalize

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.bank.source import PruningFacts, Source
from cupl.embedding.bank_encoding import bank_embeddings
from cupl.embedding.normalize import unit
from cupl.embedding.text_cache import TextCache
from cupl.encoders.joined_names import change_paths
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.io.csv import csv_lines
from cupl.progress import Progress, ignore

PruneBy = Literal["redundancy", "outliers"]
KEEP = 3
"""Prompts that a class keeps in any case: a mean of fewer hangs on the wording of each."""
_ROWS = 8192
"""Prompts that are compared with all classes at once: 33 MB at 1,000 classes."""


@dataclass(frozen=True, eq=False)
class PromptJudgements:
    """What a rule finds, one entry a prompt.

    Attributes:
        unwanted: bool ``[prompts]``.
        score: float32 ``[prompts]``, what was compared with the threshold.
        cosine: float32 ``[prompts]``, to what ``nearest`` names.
        nearest: int64 ``[prompts]``, an earlier prompt of the class for :func:`redundant` (-1 where
            there is none), a class for :func:`outlying`.

    """

    unwanted: torch.Tensor
    score: torch.Tensor
    cosine: torch.Tensor
    nearest: torch.Tensor


def redundant(vectors: torch.Tensor, sizes: Sequence[int], threshold: float) -> PromptJudgements:
    """Prompts that say again what one before them in the class says.

    In the order of the class, a prompt is unwanted when its cosine to one that is wanted before it
    is above the threshold. What is then left has no such pair, so a second time finds nothing.

    Args:
        vectors: float ``[sum(sizes), dim]``, class after class.
        sizes: prompts of each class.
        threshold: a cosine.

    """
    cosine, nearest = torch.full((len(vectors),), -1.0), torch.full((len(vectors),), -1)
    start = 0
    for rows in torch.split(unit(vectors), list(sizes)):
        wanted = torch.empty_like(rows)
        of: list[int] = []
        for place, row in enumerate(rows, start):
            if of:
                best, which = (wanted[: len(of)] @ row).max(dim=0)
                # Rounding can bring the cosine of equal prompts above 1.
                cosine[place], nearest[place] = best.clamp(max=1), of[int(which)]
            if cosine[place] <= threshold or not of:
                wanted[len(of)] = row
                of.append(place)
        start += len(rows)
    return PromptJudgements(cosine > threshold, cosine, cosine, nearest)


def outlying(vectors: torch.Tensor, sizes: Sequence[int], threshold: float) -> PromptJudgements:
    """Prompts that lie closer to another class than to their own.

    The score is the simplified silhouette (Rousseeuw 1987, with distances to means as in Hruschka,
    de Castro and Campello 2004): (b - a) / max(a, b), where a is the cosine distance of a prompt to
    the mean of the others of its class and b that to the nearest mean of another class. It runs
    from 1, at home, to -1; at 0 both are as far. As a ratio of distances it means the same where
    an encoder's texts all lie close together. A prompt alone in its class has 0.

    Args:
        vectors: float ``[sum(sizes), dim]``, class after class.
        sizes: prompts of each class, of two classes or more.
        threshold: a silhouette; prompts below it are unwanted.

    """
    vectors, number = unit(vectors), torch.tensor(sizes)
    class_of = torch.repeat_interleave(number)
    sums = vectors.new_zeros(len(sizes), vectors.shape[1]).index_add_(0, class_of, vectors)
    means = normalize(sums)  # [classes, dim]
    parts = zip(torch.split(vectors, _ROWS), torch.split(class_of, _ROWS), strict=True)
    found = [_nearest_other(rows, own, means) for rows, own in parts]
    cosine, nearest = (torch.cat(part) for part in zip(*found, strict=True))
    home = (normalize(sums[class_of] - vectors) * vectors).sum(dim=1)
    a, b = _distance(home), _distance(cosine)
    score = (b - a) / torch.maximum(a, b).clamp(min=1e-9)
    score[number[class_of] == 1] = 0
    return PromptJudgements(score < threshold, score, cosine, nearest)


def _nearest_other(
    rows: torch.Tensor, own: torch.Tensor, means: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and index of the nearest mean of another class."""
    cosines = rows @ means.T  # [rows, classes]
    cosines[torch.arange(len(rows)), own] = -torch.inf
    best, which = cosines.max(dim=1)
    return best, which


def _distance(cosine: torch.Tensor) -> torch.Tensor:
    """Cosine distance; what is equal but for the rounding of float32 is equal."""
    return (1 - cosine).clamp(min=0).round(decimals=5)


def spare(
    unwanted: torch.Tensor, blame: torch.Tensor, sizes: Sequence[int], keep: int
) -> torch.Tensor:
    """The unwanted less the least to blame where a class would be left with fewer than ``keep``.

    Args:
        unwanted: bool ``[prompts]``.
        blame: float ``[prompts]``; of equal ones the earlier is spared.
        sizes: prompts of each class.
        keep: at least 1.

    """
    dropped = unwanted.clone()
    start = 0
    for size, bad in zip(sizes, torch.split(unwanted, list(sizes)), strict=True):
        lacking = min(keep, size) - int((~bad).sum())
        if lacking > 0:
            rows = bad.nonzero().flatten() + start
            dropped[rows[blame[rows].argsort(stable=True)[:lacking]]] = False
        start += size
    return dropped


@dataclass(frozen=True, slots=True)
class DroppedPrompt:
    """A prompt that was dropped, and why.

    Attributes:
        label: its class.
        question: that it answers.
        prompt: itself.
        score: the cosine for redundancy, the silhouette for outliers.
        cosine: to ``nearest``.
        nearest: the prompt that says the same, or the nearest other class.
        reason: in words.

    """

    label: ClassLabel
    question: str
    prompt: str
    score: float
    cosine: float
    nearest: str
    reason: str


@dataclass(frozen=True, slots=True)
class PruningResult:
    """A bank without the prompts that were dropped.

    Attributes:
        bank: the same classes, and the prompts that are left, in their order; its source says so.
        dropped: the others, in the order of the bank.
        spared: prompts that the rule would drop too, kept because their class has no more.
        threshold: that was used.

    """

    bank: PromptBank
    dropped: list[DroppedPrompt]
    spared: int
    threshold: float


@dataclass(frozen=True, slots=True)
class PruningRule:
    """A way to judge prompts.

    Attributes:
        judge: see :func:`redundant` and :func:`outlying`.
        threshold: the usual one.
        sign: 1 where a high score is bad, -1 where a low one is.

    """

    judge: Callable[[torch.Tensor, Sequence[int], float], PromptJudgements]
    threshold: float
    sign: int


RULES: dict[str, PruningRule] = {
    "redundancy": PruningRule(redundant, 0.95, 1),
    "outliers": PruningRule(outlying, 0.0, -1),
}
"""By name. The cosine above which prompts say the same depends on the encoder: 0.95 was chosen with
``mini``, and CLIP puts all texts into a narrow cone (Liang et al., arXiv 2203.02053)."""


def prune(
    bank: PromptBank,
    encoder: Encoder,
    *,
    by: PruneBy,
    threshold: float | None = None,
    keep: int = KEEP,
    text_cache: TextCache = None,
    progress: Progress = ignore,
) -> PruningResult:
    """Drop prompts by their embeddings.

    Args:
        bank: the prompts.
        encoder: embeds them, and none that is cached.
        by: ``redundancy``, see :func:`redundant`; or ``outliers``, see :func:`outlying`.
        threshold: None for the usual one of the rule.
        keep: prompts that every class keeps where it has as many, the least bad ones.
        text_cache: see :func:`~cupl.embedding.bank_encoding.encode_bank`.
        progress: told how many different prompts are embedded, and of how many.

    Raises:
        InputError: no such rule, a threshold or number that means nothing, or outliers in a bank of
            one class.

    """
    rule = RULES.get(by)
    if rule is None:
        raise InputError(f"no way to prune is called {by!r}: use {' or '.join(RULES)}")
    threshold = rule.threshold if threshold is None else threshold
    _check(bank, by, threshold, keep)
    sizes = [len(entry.texts) for entry in bank]
    vectors = bank_embeddings(bank, encoder, text_cache=text_cache, progress=progress)
    verdicts = rule.judge(vectors, sizes, threshold)
    gone = spare(verdicts.unwanted, rule.sign * verdicts.score, sizes, keep)
    spared = int(verdicts.unwanted.sum() - gone.sum())
    dropped = list(_explained(bank, by, verdicts, gone))
    if not dropped:
        return PruningResult(bank, dropped, spared, threshold)
    # Of a path its last part alone: a bank holds none of a machine.
    model = change_paths(
        encoder.id, lambda path: Path(path).name if Path(path).is_absolute() else path
    )
    facts = PruningFacts(
        by=by,
        threshold=threshold,
        keep=keep,
        encoder=model,
        dropped=len(dropped),
    )
    return PruningResult(_without(bank, gone, facts), dropped, spared, threshold)


def _check(bank: PromptBank, by: PruneBy, threshold: float, keep: int) -> None:
    if not -1 <= threshold <= 1:
        kind = "cosine" if by == "redundancy" else "silhouette"
        raise InputError(f"the threshold is a {kind}, from -1 to 1, not {threshold}")
    if keep < 1:
        raise InputError(f"every class keeps at least 1 prompt, not {keep}")
    if by == "outliers" and len(bank) < 2:
        raise InputError("an outlier lies closer to another class, and this bank has one only")


def _explained(
    bank: PromptBank, by: PruneBy, verdicts: PromptJudgements, gone: torch.Tensor
) -> Iterator[DroppedPrompt]:
    places = [(entry, *asked) for entry in bank for asked in entry.question_prompt_pairs]
    for row in gone.nonzero().flatten().tolist():
        entry, question, text = places[row]
        score, cosine = float(verdicts.score[row]), float(verdicts.cosine[row])
        which = int(verdicts.nearest[row])
        if by == "redundancy":
            nearest = places[which][2]
            reason = f"cosine {cosine:.3f} to: {nearest}"
        else:
            nearest = str(bank.classes[which].label)
            reason = f"silhouette {score:.2f}: cosine {cosine:.3f} to {nearest}"
        yield DroppedPrompt(entry.label, question, text, score, cosine, nearest, reason)


def _without(bank: PromptBank, gone: torch.Tensor, facts: PruningFacts) -> PromptBank:
    """The bank without some of its prompts, nor questions that have none left."""
    leaves = iter(gone.tolist())
    classes = []
    for entry in bank:
        left = {
            question: [text for text in texts if not next(leaves)]
            for question, texts in entry.by_question().items()
        }
        prompts = {question: texts for question, texts in left.items() if texts}
        classes.append(entry.model_copy(update={"prompts": prompts}))
    before = bank.current_source or Source()
    source = before.model_copy(update={"pruned": [*(before.pruned or []), facts]})
    return PromptBank(name=bank.name, source=source, classes=classes)


def to_csv(dropped: Iterable[DroppedPrompt]) -> bytes:
    """A row for each prompt that was dropped."""
    header = ["class", "id", "question", "prompt", "score", "cosine", "nearest", "reason"]
    rows = ([drop.label.name, drop.label.id, drop.question, drop.prompt, f"{drop.score:.6f}",
             f"{drop.cosine:.6f}", drop.nearest, drop.reason] for drop in dropped)  # fmt: skip
    return "".join(csv_lines([header, *rows], "\r\n")).encode("utf-8", "backslashreplace")
