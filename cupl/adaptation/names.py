"""Names of classes, judged by photos without labels.

Adaptation gives each photo a class; where it keeps the texts, as for encoders that put photos among
their texts, prototypes of the photos do. A name is good where the class vector that is made with
it gives the photos these classes by itself: then adaptation has nothing to move, and no other class
stands nearer. With p(x) the softmax of the logits with the name in question and z the class that
adaptation gives the photo, the gain of a name over the one that the class has is the mean of

    ln p_z(x; the name) - ln p_z(x; the name that it has)

over all photos, in which only this class has another vector. It is proposed where the mean is
above zero by more than chance (a normal interval of the paired differences, at 5 % over all names
that were tried for the class, Bonferroni), and the class has no fewer of its photos and no more of
others by it, both in one figure: F1, the harmonic mean of what is found and what is right.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import torch
from torch.nn.functional import normalize

from cupl.adaptation.photos import adapt_to_photos
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.renaming import with_name
from cupl.embedding.adapter import Adapter
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_vectors import load_embeddings
from cupl.embedding.normalize import directions, has_direction
from cupl.embedding.text_cache import TextCache
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.progress import Progress, ignore

FEWEST_PHOTOS = 10
"""Photos that adaptation has to give a class before its name is judged by them."""
_SURE = 0.05
_AT_ONCE = 2**22
_ROUNDS = 10


@dataclass(frozen=True)
class JudgedName:
    """A name for a class, and what it does with the photos.

    Attributes:
        index: of the class.
        name: what is judged.
        photos: how many adaptation gives the class.
        found: of these the part that the class has by its name alone; ``was_found`` by the one
            that it has in the bank.
        right: of what the class has by its name alone the part that adaptation leaves it;
            ``was_right`` by the one that it has in the bank.
        gain: see the head of this module, in nats a photo.
        sure: whether that is more than chance, on photos enough, and F1 is no lower.

    """

    index: int
    name: str
    photos: int
    found: float
    was_found: float
    right: float
    was_right: float
    gain: float
    sure: bool


def better_names(
    bank: PromptBank,
    names: Mapping[int, Sequence[str]],
    photos: str | os.PathLike[str] | torch.Tensor,
    encoder: Encoder,
    *,
    text_cache: TextCache = None,
    progress: Progress = ignore,
) -> list[JudgedName]:
    """Of each class the best of other names, and whether it is better than the one it has.

    Args:
        bank: the classes; sub-classes are left out of it.
        names: for the number of a class those to try, such as its aliases.
        photos: what ``cupl embed`` wrote, or image vectors ``[images, dim]``; no labels.
        encoder: that of the photos; embeds prompts that are not cached.
        text_cache: see :func:`~cupl.embedding.bank_encoding.encode_bank`.
        progress: told how many prompts are embedded, and of how many.

    Returns:
        One for each class that had a name to try which changes its prompts.

    Raises:
        InputError: the photos are of another encoder, or the bank has one class.

    """
    embeddings = photos if isinstance(photos, torch.Tensor) else load_embeddings(photos)
    if not isinstance(embeddings, torch.Tensor):
        embeddings.check_encoder(encoder)
    classes = [entry.model_copy(update={"subclasses": []}) for entry in bank]
    plain = bank.model_copy(update={"classes": classes})
    tried, vectors = encode_names(plain, names, encoder, text_cache=text_cache, progress=progress)
    if vectors is None:
        return []
    made = encode_bank(plain, encoder, text_cache=text_cache, progress=progress)
    adapted, _ = adapt_to_photos(made, embeddings)

    def chunks() -> Iterator[torch.Tensor]:
        shards = [embeddings] if isinstance(embeddings, torch.Tensor) else embeddings
        return (one if isinstance(one, torch.Tensor) else one.vectors for one in shards)

    if adapted.adapter is None:  # it kept the texts
        adapted = replace(made, adapter=_prototypes(chunks, made))
    return best_names(judge_names(chunks(), adapted, tried, vectors.matrix))


def _prototypes(photos: Callable[[], Iterable[torch.Tensor]], vectors: ClassVectors) -> Adapter:
    """Classes halfway to their photos, for an encoder whose photos lie among their texts.

    With t the class vectors and z the softmax of s x . mu, ten times from mu = t:
    m_k = norm(sum_i z_ik x_i), mu_k = norm(t_k + m_k). It is not what photos are classified by, as
    it does harm where most classes are missing; names of such classes are not judged.
    """
    texts = vectors.matrix
    scale = vectors.provenance.logit_scale / vectors.provenance.temperature
    means = texts
    for _ in range(_ROUNDS):
        sums = torch.zeros(texts.shape, dtype=torch.float64)
        for images in _usable(photos(), len(texts)):
            shares = (scale * images @ means.T).softmax(dim=1)
            sums += shares.T.double() @ images.double()
        means = normalize(texts + normalize(sums, dim=1).float(), dim=1)
    return Adapter(means - texts, torch.zeros(len(texts)))


def _usable(photos: Iterable[torch.Tensor], cells: int) -> Iterator[torch.Tensor]:
    """Directions of photos that have one, so many at a time that these cells each are few."""
    for some in photos:
        rows = some.float()
        yield from torch.split(directions(rows)[has_direction(rows)], max(1, _AT_ONCE // cells))


def encode_names(
    bank: PromptBank,
    names: Mapping[int, Sequence[str]],
    encoder: Encoder,
    *,
    text_cache: TextCache = None,
    progress: Progress = ignore,
) -> tuple[list[tuple[int, str]], ClassVectors | None]:
    """Class vectors of classes under other names: their prompts with the name replaced.

    Args:
        bank: the classes.
        names: for the number of a class those to try. One that changes no prompt is left out.
        encoder: embeds what is not cached.
        text_cache: see :func:`~cupl.embedding.bank_encoding.encode_bank`.
        progress: told how many prompts are embedded, and of how many.

    Returns:
        Number of the class and name, and a vector for each; None where there are none.

    """
    tried: list[tuple[int, str]] = []
    entries: list[ClassPrompts] = []
    for index, others in names.items():
        entry = bank.classes[index]
        for name in others:
            renamed = with_name(entry, name)
            if renamed.prompts != entry.prompts:
                update: dict[str, object] = {
                    "name": f"{len(entries)}",
                    "id": None,
                    "aliases": [],
                    "subclasses": [],
                }
                entries.append(renamed.model_copy(update=update))
                tried.append((index, name))
    if not entries:
        return [], None
    renamed_bank = PromptBank(name=bank.name, classes=entries)
    vectors = encode_bank(renamed_bank, encoder, text_cache=text_cache, progress=progress)
    return tried, vectors


def judge_names(
    photos: Iterable[torch.Tensor],
    adapted: ClassVectors,
    tried: Sequence[tuple[int, str]],
    vectors: torch.Tensor,
) -> list[JudgedName]:
    """Judge names by photos; see the head of this module.

    Args:
        photos: image vectors ``[images, dim]``, some after some; one without a direction is
            passed over.
        adapted: class vectors with an adapter that was made of these photos.
        tried: number of a class and name of it.
        vectors: ``[tried, dim]``, what each name makes of the class.

    Raises:
        InputError: the class vectors are not adapted, or have parts.

    """
    if adapted.adapter is None:
        raise InputError("names are judged by class vectors that are adapted to photos")
    if len(adapted.labels) < 2:
        raise InputError("a class alone needs no name that tells it from others")
    if adapted.parts is not None:
        raise InputError("names are judged by one vector a class, without parts")
    owners = torch.tensor([index for index, _ in tried])
    sums, number = torch.zeros(7, len(tried), dtype=torch.float64), 0
    for images in _usable(photos, len(adapted.labels) + len(tried)):
        sums += _sums(images, adapted, owners, vectors)
        number += len(images)
    return [
        _judged(index, name, sums[:, place].tolist(), number, int((owners == index).sum()))
        for place, (index, name) in enumerate(tried)
    ]


def _judged(index: int, name: str, sums: list[float], number: int, names: int) -> JudgedName:
    gains, squares, has, both, had, both_before, theirs = sums
    mean = gains / number if number else 0.0
    error = math.sqrt(max(squares / number - mean**2, 0.0) / number) if number else 0.0
    certain = NormalDist().inv_cdf(1 - _SURE / names)
    return JudgedName(
        index,
        name,
        photos=int(theirs),
        found=both / theirs if theirs else 0.0,
        was_found=both_before / theirs if theirs else 0.0,
        right=both / has if has else 0.0,
        was_right=both_before / had if had else 0.0,
        gain=mean,
        sure=theirs >= FEWEST_PHOTOS
        and mean > certain * error
        # F1 is twice what is both, of all that is either counted twice.
        and both * (theirs + had) >= both_before * (theirs + has),
    )


def best_names(judged: Iterable[JudgedName]) -> list[JudgedName]:
    """Of each class the name with the highest gain, sure ones before others; class after class."""
    best: dict[int, JudgedName] = {}
    for one in judged:
        other = best.get(one.index)
        if other is None or (one.sure, one.gain) > (other.sure, other.gain):
            best[one.index] = one
    return [best[index] for index in sorted(best)]


def _sums(
    images: torch.Tensor, adapted: ClassVectors, owners: torch.Tensor, vectors: torch.Tensor
) -> torch.Tensor:
    """What adds up over photos, ``[7, tried]``.

    The gains and their squares; the photos that the class has by the name, and those of them that
    adaptation gives it; the same two by the name that it has; and all that adaptation gives it.
    """
    assert adapted.adapter is not None  # noqa: S101 (checked by the caller)
    scale = adapted.provenance.logit_scale / adapted.provenance.temperature
    cosines = adapted.cosines(images)
    given = adapted.adapter.adapted(cosines, images).argmax(dim=1)  # [images]
    logits = (scale * cosines).double()
    named = (scale * (images @ vectors.T)).double()  # [images, tried]
    own, theirs = logits[:, owners], given[:, None] == owners
    best, order = logits.topk(2, dim=1)
    leads = order[:, :1] == owners
    rival = torch.where(leads, best[:, 1:], best[:, :1])  # of the other classes
    # What the other classes add up to; a difference loses no digits where the class is not best.
    whole = logits.logsumexp(dim=1, keepdim=True)
    behind = logits.scatter(1, order[:, :1], -torch.inf).logsumexp(dim=1, keepdim=True)
    share = (own - whole).exp().clamp(max=0.5)
    rest = torch.where(leads, behind, whole + torch.log1p(-share))
    change = torch.logaddexp(rest, named) - torch.logaddexp(rest, own)
    gains = torch.where(theirs, named - own, 0.0) - change
    has = named > rival
    rows = [gains, gains.square(), has, has & theirs, leads, leads & theirs, theirs]
    return torch.stack([row.double().sum(dim=0) for row in rows])
