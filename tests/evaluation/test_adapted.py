"""Banks adapted to the images that they are judged on, against what they were before."""

from __future__ import annotations

import pytest
import torch

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.class_vectors import ClassVectors
from cupl.evaluation.adapted import (
    CROSS_FITTED,
    IN_PLACE,
    CrossFittedScores,
    adapted_scores_of,
)
from cupl.evaluation.candidates import make_candidates
from cupl.evaluation.judging import judge_candidates
from cupl.evaluation.labelled import LabelledImages
from cupl.evaluation.schema import CandidateResult, Comparison, Evaluation, Interval
from cupl.evaluation.significance import holm
from cupl.evaluation.summary import summarize_evaluation
from cupl.evaluation.verdict import verdicts
from tests.adaptation.pictures import Pictures, pictures
from tests.adaptation.synthetic import random, unit

ADAPTED = ["mine (adapted cross-fitted)", "mine (adapted in place)"]


@pytest.fixture(scope="module")
def made() -> Pictures:
    return pictures()


def judged(
    made: Pictures, *controls: str, poolings: tuple[str, ...] = (), every: int = 1
) -> Evaluation:
    """Of every such photo."""
    photos, targets = made.drawn.photos[::every], made.drawn.targets[::every].tolist()
    data = LabelledImages([str(i) for i in range(len(photos))], targets, photos)
    candidates = make_candidates([made.bank], controls, poolings=poolings, adapt=True)
    return judge_candidates(data, candidates, made.encoder, text_cache=False).evaluation


def named(evaluation: Evaluation) -> dict[str, CandidateResult]:
    return {one.name: one for one in evaluation.candidates}


