"""What ``cupl classify`` refuses before its work: options that do not go together, bad targets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cupl.io.atomic import name_beside
from cupl.io.outputs import check_outside, check_target
from cupl.io.targets import is_stream

if TYPE_CHECKING:
    from cupl.embedding.stored_vectors import Embeddings


def check_together(
    class_thresholds: Path | None, multi_label: bool, adapt: bool, resume: bool
) -> None:
    """Accept options that go together."""
    if class_thresholds is not None and not multi_label:
        raise typer.BadParameter("--class-thresholds go with --multi-label")
    if adapt and resume:
        raise typer.BadParameter(
            "--adapt looks at all images before the first label, so that there is nothing to go on "
            "with: for a run that can, use cupl embed, then cupl adapt"
        )


def check_cluster(engine: str, adapt: bool, stored: Embeddings | None) -> None:
    """Accept a cluster where images are encoded once, one after the other."""
    if engine != "local" and stored is not None:
        raise typer.BadParameter(
            f"the images of {stored.directory} are encoded: leave out --engine ray"
        )
    if engine != "local" and adapt:
        raise typer.BadParameter(
            "--adapt looks at all images before the first label: use cupl embed --engine ray, then "
            "cupl adapt"
        )


def check_explained(explain: bool, format: str, report: Path | None) -> None:
    """Accept explanations where there is a place for them."""
    if explain and format not in ("table", "jsonl") and report is None:
        raise typer.BadParameter(
            f"--explain has no place in {format}: use --format jsonl or table, or add --report"
        )


def check_targets(
    targets: tuple[Path | None, Path | None, Path | None],
    inputs: list[str | Path | None],
    images: Sequence[str],
    stored: Embeddings | None,
    *,
    resume: bool,
) -> None:
    """Refuse what cannot be written, or would be lost, before the work.

    Args:
        targets: the predictions, the page, and class vectors.
        inputs: what is read beside the images.
        images: the files that are classified.
        stored: or the vectors of them.
        resume: whether a stopped run is gone on with.

    """
    from cupl.classification.part_files import check_unfinished

    check_written(targets, inputs, images, stored)
    output, page, _ = targets
    check_page("--report", page)
    if output is not None and not resume and not is_stream(output):
        number = len(images) if stored is None else len(stored)
        check_unfinished(name_beside(output, ".part"), number)


def check_written(
    targets: Sequence[Path | None],
    inputs: Sequence[str | Path | None],
    images: Sequence[str],
    stored: Embeddings | None,
) -> None:
    """Refuse results that cannot be written, or that would take the place of something read.

    Args:
        targets: no two of them may be the same.
        inputs: what is read beside the images.
        images: the files.
        stored: or the vectors of them.

    """
    written = [target for target in targets if target is not None]
    for number, target in enumerate(written):
        if stored is not None:
            check_outside(target, stored.directory)
        there = images if os.path.lexists(target) else ()  # else it can be none of them
        names = map(os.path.realpath, written[:number])
        if os.path.realpath(target) in names and not is_stream(target):
            raise typer.BadParameter(f"two results would be {target}: name another file for one")
        check_target(target, *inputs, *there, *written[:number])


def check_page(option: str, page: Path | None) -> None:
    """Accept the name of a page."""
    if page is not None and page.suffix.lower() not in (".html", ".htm") and not is_stream(page):
        raise typer.BadParameter(f"{option} writes a page: name it .html, not {page}")
