"""The options of ``cupl describe`` that say what is shown."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cupl.cli.output import none_or

ImagesArgument = Annotated[
    list[str],
    typer.Argument(
        help="A folder whose folders are the classes; for --captions, --write and --groups any "
        "files, folders (recursive) or glob patterns, for --groups also what cupl embed wrote.",
    ),
]
CaptionsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write one caption a photo (.csv or .jsonl) in place of a bank."
    ),
]
WriteOption = Annotated[
    Literal["xmp"] | None,
    typer.Option(
        help="Write the captions as descriptions into XMP sidecars beside the photos, with or "
        "without --captions FILE. Where a person has described a photo, that stays."
    ),
]
GroupsOption = Annotated[
    int | None,
    typer.Option(
        min=2,
        metavar="N",
        help="Photos without labels: put them into N groups that look alike, which the model "
        "names and describes; BANK-groups.csv has the group of each photo.",
    ),
]
ExportOption = Annotated[
    Path | None,
    typer.Option(
        "--export-requests",
        metavar="FILE",
        help="Ask nothing: write the requests, with the photos in them, for cupl batch submit; "
        "more files are NAME-2.jsonl and so on.",
    ),
]
PerClassOption = Annotated[
    int,
    typer.Option(
        min=1,
        max=1000,
        help="Photos of each class, or group, that are sent; the first so many of more are the "
        "same.",
    ),
]
SideOption = Annotated[
    int,
    typer.Option(
        min=32, max=4096, help="Pixels of the longer side of a photo as it is sent, at most."
    ),
]
DetailOption = Annotated[
    Literal["low", "high", "auto"] | None,
    typer.Option(
        help="How closely the server is to look, where its API has such a setting. [default: not "
        "sent]"
    ),
]
PictureQuestionsOption = Annotated[
    str, typer.Option(help="pictures, or a YAML file of questions about a photo of {a}.")
]
SeeingModelOption = Annotated[
    str | None,
    typer.Option(help="A chat model that sees, as the server knows it. [default: gpt-4.1-mini]"),
]
SamplesSeenOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="Answers to each question about each photo. [default: 3; a caption: 1]"
    ),
]
MaxTokensSeenOption = Annotated[
    Any,
    typer.Option(
        parser=none_or(int),
        metavar="<number|none>",
        help="Where an answer is cut off, in tokens (a word is one or two). [default: 100]",
    ),
]
