from collections.abc import Sequence

import numpy as np
import pytest

from cupl.embedding.bank_encoding import encode_bank
from cupl.evaluation.candidates import CandidateKind
from cupl.evaluation.comparing import choose_pairs
from cupl.evaluation.judged import JudgedCandidate
from cupl.evaluation.ranking import ImageRanks, ScoreChunks
from cupl.evaluation.schema import Interval
from cupl.evaluation.significance import holm
from tests.evaluation.planted import PlantedEncoder, planted_bank

NONE = Interval(value=0, low=0, high=0)


def judged(
    name: str, kind: CandidateKind = "bank", right: Sequence[int] = (), plain: str | None = None
) -> JudgedCandidate:
    """Right on these of 40 images."""
    ranks = np.full(40, 2)
    ranks[list(right)] = 1
    run = ImageRanks(np.zeros(40, np.int64), ranks, np.zeros(40))
    vectors = encode_bank(planted_bank(2, {"": ["{}"]}), PlantedEncoder(2), text_cache=False)
    return JudgedCandidate(
        name,
        kind,
        [],
        vectors,
        ScoreChunks(vectors.matrix, vectors.matrix),
        [run],
        None,
        None,
        None,
        plain,
    )


BANKS = [judged("old", right=range(10)), judged("new", right=range(30)), judged("far", right=())]
CONTROLS = [judged("photo", "control", range(20)), judged("words", "control", range(5))]
ALL = [*BANKS, *CONTROLS]


def names(pairs: Sequence[tuple[JudgedCandidate, JudgedCandidate]]) -> list[tuple[str, str]]:
    return [(one.name, other.name) for one, other in pairs]


def test_by_default_banks_are_tested_against_controls_alone() -> None:
    pairs = choose_pairs(ALL)
    assert names(pairs.tested) == [
        (bank, control) for bank in ("old", "new", "far") for control in ("photo", "words")
    ]
    assert names(pairs.shown) == [("words", "photo")]
    assert pairs.reference == "photo"


def test_a_bank_as_reference_is_tested_against_every_other() -> None:
    pairs = choose_pairs(ALL, "new")
    assert ("old", "new") in names(pairs.tested)
    assert ("far", "new") in names(pairs.tested)
    assert ("far", "old") not in names(pairs.tested)
    assert names(pairs.shown) == [("photo", "new"), ("words", "new")]
    assert len(pairs.tested) == 6 + 2


def test_another_control_as_reference_tests_nothing_else() -> None:
    pairs = choose_pairs(ALL, "words")
    assert names(pairs.tested) == names(choose_pairs(ALL).tested)
    assert names(pairs.shown) == [("photo", "words")]


@pytest.mark.parametrize("reference", [None, "old", "far", "words"])
def test_every_pair_is_tested_once(reference: str | None) -> None:
    pairs = choose_pairs(ALL, reference, every_pair=True)
    unordered = [frozenset(pair) for pair in names(pairs.tested)]
    assert len(unordered) == len(set(unordered)) == 6 + 3
    if reference is None:  # the later less the earlier
        assert names(pairs.tested)[2:5] == [("new", "photo"), ("new", "words"), ("new", "old")]


def test_what_is_adapted_is_tested_against_itself_and_the_reference() -> None:
    adapted = judged("old (adapted in place)", plain="old")
    entries = [BANKS[0], adapted, *CONTROLS]
    pairs = choose_pairs(entries, every_pair=True)
    assert [pair for pair in names(pairs.tested) if pair[0] == adapted.name] == [
        (adapted.name, "photo"), (adapted.name, "old"),
    ]  # fmt: skip
    assert all(one.plain is None for one, _ in choose_pairs(entries, "old").tested[:2])


def test_nothing_to_compare_with() -> None:
    pairs = choose_pairs(BANKS)
    assert (pairs.all, pairs.reference) == ([], None)
    assert pairs.compare([]) == {}


def test_all_that_is_tested_is_corrected_together_and_nothing_else() -> None:
    pairs = choose_pairs(ALL, "new", every_pair=True)
    found = pairs.compare([NONE] * len(pairs.all))
    tested = [
        next(one for one in found[first.name] if one.to == second.name)
        for first, second in pairs.tested
    ]
    assert [one.p_holm for one in tested] == holm([one.p for one in tested])
    # A control less a bank is the same test as that bank less the control.
    [photo] = found["photo"]
    [same] = [one for one in found["new"] if one.to == "photo"]
    assert (photo.won, photo.lost, photo.p_holm) == (same.lost, same.won, same.p_holm)
    assert choose_pairs(ALL).compare([NONE] * 7)["words"][0].p_holm is None
