"""What is to be compared in an evaluation: read and checked before any long work."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.bank.templates import TemplateSet
from cupl.embedding.pooling import DEFAULT_POOLING, check_pooling
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.evaluation.candidate_spec import SpecSource, listed_specs, load_specs
from cupl.evaluation.candidates import DRAWS, Candidate, explain_names, load_banks, make_candidates
from cupl.evaluation.controls import CONTROLS, SEEDED, listed_controls
from cupl.evaluation.labelled import LabelledImages, digest_of_data
from cupl.evaluation.made_by import BankFacts, DataFacts, EncoderFacts, MadeBy, made_now
from cupl.io.arguments import check_whole, several

BankSource = PromptBank | str | os.PathLike[str]
TestedPairs = Literal["controls", "all"]


@dataclass(frozen=True, eq=False)
class ComparisonPlan:
    """What is compared, and with what.

    Attributes:
        candidates: banks, then controls.
        pooling: of candidates that have none of their own.
        reference: name of what differences are to; None for the first control.
        every_pair: whether banks are tested against one another.
        whole: the first bank with all its classes, which labels are matched with.
        banks: all different ones, as they were given.
        files: of each as it was given; None of what a program gave.
        remarks: a sentence on each bank whose classes have other names than those of the controls.
        settings: as they were given, for :func:`~cupl.evaluation.made_by.made_now`.

    """

    candidates: list[Candidate]
    pooling: str
    reference: str | None
    every_pair: bool
    whole: PromptBank
    banks: list[PromptBank]
    files: list[str | None]
    remarks: list[str]
    settings: dict[str, Any]

    @property
    def first(self) -> PromptBank:
        """The first bank, with the classes that are judged; ``whole`` where those are all."""
        return self.candidates[0].banks[0]

    @property
    def classes(self) -> list[ClassLabel]:
        """Those of the first bank, by which all are judged."""
        return [entry.label for entry in self.first]

    def made_by(
        self, data: LabelledImages, encoder: Encoder, parted: Mapping[str, int | None]
    ) -> MadeBy:
        """The record of what is judged here.

        Args:
            data: the images.
            encoder: of the run.
            parted: ``subsample``, ``subsamples`` and ``folds``.

        """
        if parted["subsample"] is None:
            parted = {"folds": parted["folds"]}
        images = DataFacts(
            path=data.source, images=len(data.paths), labels=data.label_file,
            digest=digest_of_data(data),
        )  # fmt: skip
        return made_now(
            encoders=[EncoderFacts.of(encoder)],
            banks=[BankFacts.of(*pair) for pair in zip(self.banks, self.files, strict=True)],
            data=[images],
            **self.settings,
            **parted,
        )


def plan_comparison(
    banks: BankSource | Sequence[BankSource] = (),
    candidates: SpecSource | Sequence[SpecSource] = (),
    *,
    controls: str | Sequence[str] | None = CONTROLS,
    seeds: int = DRAWS,
    reference: str | os.PathLike[str] | None = None,
    pairs: TestedPairs = "controls",
    templates: str | os.PathLike[str] | Sequence[str] = (),
    pooling: str | Sequence[str] = DEFAULT_POOLING,
    adapt: bool = False,
    classes: Sequence[str | ClassLabel] | Callable[[PromptBank], PromptBank] | None = None,
) -> ComparisonPlan:
    """Load banks and templates, and make the controls.

    The arguments are those of :func:`cupl.report.evaluating.evaluate`; ``classes`` may also be a
    function that takes some of a bank.

    Raises:
        CuplError: a bank or templates cannot be loaded, a control cannot be made, two candidates
            have one name, or a setting is wrong.

    """
    first, *others = dict.fromkeys([pooling] if isinstance(pooling, str) else pooling)
    for one in (first, *others):
        check_pooling(one)
    check_whole(seeds=seeds)
    if pairs not in get_args(TestedPairs):
        raise InputError(f"pairs are controls or all, not {pairs!r:.100}")
    if isinstance(templates, str | os.PathLike):
        templates = TemplateSet.load(Path(templates)).templates
    given, specs = several(banks, PromptBank), listed_specs(candidates)
    loaded = load_banks(given) if given or not specs else []
    joined = load_specs(specs, {bank.name: bank for bank in loaded})
    sources = [*loaded, *(bank for one in joined for bank in one.banks)]
    whole = sources[0] if sources else None
    controls = listed_controls(controls)
    made = make_candidates(
        loaded, controls, seeds=seeds, templates=templates, poolings=others, adapt=adapt,
        specs=joined, first=_some(whole, classes),
    )  # fmt: skip
    if reference is not None:
        named = dict(zip(map(str, given), loaded, strict=bool(given)))
        reference = _reference(os.fspath(reference), made, named)
    some = made[0].banks[0]
    few = whole is not None and len(some) < len(whole)
    settings = {
        "classes": f"{len(some):,} of {len(whole or ()):,}" if few else None,
        "controls": controls, "templates": tuple(templates), "pooling": (first, *others),
        "seeds": seeds if any(control in SEEDED for control in controls) else None,
        "combine": "concat" if templates else None, "adapt": adapt, "reference": reference,
        "candidates": " | ".join(map(str, specs)) or None,
        "pairs": None if pairs == "controls" else pairs,
    }  # fmt: skip
    whole = made[0].banks[0] if whole is None or classes is None else whole
    different = {(bank.name, bank.digest): bank for bank in sources}
    every = [*different.values()]
    paths = [None if isinstance(one, PromptBank) else os.fspath(one) for one in given]
    paths += [path for one in joined for path in one.files]
    path_of = dict(zip(((one.name, one.digest) for one in reversed(sources)), reversed(paths),
                       strict=True))  # fmt: skip
    given_as = [path_of[key] for key in different]
    remarks = explain_names([some, *every[1:]]) if controls and every else []
    return ComparisonPlan(
        made, first, reference, pairs == "all", whole, every, given_as, remarks, settings
    )


def _some(
    bank: PromptBank | None,
    classes: Sequence[str | ClassLabel] | Callable[[PromptBank], PromptBank] | None,
) -> PromptBank | None:
    """The bank with the classes that are wanted; None where these are all."""
    if bank is None or classes is None:
        return None
    return classes(bank) if callable(classes) else bank.select(classes)


def _reference(
    wanted: str, candidates: Sequence[Candidate], files: Mapping[str, PromptBank]
) -> str:
    """The name of the candidate that is meant: as in the table, or by its bank's file."""
    names = [candidate.name for candidate in candidates if candidate.adapted is None]
    name = wanted if wanted in names or wanted not in files else files[wanted].name
    if name not in names:
        there = ", ".join(f"{one!r:.100}" for one in names)
        raise InputError(f"nothing that is compared is called {wanted!r:.100}: there are {there}")
    return name
