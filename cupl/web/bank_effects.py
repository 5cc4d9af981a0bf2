"""What each prompt of a class does: how close it is to the photos of its class, and to others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cupl.bank.model import PromptBank
from cupl.web.settings import ViewSettings
from cupl.web.workspace import Workspace

if TYPE_CHECKING:
    import torch

    from cupl.classification.classifier import ZeroShotClassifier
    from cupl.embedding.class_vectors import ClassVectors
    from cupl.encoders.protocol import Encoder


@dataclass(frozen=True, eq=False)
class SortedPhotos:
    """Photos and the class of each.

    Attributes:
        vectors: float32 ``[photos, dim]``, at length 1.
        given: int64 ``[photos]``, the class that each is judged as; -1 where it has no label.
        truth: int64 ``[photos]``, that of a person; None where nobody has labelled any.

    """

    vectors: torch.Tensor
    given: torch.Tensor
    truth: torch.Tensor | None


def prompt_effects(space: Workspace, number: int, settings: ViewSettings) -> dict[str, Any]:
    """For each prompt of a class its mean cosines, and how many photos it misleads.

    The photos of a class are those labelled as it, where there are labels; else those that are
    judged as it now. A prompt misleads a labelled photo that was wrongly given its class and is
    closest to it of all prompts there.

    Raises:
        InputError: the settings cannot be used.

    """
    import torch

    from cupl.embedding.normalize import unit

    classifier, revision = space.views.classifier(settings)
    bank = classifier.bank
    assert bank is not None  # noqa: S101 (the page is there for banks only)
    photos = _sorted(space, classifier, settings)
    if not 0 <= number < len(bank):
        return {"revision": revision, "by": None, "prompts": []}
    texts = bank.classes[number].texts
    encoder = space.views.bank_encoder.texts
    told: dict[str, Any] = {"revision": revision, "by": None, "own": 0, "others": 0}
    if photos is None:
        return {**told, "prompts": [_effect(place, None, None) for place in range(len(texts))]}
    own = (photos.given if photos.truth is None else photos.truth) == number
    cosines = unit(encoder.encode_text(texts)) @ photos.vectors.T  # [prompts, photos]
    means = [
        cosines[:, which].mean(dim=1).tolist() if which.any() else [None] * len(texts)
        for which in (own, ~own)
    ]
    misled: dict[str, tuple[int, float]] = {}
    if photos.truth is not None:
        misled = _misled(photos, photos.truth, bank, number, encoder, classifier.vectors)
    effects = [
        _effect(place, mine, theirs, *misled.get(text, (0, 0.0)))
        for place, (text, mine, theirs) in enumerate(zip(texts, *means, strict=True))
    ]
    return {
        **told, "by": "judged" if photos.truth is None else "labelled",
        "own": int(torch.count_nonzero(own)), "others": int(torch.count_nonzero(~own)),
        "prompts": sorted(effects, key=_worst_first),
    }  # fmt: skip


def _effect(
    place: int, own: float | None, others: float | None, misled: int = 0, margin: float = 0.0
) -> dict[str, Any]:
    gap = None if own is None or others is None else own - others
    return {
        "prompt": place, "own": own, "others": others, "gap": gap,
        "misleads": misled, "margin": margin,
        "misleading": misled > 0 or (gap is not None and gap <= 0),
    }  # fmt: skip


def _worst_first(effect: dict[str, Any]) -> tuple[Any, ...]:
    gap = effect["gap"]
    return (-effect["misleads"], 0.0 if gap is None else gap, effect["prompt"])


def _sorted(
    space: Workspace, classifier: ZeroShotClassifier, settings: ViewSettings
) -> SortedPhotos | None:
    """The photos that are read, or those of them that have a label."""
    import torch

    from cupl.embedding.normalize import has_direction, unit

    readable = space.photos.readable()
    _, numbers, targets = space.examples() if space.examples is not None else (None, [], [])
    target_of = dict(zip(numbers, targets, strict=True))
    labelled = [number for number in readable if number in target_of]
    rows = labelled or readable
    if not rows:
        return None
    vectors = space.photos.vectors(rows)
    good = has_direction(vectors)
    vectors, rows = vectors[good], [row for row, one in zip(rows, good, strict=True) if one]
    if not rows:
        return None
    given = torch.from_numpy(classifier.scores(vectors)).argmax(dim=1)
    if settings.threshold is not None:
        found = classifier.predict_vectors(vectors, 1, threshold=settings.threshold)
        given[torch.tensor([one.label is None for one in found])] = -1
    truth = torch.tensor([target_of[row] for row in rows]) if labelled else None
    return SortedPhotos(unit(vectors), given, truth)


def _misled(
    photos: SortedPhotos,
    truth: torch.Tensor,
    bank: PromptBank,
    number: int,
    encoder: Encoder,
    vectors: ClassVectors,
) -> dict[str, tuple[int, float]]:
    """By text, how many labelled photos of other classes a prompt of this one drew, and how far.

    Reads only the prompts of this class and of those that the photos are of.
    """
    import numpy as np
    import torch

    from cupl.evaluation.ablation import Described, misleading_prompts
    from cupl.evaluation.ranking import ImageRanks

    known = (truth >= 0) & (truth < len(bank))
    wrong = ((photos.given == number) & (truth != number) & known).nonzero()[:, 0]
    if not len(wrong):
        return {}
    classes = sorted({number, *truth[wrong].tolist()})
    place = {old: new for new, old in enumerate(classes)}
    some = PromptBank(name=bank.name, classes=[bank.classes[one] for one in classes])
    prompts = encoder.encode_text([text for entry in some for text in entry.texts])
    targets = torch.tensor([place[one] for one in truth[wrong].tolist()])
    described = Described(some, prompts, photos.vectors[wrong], targets, vectors)
    ranks = ImageRanks(
        predicted=np.full(len(wrong), place[number]), ranks=np.full(len(wrong), 2),
        confidence=np.ones(len(wrong)),
    )  # fmt: skip
    return {one.prompt: (one.images, one.margin) for one in misleading_prompts(described, ranks)}
