"""``cupl evaluate`` with several encoders or data sets, and what it shares with one of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cupl.cli.output import progress, say, say_unreadable

if TYPE_CHECKING:
    from cupl.evaluation.candidate_spec import CandidateSpec
    from cupl.evaluation.schema import Evaluation

_SHOWN = 10


def show_grid(
    data: Sequence[Path],
    bank: Sequence[Path],
    candidates: Sequence[CandidateSpec],
    encoders: Sequence[str],
    *,
    classes: Sequence[str] | None,
    skip: bool,
    output: Path | None,
    **settings: Any,
) -> None:
    """Judge, print the table and say what was written; the arguments are those of the library."""
    from cupl.bank.class_lists import select_classes
    from cupl.report.grid_run import evaluate_grid

    @contextmanager
    def shown(encoder: str, name: str, images: int) -> Iterator[Callable[[int, int], None]]:
        say(f"{encoder} on {name}")
        with progress_of_both(images) as update:
            yield update

    chosen = (lambda whole: select_classes(whole, classes)) if classes else None
    grid = evaluate_grid(
        data, bank, candidates=candidates, encoders=encoders, output=output, shown=shown, told=say,
        classes=chosen, skip_unmatched=skip, **settings,
    )  # fmt: skip
    typer.echo(str(grid), nl=False)
    if output is not None:
        say(f"wrote {output}: open {output / 'report.html'}")
    # Each data set is there with each encoder, and has the same unreadable images.
    say_left_out({cell.data: cell.evaluation for cell in grid.cells}, output)


def say_left_out(found: Mapping[str, Evaluation], output: Path | None) -> None:
    """Say which images of the data sets could not be read; then the exit code is 3."""
    bad = [(one.path, one.error) for evaluation in found.values() for one in evaluation.unreadable]
    if bad:
        total = sum(one.images for one in found.values()) + len(bad)
        rest = "  and {} more" + ("; evaluation.json says why" if output else "")
        say_unreadable(len(bad), total, bad[:_SHOWN], rest)
        raise typer.Exit(3)


@contextmanager
def progress_of_both(images: int) -> Iterator[Callable[[int, int], None]]:
    """One after the other a bar of the images and one of the prompts, which come after them."""
    with ExitStack() as shown:
        label, bar = "", None

        def update(done: int, total: int) -> None:
            nonlocal label, bar
            kind = "images" if done <= images else "prompts"
            if bar is None or kind != label:
                shown.close()
                label, bar = kind, shown.enter_context(progress(kind))
            before = 0 if kind == "images" else images
            bar(done - before, images if kind == "images" else total - before)

        yield update
