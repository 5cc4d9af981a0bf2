"""``cupl duplicates``: photos that are in an index more than once."""

from typing import Annotated

import typer

from cupl.cli import found_output
from cupl.cli.class_sources import EncoderChoice
from cupl.cli.found_output import FoundOutput, opened_index
from cupl.cli.index import IndexOption
from cupl.cli.output import count, progress, say, say_unreadable
from cupl.cli.search import WhereOption

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
    """Find photos that are in an index more than once: the same file, or nearly the same picture.

    Nothing is deleted. In each group the photo with the most pixels, of these the largest and then
    the oldest file, is marked to keep; --paths prints the others.
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
    same = sum(bool(row[0][2]) for row in others.rows)
    say(
        f"{count(len(found.groups), 'group')} of duplicates: {count(len(others.rows), 'photo')} "
        f"beside those to keep, {same:,} of them the same file; nothing was deleted"
    )
    if found.unread:
        rest = "  ... and {} more; only copies of the same file are known of them"
        say_unreadable(len(found.unread), len(opened), found.unread[:_SHOWN], rest)
        raise typer.Exit(3)
