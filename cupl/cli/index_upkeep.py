"""``cupl index remove``, ``compact`` and ``info``: what needs no photo and no encoder."""

import dataclasses
import json
from typing import Annotated

import typer

from cupl.cli.index import IndexOption, existing_index
from cupl.cli.output import bytes_in_words, count, say
from cupl.index.cluster import shown_place
from cupl.io.tables import Column, draw_table
from cupl.io.terminal import terminal_width


def index_remove_command(
    index: IndexOption,
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Photos, and folders with all in them; they need not be there."),
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="Photos for which it holds, as in \"date < '2010'\".")
    ] = None,
) -> None:
    """Take photos out of an index; their files are left alone."""
    opened = existing_index(index)
    removed = opened.remove(paths or None, where=where)
    said = f"{count(removed, 'photo')} removed, {len(opened):,} left; no file was touched"
    say(f"{shown_place(index)}: {said}")


def index_compact_command(index: IndexOption) -> None:
    """Make an index smaller and quicker: after much was added, and before a first search."""
    opened = existing_index(index)
    before = opened.store.info().bytes
    opened.compact()
    after = opened.store.info().bytes
    sizes = "" if before is None or after is None else (
        f", {bytes_in_words(before)} before and {bytes_in_words(after)} now"
    )  # fmt: skip
    say(f"{shown_place(index)}: {count(len(opened), 'photo')}{sizes}")


def index_info_command(
    index: IndexOption,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    recall: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="QUERIES",
            help="Search for so many of its photos exactly and as usual, and say how many of the "
            "10 closest the usual search finds.",
        ),
    ] = None,
) -> None:
    """What an index holds."""
    from cupl.index.recall import index_recall

    opened = existing_index(index)
    info = opened.info()
    measured = None if recall is None else index_recall(opened.store, recall)
    if as_json:
        found = {} if measured is None else {"recall": dataclasses.asdict(measured)}
        typer.echo(json.dumps(dataclasses.asdict(info) | found, ensure_ascii=False))
        return
    revision = f", revision {info.revision}" if info.revision else ""
    rows = [
        ("photos", f"{info.photos:,}"),
        ("size on disk", "unknown" if info.bytes is None else bytes_in_words(info.bytes)),
        ("encoder", f"{info.encoder}{revision}, fingerprint {info.fingerprint[:12]}"),
        ("vectors", f"{info.dim} numbers of {info.numbers}"),
        *([("unusable vectors", count(info.unusable, "photo"))] if info.unusable else []),
        ("dates", f"{info.dated:,} photos, {info.first} to {info.last}" if info.dated else "none"),
        ("places", f"{info.located:,} photos"),
        ("labels", f"{info.labelled:,} photos"),
        ("tags", f"{info.tagged:,} photos"),
        ("searches", _searches(info.ann, info.unindexed)),
        ("format", info.format),
    ]
    if measured is not None:
        rows.insert(-1, ("recall@10", f"{measured.recall:.4f}, of {measured.queries} searches"))
    columns = [Column("", "whole"), Column("", "text")]
    typer.echo(draw_table(columns, rows, terminal_width()), nl=False)


def _searches(ann: str | None, unindexed: int) -> str:
    if ann is None:
        return "look at every vector"
    return f"approximate ({ann})" + (f", {unindexed:,} photos not in it yet" if unindexed else "")
