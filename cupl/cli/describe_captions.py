"""Captions of ``cupl describe`` into XMP sidecars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cupl.cli.output import count, progress, quoted, say, say_next
from cupl.cli.tagging import say_left_as_they_are, say_outside

if TYPE_CHECKING:
    from cupl.description.captions import Caption

_SHOWN = 3


def caption_sidecars(
    captions: Iterable[Caption], named: Sequence[str], again: Sequence[str]
) -> bool:
    """Write captions beside their photos, and say how to take them away.

    Args:
        captions: of photos.
        named: files, folders and patterns that the photos were found by.
        again: what to name to find them again.

    Returns:
        Whether one could not be written.

    """
    from cupl.index.descriptions import write_descriptions
    from cupl.index.reached import reached_by_links

    told = {one.path: one.text for one in captions if one.path is not None and one.text}
    outside = reached_by_links(told, named)
    say_outside(outside)
    told = {path: text for path, text in told.items() if path not in outside}
    with progress("captions") as update:
        report = write_descriptions(told, progress=update)
    same = f"; as they were: {report.same:,}" if report.same else ""
    say(f"captions written into sidecars (.xmp) beside {count(report.changed, 'photo')}{same}")
    if report.theirs:
        have = "photo has" if len(report.theirs) == 1 else "photos have"
        say(f"{len(report.theirs):,} {have} a description already, which stays:")
        for path in report.theirs[:_SHOWN]:
            say(f"  {path}")
        if more := len(report.theirs[_SHOWN:]):
            say(f"  and {more:,} more")
    if report.changed:
        say_next(f"cupl tag {quoted(*again)} --untag")
    return say_left_as_they_are(report)
