"""``cupl duplicates``: photos that are in an index more than once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cupl.cli import found_output
from cupl.cli.encoder_choice import EncoderChoice
from cupl.cli.found_output import FoundOutput, opened_index
from cupl.cli.index import IndexOption
from cupl.cli.output import count, progress, quoted, say, say_next, say_unreadable
from cupl.cli.search import WhereOption
from cupl.index.cluster import shown_place

if TYPE_CHECKING:
    from cupl.index.duplicates import Duplicates

_SHOWN = 5


def duplicates_command(
    index: IndexOption,
    min_cosine: Annotated[
        float, typer.Option(min=0.01, max=1, help="Cosine of near-duplicates, at least.")
    ] = 0.85,
    max_distance: Annotated[
        int,
        typer.Option(
            min=0,
            max=64,
            help="Bits of 64 in which their perceptual hashes differ, at most; with 64 no photo is "
            "opened, and the cosine alone decides.",
        ),
    ] = 10,
    where: WhereOption = None,
    format: found_output.FormatOption = None,
    output: found_output.OutputOption = None,
    sheet: found_output.SheetOption = None,
    open_sheet: found_output.OpenOption = False,
    paths: found_output.PathsOption = False,
    null: found_output.NullOption = False,
) -> None:
    """Find photos that are in an index more than once: copies, or nearly the same picture.

    Nothing is deleted. In each group the photo with the most pixels, of these the largest and then
    the oldest file, is marked to keep; --paths prints the others. Photos whose files are gone or
    have changed are left out, and so are further names of one file, as links are.
    """
    from cupl.index.found_files import FoundList

    shown = FoundOutput(format, output, sheet, open_sheet, paths, null)
    shown.check(index)
    opened = opened_index(index, EncoderChoice(None, None, "auto", "auto", "auto"), shown)
    with progress("photos compared") as update:
        found = opened.duplicates(
            min_cosine=min_cosine, max_distance=max_distance, where=where, progress=update
        )
    rows = [
        ((number, place == 0, exact), photo)
        for number, group in enumerate(found.groups, 1)
        for place, (photo, exact) in enumerate(zip(group.photos, group.exact, strict=True))
    ]
    columns = ("group", "keep", "exact")
    others = FoundList([row for row in rows if not row[0][1]], columns)
    facts = [("Where", where)] if where else []
    shown.show(FoundList(rows, columns), [*facts, ("Index", index)], piped=others)
    say(_in_words(found))
    _say_left_out(found, index)
    if found.unread:
        rest = "  ... and {} more; only copies of the same file are known of them"
        say_unreadable(len(found.unread), len(opened), found.unread[:_SHOWN], rest)
    if found.unread or found.gone or found.changed or found.unusable:
        raise typer.Exit(3)


def _in_words(found: Duplicates) -> str:
    groups = count(len(found.groups), "group")
    others = sum(len(group.photos) - 1 for group in found.groups)
    same = sum(sum(group.exact[1:]) for group in found.groups)
    if not others:
        return f"{groups} of duplicates"
    return (
        f"{groups} of duplicates: one photo to keep in each, and {count(others, 'other')}: "
        f"{same:,} with the content of a photo above in the group, {others - same:,} nearly the "
        "same; nothing was deleted"
    )


def _say_left_out(found: Duplicates, index: str) -> None:
    for number, why in (
        (found.links, "further names of files that are in the index, as links are"),
        (found.gone, "not there any more"),
        (found.changed, "changed since they were put into the index"),
        (found.unusable, "damaged in the index (their vectors)"),
    ):
        if number:
            say(f"{count(number, 'photo')} left out: {why}")
    if found.gone or found.changed or found.unusable:
        say_next(f"cupl index update --index {quoted(shown_place(index))}")
