"""How commands show photos of an index: a table, files, paths alone, a contact sheet."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cupl.cli.classify_checks import check_page
from cupl.cli.index import existing_index
from cupl.cli.output import count, progress, say, say_warning
from cupl.embedding.image_kinds import IMAGE_ENDINGS
from cupl.errors import InputError
from cupl.io.outputs import check_outside, check_target

if TYPE_CHECKING:
    from cupl.cli.encoder_choice import EncoderChoice
    from cupl.index.found_files import FoundList
    from cupl.index.photo_index import PhotoIndex
    from cupl.index.store import PhotoStore

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
        elif output.suffix.lower() in IMAGE_ENDINGS:
            raise typer.BadParameter(f"-o writes a list: name it .csv or so, not {output}")
        if output is not None and output == self.sheet:
            raise typer.BadParameter(f"{output} cannot be the list and the page")
        check_page("--sheet", self.sheet)
        for path in self._targets:
            check_outside(path, index)
            check_target(path, *inputs, *(one for one in self._targets if one != path))

    def check_photos(self, store: PhotoStore) -> None:
        """Refuse to write over a photo of the index, whatever its name."""
        from cupl.index.lookup import rows_by_id
        from cupl.index.rows import ID, path_id

        names = {
            path_id(one): target
            for target in self._targets
            for one in (os.path.abspath(target), os.path.realpath(target))  # noqa: PTH100
        }
        for table in rows_by_id(store, [ID], list(names)):
            for key in table.column(ID).to_pylist():
                raise InputError(f"cannot write {names[key]}: it is a photo of the index")

    @property
    def _targets(self) -> list[Path]:
        return [path for path in (self.output, self.sheet) if path is not None]

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


def opened_index(index: str, choice: EncoderChoice, shown: FoundOutput) -> PhotoIndex:
    """An index that is there, with an encoder where one is chosen; else it loads its own.

    What is to be shown must not be written over one of its photos.
    """
    from cupl.encoders.loading import load_encoder, load_recorded_encoder
    from cupl.index.photo_index import PhotoIndex

    opened = existing_index(index)
    shown.check_photos(opened.store)
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
