"""The points of a reliability diagram: bins with enough images in each."""

from __future__ import annotations

from collections.abc import Sequence

from cupl.evaluation.schema import CalibrationBin, CandidateResult, Evaluation

MOST_PANELS = 6
"""Candidates in the figure."""
FEWEST_IN_BIN = 20
"""Images behind a point; of fewer the share that is right would say little."""


def calibrated_candidates(evaluation: Evaluation) -> list[CandidateResult]:
    """Those in the figure: the banks and the first control, where they have a temperature."""
    return [
        one
        for one in evaluation.candidates
        if one.calibration and (one.kind == "bank" or one.name == evaluation.reference)
    ][:MOST_PANELS]


def merged_bins(bins: Sequence[CalibrationBin]) -> list[CalibrationBin]:
    """Bins of at least ``FEWEST_IN_BIN`` images: one with fewer is merged with that above it.

    What is left at the upper end joins the last bin. Of few images in all there is one bin.
    """
    merged: list[CalibrationBin] = []
    open_bins: list[CalibrationBin] = []
    for one in bins:
        open_bins += [one] if one.images else []
        if sum(part.images for part in open_bins) >= FEWEST_IN_BIN:
            merged.append(_together(open_bins))
            open_bins = []
    if open_bins:
        merged = [*merged[:-1], _together([*merged[-1:], *open_bins])]
    return merged


def _together(bins: Sequence[CalibrationBin]) -> CalibrationBin:
    images = sum(one.images for one in bins)
    return CalibrationBin(
        low=bins[0].low,
        high=bins[-1].high,
        images=images,
        confidence=sum(one.confidence * one.images for one in bins) / images,
        accuracy=sum(one.accuracy * one.images for one in bins) / images,
    )
