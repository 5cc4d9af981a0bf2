"""``cupl similar``: photos of an index like some examples, and unlike others."""

from typing import Annotated

import typer

from cupl.cli import encoder_options, found_output
from cupl.cli.encoder_choice import EncoderChoice
from cupl.cli.found_output import FoundOutput, opened_index
from cupl.cli.index import IndexOption
from cupl.cli.output import say
from cupl.cli.search import ExactOption, MinScoreOption, TopOption, WhereOption


def similar_command(
    index: IndexOption,
    to: Annotated[
        list[str],
        typer.Option("--to", help="Photo, folder or pattern of what is liked; repeat for more."),
    ],
    away_from: Annotated[
        list[str] | None,
        typer.Option("--away-from", help="The same of what is not; repeat for more."),
    ] = None,
    away: Annotated[
        float, typer.Option(min=0, max=1, help="How much the mean of --away-from counts.")
    ] = 0.25,
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
    encoder: encoder_options.UsualEncoderOption = None,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    batch_size: encoder_options.BatchSizeOption = "auto",
    embedding_cache: encoder_options.TextCacheOption = None,
) -> None:
    """Find photos like some examples, and unlike others.

    Searches with the mean of the examples, less a part of the mean of the others. The examples are
    left out of what is found. One that is in the index is not read, and may be gone from the disk.
    """
    from cupl.embedding.image_cache import beside_texts
    from cupl.index.found_files import FoundList

    shown = FoundOutput(format, output, sheet, open_sheet, paths, null)
    shown.check(index, *encoder_options.files_of(encoder), *to, *(away_from or []))
    choice = EncoderChoice(encoder, revision, device, precision, batch_size)
    opened = opened_index(index, choice, shown)
    found = opened.similar(
        to, away_from or [], k=top_k, away=away, where=where, min_score=min_score, exact=exact,
        image_cache=beside_texts(embedding_cache),
    )  # fmt: skip
    facts = [("Like", ", ".join(to))]
    facts += [("Unlike", ", ".join(away_from))] if away_from else []
    facts += [("Where", where)] if where else []
    shown.show(FoundList([((), one) for one in found]), [*facts, ("Index", index)])
    if not len(found):
        say("no photo was found")
