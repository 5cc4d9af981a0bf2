"""Evaluations made by hand, with texts that want to be more than text."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cupl.classification.explanation import ClassExplanation, Explanation, PromptScore
from cupl.classification.prediction import Prediction, Score
from cupl.evaluation.schema import (
    Analysis,
    Calibration,
    CalibrationBin,
    CandidateResult,
    ClassAccuracy,
    ClassDrop,
    Comparison,
    Confusion,
    CurvePoint,
    Evaluation,
    Interval,
    MisleadingPrompt,
    QuestionEffect,
    UnreadableImage,
)
from cupl.report.examples import Example

SCRIPT = "<script>window.owned = 1</script>"
HOSTILE = (
    SCRIPT,
    '"><img src=x onerror="window.owned = 2">',
    "</script></style></title><svg onload=window.owned=3>",
    "{{ 7 * 7 }}{% raw %}",
    "$x_1$ \\frac{1}{0} $",
    '=HYPERLINK("http://example.org","click")',
    "gpj.\u202eexe reversed",
    "javascript:window.owned=4",
    "'; alert(1); '",
    "a\nb\tc\x00d\x1b[31m\udce9",
    "猫 🐈 قط",
    "very long " * 60,
)
GREEK = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")


def interval(value: float, width: float = 0.03) -> Interval:
    return Interval(value=value, low=value - width, high=value + width)


def compared(
    difference: float, width: float = 0.02, to: str = "template", p_holm: float | None = None
) -> Comparison:
    gain = interval(difference, width)
    return Comparison(to=to, difference=gain, won=41, lost=17, p=0.0021, p_holm=p_holm)


def calibration(seed: int = 0) -> Calibration:
    rng = np.random.default_rng(seed)

    def bins(shift: float) -> list[CalibrationBin]:
        return [
            CalibrationBin(
                low=number / 10,
                high=(number + 1) / 10,
                images=int(rng.integers(0, 60)) if number > 1 else 0,
                confidence=number / 10 + 0.05 if number > 1 else 0.0,
                accuracy=max(0.0, (number + 0.5) / 10 - shift) if number > 1 else 0.0,
            )
            for number in range(10)
        ]

    return Calibration(
        temperature=1.732,
        before=0.1234,
        after=0.0321,
        images_fitted=150,
        images_measured=151,
        bins_before=bins(0.15),
        bins_after=bins(0.02),
    )


def candidate(
    name: str,
    classes: Sequence[str],
    *,
    top1: float = 0.7421,
    kind: str = "bank",
    comparison: Comparison | None = None,
    comparisons: Sequence[Comparison] = (),
    seeds: int = 1,
    with_calibration: bool = True,
    confusions: int = 12,
    seed: int = 0,
) -> CandidateResult:
    rng = np.random.default_rng(seed)
    pairs = rng.permutation([(a, b) for a in range(12) for b in range(12) if a != b]).tolist()
    within = [(a, b) for a, b in pairs if max(a, b) < len(classes)][:confusions]
    accuracies = rng.integers(0, 101, len(classes)) / 100
    return CandidateResult(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        seeds=seeds,
        prompts=28.53 if kind == "bank" else 1.0,
        top1=interval(top1),
        top5=interval(min(top1 + 0.17, 0.96)),
        per_class=interval(top1 - 0.0123),
        top1_of_seeds=[top1] * seeds,
        comparison=comparison,
        calibration=calibration(seed) if with_calibration else None,
        confusions=[
            Confusion(
                truth=classes[a],
                predicted=classes[b],
                images=confusions - place,
                share=(confusions - place) / 20,
            )
            for place, (a, b) in enumerate(within)
        ],
        classes=[
            ClassAccuracy(name=name, id=None, images=20 + place % 7, accuracy=float(accuracy))
            for place, (name, accuracy) in enumerate(zip(classes, accuracies, strict=True))
        ],
        comparisons=list(comparisons),
        uncalibrated=None if with_calibration else "there are too few images",
    )


def analysis(bank: str, classes: Sequence[str], questions: Sequence[str]) -> Analysis:
    return Analysis(
        bank=bank,
        questions=[
            QuestionEffect(
                question=question,
                prompts=150 - place,
                classes=len(classes),
                top1_without=0.73 + 0.005 * place,
                comparison=compared(0.012 - 0.005 * place, 0.008, f"without {place}", 0.0084),
            )
            for place, question in enumerate(questions)
        ],
        curve=[
            CurvePoint(prompts=number, value=value, low=value - 0.02, high=value + 0.015)
            for number, value in ((1, 0.66), (2, 0.69), (5, 0.72), (10, 0.735), (25, 0.742))
        ],
        misleading=[
            MisleadingPrompt(
                prompt=f"A {name} is a thing that can be found in nearly every photo.",
                question=questions[0] if questions else "",
                name=name,
                images=9 - place % 9,
                margin=0.0456 - 0.001 * place,
            )
            for place, name in enumerate(classes[:8])
        ],
        drops=[
            ClassDrop(name=name, id=None, images=20, bank=0.4, control=0.75 - 0.05 * place)
            for place, name in enumerate(classes[:6])
        ],
    )


def evaluation(
    classes: Sequence[str] = GREEK,
    *,
    bank: str = "my bank",
    control: str | None = "template",
    questions: Sequence[str] = ("Describe what {} looks like:", "How can you identify {}?"),
    difference: float = 0.0312,
    unreadable: Sequence[UnreadableImage] = (),
) -> Evaluation:
    """One bank, its analysis and, if named, two controls."""
    against = []
    if control is not None:
        against = [
            compared(difference, to=control, p_holm=0.0042),
            compared(difference + 0.011, to="random-words", p_holm=0.0042),
        ]
    comparison = against[0] if against else None
    candidates = [candidate(bank, classes, comparison=comparison, comparisons=against)]
    if control is not None:
        worse = 0.7421 - difference
        candidates += [
            candidate(control, classes, top1=worse, kind="control", seed=1),
            candidate(
                "random-words",
                classes,
                top1=0.7,
                kind="control",
                comparison=compared(-0.011, to=control),
                seeds=5,
                with_calibration=False,
                seed=2,
            ),
        ]
    return Evaluation(
        cupl="0.1.0",
        encoder="openai/clip-vit-base-patch32",
        fingerprint="f" * 64,
        images=301,
        unreadable=list(unreadable),
        classes=len(classes),
        classes_with_images=len(classes),
        reference=control,
        candidates=candidates,
        analyses=[analysis(bank, classes, questions)],
    )


def hostile_evaluation() -> Evaluation:
    """Every text in it is one of ``HOSTILE``."""
    return evaluation(
        HOSTILE,
        bank=SCRIPT,
        control=HOSTILE[1],
        questions=HOSTILE,
        unreadable=[UnreadableImage(path=text, error=text) for text in HOSTILE],
    )


def bare_evaluation() -> Evaluation:
    """A bank and nothing else: no control, no calibration, nothing found in it."""
    full = evaluation(control=None)
    bank = full.candidates[0].model_copy(
        update={
            "calibration": None,
            "confusions": [],
            "uncalibrated": "there are too few images",
        }
    )
    empty = Analysis(bank=bank.name, questions=[], curve=[], misleading=[], drops=[])
    return full.model_copy(update={"candidates": [bank], "analyses": [empty]})


def prediction(path: Path | str | None, labels: Sequence[str]) -> Prediction:
    """The labels from the likeliest on."""
    chances = [0.6213, 0.2104, 0.0911, 0.05, 0.0272]
    scores = [
        Score(label, None, 0.31 - 0.01 * place, chances[place])
        for place, label in enumerate(labels[:5])
    ]
    return Prediction(tuple(scores), None if path is None else str(path))


def explanation(path: str | None, labels: Sequence[str]) -> Explanation:
    """Five prompts for and two against each of the best two."""

    def side(label: str, probability: float) -> ClassExplanation:
        said = f"{label}, a small animal with large toe pads and a long, thin, striped tail."
        texts = [PromptScore(said, "What?", 0.3456 - 0.01 * place) for place in range(5)]
        return ClassExplanation(label, None, 0.2987, probability, tuple(texts), tuple(texts[:2]))

    return Explanation(path, side(labels[0], 0.6), side(labels[1], 0.2))


def explained(path: Path | str | None, labels: Sequence[str]) -> Prediction:
    """With the prompts of both."""
    known = prediction(path, labels)
    return replace(known, explanation=explanation(known.path, labels))


def example(path: Path | str, truth: str, labels: Sequence[str]) -> Example:
    return Example(explained(path, labels), truth)
