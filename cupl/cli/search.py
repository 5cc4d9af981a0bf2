"""``cupl search``: photos of an index by words, by photos and by classes."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from cupl.cli import encoder_options, found_output, generate_options
from cupl.cli.class_sources import BankOption, ClassListOption, ClassSource, VectorsOption
from cupl.cli.encoder_choice import EncoderChoice
from cupl.cli.found_output import FoundOutput, opened_index
from cupl.cli.index import IndexOption
from cupl.cli.output import say, say_warning
from cupl.embedding.image_kinds import IMAGE_ENDINGS
from cupl.io.terminal import printable

if TYPE_CHECKING:
    from cupl.index.found_files import FoundList
    from cupl.index.photo_index import PhotoIndex
    from cupl.index.query import QueryTerm

WhereOption = Annotated[
    str | None,
    typer.Option(help="Only photos for which it holds: \"date > '2024'\", \"has(tags, 'cat')\"."),
]
MinScoreOption = Annotated[
    float | None, typer.Option(help="Only photos with at least this cosine.")
]
ExactOption = Annotated[
    bool,
    typer.Option("--exact", help="Look at all vectors, also where there is an approximate index."),
]
TopOption = Annotated[int, typer.Option("-k", "--top-k", min=1, help="Photos to show.")]


class QueryCommand(TyperCommand):
    """A command whose texts may begin with a sign and a space, which no option does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The words, of which those are no options for click that begin with a space."""
        return super().parse_args(ctx, [f" {one}" if one.startswith("- ") else one for one in args])


def search_command(
    index: IndexOption,
    query: Annotated[
        list[str] | None,
        typer.Argument(
            help='What is to be seen; of several the mean. Also terms: "2:retriever + ./pool.jpg '
            '- fruit".'
        ),
    ] = None,
    image: Annotated[
        list[str] | None, typer.Option("--image", help="More like this photo; repeat for more.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--not", metavar="TEXT", help="What is not to be seen; repeat for more."),
    ] = None,
    name: generate_options.NamesOption = None,
    classes: ClassListOption = None,
    bank: BankOption = None,
    vectors: VectorsOption = None,
    top_k: TopOption = 20,
    where: WhereOption = None,
    min_score: MinScoreOption = None,
    exact: ExactOption = False,
    format: found_output.FormatOption = None,
    output: found_output.OutputOption = None,
    sheet: found_output.SheetOption = None,
    open_sheet: found_output.OpenOption = False,
    paths: found_output.PathsOption = False,
    null: found_output.NullOption = False,
    pooling: encoder_options.PoolingOption = None,
    templates: encoder_options.TemplatesOption = None,
    encoder: encoder_options.UsualEncoderOption = None,
    text_encoder: encoder_options.TextEncoderOption = None,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
    text_cache: encoder_options.TextCacheOption = None,
) -> None:
    """Find photos in an index: by words, by photos, or the best ones of every class.

    Terms are joined by " + " and " - " and may have a weight, as in "2:retriever". A term that
    begins with ./ or / or is an image file is a photo, any other a text; a text in double quotes
    is taken as it is. What begins with a minus and no space comes behind --, or after --not.
    """
    encoder = encoder_options.joined_encoder(encoder, text_encoder, [index])
    source = ClassSource(bank, vectors, name, classes, templates, text_cache, pooling)
    by_class = source.by_names or bank is not None or vectors is not None
    terms = _terms(query or [], image or [], without or [])
    if by_class:
        source.check(explain=False)
    if by_class == bool(terms):
        raise typer.BadParameter(
            "say what to look for: a text, --image FILE, or classes (--bank, --vectors, -c NAME)"
            + (", not both" if terms else "")
        )
    shown = FoundOutput(format, output, sheet, open_sheet, paths, null)
    photos = [str(term.image) for term in terms if term.image is not None]
    shown.check(index, *source.files, *encoder_options.files_of(encoder), *photos)
    choice = EncoderChoice(encoder, revision, device, precision, batch_size)
    opened = opened_index(index, choice, shown)
    if by_class:
        found = _of_classes(opened, source, top_k, where, min_score, exact)
        facts = [("Best photos of", str(bank or vectors or classes or ", ".join(name or [])))]
    else:
        found = _of_terms(opened, terms, top_k, where, min_score, exact)
        said = [*(query or []), *(image or []), *(f"- {text}" for text in without or [])]
        facts = [("Query", " + ".join(said).replace("+ - ", "- "))]
    facts += [("Where", where)] if where else []
    shown.show(found, [*facts, ("Index", index)])
    if not found.rows:
        say("no photo was found")


def _terms(query: list[str], image: list[str], without: list[str]) -> "list[QueryTerm]":
    from cupl.index.query import QueryTerm, parse_query, text_terms

    terms = [term for text in query for term in parse_query(text)]
    for text in [term.text for term in terms if term.text is not None]:
        if _looks_like_a_path(text):
            say_warning(f"there is no file {printable(text)}: searched for as a text")
    terms += [QueryTerm(image=one) for one in image]
    return [*terms, *text_terms(without, weight=-1)]


def _looks_like_a_path(text: str) -> bool:
    folder = text.rpartition("/")[0]
    return text.lower().endswith(IMAGE_ENDINGS) or (bool(folder) and os.path.isdir(folder))  # noqa: PTH112 (a text of any length)


def _of_terms(
    opened: "PhotoIndex",
    terms: "list[QueryTerm]",
    k: int,
    where: str | None,
    min_score: float | None,
    exact: bool,
) -> "FoundList":
    from cupl.index.found_files import FoundList

    found = opened.search(query=terms, k=k, where=where, min_score=min_score, exact=exact)
    return FoundList([((), photo) for photo in found])


def _of_classes(
    opened: "PhotoIndex",
    source: ClassSource,
    k: int,
    where: str | None,
    min_score: float | None,
    exact: bool,
) -> "FoundList":
    from cupl.index.found_files import FoundList

    made = source.made_with(lambda: opened.encoder)
    found = opened.search_classes(made, k, where=where, min_score=min_score, exact=exact)
    rows = [((of.label.name, of.label.id), photo) for of in found for photo in of.photos]
    return FoundList(rows, ("class", "id"))
