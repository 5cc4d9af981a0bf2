"""Class vectors and a few labelled photos to class vectors that know both."""

from __future__ import annotations

from dataclasses import replace
from math import log

import torch

from cupl.adaptation.choosing import Choice, choose
from cupl.adaptation.class_means import Examples, chance_in_squares
from cupl.adaptation.few_labels_report import TEXT_ALONE, FewLabelsReport
from cupl.adaptation.gda import whitening_of
from cupl.embedding.adapter import LARGEST, Adaptation, Adapter
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import NO_DIRECTION, directions, has_direction
from cupl.errors import InputError

_FEWEST_FOR_TEMPERATURE = 20


def fit_examples(
    vectors: ClassVectors, images: torch.Tensor, targets: torch.Tensor
) -> tuple[ClassVectors, FewLabelsReport]:
    """Let a few labelled photos decide with the texts, where that helps.

    The bank alone, a blend with the mean example, Gaussian discriminant analysis and a cache
    of examples are compared by leaving out one example after the other. The bank stays where none
    is better, and where there are examples of one class only.

    Args:
        vectors: without an adapter, or with one of other examples, which is replaced.
        images: float32 ``[examples, dim]``, of any length.
        targets: int64 ``[examples]``.

    Raises:
        InputError: there is no example, the numbers differ, an example has no direction, or the
            vectors were adapted to photos.

    """
    made = vectors.provenance.adaptation
    if made is not None and made.method == "photos":
        raise InputError(
            "these class vectors were adapted to photos, which examples would take the place of: "
            "take those that the bank was encoded to"
        )
    if not len(images) or len(images) != len(targets):
        raise InputError(f"examples are images with labels: {len(images)}, {len(targets)}")
    if wrong := (~has_direction(images)).nonzero().flatten().tolist():
        raise InputError(f"image vector {wrong[0]}: {NO_DIRECTION}; leave it out")
    rows, contradictory = _of_one_label(images, targets)
    units = directions(images[rows].double())
    examples = Examples(units, targets[rows], directions(vectors.matrix.double()))
    plain = replace(
        vectors,
        adapter=None,
        provenance=vectors.provenance.model_copy(update={"adaptation": None, "coverage": None}),
    )
    choice = Choice(None, 0.0, 0.0, 0)
    if (examples.counts > 0).sum() > 1:
        cosines = vectors.cosines(units.float()).double()
        choice = choose(examples, cosines, vectors.provenance.logit_scale)
    adapter = _adapter(choice, examples)
    report = _report(choice, adapter, examples, vectors, contradictory)
    report = replace(report, repeated=len(images) - len(rows) - contradictory)
    if adapter is None:
        return (vectors if vectors.adapter is None else plain), report
    return _adapted(plain, adapter, choice, report), report


def _of_one_label(images: torch.Tensor, targets: torch.Tensor) -> tuple[list[int], int]:
    """The rows that count, and how many say the same image has another class.

    Of several that are equal one counts: left out, it would still be there.
    """
    first: dict[bytes, int] = {}
    labels: dict[bytes, set[int]] = {}
    for row, (image, target) in enumerate(zip(images.numpy(), targets.tolist(), strict=True)):
        first.setdefault(image.tobytes(), row)
        labels.setdefault(image.tobytes(), set()).add(target)
    torn = {key for key, found in labels.items() if len(found) > 1}
    contradictory = sum(image.tobytes() in torn for image in images.numpy())
    return [row for key, row in first.items() if key not in torn], contradictory


def _adapter(choice: Choice, examples: Examples) -> Adapter | None:
    """None where the bank stays, or numbers would be too large, of examples that hardly differ."""
    way, factor = choice.way, choice.scale
    if way is None:
        return None
    number, dim = examples.texts.shape
    seen = examples.counts > 0
    weights, bias = torch.zeros(number, dim), torch.zeros(number)
    text_only = None if seen.all() else ~seen
    if way.method == "tip":
        if factor > LARGEST / 2:
            return None
        each = examples.counts[examples.targets]  # the sum over them becomes a mean
        return Adapter(
            weights, bias,
            keys=(examples.images * way.sharpness).float(),
            key_bias=(log(factor) - way.sharpness - each.log()).float(),
            key_classes=examples.targets, text_only=text_only,
        )  # fmt: skip
    means = examples.anchored_means[seen]
    # What is added to all of them alike decides nothing: without it the numbers stay small.
    slopes = means - means.mean(dim=0)
    squares = means.square().sum(dim=1)
    whitening = whitening_of(examples) if way.method == "gda" else None
    if whitening is not None:
        slopes = (slopes @ whitening) @ whitening.T
        squares = (means @ whitening).square().sum(dim=1)
    squares = squares - chance_in_squares(examples, examples.counts[seen], whitening)
    offsets = (squares.mean() - squares) / 2
    if max(slopes.abs().max(), offsets.abs().max()) * factor > LARGEST:
        return None
    weights[seen] = (slopes * factor).float()
    bias[seen] = (offsets * factor).float()
    return Adapter(weights, bias, text_only=text_only)


def _report(
    choice: Choice,
    adapter: Adapter | None,
    examples: Examples,
    vectors: ClassVectors,
    contradictory: int,
) -> FewLabelsReport:
    way = None if adapter is None else choice.way
    labels = zip(vectors.labels, examples.counts.tolist(), strict=True)
    return FewLabelsReport(
        method=TEXT_ALONE if way is None else way.method,
        examples=len(examples.images),
        repeated=0,
        contradictory=contradictory,
        judged=choice.judged,
        accuracy_of_text=choice.text,
        accuracy=choice.text if way is None else choice.chosen,
        gain=choice.gain,
        strength=0.0 if way is None else choice.strength,
        sharpness=way.sharpness if way is not None and way.method == "tip" else None,
        without_examples=tuple(label.name for label, number in labels if not number),
    )


def _adapted(
    vectors: ClassVectors, adapter: Adapter, choice: Choice, report: FewLabelsReport
) -> ClassVectors:
    settings = {"strength": report.strength}
    if report.sharpness is not None:
        settings["sharpness"] = report.sharpness
    made_by = vectors.provenance
    # Where every one is right, none says how sure is too sure.
    fits = choice.judged >= _FEWEST_FOR_TEMPERATURE and (choice.chosen or 1.0) < 1
    if fits and choice.temperature and made_by.logit_bias is None and vectors.parts is None:
        adapter = _tempered(adapter, vectors.matrix, made_by.temperature / choice.temperature)
        settings["temperature"] = choice.temperature
    made = Adaptation(method=report.method, images=report.examples, settings=settings)
    provenance = made_by.model_copy(update={"adaptation": made})
    return replace(vectors, adapter=adapter, provenance=provenance)


def _tempered(adapter: Adapter, texts: torch.Tensor, factor: float) -> Adapter:
    """An adapter that makes the scores ``factor`` times those that they would be.

    Their temperature is in it, since that of the class vectors is also that of a reject bank,
    which the examples say nothing about.
    """
    lines = texts * (factor - 1)
    if adapter.text_only is not None:
        lines = lines.masked_fill(adapter.text_only[:, None], 0.0)
    key_bias = None if adapter.key_bias is None else adapter.key_bias + log(factor)
    return replace(
        adapter,
        weights=adapter.weights * factor + lines,
        bias=adapter.bias * factor,
        key_bias=key_bias,
    )
