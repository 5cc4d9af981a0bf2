"""What is compared: banks of the same classes, and the controls that they have to beat."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cupl.bank.lookup import ClassIndex
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.template_banks import template_bank
from cupl.bank.templates import fill_templates
from cupl.embedding.bank_encoding import TEMPLATE
from cupl.embedding.provenance import Combine
from cupl.errors import InputError
from cupl.evaluation.adapted import CROSS_FITTED, IN_PLACE, AdaptedHow
from cupl.evaluation.candidate_spec import LoadedSpec
from cupl.evaluation.controls import CONTROLS, SEEDED, control_banks
from cupl.evaluation.numbers import short
from cupl.io.arguments import several

CandidateKind = Literal["bank", "control"]
DRAWS = 3


@dataclass(frozen=True, eq=False)
class Candidate:
    """A bank or a control, before it is judged.

    Attributes:
        kind: which of the two it is.
        banks: its prompts; of a control that is drawn at random one bank for each seed.
        templates: added to the prompts of each class.
        pooling: where it is not that of the others; it then stands in the name.
        adapted: to the images that are judged, and how.
        combine: what becomes of the templates; see
            :func:`~cupl.embedding.bank_encoding.encode_bank`.
        title: a name that it was given.

    """

    kind: CandidateKind
    banks: list[PromptBank]
    templates: tuple[str, ...] = ()
    pooling: str | None = None
    adapted: AdaptedHow | None = None
    combine: Combine = "concat"
    title: str | None = None

    @property
    def name(self) -> str:
        """Of the bank or the control."""
        return self.plain if self.adapted is None else f"{self.plain} (adapted {self.adapted})"

    @property
    def plain(self) -> str:
        """What it is called without adaptation."""
        if self.title is not None:
            return self.title
        name = self.banks[0].name
        return name if self.pooling is None else f"{name}, {self.pooling}"


def load_banks(
    banks: PromptBank | str | os.PathLike[str] | Sequence[PromptBank | str | os.PathLike[str]],
) -> list[PromptBank]:
    """One or several banks, or their files.

    Banks of one name, as before and after an edit, are called by their files where all have one.

    Raises:
        MissingFileError: there is no such file.
        InputError: a file is no bank, or there is none at all.

    """
    given = several(banks, PromptBank)
    if not given:
        raise InputError("name at least one bank")
    loaded = [one if isinstance(one, PromptBank) else PromptBank.load(one) for one in given]
    if len({bank.name for bank in loaded}) == len(loaded):
        return loaded
    files = [Path(one) for one in given if not isinstance(one, PromptBank)]
    if len(files) < len(loaded):
        return loaded
    pairs = zip(loaded, files, strict=True)
    return [bank.model_copy(update={"name": file.stem}) for bank, file in pairs]


def make_candidates(
    banks: Sequence[PromptBank],
    controls: Sequence[str] = CONTROLS,
    *,
    seeds: int = DRAWS,
    templates: Sequence[str] = (),
    poolings: Sequence[str] = (),
    adapt: bool = False,
    specs: Sequence[LoadedSpec] = (),
    first: PromptBank | None = None,
) -> list[Candidate]:
    """Banks, what is joined of banks and templates, and the controls that are made of the first.

    Args:
        banks: they are put in the order of the first by :func:`align`; none where ``specs`` have
            one.
        controls: names, random-words, shuffled, or the name or file of a set of templates.
        seeds: how often random-words and shuffled are drawn.
        templates: added to the prompts of every bank, and of the random and shuffled controls.
        poolings: each bank stands once more for each of these.
        adapt: each of these stands twice more, adapted cross-fitted and in place.
        specs: further candidates. Templates alone that are one of the controls are that control.
        first: stands for the first bank, with some of its classes.

    Raises:
        InputError: there is no bank, the banks have different classes, two have one name, or a
            control cannot be made.

    """
    everything = [*banks, *(bank for one in specs for bank in one.banks)]
    if not everything:
        raise InputError(
            "name at least one bank: its classes are those of all", arguments={"bank": ...}
        )
    everything[0] = first or everything[0]
    aligned, more = align(everything), tuple(templates)
    plain = [
        Candidate("bank", [bank], more, pooling)
        for bank in aligned[: len(banks)]
        for pooling in (None, *poolings)
    ]
    rest = iter(aligned[len(banks) :])
    joined = [_joined(one, [next(rest) for _ in one.banks], aligned[0]) for one in specs]
    made = _controls(aligned[0], controls, seeds, more)
    known = {(control.name, control.banks[0].digest) for control in made}
    joined = [one for one in joined if (one.name, one.banks[0].digest) not in known]
    candidates = [
        replace(candidate, adapted=adapted)
        for candidate in (*plain, *joined)
        for adapted in ((None, CROSS_FITTED, IN_PLACE) if adapt else (None,))
    ]
    _check_names(candidates := [*candidates, *made])
    return candidates


def _controls(
    bank: PromptBank, controls: Sequence[str], seeds: int, templates: tuple[str, ...]
) -> list[Candidate]:
    made = []
    for control in controls:
        try:
            drawn = control_banks(bank, control, seeds)
        except InputError as error:
            raise InputError(f"{error}; or leave out the control {control!r:.100}") from error
        made.append(Candidate("control", drawn, templates if control in SEEDED else ()))
    return made


def _joined(one: LoadedSpec, banks: Sequence[PromptBank], like: PromptBank) -> Candidate:
    """A candidate of these banks, or of templates alone for the classes of ``like``."""
    spec, written = one.spec, tuple(text for part in one.templates for text in part.templates)
    name = one.parts_name
    if not banks:
        bank = template_bank([entry.label for entry in like], written)
        bank, written = bank.model_copy(update={"name": name}), ()
    else:
        bank = join_banks(banks, name)
    return Candidate(
        "bank", [bank], written, spec.pooling, combine=spec.combine or "concat", title=spec.name
    )


def join_banks(banks: Sequence[PromptBank], name: str) -> PromptBank:
    """A bank with the prompts of all, which have the same classes in the same order."""
    entries = []
    for same in zip(*banks, strict=True):
        prompts: dict[str, list[str]] = {}
        for entry in same:
            for question, texts in entry.by_question().items():
                prompts.setdefault(question, []).extend(texts)
        kinds = [kind for entry in same for kind in entry.subclasses]
        entries.append(same[0].model_copy(update={"prompts": prompts, "subclasses": kinds}))
    return PromptBank(name=name, classes=entries)


def _check_names(candidates: Sequence[Candidate]) -> None:
    names = Counter(candidate.name for candidate in candidates)
    if twice := [name for name, number in names.items() if number > 1]:
        raise InputError(
            f"two banks or controls are named {twice[0]!r:.100}: change the name that stands in a "
            "bank's file, or give one as a candidate of another name"
        )


def align(banks: Sequence[PromptBank]) -> list[PromptBank]:
    """The banks with the classes of the first, in its order and by its names.

    What others have beside these is left out.

    Raises:
        InputError: a bank lacks one of these classes.

    """
    first = banks[0]
    aligned = [first]
    for bank in banks[1:]:
        places = _places(first, bank)
        missing = [entry.label for entry, place in zip(first, places, strict=True) if place is None]
        if missing:
            more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
            raise InputError(
                f"the bank {bank.name!r:.100} has no class {str(missing[0])!r:.100}{more}, which "
                f"{first.name!r:.100} has: banks are compared on the same classes"
            )
        pairs = zip(first, places, strict=True)
        entries = [_renamed(bank.classes[i], like) for like, i in pairs if i is not None]
        aligned.append(bank.model_copy(update={"classes": entries}))
    return aligned


def _places(first: PromptBank, bank: PromptBank) -> list[int | None]:
    """Where a bank has each class of the first; None where it has not."""
    index = ClassIndex([entry.label for entry in bank])
    return [index.find_label(entry.label) for entry in first]


def explain_names(banks: Sequence[PromptBank]) -> list[str]:
    """A sentence on each bank that calls classes otherwise than the first, as controls do not.

    Args:
        banks: as they were given, each with all classes of the first.

    """
    (first, *others), sentences = banks, list[str]()
    for bank in others:
        names = [bank.classes[place].name for place in _places(first, bank) if place is not None]
        pairs = zip((entry.name for entry in first), names, strict=True)
        if other := sum(one != name for one, name in pairs):
            sentences.append(
                f"The controls use the names of “{short(first.name, 60)}”; "
                f"“{short(bank.name, 60)}” calls {other:,} of {len(first):,} classes otherwise."
            )
    return sentences


def _renamed(entry: ClassPrompts, like: ClassPrompts) -> ClassPrompts:
    """The prompts of ``entry`` under the names of ``like``; its own name becomes an alias."""
    names = dict.fromkeys([*like.aliases, entry.name])
    names.pop(like.name, None)
    label = {"name": like.name, "id": like.id, "aliases": list(names)}
    return entry.model_copy(update=label)


def with_templates(bank: PromptBank, templates: Sequence[str]) -> PromptBank:
    """The bank with hand-written templates among the prompts of each class."""
    if not templates:
        return bank
    filled = fill_templates(templates, [entry.label for entry in bank])
    entries = [
        entry.model_copy(update={"prompts": {**entry.by_question(), TEMPLATE: texts}})
        for entry, texts in zip(bank, filled, strict=True)
    ]
    return bank.model_copy(update={"classes": entries})
