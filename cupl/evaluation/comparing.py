"""Which candidates are compared with which, and the p values corrected for all that is tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cupl.evaluation.judged import JudgedCandidate
from cupl.evaluation.schema import Comparison, Interval
from cupl.evaluation.significance import holm, paired_test
from cupl.evaluation.weighted import StratifiedSample

CandidatePair = tuple[JudgedCandidate, JudgedCandidate]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of candidates, the difference of each being the first less the second.

    Attributes:
        tested: what the evaluation makes statements about; their p are corrected together.
        shown: others, for the column of differences to the reference.
        reference: name of what that column is to; None where there is nothing.

    """

    tested: list[CandidatePair]
    shown: list[CandidatePair]
    reference: str | None

    @property
    def all(self) -> list[CandidatePair]:
        """Tested ones first."""
        return [*self.tested, *self.shown]

    def compare(
        self, differences: Sequence[Interval], sample: StratifiedSample | None = None
    ) -> dict[str, list[Comparison]]:
        """The comparisons of each candidate, by its name.

        Corrected are the p of all tested pairs together: what is said of any of the banks is one
        statement of the evaluation. Each further pair makes every single one a little harder to
        show.

        Args:
            differences: of :attr:`all`.
            sample: how the images were drawn from a collection.

        """
        tests = [paired_test(one.correct, other.correct, sample) for one, other in self.all]
        corrected = dict(
            zip(map(_unordered, self.tested), holm([test.p for test in tests[: len(self.tested)]]),
            strict=True)
        )  # fmt: skip
        comparisons: dict[str, list[Comparison]] = {}
        for pair, difference, test in zip(self.all, differences, tests, strict=True):
            comparison = Comparison(
                to=pair[1].name, difference=difference, won=test.won, lost=test.lost, p=test.p,
                p_holm=corrected.get(_unordered(pair)),
            )  # fmt: skip
            comparisons.setdefault(pair[0].name, []).append(comparison)
        return comparisons


def choose_pairs(
    entries: Sequence[JudgedCandidate], reference: str | None = None, *, every_pair: bool = False
) -> Pairs:
    """What is compared with what.

    Every bank is tested against every control; against the reference, where that is a bank; and
    where every pair is asked for, against every other bank, the later less the earlier. What was
    adapted to the images is tested against the reference and against what it was before: more
    would not say what the photos are worth, as a control could be adapted, too.

    Args:
        entries: banks, then controls.
        reference: name of one of them; by default the first control.
        every_pair: see above.

    """
    banks = [entry for entry in entries if entry.kind == "bank"]
    controls = [entry for entry in entries if entry.kind == "control"]
    first = controls[0].name if controls else None
    base = next((entry for entry in entries if entry.name == (reference or first)), None)
    tested = dict[frozenset[str], CandidatePair]()
    for number, entry in enumerate(banks):
        for other in _others(entry, banks[:number] if every_pair else [], controls, base, banks):
            tested.setdefault(_unordered((entry, other)), (entry, other))
    shown = [(control, base) for control in controls if base is not None and control is not base]
    return Pairs(list(tested.values()), shown, base.name if base else None)


def _others(
    entry: JudgedCandidate,
    earlier: Sequence[JudgedCandidate],
    controls: Sequence[JudgedCandidate],
    base: JudgedCandidate | None,
    banks: Sequence[JudgedCandidate],
) -> Iterator[JudgedCandidate]:
    if entry.plain is not None:
        yield from [] if base is None else [base]
        yield from (one for one in banks if one.name == entry.plain)
        return
    yield from controls
    if base is not None and base.kind == "bank" and base is not entry:
        yield base
    yield from (one for one in earlier if one.plain is None and one is not base)


def _unordered(pair: CandidatePair) -> frozenset[str]:
    return frozenset(one.name for one in pair)
