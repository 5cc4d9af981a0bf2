"""``cupl search``: photos of an index by words."""

from typing import Annotated

import typer

from cupl.cli.index import IndexOption
from cupl.io.tables import Column, draw_table
from cupl.io.terminal import terminal_width


def search_command(
    text: Annotated[str, typer.Argument(help="What is to be seen.")],
    index: IndexOption,
    top_k: Annotated[int, typer.Option("-k", "--top-k", min=1, help="Photos to show.")] = 20,
    where: Annotated[
        str | None, typer.Option(help="Only photos for which it holds, as in \"date > '2024'\".")
    ] = None,
) -> None:
    """Find photos in an index."""
    from cupl.index.photo_index import PhotoIndex

    found = PhotoIndex.open(index).search(text, k=top_k, where=where)
    columns = [Column("score", "number"), Column("photo", "path")]
    rows = [(f"{one.score:.3f}", one.path) for one in found]
    typer.echo(draw_table(columns, rows, terminal_width()), nl=False)