def scores_by(vectors: ClassVectors, photos: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Of images, by class vectors adapted to photos."""
    classifier = ZeroShotClassifier(vectors)
    report = classifier.adapt(photos)
    assert report.kept is None
    return torch.from_numpy(classifier.scores(images))


def test_in_place_is_what_adapting_and_classifying_say(made: Pictures) -> None:
    vectors, photos = made.drawn.vectors, made.drawn.photos
    found = torch.cat(list(adapted_scores_of(vectors, photos, IN_PLACE)[0]))
    torch.testing.assert_close(found, scores_by(vectors, photos, photos))
    plain = torch.cat(list(adapted_scores_of(vectors, photos, None)[0]))
    assert (found.argmax(dim=1) != plain.argmax(dim=1)).sum() >= 5


def test_an_image_is_judged_by_the_other_half_alone(made: Pictures) -> None:
    vectors, photos = made.drawn.vectors, made.drawn.photos
    scores, kept = adapted_scores_of(vectors, photos, CROSS_FITTED)
    assert kept is None
    assert isinstance(scores, CrossFittedScores)
    assert scores.second is not None
    found, second = torch.cat(list(scores)), scores.second
    assert int(second.sum()) == len(photos) // 2
    for half in (second, ~second):
        torch.testing.assert_close(found[half], scores_by(vectors, photos[~half], photos[half]))
    # Other photos in one half: what is there judges the other half, and only that.
    changed = torch.where(second[:, None], unit(photos + 0.5 * random(*photos.shape)), photos)
    again = torch.cat(list(adapted_scores_of(vectors, changed, CROSS_FITTED)[0]))
    assert not torch.allclose(again[~second], found[~second])
    by_first = scores_by(vectors, photos[~second], changed[second])
    torch.testing.assert_close(again[second], by_first)


def test_blocks_do_not_matter(made: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, photos = made.drawn.vectors, made.drawn.photos
    whole = list(adapted_scores_of(vectors, photos, CROSS_FITTED)[0])
    monkeypatch.setattr("cupl.evaluation.ranking.AT_ONCE", 7 * len(vectors.labels))
    parts = list(adapted_scores_of(vectors, photos, CROSS_FITTED)[0])
    assert (len(whole), len(parts)) == (1, -(-len(photos) // 7))
    torch.testing.assert_close(torch.cat(parts), whole[0])


def test_adapted_banks_stand_beside_the_bank_and_are_compared_with_it(made: Pictures) -> None:
    found = judged(made, "names")
    assert [(one.name, one.kind, one.plain) for one in found.candidates] == [
        ("mine", "bank", None),
        *((name, "bank", "mine") for name in ADAPTED),
        ("names", "control", None),
    ]
    plain, *adapted, names = found.candidates
    for one in adapted:
        assert one.top1.value > plain.top1.value + 0.05
        assert [other.to for other in one.comparisons] == ["names", "mine"]
        assert one.comparison == one.comparisons[0]
        gain = one.comparisons[1]
        assert gain.difference.value == pytest.approx(one.top1.value - plain.top1.value)
        assert gain.won > gain.lost
    assert [one.bank for one in found.analyses] == ["mine"]
    assert names.comparisons == []
    every = [one for bank in found.banks for one in bank.comparisons]
    assert [one.p_holm for one in every] == holm([one.p for one in every])
    assert len(every) == 1 + 2 + 2
    said = [verdict.sentence for verdict in verdicts(found)]
    assert [verdict.outcome for verdict in verdicts(found)] == ["open", "better", "better"]
    assert "random words are not among the controls" in said[0]
    for sentence in said[1:]:
        assert "better than “mine” (+" in sentence
        assert "names" not in sentence  # what the photos are worth, it cannot say
        assert sentence.endswith("Adapting to the photos, without their labels, helps.")


def test_the_accuracies_are_those_of_the_scores(made: Pictures) -> None:
    found = named(judged(made))
    vectors, drawn = made.drawn.vectors, made.drawn
    for name, how in zip(ADAPTED, (CROSS_FITTED, IN_PLACE), strict=True):
        scores = torch.cat(list(adapted_scores_of(vectors, drawn.photos, how)[0]))
        right = (scores.argmax(dim=1) == drawn.targets).double().mean()
        assert found[name].top1.value == pytest.approx(float(right))


def test_without_a_control_it_is_compared_with_itself_before(made: Pictures) -> None:
    found = judged(made)
    plain, *adapted = found.candidates
    assert (plain.comparisons, plain.comparison) == ([], None)
    for one in adapted:
        assert [other.to for other in one.comparisons] == ["mine"]
        assert one.comparison is None
    first, *others = verdicts(found)
    assert "There is no control to compare it with" in first.sentence
    assert [one.outcome for one in others] == ["better", "better"]


def test_each_pooling_is_adapted_and_compared_with_itself(made: Pictures) -> None:
    found = judged(made, "names", poolings=("mean",))
    names = ["mine", *ADAPTED]
    names += [name.replace("mine", "mine, mean") for name in names]
    assert [one.name for one in found.banks] == names
    assert [one.plain for one in found.banks] == [
        None, "mine", "mine", None, "mine, mean", "mine, mean",
    ]  # fmt: skip
    assert [[other.to for other in one.comparisons] for one in found.banks[3:]] == [
        ["names"], ["names", "mine, mean"], ["names", "mine, mean"],
    ]  # fmt: skip
    every = [one for bank in found.banks for one in bank.comparisons]
    assert [one.p_holm for one in every] == holm([one.p for one in every])


def test_with_the_closest_prompts_alone_it_is_adapted_too(made: Pictures) -> None:
    found = named(judged(made, poolings=("top",)))
    assert found["mine, top (adapted in place)"].top1.value > found["mine, top"].top1.value


def test_too_few_images_are_judged_as_before(made: Pictures) -> None:
    plain, *adapted = judged(made, every=30).candidates
    for one in adapted:
        [to_itself] = one.comparisons
        assert (one.top1, to_itself.won, to_itself.lost) == (plain.top1, 0, 0)


@pytest.mark.parametrize(
    ("low", "high", "outcome", "said"),
    [
        (0.01, 0.05, "better", "Adapting to the photos, without their labels, helps."),
        (-0.01, 0.05, "open", "That adapting to the photos helps is not shown."),
        (-0.05, -0.01, "worse", "Adapting to the photos does harm."),
    ],
)
def test_the_verdict_is_on_the_photos_whatever_the_control(
    made: Pictures, low: float, high: float, outcome: str, said: str
) -> None:
    found = judged(made, "names")
    plain, adapted, *_ = found.candidates

    def compared(to: str, low: float, high: float) -> Comparison:
        difference = Interval(value=(low + high) / 2, low=low, high=high)
        return Comparison(to=to, difference=difference, won=3, lost=1, p=0.001, p_holm=0.01)

    comparisons = [compared("names", -0.2, -0.1), compared("mine", low, high)]
    changed = adapted.model_copy(update={"comparisons": comparisons})
    verdict = verdicts(found.model_copy(update={"candidates": [plain, changed]}))[1]
    assert verdict.outcome == outcome
    assert verdict.sentence.endswith(said)


def test_an_evaluation_of_adapted_banks_is_the_same_again(made: Pictures) -> None:
    first = judged(made, "names")
    assert judged(made, "names").model_dump_json() == first.model_dump_json()
    assert Evaluation.model_validate_json(first.model_dump_json()) == first


def test_what_was_not_adapted_is_left_out_and_no_test(made: Pictures) -> None:
    """Nine photos cannot show where classes lie: the texts are kept, and no p pays for it."""
    data = LabelledImages(
        [str(i) for i in range(9)], made.drawn.targets[:9].tolist(), made.drawn.photos[:9]
    )
    plain, with_adapted = (
        judge_candidates(
            data, make_candidates([made.bank], ["names"], adapt=adapt), made.encoder,
            text_cache=False,
        ).evaluation
        for adapt in (False, True)
    )  # fmt: skip
    assert with_adapted.candidates == plain.candidates
    assert plain.remarks == []
    why = "is left out: the texts were kept, as 10 photos are needed, and 9 can be read."
    assert f"“{ADAPTED[1]}” {why}" in with_adapted.remarks
    assert ADAPTED[0] in with_adapted.remarks[0]
    assert with_adapted.remarks[0] in summarize_evaluation(with_adapted)
