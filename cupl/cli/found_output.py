"""How commands show photos of an index: a table, files, paths alone, a contact sheet."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cupl.cli.index import existing_index
from cupl.cli.output import count, progress, say, say_warning
from cupl.io.outputs import check_outside, check_target

if TYPE_CHECKING:
    from cupl.cli.class_sources import EncoderChoice
    from cupl.index.found_files import FoundList
    from cupl.index.photo_index import PhotoIndex

_FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
FormatOption = Annotated[
    Literal["table", "csv", "jsonl", "parquet"] | None,
    typer.Option(help="How to write it. [default: by the name of -o, else table]"),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="File to write: .csv, .jsonl, .parquet. [default: print]"),
]
SheetOption = Annotated[
    Path | None, typer.Option(help="Page to write (.html), with the photos; at most 5,000.")
]
OpenOption = Annotated[
    bool, typer.Option("--open", help="Open that page in the browser; without --sheet a new one.")
]
PathsOption = Annotated[bool, typer.Option("--paths", help="Print the paths alone, one a line.")]
NullOption = Annotated[
    bool, typer.Option("-0", "--null", help="The same, each with a NUL behind it, for xargs -0.")
]


@dataclass(frozen=True)
class FoundOutput:
    """Where photos are to be shown, as the options say it."""

    format: str | None
    output: Path | None
    sheet: Path | None
    open: bool
    paths: bool
    null: bool

    def check(self, index: str, *inputs: str | Path | None) -> None:
        """Refuse what cannot be written, before the work."""
        output = self.output
        if (self.paths or self.null) and output is None and self.format is not None:
            raise typer.BadParameter("--paths prints the paths alone: leave --format out")
        if output is None:
            if self.format == "parquet":
                raise typer.BadParameter("parquet is not for printing; name a file with -o")
        elif self._format not in _FORMATS.values():
            raise typer.BadParameter(
                f"{output} does not say what to write: add --format csv, jsonl or parquet"
            )
        for path in (output, self.sheet):
            if path is not None:
                check_outside(path, index)
                check_target(path, *inputs, *(one for one in (output, self.sheet) if one != path))
        if output is not None and output == self.sheet:
            raise typer.BadParameter(f"{output} cannot be the list and the page")

    @property
    def _format(self) -> str:
        ending = self.output.suffix.lower() if self.output else ""
        return self.format or _FORMATS.get(ending, "table")

    def show(
        self, found: FoundList, facts: Sequence[tuple[str, str]], piped: FoundList | None = None
    ) -> None:
        """Show photos.

        Args:
            found: the photos.
            facts: what the page begins with.
            piped: those whose paths are printed, where they are not all.

        """
        from cupl.index.found_files import write_found, write_paths

        if self.output is not None:
            write_found(found, self._format, self.output)
            say(f"wrote {self.output}: {count(len(found.rows), 'photo')}")
        if self.paths or self.null:
            photos = [one for _, one in (piped or found).rows]
            write_paths(photos, null=self.null)
            if not self.null and (broken := sum("\n" in one.path for one in photos)):
                say_warning(f"{count(broken, 'path')} with a line break inside: print them with -0")
        elif self.output is None and (found.rows or self._format != "table"):
            write_found(found, self._format, None)
        self._show_page(found, facts)

    def _show_page(self, found: FoundList, facts: Sequence[tuple[str, str]]) -> None:
        if self.sheet is None and not self.open:
            return
        from cupl.index.found_page import found_page

        page = found_page(found, facts)
        path = self.sheet or Path(tempfile.mkdtemp(prefix="cupl-")) / "photos.html"
        with progress("photos of the page") as update:
            page.save(path, progress=update)
        some = f"the first {len(page):,} of " if len(page) < len(found.rows) else ""
        say(f"wrote {path}: {some}{count(len(found.rows), 'photo')}")
        if self.open and not webbrowser.open(path.resolve().as_uri()):
            say_warning(f"no browser could be opened: open {path} in one")


def opened_index(index: str, choice: EncoderChoice) -> PhotoIndex:
    """An index that is there, with an encoder where one is chosen; else it loads its own."""
    from cupl.encoders.loading import load_encoder, load_recorded_encoder
    from cupl.index.photo_index import PhotoIndex

    opened = existing_index(index)
    how = (choice.device, choice.precision, choice.batch_size)
    if choice.name is None and choice.revision is None:
        if how == ("auto", "auto", "auto"):
            return opened
        made_by = opened.store.metadata.provenance
        loaded = load_recorded_encoder(made_by.encoder, made_by.revision, *how)
    else:
        name = choice.name or opened.store.metadata.provenance.encoder
        loaded = load_encoder(
            name, *how, revision=choice.revision, download=choice.name is not None
        )
    return PhotoIndex(opened.store, loaded)
